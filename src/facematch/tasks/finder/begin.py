"""Going on from a finder that is there: its ONNX file, whose norms are folded into the convolutions before them."""

from collections.abc import Callable, Sequence
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
    norms = _norms(network)
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
        _measure(network, list(norms.values()), pictures)


def _convolutions(network: nn.Module, picture: Tensor) -> list[nn.Conv2d]:
    # In the order in which they work, which is the file's.
    found: list[nn.Conv2d] = []
    every = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    _watch(network, every, picture, lambda convolution, _: found.append(convolution))
    return found


def _watch(
    network: nn.Module, parts: Sequence[nn.Module], pictures: Tensor, see: Callable[[Any, Tensor], None]
) -> None:
    # Runs the network as it is used; `see` gets each of its parts with what that is given, in the order of the work.
    hooks = [each.register_forward_pre_hook(lambda module, inputs: see(module, inputs[0])) for each in parts]
    training = network.training
    with torch.no_grad():
        network.eval()(pictures)
    network.train(training)
    for hook in hooks:
        hook.remove()


def _weights(file: Path) -> list[list[Tensor]]:
    # Of each convolution of the file, in order: its weights, and its biases where it has any.
    found = []
    model = read_finder(file)
    for name in model.getLayerNames():
        layer = model.getLayer(model.getLayerId(name))
        if layer.type == "Convolution":
            found.append([torch.from_numpy(each.copy()) for each in layer.blobs])
    return found


def _norms(network: nn.Module) -> dict[nn.Module, Any]:
    # Every convolution that a norm follows, with the norm.
    return {
        before: after
        for module in network.modules()
        for before, after in pairwise(module.children())
        if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
    }


def _measure(network: FinderNetwork, norms: Sequence[nn.Module], pictures: Tensor) -> None:
    # Each norm gets what it is given, and gives it back: nothing that the network says changes.
    given: dict[Any, tuple[Tensor, Tensor]] = {}

    def keep(norm: Any, values: Tensor) -> None:
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        given[norm] = mean, variance

    _watch(network, norms, pictures, keep)
    for norm, (mean, variance) in given.items():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
