"""All distances within a batch, with gradients that stay finite where two embeddings are equal."""

from typing import Literal, get_args

import torch
from torch import Tensor

from facematch.errors import FacematchError, nearest_name

Distance = Literal["euclidean", "squared", "cosine"]


def working_dtype(device: torch.device) -> torch.dtype:
    """Return the precision in which distances and losses are summed: float64 where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def pairwise_distances(embeddings: Tensor, kind: Distance = "euclidean") -> Tensor:
    """Return the distances (B×B `float32`) between all rows of `embeddings` (B×D, any floating type).

    `euclidean` ‖a−b‖, `squared` ‖a−b‖², `cosine` 1 − a·b/(‖a‖‖b‖), where a zero vector, which has no
    direction, counts as ½ from every other. Symmetric, never negative, zero on the diagonal. The
    gradient between equal embeddings is zero. A NaN in any embedding makes the distances NaN.

    The Gram matrix is computed in float64 (float32 on a device without it), whatever autocast says, and
    rounded once: its last bits depend on where a row stands in the batch, and after rounding two equal
    pairs of embeddings have equal distances, so ties are ties. Raises FacematchError for another shape,
    a type that is not floating or an unknown kind.
    """
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise FacematchError(f"embeddings are {tuple(embeddings.shape)} of {embeddings.dtype}; B×D floats are needed.")
    if kind not in get_args(Distance):
        known = get_args(Distance)
        raise FacematchError(
            f"distance {kind!r} is not known{nearest_name(kind, known)}; known are {', '.join(known)}.",
            "Set loss.distance.",
        )
    with torch.autocast(device_type=embeddings.device.type, enabled=False):
        x = embeddings.to(working_dtype(embeddings.device))  # B×D
        if kind == "cosine":
            # ‖u−v‖² = 2 − 2 u·v for unit vectors: one way to compute them all, without cancellation.
            return (_squared_distances(_unit_rows(x)) / 2).float()
        squared = _squared_distances(x)
        return (squared if kind == "squared" else _safe_root(squared)).float()


def _squared_distances(x: Tensor) -> Tensor:
    # Distances do not change when the centre moves to 0, and rounding shrinks from the size of the
    # embeddings to the size of their differences. For the same reason no gradient is lost by detach.
    x = x - x.detach().mean(dim=0)
    gram = x @ x.T  # B×B
    lengths = gram.diagonal()
    sums = lengths[:, None] + lengths[None, :]
    squared = sums - (gram + gram.T)  # symmetric and 0 on the diagonal to the last bit
    rounding = 4 * torch.finfo(x.dtype).eps * max(1, x.shape[1]) ** 0.5
    return squared.masked_fill(squared <= rounding * sums, 0)


def _safe_root(squared: Tensor) -> Tensor:
    # The slope of the root is infinite at 0: there the root of 1 is taken, and no gradient passes.
    equal = squared == 0
    return squared.masked_fill(equal, 1).sqrt().masked_fill(equal, 0)


def _unit_rows(x: Tensor) -> Tensor:
    squares = x.square().sum(dim=1, keepdim=True)  # B×1
    return x / squares.masked_fill(squares == 0, 1).sqrt()
