"""A network to embed with on the processor: what follows a convolution is computed together with it.

The residual is added and ReLU taken while a convolution's result is still in the processor's cache; otherwise each is
a walk through memory. These operations of oneDNN are what PyTorch's compiler calls, which wants a C++ compiler on the
user's machine; its deprecated TorchScript calls them as well. They are private: each is tried once, and nothing is
changed where one is missing or does something else.
"""

import operator
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx, nn


class FusedConvolution(nn.Module):
    """ReLU of a convolution, and of a residual added to it, in the precision of the convolution's weights."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, images: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return ReLU(convolution(images) + residual), B×C×H×W."""
        of = self.convolution
        images = images.to(of.weight.dtype)
        how = (of.weight, of.bias, of.padding, of.stride, of.dilation, of.groups)
        if residual is None:
            done: Tensor = torch.ops.mkldnn._convolution_pointwise(images, *how, "relu", [], "")
        else:
            residual = residual.to(of.weight.dtype)
            done = torch.ops.mkldnn._convolution_pointwise.binary(images, residual, *how, "add", 1.0, "relu", [], "")
        return done


def fuse_activations(network: nn.Module, *, in_bf16: bool) -> None:
    """Compute each ReLU after a convolution, with or without a residual between, in the convolution.

    `network` is a graph, as folding BatchNorm leaves it; in another nothing is changed.
    """
    if not isinstance(network, fx.GraphModule) or not can_fuse(in_bf16=in_bf16):
        return
    modules = dict(network.named_modules())
    for node in list(network.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.ReLU):
            continue
        before, *residual = _added(node.args[0])
        if before in residual or not all(isinstance(each, fx.Node) for each in residual) or not _fits(before, modules):
            continue
        name = f"{str(before.target).replace('.', '_')}_fused"
        network.add_submodule(name, FusedConvolution(modules[before.target]))
        with network.graph.inserting_before(node):
            node.replace_all_uses_with(network.graph.call_module(name, (before.args[0], *residual)))
    network.graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    network.recompile()


def _added(node: fx.Node) -> tuple[Any, ...]:
    # The two that a sum adds up, where nothing else needs it; what is no sum, itself.
    adds = node.op == "call_function" and node.target in (operator.add, operator.iadd)
    return node.args if adds and len(node.users) == 1 else (node,)


@cache
def can_fuse(*, in_bf16: bool) -> bool:
    """Return whether this PyTorch and this processor have the operations: both are tried, once, on a tiny picture.

    It is laid out as those of a network are, channels last: for others there is no sum in bf16.
    """
    kind, layout = torch.bfloat16 if in_bf16 else torch.float32, torch.channels_last
    # Made without weights first, so that none of the process's random numbers are drawn.
    convolution = nn.Conv2d(2, 2, 3, padding=1, device="meta").to_empty(device="cpu")
    for each in convolution.parameters():
        nn.init.constant_(each, 0.1)
    fused = FusedConvolution(convolution.to(dtype=kind).to(memory_format=layout))
    images = torch.linspace(-1, 1, 32, dtype=kind).view(1, 2, 4, 4).contiguous(memory_format=layout)
    try:
        with torch.inference_mode():
            plain = convolution(images)
            return all(
                torch.allclose(fused(images, *residual), sum(residual, plain).relu(), atol=0.1 if in_bf16 else 1e-4)
                for residual in ((), (images,))
            )
    except Exception:  # missing, with other arguments, or refused by the processor
        return False


def _fits(node: Any, modules: dict[str, nn.Module]) -> bool:
    # A plain convolution whose result nothing else needs.
    if not isinstance(node, fx.Node):
        return False
    of = modules.get(str(node.target)) if node.op == "call_module" else None
    return isinstance(of, nn.Conv2d) and len(node.users) == 1 and of.padding_mode == "zeros" and of.padding != "same"
