"""Losses of pytorch-metric-learning by name: the library's own values, its options checked, what is missing said."""

import builtins
import inspect
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses

from facematch.core.errors import FacematchError
from facematch.losses.by_name import build_loss, require_loss

PEOPLE, SIZE = 5, 8
FILLED: dict[str, Any] = {"num_classes": PEOPLE, "embedding_size": SIZE}
NEEDED: dict[str, dict[str, Any]] = {"RankedListLoss": {"margin": 0.4, "Tn": 10}}
UNFIT = {"BaseMetricLossFunction", "GenericPairLoss", "ManifoldLoss", "VICRegLoss", "DynamicSoftMarginLoss"}
USABLE = sorted(
    name
    for name, kind in vars(losses).items()
    if inspect.isclass(kind) and issubclass(kind, losses.BaseMetricLossFunction) and name not in UNFIT
)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(15, SIZE, generator=generator, requires_grad=True), torch.arange(15) % PEOPLE


@pytest.mark.filterwarnings("ignore:Using a non-tuple", "ignore:__array_wrap__", "ignore:Values of Tp")
@pytest.mark.parametrize("name", USABLE)
def test_every_usable_loss_learns_and_gives_the_same_value_twice(name: str) -> None:
    torch.manual_seed(1)
    loss = build_loss(name, NEEDED.get(name, {}), people=PEOPLE, dimensions=SIZE)
    embeddings, labels = batch()
    value = loss(embeddings, labels)
    torch.autograd.backward(value)
    assert value.ndim == 0
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.abs().sum() > 0
    assert loss(embeddings, labels).item() == value.item()  # what a loss remembers would be lost when a run resumes
    if hasattr(loss, "get_logits"):
        assert loss.get_logits(embeddings).shape == (15, PEOPLE)


@pytest.mark.parametrize(
    ("name", "options", "reference"),
    [
        ("arcface", {"margin": 20, "scale": 16}, lambda: losses.ArcFaceLoss(PEOPLE, SIZE, margin=20, scale=16)),
        ("CosFaceLoss", {}, lambda: losses.CosFaceLoss(PEOPLE, SIZE)),
        (
            "sub-center_ArcFace",
            {"sub_centers": 2},
            lambda: losses.SubCenterArcFaceLoss(**FILLED, sub_centers=2),
        ),
        ("multisimilarity", {"base": 0.7}, lambda: losses.MultiSimilarityLoss(base=0.7)),
        ("ProxyAnchorLoss", {}, lambda: losses.ProxyAnchorLoss(PEOPLE, SIZE)),
        ("SUPCON", {"temperature": 0.2}, lambda: losses.SupConLoss(temperature=0.2)),
        ("circleloss", {}, lambda: losses.CircleLoss()),
        ("p2sgrad", {}, lambda: losses.P2SGradLoss(SIZE, PEOPLE)),
    ],
)
def test_the_value_is_the_librarys(name: str, options: dict[str, Any], reference: Any) -> None:
    embeddings, labels = batch()
    torch.manual_seed(1)
    ours = build_loss(name, options, people=PEOPLE, dimensions=SIZE)
    torch.manual_seed(1)
    theirs = reference()
    assert ours(embeddings, labels).item() == theirs(embeddings, labels).item()
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


def test_arcface_is_its_formula() -> None:
    torch.manual_seed(1)
    loss = build_loss("arcface", {"margin": 30, "scale": 8}, people=PEOPLE, dimensions=SIZE)
    embeddings, labels = batch()
    weights = loss.get_parameter("W").detach().double()
    total = 0.0
    for row, label in zip(embeddings.detach().double(), labels.tolist(), strict=True):
        cosines = [float(row @ w / row.norm() / w.norm()) for w in weights.T]
        angle = torch.tensor(cosines[label]).arccos() + torch.pi / 6
        cosines[label] = float(angle.cos()) if angle <= torch.pi else cosines[label] - float(torch.pi / 6)
        scores = 8 * torch.tensor(cosines)
        total += float(scores.logsumexp(0) - scores[label])
    assert loss(embeddings, labels).item() == pytest.approx(total / 15, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "message", "hint"),
    [
        ("arcfase", {}, r"'arcfase' is not a loss \(did you mean 'ArcFaceLoss'\?\)", "triplet, cross-entropy, none"),
        ("VICReg", {}, "'VICReg' is not a loss", "SupConLoss"),
        ("arcface", {"mragin": 1}, r"options.mragin is not an option of ArcFaceLoss .*'margin'", "margin, scale"),
        ("arcface", {"num_classes": 9}, "num_classes is not an option", "margin, scale"),
        ("supcon", {"distance": 1}, "distance is not an option", "temperature"),
        ("npairs", {"x": 1}, "x is not an option of NPairsLoss", "none"),
        ("rankedlist", {"margin": 0.4}, "RankedListLoss needs loss.options: Tn", "Tn: 1"),
        ("arcface", {"margin": "wide"}, "ArcFaceLoss does not take loss.options {margin: 'wide'}", ""),
    ],
)
def test_each_mistake_is_named_with_the_nearest(name: str, options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(FacematchError, match=message) as caught:
        build_loss(name, options, people=PEOPLE, dimensions=SIZE)
    assert hint in caught.value.hint


def test_without_the_library_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pytorch_metric_learning"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(FacematchError, match="need pytorch-metric-learning") as caught:
        require_loss("arcface", {})
    assert "pip install 'facematch[losses]'" in caught.value.hint
