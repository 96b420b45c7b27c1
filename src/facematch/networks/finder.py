"""The finder's network: where faces are in a picture and their five points, without anchors, at three scales.

Separable convolutions and a feature pyramid, as YuNet has them (Wu et al. 2023); about 110,000 weights. What it says of
each cell is decoded by `facematch.faces.finder`.
"""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from facematch.core.files import replacing

STRIDES = (8, 16, 32)  # pixels from one cell to the next
CHANNELS = 15  # of each cell: score, left, top, right, bottom, and five points


class FinderNetwork(nn.Module):
    """From N×3×H×W pictures (RGB from −1 to 1, sides multiples of 32) to a map of cells for each stride.

    Maps are N×15×(H/stride)×(W/stride): the score before the sigmoid; the distances from the cell's centre to the box's
    left, top, right and bottom in strides, as logarithms; and x and y of the five points from there, in strides.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, 16, 2), _Separable(16, 32, 2), _Separable(32, 32))
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Separable(before if first else width, width, 2 if first else 1) for first in (1, 0, 0)))
            for before in (32, width, width)
        )
        self.merge = nn.ModuleList(_Separable(width, width) for _ in STRIDES)
        self.head = nn.ModuleList(nn.Sequential(_Separable(width, width), _last(width)) for _ in STRIDES)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps, of the finest stride first."""
        features, found = self.stem(pictures), []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        maps: list[Tensor] = []
        above: Tensor | None = None
        for level in (2, 1, 0):
            here = found[level]
            if above is not None:
                here = here + functional.interpolate(above, scale_factor=2.0, mode="nearest")
            above = self.merge[level](here)
            maps.insert(0, self.head[level](above))
        return maps


class _Separable(nn.Module):
    # A 1×1 convolution, then a 3×3 one of each channel by itself; what comes in is added where shapes allow.
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.point = nn.Conv2d(before, after, 1, bias=False)
        self.depth = nn.Conv2d(after, after, 3, stride, 1, groups=after, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.residual = stride == 1 and before == after

    def forward(self, features: Tensor) -> Tensor:
        made: Tensor = self.norm(self.depth(self.point(features)))
        return torch.relu(made + features if self.residual else made)


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def _last(width: int) -> nn.Conv2d:
    # Few cells hold a face: the score begins at 1 in 100 (Lin et al. 2017, 4.1).
    last = nn.Conv2d(width, CHANNELS, 3, 1, 1)
    nn.init.normal_(last.weight, std=0.01)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[0] = -4.6
    return last


def finder_input(pixels: Tensor) -> Tensor:
    """Return N×3×H×W RGB pixels from 0 to 255 as the network takes them, from −1 to 1."""
    return pixels.float() / 127.5 - 1


def export_finder(network: FinderNetwork, path: Path) -> None:
    """Write the network as an ONNX file whose outputs are the maps, of the finest stride first; whole or not at all.

    It takes pictures of any sides that are multiples of 32: nothing in it depends on them.
    """
    example = torch.zeros(1, 3, 256, 256)
    names = [f"cells_{stride}" for stride in STRIDES]
    with warnings.catch_warnings(), replacing(path) as temporary:
        warnings.simplefilter("ignore")  # that this exporter, which needs no further package, is the older one
        torch.onnx.export(
            copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format),
            (example,),
            str(temporary),
            input_names=["pictures"],
            output_names=names,
            opset_version=13,
            dynamo=False,
        )
