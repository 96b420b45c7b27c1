"""The network as it is shipped beside the same network as it was trained.

    python benchmarks/network_inference.py [--backbone resnet50] [--size 112] [--batch 64] [--images 256] [--rounds 5]
        [--checkpoint RUN]

Shipped: `load_network` and `run_network`, which fold BatchNorm into the convolutions, lay channels last, and compute
in bf16 where the processor has it in hardware (AMX, AVX512-BF16, Arm's BF16). Plain: the checkpoint's network in
evaluation mode, fp32, channels first. Without bf16 hardware, folding and channels last are all there is to gain.
Both run on the processor.

Without --checkpoint the weights are random, with statistics of BatchNorm from a few batches, and residual branches
as weak as training leaves them (weights of the last BatchNorm `BRANCH`): at full strength each block multiplies
rounding errors. Only ResNets are made so; other backbones need a checkpoint. The crops are real faces in four noisy
copies: a pair of pairs, so that each has exactly one nearest other.

First the embeddings, scaled to length 1, are compared: fp32 may differ from the plain network by 1e-5, bf16 by 2e-2
where it is used, and 99.9 % of the crops have to have the same nearest other crop. What bf16 would change is printed
where it is not used, too. Then both run in turn, and medians are printed; at the end the bound: the images a second
if all multiplications of the network ran as fast as a bare product of two matrices in the precision in use does.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from side_by_side import Times, in_turn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.resnet import BasicBlock, Bottleneck

from facematch.core.fingerprint import Fingerprint
from facematch.core.machine import gains_from_bf16
from facematch.embedders import of_length_1
from facematch.embedders.network import load_network, run_network
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.pipeline.timing import machine, seconds_of
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.tasks.sample.portraits import PEOPLE, load_faces

CPU = torch.device("cpu")
EMBEDDING = 256  # of made networks
BRANCH = 0.2
PAIR, COPY = 15.0, 3.0  # noise in grey levels: of each pair of a face, of each copy of a pair
MOST = {"fp32": 1e-5, "bf16": 2e-2}  # difference of unit vectors from the plain network's
SAME = 0.999  # least share of crops with the same nearest other
SIDE = 2048  # of the matrices whose product is the bound

Crops = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Embed = Callable[[Crops], Vectors]


def face_crops(count: int, size: int, seed: int) -> Crops:
    """Return N×S×S×3 crops of real faces, tinted: four of each face, two close pairs."""
    rng = np.random.default_rng(seed)
    crops = np.empty((-(-count // 4), 2, 2, size, size, 3), dtype=np.uint8)
    for number, four in enumerate(crops):
        face = cv2.resize(load_faces()[number % PEOPLE], (size, size), interpolation=cv2.INTER_CUBIC)
        tinted = face[..., None] * rng.uniform(130, 255, 3)
        pairs = tinted + rng.normal(scale=PAIR, size=(2, 1, size, size, 3))
        four[:] = np.clip(pairs + rng.normal(scale=COPY, size=four.shape), 0, 255)
    return crops.reshape(-1, size, size, 3)[:count]


def make_checkpoint(path: Path, spec: NetworkSpec, size: int) -> None:
    """Write a network of random weights; BatchNorm has the statistics of three batches of crops."""
    torch.manual_seed(0)
    network = EmbeddingNetwork(spec).train()
    for module in network.modules():
        if isinstance(module, Bottleneck):
            torch.nn.init.constant_(module.bn3.weight, BRANCH)
        elif isinstance(module, BasicBlock):
            torch.nn.init.constant_(module.bn2.weight, BRANCH)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        for seed in range(1, 4):
            network(torch.from_numpy(face_crops(16, size, seed)))
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})


def run_plain(network: EmbeddingNetwork, images: Crops) -> Vectors:
    """Return N×D embeddings in fp32, channels first."""
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float()
        embedded: Vectors = network((pixels - network.mean) / network.std).numpy()
    return embedded


def batched(embed: Embed, images: Crops, batch: int) -> Vectors:
    """Return the embeddings, computed in batches."""
    return np.concatenate([embed(images[start : start + batch]) for start in range(0, len(images), batch)])


def nearest_other(vectors: Vectors) -> NDArray[np.int64]:
    """Return the index of the nearest other of each unit vector."""
    exact = vectors.astype(np.float64)
    alike = exact @ exact.T
    np.fill_diagonal(alike, -np.inf)
    return np.asarray(alike.argmax(axis=1), dtype=np.int64)


def compare(precision: str, ours: Vectors, plain: Vectors, *, used: bool) -> None:
    """Print how far the embeddings differ; SystemExit where a precision that is used differs too much."""
    unit, wanted = of_length_1(ours), of_length_1(plain)
    difference = float(np.abs(unit - wanted).max())
    same = float((nearest_other(unit) == nearest_other(wanted)).mean())
    print(
        f"{precision}{'' if used else ', not used here'}: differs from plain by at most {difference:.1e}, "
        f"the same nearest crop for {same:.2%} of {len(plain)}",
        flush=True,
    )
    if used and not difference <= MOST[precision]:
        raise SystemExit(
            f"{precision} embeddings differ by more than {MOST[precision]:.0e}; try a trained --checkpoint"
        )
    if used and same < SAME:
        raise SystemExit(f"fewer than {SAME:.1%} of the crops have the same nearest; try a trained --checkpoint")


def show(what: str, times: Times, images: int) -> None:
    """Print images a second of both, and how many times faster ours is."""
    ours, peer = (images / statistics.median(side) for side in (times.ours, times.peer))
    print(f"{what}: shipped {ours:.1f} images a second, plain {peer:.1f}; {times}", flush=True)


def show_bound(network: EmbeddingNetwork, image: Crops, rounds: int, in_bf16: bool) -> None:
    """Print how many images of this size a second bare products of matrices would allow, in the precision in use."""
    with FlopCounterMode(display=False) as counted:
        run_plain(network, image[:1])
    kind = torch.bfloat16 if in_bf16 else torch.float32
    left, right = torch.rand(2, SIDE, SIDE, dtype=kind)
    speed = 2 * SIDE**3 / statistics.median(seconds_of(lambda: left @ right) for _ in range(rounds + 1))
    print(
        f"bound: {speed / counted.get_total_flops():.0f} images a second, from {counted.get_total_flops() / 1e9:.1f} "
        f"GFLOP an image and {speed / 1e9:.0f} GFLOP/s of a product of {SIDE} × {SIDE} matrices in {kind}"
    )


def time_all(shipped: Embed, plain: Embed, images: Crops, batch: int, rounds: int) -> None:
    """Time both in batches, and the plain one also with one image at a time."""
    times = in_turn(lambda: batched(shipped, images, batch), lambda: batched(plain, images, batch), rounds)
    show(f"both in batches of {batch}", times, len(images))
    few = images[:batch]
    times = in_turn(lambda: batched(shipped, few, batch), lambda: batched(plain, few, 1), rounds)
    show(f"a batch of {len(few)}, plain one at a time", times, len(few))


def main() -> None:
    """Compare and print; SystemExit when embeddings differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=112, help="side of a crop")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkpoint", type=Path, metavar="RUN", help="a trained network, for its own size of crops")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, size = options.checkpoint, options.size
        if path is None:
            path = Path(folder) / "best.safetensors"
            spec = NetworkSpec(options.backbone, EMBEDDING, True, IMAGENET_MEAN, IMAGENET_STD)
            make_checkpoint(path, spec, size)
        header = read_checkpoint_header(path)
        network = load_checkpoint(path)
        ours = {precision: load_network(header, CPU, in_bf16=precision == "bf16") for precision in MOST}
    size = header.fingerprint.settings.get("faces.size", size)
    images = face_crops(options.images, size, seed=0)
    in_bf16 = gains_from_bf16(CPU)
    print(
        f"{machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, "
        f"{'bf16' if in_bf16 else 'no bf16'} in hardware; {header.spec.backbone}, {len(images)} crops of {size} px"
    )
    plain = partial(run_plain, network)
    wanted = batched(plain, images, options.batch)
    shipped = {each: partial(run_network, ours[each], in_bf16=each == "bf16") for each in MOST}
    for precision, embed in shipped.items():
        found = batched(embed, images, options.batch)
        compare(precision, found, wanted, used=in_bf16 or precision == "fp32")
    time_all(shipped["bf16" if in_bf16 else "fp32"], plain, images, options.batch, options.rounds)
    show_bound(network, images, options.rounds, in_bf16)


if __name__ == "__main__":
    main()
