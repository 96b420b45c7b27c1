"""ReLU and residuals computed in convolutions: the same numbers, from fewer operations, or nothing changed."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from facematch.networks import fused
from facematch.networks.embedding import build_backbone
from facematch.networks.fused import FusedConvolution, can_fuse, fuse_activations

needs_operations = pytest.mark.skipif(not can_fuse(in_bf16=False), reason="this PyTorch has no such operations")


def count(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


def folded(name: str) -> fx.GraphModule:
    """A network whose BatchNorm does something, folded into its convolutions."""
    torch.manual_seed(0)
    network = build_backbone(name)[0].eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.3, 1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return fuse(network)


@needs_operations
@pytest.mark.parametrize(
    ("name", "convolutions", "left"),
    [("resnet18", 17, 0), ("resnet50", 49, 0), ("vgg11_bn", 8, 2), ("mobilenet_v3_small", 14, 0)],
)
def test_the_same_numbers_come_from_fewer_operations(name: str, convolutions: int, left: int) -> None:
    network, images = folded(name), torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = network(images).numpy()
        fuse_activations(network, in_bf16=False)
        found = network(images).numpy()
    assert (count(network, FusedConvolution), count(network, nn.ReLU)) == (convolutions, left)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


class Small(nn.Module):
    """A convolution, something done with what it gives, ReLU."""

    def __init__(self, between: Callable[[Tensor], Tensor], **options: str) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1, **options)  # type: ignore[arg-type]
        self.relu = nn.ReLU()
        self.between = between

    def forward(self, images: Tensor) -> Tensor:
        """Return three channels."""
        found: Tensor = self.relu(self.between(self.convolution(images)))
        return found


@pytest.mark.parametrize(
    "network",
    [
        Small(lambda each: each + 1),
        Small(lambda each: each + each),
        Small(lambda each: each * 2),
        Small(lambda each: each, padding_mode="reflect"),
    ],
)
def test_what_is_no_sum_with_a_residual_stays(network: Small) -> None:
    traced, images = fx.symbolic_trace(network), torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        expected = traced(images)
        fuse_activations(traced, in_bf16=False)
        torch.testing.assert_close(traced(images), expected)
    assert count(traced, FusedConvolution) == 0


def missing(*given: object) -> Tensor:
    raise AttributeError("no such operation")


def other(images: Tensor, *given: object) -> Tensor:
    """What has the arguments and does something else."""
    return torch.zeros_like(images)


@pytest.mark.parametrize("operation", [missing, other])
def test_operations_that_are_missing_or_others_are_left_out(
    monkeypatch: pytest.MonkeyPatch, operation: Callable[..., Tensor]
) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(_convolution_pointwise=operation))
    can_fuse.cache_clear()
    try:
        assert not can_fuse(in_bf16=False)
        network, images = folded("resnet18"), torch.rand(1, 3, 32, 32)
        expected = network(images)
        fuse_activations(network, in_bf16=False)
        torch.testing.assert_close(network(images), expected, rtol=0, atol=0)
    finally:
        can_fuse.cache_clear()


@needs_operations
def test_a_processor_with_bf16_fuses_in_bf16() -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    can_fuse.cache_clear()
    assert can_fuse(in_bf16=True)


def test_trying_the_operations_draws_no_random_number() -> None:
    can_fuse.cache_clear()
    before = torch.get_rng_state()
    can_fuse(in_bf16=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_the_operations_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "can_fuse", lambda **_: False)
    network = folded("resnet18")
    fuse_activations(network, in_bf16=True)
    assert (count(network, FusedConvolution), count(network, nn.ReLU)) == (0, 9)
