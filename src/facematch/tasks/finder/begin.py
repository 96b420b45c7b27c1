"""Going on from a finder that is there: its ONNX file, whose norms are folded into the convolutions before them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facematch.core.errors import MismatchError
from facematch.faces.finder import read_finder
from facematch.networks.finder import FinderNetwork


def begin_from(network: FinderNetwork, file: Path, pictures: Tensor) -> None:
    """Give a new network the weights of a finder's file, so that it says what the file says.

    The file has no norms any more. They get the mean and the deviation that `pictures` (N×3×S×S from −1 to 1) have
    there, and give both back: with N scenes of the training, training goes on from what the file says. Raises
    FacematchError where the file is no finder, MismatchError where it is one of another width.
    """
    convolutions = _convolutions(network, pictures[:1])
    weights = _weights(file)
    if [each.weight.shape for each in convolutions] != [each[0].shape for each in weights]:
        width = weights[-1][0].shape[1] if weights else 0
        raise MismatchError(
            f"finder.init_from: {file} is no finder of finder.width: its last layer has {width} channels, not "
            f"{convolutions[-1].in_channels}.",
            f"Set finder.width={width}." if width else "Name the best.onnx of a finder's run.",
        )
    norms = dict(_norms(network))
    with torch.no_grad():
        for convolution, parts in zip(convolutions, weights, strict=True):
            convolution.weight.copy_(parts[0])
            norm = norms.get(convolution)
            if norm is not None:
                norm.reset_parameters()
                norm.running_var.fill_(1 - norm.eps)
            bias = convolution.bias if norm is None else norm.bias
            if bias is not None and len(parts) > 1:
                bias.copy_(parts[1].flatten())
        _measure(network, pictures)


def _convolutions(network: nn.Module, picture: Tensor) -> list[nn.Conv2d]:
    # In the order in which they work, which is the file's.
    found: list[nn.Conv2d] = []
    hooks = [
        each.register_forward_hook(lambda module, *_: found.append(module))
        for each in network.modules()
        if isinstance(each, nn.Conv2d)
    ]
    training = network.training
    with torch.no_grad():
        network.eval()(picture)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return found


def _weights(file: Path) -> list[list[Tensor]]:
    # Of each convolution of the file, in order: its weights, and its biases where it has any.
    found = []
    model = read_finder(file)
    for name in model.getLayerNames():
        layer = model.getLayer(model.getLayerId(name))
        if layer.type == "Convolution":
            found.append([torch.from_numpy(each.copy()) for each in layer.blobs])
    return found


def _norms(network: nn.Module) -> list[tuple[nn.Module, Any]]:
    # Every convolution that a norm follows, with the norm.
    found: list[tuple[nn.Module, Any]] = []
    for module in network.modules():
        parts = list(module.children())
        found += [
            (before, after)
            for before, after in pairwise(parts)
            if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
        ]
    return found


def _measure(network: FinderNetwork, pictures: Tensor) -> None:
    # Each norm gets what it is given, and gives it back: nothing that the network says changes.
    given: dict[Any, tuple[Tensor, Tensor]] = {}
    hooks = []
    for _, norm in _norms(network):

        def keep(module: Any, inputs: tuple[Tensor]) -> None:
            variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
            given[module] = mean, variance

        hooks.append(norm.register_forward_pre_hook(keep))
    training = network.training
    network.eval()(pictures)
    network.train(training)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in given.items():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
