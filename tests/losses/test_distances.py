"""Pairwise distances against one pair at a time."""

import math

import pytest
import torch
from torch import Tensor

from facematch.core.errors import FacematchError
from facematch.losses import distances as room
from facematch.losses.distances import Distance, pairwise_distances

KINDS: tuple[Distance, ...] = ("euclidean", "squared", "cosine")


def one_pair(a: Tensor, b: Tensor, kind: Distance) -> float:
    x, y = [float(v) for v in a], [float(v) for v in b]
    if kind == "cosine":
        return 1 - sum(p * q for p, q in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))
    squared = math.fsum((p - q) ** 2 for p, q in zip(x, y, strict=True))
    return squared if kind == "squared" else math.sqrt(squared)


def random_rows(count: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 3), (7, 1), (9, 5), (12, 130)])
def test_every_distance_is_that_of_its_pair(kind: Distance, dtype: torch.dtype, shape: tuple[int, int]) -> None:
    x = random_rows(*shape, seed=1).to(dtype)
    found = pairwise_distances(x, kind)
    wanted = torch.tensor([[one_pair(a, b, kind) for b in x] for a in x])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=2e-7, rtol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_symmetric_with_a_zero_diagonal_to_the_last_bit(kind: Distance) -> None:
    found = pairwise_distances(random_rows(61, 37, seed=2) * 100, kind)
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.zeros(61))
    assert (found >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_small_differences_survive_a_far_centre(kind: Distance) -> None:
    # The Gram matrix of these is 10⁶ everywhere; their distances are near 10⁻⁵.
    x = 1000 + 1e-5 * random_rows(6, 4, seed=3)
    found = pairwise_distances(x, kind)
    if kind == "cosine":  # 1 − cos is ‖u−v‖²/2 of unit vectors, here 10⁻¹⁷: far below what 1 − cos can show
        units = x / x.norm(dim=1, keepdim=True)
        wanted = torch.tensor([[one_pair(a, b, "squared") / 2 for b in units] for a in units])
    else:
        wanted = torch.tensor([[one_pair(a, b, kind) for b in x] for a in x])
    torch.testing.assert_close(found, wanted, atol=0, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_equal_rows_have_distance_and_gradient_zero(kind: Distance, dtype: torch.dtype) -> None:
    first = random_rows(5, 300, seed=4).to(dtype)
    x = first[[0, 1, 0, 2, 0, 3, 1, 4]].clone().requires_grad_()
    found = pairwise_distances(x, kind)
    for i, j in ((0, 2), (2, 4), (1, 6)):
        assert found[i, j] == 0
    (gradient,) = torch.autograd.grad(found[0, 2] + found[2, 4] + found[1, 6], x)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)
    (gradient,) = torch.autograd.grad(pairwise_distances(x, kind).sum(), x)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_differ_by_rounding_alone_are_equal(kind: Distance) -> None:
    first = random_rows(30, 50, seed=14)
    x = torch.cat([first, first * (1 + 1e-15)])
    assert torch.equal(pairwise_distances(x, kind)[range(30), range(30, 60)], torch.zeros(30))


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("kind", KINDS)
def test_no_step_of_the_gradient_is_nan_not_even_one_that_is_masked_later(kind: Distance) -> None:
    x = random_rows(4, 3, seed=15)[[0, 1, 2, 3, 0]].requires_grad_()
    with torch.autograd.detect_anomaly():
        (pairwise_distances(x, kind) * torch.eye(5).roll(1, 0)).sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_pairs_tie_wherever_they_stand(kind: Distance) -> None:
    first = random_rows(4, 96, seed=5)
    which = [0, 1, 2, 3] * 17
    found = pairwise_distances(first[which], kind)
    small = pairwise_distances(first, kind)
    assert torch.equal(found, small[which][:, which])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_point_is_all_zero(kind: Distance) -> None:
    x = (torch.full((9, 3), 0.1) + torch.arange(3)).requires_grad_()
    found = pairwise_distances(x, kind)
    assert torch.equal(found, torch.zeros(9, 9))
    found.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(9, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_pairs(kind: Distance) -> None:
    x = random_rows(8, 6, seed=6).requires_grad_()
    weights = random_rows(8, 8, seed=7)
    (found,) = torch.autograd.grad((pairwise_distances(x, kind) * weights).sum(), x)
    total = x.new_zeros(())
    for i in range(8):
        for j in range(8):
            if i == j:
                continue
            if kind == "cosine":
                d = 1 - torch.nn.functional.cosine_similarity(x[i], x[j], dim=0)
            else:
                d = (x[i] - x[j]).norm() if kind == "euclidean" else (x[i] - x[j]).square().sum()
            total = total + weights[i, j] * d
    (wanted,) = torch.autograd.grad(total, x)
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-6)


def test_a_zero_vector_is_half_way_under_cosine_with_a_finite_gradient() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, -2.0]], requires_grad=True)
    found = pairwise_distances(x, "cosine")
    assert found.tolist() == [[0, 0.5, 0, 0.5], [0.5, 0, 0.5, 1], [0, 0.5, 0, 0.5], [0.5, 1, 0.5, 0]]
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_tiny_vectors_keep_their_direction_under_cosine() -> None:
    x = random_rows(5, 3, seed=8).float()
    torch.testing.assert_close(
        pairwise_distances(x * 1e-30, "cosine"), pairwise_distances(x, "cosine"), atol=1e-6, rtol=0
    )


def test_autocast_changes_nothing() -> None:
    x = random_rows(10, 40, seed=9).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pairwise_distances(x)
    assert torch.equal(inside, pairwise_distances(x))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_shows_in_the_distances(kind: Distance) -> None:
    x = random_rows(5, 3, seed=10)
    x[2, 1] = torch.nan
    found = pairwise_distances(x, kind)
    assert found[2, 0].isnan()
    assert found[2, 4].isnan()


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_without_float64_is_served_in_float32(kind: Distance, monkeypatch: pytest.MonkeyPatch) -> None:
    x = random_rows(40, 64, seed=11).float()
    x[20:] = x[:20]
    wanted = pairwise_distances(x, kind)
    assert room.working_dtype(torch.device("mps")) == torch.float32
    assert room.working_dtype(torch.device("cuda")) == torch.float64
    monkeypatch.setattr(room, "working_dtype", lambda device: torch.float32)
    found = pairwise_distances(x, kind)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)
    assert torch.equal(found[range(20), range(20, 40)], torch.zeros(20))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_and_no_dimensions(kind: Distance) -> None:
    assert pairwise_distances(torch.zeros(0, 4), kind).shape == (0, 0)
    assert torch.equal(pairwise_distances(torch.zeros(3, 0), kind), torch.zeros(3, 3))


def test_wrong_input_is_named() -> None:
    with pytest.raises(FacematchError, match=r"\(3,\) of torch\.float32; B×D"):
        pairwise_distances(torch.zeros(3))
    with pytest.raises(FacematchError, match=r"torch\.int64; B×D"):
        pairwise_distances(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(FacematchError, match=r"'cosin' is not known \(did you mean 'cosine'\?\)"):
        pairwise_distances(torch.zeros(3, 2), "cosin")  # type: ignore[arg-type]
