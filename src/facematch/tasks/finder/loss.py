"""What the finder's cells should say, and how far they are from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, generalized_box_iou_loss

from facematch.networks.finder import STRIDES
from facematch.tasks.finder.scenes import Scene

# The sides of faces, in pixels, that each stride's cells learn; between two strides both do.
_RANGES = ((0.0, 56.0), (36.0, 128.0), (88.0, float("inf")))
_CENTRE = 0.15  # of a face's side: cells so near to its centre learn it, and those less than a stride away
_BOX, _POINTS = 2.0, 30.0  # weights beside the score's loss
_NEAR = 0.01  # of a face's side: up to here an error of points counts by its square


@dataclass(frozen=True)
class Targets:
    """For each cell of a batch (N×C) the face it learns (−1: none), and whether its score counts."""

    face: Tensor
    counts: Tensor


def cells(side: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return centres (C×2, in pixels) and strides (C) of all cells of an S×S picture, of the finest stride first."""
    centres, strides = [], []
    for stride in STRIDES:
        count = side // stride
        steps = (torch.arange(count, device=device) + 0.5) * stride
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        centres.append(torch.stack([across.flatten(), down.flatten()], 1))
        strides.append(torch.full((count * count,), float(stride), device=device))
    return torch.cat(centres), torch.cat(strides)


def targets_of(scene: Scene, centres: Tensor, strides: Tensor) -> Targets:
    """Return what the cells (C) of one scene learn: its smallest face whose middle they lie in, at their stride's size.

    Cells in a place of which nothing is known, or in the middle of a face that is another stride's, do not count.
    """
    boxes = torch.from_numpy(scene.boxes)
    face = torch.full((len(centres),), -1)
    counts = torch.ones(len(centres), dtype=torch.bool)
    if len(boxes):
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
        middle = ((boxes[:, :2] + boxes[:, 2:]) / 2)[None]
        away = (centres[:, None] - middle).abs().amax(2)  # C×F
        inside = ((centres[:, None] > boxes[None, :, :2]) & (centres[:, None] < boxes[None, :, 2:])).all(2)
        near = inside & (away <= torch.maximum(strides[:, None] * 0.75, _CENTRE * sizes[None]))
        low, high = (torch.tensor([each[end] for each in _RANGES])[_level(strides)] for end in (0, 1))
        own = near & (sizes[None] >= low[:, None]) & (sizes[None] < high[:, None])
        areas = torch.where(own, sizes[None], torch.inf)
        smallest = areas.argmin(1)
        face = torch.where(own.any(1), smallest, face)
        counts &= own.any(1) | ~near.any(1)
    if len(scene.unknown):
        unknown = torch.from_numpy(scene.unknown)
        there = ((centres[:, None] > unknown[None, :, :2]) & (centres[:, None] < unknown[None, :, 2:])).all(2).any(1)
        counts &= ~there | (face >= 0)
    return Targets(face, counts)


def _level(strides: Tensor) -> Tensor:
    return torch.log2(strides / STRIDES[0]).round().long()


def finder_loss(
    maps: Sequence[Tensor], scenes: Sequence[Scene], centres: Tensor, strides: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, a scalar, and its parts.

    Scores by the quality focal loss (Li et al. 2020, equation 6): what is wanted of a face's cell is the overlap of its
    box. Boxes by generalised intersection over union (Rezatofighi et al. 2019). Points by the smooth L1 loss of their
    distance in sides of the face. All are means over the cells that learn a face.
    """
    values = torch.cat([each.float().flatten(2).transpose(1, 2) for each in maps], 1)  # N×C×15
    targets = [targets_of(scene, centres, strides) for scene in scenes]
    face = torch.stack([each.face for each in targets])
    counts = torch.stack([each.counts for each in targets])
    picture, cell = torch.nonzero(face >= 0, as_tuple=True)
    wanted = torch.zeros(values.shape[:2])
    box_loss = point_loss = values.sum() * 0
    number = max(1, len(picture))
    if len(picture):
        rows = face[picture, cell].tolist()
        found = list(zip(picture.tolist(), rows, strict=True))
        boxes = torch.stack([torch.from_numpy(scenes[each].boxes[row]) for each, row in found])
        points = torch.stack([torch.from_numpy(scenes[each].points[row]) for each, row in found])
        said, stride, centre = values[picture, cell], strides[cell][:, None], centres[cell]
        reach = said[:, 1:5].clamp(-8, 8).exp() * stride
        predicted = torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], 1)
        wanted[picture, cell] = box_iou(predicted.detach(), boxes).diagonal().clamp(0.05, 1)
        box_loss = generalized_box_iou_loss(predicted, boxes, reduction="sum") / number
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()[:, None, None]
        marks = said[:, 5:].reshape(-1, 5, 2) * stride[:, :, None] + centre[:, None]
        point_loss = functional.smooth_l1_loss(marks / sizes, points / sizes, beta=_NEAR, reduction="sum") / number / 10
    logits = values[..., 0]
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    score_loss = (each * (wanted - logits.sigmoid()).abs().square() * counts).sum() / number
    total = score_loss + _BOX * box_loss + _POINTS * point_loss
    return total, {"score": score_loss.detach(), "box": box_loss.detach(), "points": point_loss.detach()}
