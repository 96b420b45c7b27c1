"""The triplet loss with its mining, forward and backward, beside pytorch-metric-learning on the CPU.

    python benchmarks/triplet_mining.py [--batch 512] [--dimensions 128] [--photos-per-identity 4] [--rounds 5]

Two minings: all valid triplets (`TripletMarginLoss` on its own `get_all_triplets_indices`) and semi-hard ones
(`TripletMarginMiner` before it), both euclidean between vectors of length 1, averaged over the triplets with a loss.
First both sides have to agree for each mining: the same number of triplets in the mean, losses equal within a
hundred-thousandth, gradients within as much of the largest. An embedding is drawn anew while it has a negative
so near a border, of the margin or of a positive, that rounding decides on which side. Then both are timed in turn.
"""

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from side_by_side import in_turn
from torch import Tensor
from torch.nn import functional

from facematch.losses.mining import Mining
from facematch.losses.triplet import triplet_loss
from facematch.pipeline.timing import machine

MARGIN = 0.2
TOLERANCE = 1e-5
BORDER = 5e-7  # float32 distances of unit vectors are right to less
DRAWS = 100
REACH: dict[Mining, float] = {"batch-all": 20, "semi-hard": 10}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one side makes of a batch: how many triplets entered the mean, the loss, its gradient (B×D)."""

    triplets: int
    loss: float
    gradient: Tensor


def drawn(identities: int, photos: int, dimensions: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return embeddings (B×D, of length 1) and labels (B); anchors are drawn anew until none is `on_border`."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(identities).repeat_interleave(photos)
    centres = torch.randn(identities, dimensions, generator=generator)[labels]
    embeddings, anew = torch.empty_like(centres), torch.arange(len(labels))
    for _ in range(DRAWS):
        vectors = centres[anew] + noise * torch.randn(len(anew), dimensions, generator=generator)
        embeddings[anew] = functional.normalize(vectors, dim=1)
        anew = on_border(embeddings, labels)
        if not len(anew):
            return embeddings, labels
    raise SystemExit(f"after {DRAWS} draws rounding still decides on a triplet: choose a smaller --batch")


def on_border(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the anchors with a triplet that rounding might count or not, by distances in float64."""
    double = embeddings.double()
    distances = torch.cdist(double, double)
    same = labels[:, None] == labels[None]
    anchors, positives = torch.where(same & ~torch.eye(len(labels), dtype=torch.bool))
    gaps = distances[anchors] - distances[anchors, positives][:, None]  # (B·(K−1))×B
    near = (gaps.abs() < BORDER) | ((gaps - MARGIN).abs() < BORDER)
    return torch.bincount(anchors[(near & ~same[anchors]).any(dim=1)]).nonzero().squeeze(1)


def ours(mining: Mining, embeddings: Tensor, labels: Tensor) -> Outcome:
    """Do a forward and a backward pass of this package's loss."""
    leaf = embeddings.clone().requires_grad_()
    value = triplet_loss(functional.normalize(leaf, dim=1), labels, mining=mining, margin=MARGIN)
    torch.autograd.backward(value.loss)
    assert leaf.grad is not None
    return Outcome(int(value.triplets), float(value.loss.detach()), leaf.grad)


def peer(mining: Mining, embeddings: Tensor, labels: Tensor, *, counted: bool = False) -> Outcome:
    """Do the same with pytorch-metric-learning; how many triplets entered is told only where `counted`."""
    leaf = embeddings.clone().requires_grad_()
    euclidean = LpDistance(normalize_embeddings=True, p=2)
    loss = TripletMarginLoss(margin=MARGIN, distance=euclidean)  # averages over the triplets with a loss
    triplets = None
    if mining == "semi-hard":
        triplets = TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard", distance=euclidean)(leaf, labels)
    value = loss(leaf, labels, triplets)
    torch.autograd.backward(value)
    assert leaf.grad is not None
    number = 0
    if counted:
        losses = loss.compute_loss(leaf.detach(), labels, triplets, leaf.detach(), labels)["loss"]["losses"]
        number = int((losses > 0).sum())
    return Outcome(number, float(value.detach()), leaf.grad)


def check(mining: Mining, embeddings: Tensor, labels: Tensor) -> None:
    """Leave unless both sides agree on a batch."""
    mine, theirs = ours(mining, embeddings, labels), peer(mining, embeddings, labels, counted=True)
    loss = abs(mine.loss - theirs.loss) / theirs.loss if theirs.loss else float("nan")
    largest = float(theirs.gradient.abs().max())
    gradient = float((mine.gradient - theirs.gradient).abs().max()) / largest if largest else float("nan")
    said = f"{mine.triplets:,} and {theirs.triplets:,} triplets, losses {loss:.1e} and gradients {gradient:.1e} apart"
    # Written so that NaN, of a batch without a loss, disagrees.
    if mine.triplets != theirs.triplets or not loss <= TOLERANCE or not gradient <= TOLERANCE:
        raise SystemExit(f"{mining}: the two disagree: {said}")
    print(f"{mining}: both agree: {said}")


def main() -> int:
    """Check, time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--photos-per-identity", type=int, default=4)
    parser.add_argument("--noise", type=float, default=1.5, help="of a photo, beside 1 for an identity")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photos, (identities, over) = options.photos_per_identity, divmod(options.batch, options.photos_per_identity)
    if over or photos < 2 or identities < 2:
        parser.error("--batch is at least 2 identities of --photos-per-identity (2 or more) each")
    embeddings, labels = drawn(identities, photos, options.dimensions, options.noise)
    valid = options.batch * (photos - 1) * (options.batch - photos)
    print(
        f"{machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, pytorch-metric-learning "
        f"{version('pytorch-metric-learning')}\n{options.batch} embeddings of {options.dimensions} float32 numbers, "
        f"{photos} photos of each of {identities} identities, {valid:,} valid triplets"
    )
    for mining in REACH:
        check(mining, embeddings, labels)
    for mining, reach in REACH.items():
        batch = (mining, embeddings, labels)
        times = in_turn(partial(ours, *batch), partial(peer, *batch), options.rounds)
        print(f"{mining}, forward and backward: {times}; reach: {reach:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
