"""All distances within a batch, with gradients that stay finite where two embeddings are equal."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from facematch.core.errors import FacematchError, nearest_name

Distance = Literal["euclidean", "squared", "cosine"]


def working_dtype(device: torch.device) -> torch.dtype:
    """Return the precision in which distances and losses are summed: float64 where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def require_known(setting: str, name: str, known: Sequence[str]) -> None:
    """Raise FacematchError for a name that is none of those known; `setting` is what it is the value of."""
    if name not in known:
        raise FacematchError(
            f"{setting} {name!r} is not known{nearest_name(name, known)}; known are {', '.join(known)}.",
            f"In a settings file it is loss.{setting}.",
        )


def pairwise_distances(embeddings: Tensor, kind: Distance = "euclidean") -> Tensor:
    """Return the distances (B×B `float32`) between all rows of `embeddings` (B×D, any floating type).

    `euclidean` ‖a−b‖, `squared` ‖a−b‖², `cosine` 1 − a·b/(‖a‖‖b‖), where a zero vector, which has no
    direction, counts as ½ from every other. Symmetric, never negative, zero on the diagonal. The
    gradient between equal embeddings is zero. A NaN in any embedding makes the distances NaN.

    Squares are computed in float64 (float32 on a device without it), whatever autocast says, and rounded
    before the root: their last bits depend on where a row stands in the batch, and after rounding two equal
    pairs of embeddings have equal distances, so ties are ties. First derivatives only. Raises FacematchError
    for another shape, a type that is not floating or an unknown kind.
    """
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise FacematchError(f"embeddings are {tuple(embeddings.shape)} of {embeddings.dtype}; B×D floats are needed.")
    require_known("distance", kind, get_args(Distance))
    with torch.autocast(device_type=embeddings.device.type, enabled=False):
        x = embeddings.to(working_dtype(embeddings.device))  # B×D
        if kind == "cosine":  # ‖u−v‖² = 2 − 2 u·v for unit vectors: one way to compute them all, without cancellation
            squares = x.square().sum(dim=1, keepdim=True)  # B×1
            x = x / squares.masked_fill(squares == 0, 1).sqrt()
        distances: Tensor = _Distances.apply(x, kind == "euclidean")
        return distances / 2 if kind == "cosine" else distances


class _Distances(torch.autograd.Function):
    """Distances between all rows of B×D `x`, or their squares. By hand, the gradient is one product of matrices:

    with w_ij = (g_ij + g_ji) / d_ij, or 2 (g_ij + g_ji) for squares, it is Σ_j w_ij (x_i − x_j) for row i.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, roots: bool) -> Tensor:
        """Return the distances B×B `float32`, squared without `roots`."""
        # Distances do not change when the centre moves to 0, and rounding shrinks from the size of the
        # embeddings to the size of their differences.
        x = x - x.mean(dim=0)
        squared = _squared_distances(x)
        distances = squared.sqrt_() if roots else squared
        ctx.save_for_backward(x, distances)
        ctx.roots = roots
        return distances

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient B×D by `x`, from that by the distances, B×B."""
        x, distances = ctx.saved_tensors
        weights = gradient + gradient.T
        if ctx.roots:  # the slope of a root is infinite at 0, where no gradient passes
            apart = torch.ne(distances, 0, out=torch.empty_like(distances))  # 1 or 0: a mask of floats is quicker
            weights = weights.mul_(apart).div_(distances + (1 - apart))
        else:
            weights = weights.mul_(2)
        weights = weights.to(x.dtype)
        return weights.sum(dim=1, keepdim=True) * x - weights @ x, None


def _squared_distances(x: Tensor) -> Tensor:
    # Of rows whose centre is 0, B×B float32; what may be rounding alone is 0.
    lengths = x.square().sum(dim=1)
    squared = torch.addmm(lengths[:, None] + lengths[None, :], x, x.T, alpha=-2).float()
    squared = torch.minimum(squared, squared.T)  # symmetric to the last bit
    rounding = (4 * torch.finfo(x.dtype).eps * max(1, x.shape[1]) ** 0.5 * lengths).float()
    above = torch.empty_like(squared)  # 1 or 0
    return squared.clamp_(min=0).mul_(torch.gt(squared, rounding[:, None] + rounding[None, :], out=above))
