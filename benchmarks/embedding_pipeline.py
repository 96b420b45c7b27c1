"""From photo files to embeddings beside the bound that its parts set.

    python benchmarks/embedding_pipeline.py [FOLDER] [--photos 256] [--backbone resnet50] [--size 112] [--rounds 5]
        [--checkpoint RUN]

The bound is what the parts cost alone: decoding bytes that are in memory and cropping (detector and cutting), each on
one core, and the network in the embedder's batches, its seconds times its threads; the sum divided by the cores. The
run is `PhotoEmbedder.run` with an empty cache, a new one each round: it also reads and hashes the files, keeps crops
and embeddings, and holds both in order. Everything is on the processor. Photos are spread evenly over FOLDER; without
one they are made like the sample's, and without --checkpoint the network has random weights.

First the run's embeddings have to equal, within 1e-5, those of the parts done one after the other. Then parts and run
are timed in turn, and medians are printed.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
from detection import add_photo_options, photo_files
from network_inference import make_checkpoint
from numpy.typing import NDArray

from facematch.core.machine import gains_from_bf16
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.embedders.network import NetworkEmbedder
from facematch.faces.values import Crop, coverage_of
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.photos.photo import Photo, PhotoFile, decode, read_bytes
from facematch.pipeline.build import build_cropper, network_spec, photo_limits
from facematch.pipeline.timing import machine, seconds_of
from facematch.settings.file import load_settings

CLOSE = 1e-5

Bytes = tuple[str, bytes, str]  # name, content, SHA-256


@dataclass(frozen=True)
class Parts:
    """What each part costs alone, in core-seconds for all photos, and the embeddings of those that can be read."""

    decode: float
    crop: float
    network: float
    names: tuple[str, ...]
    vectors: NDArray[np.float32]

    def bound(self, cores: int) -> float:
        """Return the seconds that all parts take when every core is always at work."""
        return (self.decode + self.crop + self.network) / cores


def one_after_the_other(stage: PhotoEmbedder, contents: Sequence[Bytes]) -> Parts:
    """Decode all photos, then crop all, then embed all."""
    began = perf_counter()
    read = [decode(name, data, sha256, stage.limits) for name, data, sha256 in contents]
    photos = [photo for photo in read if isinstance(photo, Photo)]
    decoded = perf_counter()
    crops = [cropped(stage, photo) for photo in photos]
    cut = perf_counter()
    images = [crop.image for crop in crops]
    size = stage.embedder.batch
    vectors = [stage.embedder.embed(np.stack(images[at : at + size])) for at in range(0, len(images), size)]
    network = (perf_counter() - cut) * torch.get_num_threads()
    return Parts(decoded - began, cut - decoded, network, tuple(crop.name for crop in crops), np.concatenate(vectors))


def cropped(stage: PhotoEmbedder, photo: Photo) -> Crop:
    """Return the face of a photo, or the whole photo."""
    found = stage.cropper.crop(photo)
    return found if isinstance(found, Crop) else stage.cropper.stand_in(photo, "whole", found.reason)


def run(stage: PhotoEmbedder, files: Sequence[PhotoFile]) -> tuple[EmbeddedPhotos, float]:
    """Embed the files with an empty cache; the seconds, too."""
    done: list[EmbeddedPhotos] = []
    with tempfile.TemporaryDirectory() as cache:
        fresh = replace(stage, cache=Path(cache))
        took = seconds_of(lambda: done.append(fresh.run(files)))
    return done[0], took


def check(done: EmbeddedPhotos, parts: Parts) -> None:
    """Print how far the run's embeddings are from those of the parts; SystemExit where they are not the same."""
    if done.embeddings.names != parts.names:
        raise SystemExit(f"the run embeds {len(done.embeddings)} photos, its parts {len(parts.names)}, or others")
    difference = float(np.abs(done.embeddings.vectors - parts.vectors).max())
    print(f"{coverage_of(done.records)}; embeddings differ from those of the parts by at most {difference:.1e}")
    if not difference <= CLOSE:
        raise SystemExit(f"the embeddings differ by more than {CLOSE:.0e}")


def show(rounds: Sequence[tuple[Parts, float]], cores: int) -> None:
    """Print what each part, the bound and the run take for a photo, and the bound's share of the run."""
    each = 1000 / len(rounds[0][0].names)

    def median(values: Sequence[float]) -> str:
        return f"{statistics.median(values) * each:.2f} ms"

    print(
        f"a photo, on one core: decoding {median([parts.decode for parts, _ in rounds])}, "
        f"cropping {median([parts.crop for parts, _ in rounds])}, "
        f"network {median([parts.network for parts, _ in rounds])}"
    )
    shares = [parts.bound(cores) / took for parts, took in rounds]
    print(
        f"a photo, on {cores} cores: bound {median([parts.bound(cores) for parts, _ in rounds])}, "
        f"run {median([took for _, took in rounds])}: bound/real {statistics.median(shares):.2f} "
        f"[{min(shares):.2f}–{max(shares):.2f}], medians of {len(rounds)}"
    )


def build_stage(options: argparse.Namespace, scratch: Path) -> PhotoEmbedder:
    """Return the stage by the default settings, with a trained network or one that is written into `scratch`."""
    path = options.checkpoint
    size, backbone = options.size, options.backbone
    if path is not None:
        size = read_checkpoint_header(path).fingerprint.settings.get("faces.size", size)
    settings = load_settings(None, [f"faces.size={size}", f"network.backbone={backbone}"])
    if path is None:
        path = scratch / "best.safetensors"
        make_checkpoint(path, network_spec(settings), size)
    embedder = NetworkEmbedder(read_checkpoint_header(path), "cpu")
    return PhotoEmbedder(
        build_cropper(settings.faces), embedder, "euclidean", "whole", photo_limits(settings.photos), scratch
    )


def main() -> None:
    """Compare and print; SystemExit when embeddings differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser, 256)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=112, help="side of a crop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkpoint", type=Path, metavar="RUN", help="a trained network, for its own size of crops")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "photos").mkdir()
        files = photo_files(options, scratch / "photos")
        stage = build_stage(options, scratch)
        read = [(file.name, read_bytes(file, stage.limits)) for file in files]
        contents = [(name, *found) for name, found in read if isinstance(found, tuple)]
        in_bf16 = "bf16" if gains_from_bf16(torch.device("cpu")) else "fp32"
        print(
            f"{machine()}, {torch.get_num_threads()} threads of the network, {in_bf16}; {len(files)} files, "
            f"crops of {stage.cropper.size} px, batches of {stage.embedder.batch}"
        )
        parts = one_after_the_other(stage, contents)  # loads the network and warms up
        check(run(stage, files)[0], parts)
        rounds = [(one_after_the_other(stage, contents), run(stage, files)[1]) for _ in range(options.rounds)]
    show(rounds, cores)


if __name__ == "__main__":
    main()
