"""Where first weights come from, and what is said when they cannot be had."""

import hashlib
import socket
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torchvision

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.networks import weights as module
from facematch.networks.checkpoint import save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork, build_backbone, weights_digest
from facematch.networks.spec import NetworkSpec
from facematch.networks.weights import initial_network, native_size, read_weights_file
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD

SPEC = NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD)


@pytest.fixture(autouse=True)
def _empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def saved_backbone(path: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    state = {**build_backbone("resnet18")[0].state_dict(), "fc.weight": torch.zeros(1000, 512)}
    torch.save(state, path)
    return state


def test_the_same_seed_gives_the_same_network() -> None:
    one, _ = initial_network(SPEC, "none", 3)
    two, _ = initial_network(SPEC, "none", 3)
    three, _ = initial_network(SPEC, "none", 4)
    assert weights_digest(one) == weights_digest(two) != weights_digest(three)


def test_a_state_dict_of_torchvision_is_loaded_without_its_last_layer(tmp_path: Path) -> None:
    state = saved_backbone(tmp_path / "weights.pth")
    network, origin = initial_network(SPEC, str(tmp_path / "weights.pth"), 1)
    torch.testing.assert_close(network.backbone.get_parameter("conv1.weight").data, state["conv1.weight"])
    assert origin.source == str(tmp_path / "weights.pth")


def test_the_digest_in_a_file_name_is_checked(tmp_path: Path) -> None:
    saved_backbone(tmp_path / "w.pth")
    data = (tmp_path / "w.pth").read_bytes()
    good = tmp_path / f"resnet18-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    good.write_bytes(data)
    assert "conv1.weight" in read_weights_file(good)
    good.write_bytes(data[:-1] + b"x")
    with pytest.raises(FacematchError, match="is damaged: its SHA-256 begins"):
        read_weights_file(good)


def test_a_checkpoint_of_ours_is_a_start_with_its_head(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    first, _ = initial_network(SPEC, "none", 3)
    save_file(first.state_dict(), tmp_path / "best.safetensors")
    second, _ = initial_network(SPEC, str(tmp_path / "best.safetensors"), 9)
    assert weights_digest(first) == weights_digest(second)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read as weights"), (b"not a checkpoint", "cannot be read as weights")],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(FacematchError, match=message):
        read_weights_file(tmp_path / "w.pth")


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    torch.save({"conv1.weight": Evil()}, tmp_path / "w.pth")
    with pytest.raises(FacematchError, match="cannot be read as weights: it holds more than tensors") as caught:
        read_weights_file(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()
    assert "weights_only" not in str(caught.value)  # torch advises to run it
    assert len(str(caught.value)) < 500


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(build_backbone("mobilenet_v3_small")[0].state_dict(), tmp_path / "w.pth")
    with pytest.raises(FacematchError, match=r"does not fit the backbone: \d+ tensors missing"):
        initial_network(SPEC, str(tmp_path / "w.pth"), 1)


def test_a_missing_file_says_what_can_be_given() -> None:
    with pytest.raises(FacematchError, match="expected imagenet, none, auto or a file"):
        initial_network(SPEC, "imagnet", 1)


def test_imagenet_offline_names_the_file_to_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FacematchError, match="could not be fetched") as caught:
        initial_network(SPEC, "imagenet", 1)
    assert "Bring resnet18-" in caught.value.hint


def test_auto_falls_back_to_random_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", refused)
    network, origin = initial_network(SPEC, "auto", 3)
    assert origin.warning
    assert "RANDOM" in origin.notice
    assert (
        "https://download.pytorch.org/models/resnet18-f37072fd.pth, brought here: --set network.weights="
        in origin.notice
    )
    assert "default" not in origin.notice  # which is another backbone
    assert weights_digest(network) == weights_digest(initial_network(SPEC, "none", 3)[0])
    spec = replace(SPEC, backbone="resnet50")
    assert "--set network.init_from=default, or from https://" in initial_network(spec, "auto", 3)[1].notice


def test_auto_takes_cached_imagenet_weights_and_checks_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    state = saved_backbone(tmp_path / "w.pth")
    data = (tmp_path / "w.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(data)
    monkeypatch.setattr(module, "_cached", lambda _: folder / name)
    network, origin = initial_network(SPEC, "auto", 1)
    assert origin.source == "imagenet"
    torch.testing.assert_close(network.backbone.get_parameter("conv1.weight").data, state["conv1.weight"])
    (folder / name).write_bytes(data[:-1] + b"x")
    with pytest.raises(FacematchError, match="is damaged"):
        initial_network(SPEC, "auto", 1)


def test_a_download_is_checked_against_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file:// address stands in for the network, so the real loading code runs.
    saved_backbone(tmp_path / "served.pth")

    class Weights:
        url = (tmp_path / "served.pth").as_uri().replace("served.pth", "resnet18-00000000.pth")

        def __str__(self) -> str:
            return "ResNet18_Weights.TEST"

    (tmp_path / "resnet18-00000000.pth").write_bytes((tmp_path / "served.pth").read_bytes())
    listed = type("Listed", (), {"DEFAULT": Weights(), "__len__": lambda _: 1})()
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda _: listed)
    with pytest.raises(FacematchError, match="invalid hash value"):
        initial_network(SPEC, "imagenet", 1)
    assert not list((tmp_path / "hub" / "checkpoints").glob("*.pth"))


def trained_run(folder: Path, spec: NetworkSpec, people: tuple[str, ...] = ("ann", "bob")) -> EmbeddingNetwork:
    """A run folder with a checkpoint of a network that was trained on some people."""
    network, _ = initial_network(spec, "none", 3)
    folder.mkdir()
    save_checkpoint(
        folder / "best.safetensors", network, Fingerprint(), origin={}, people=people, metric="cosine", trained={}
    )
    return network


def test_a_run_is_a_start_with_backbone_head_and_people(tmp_path: Path) -> None:
    first = trained_run(tmp_path / "run", SPEC)
    second, origin = initial_network(SPEC, str(tmp_path / "run"), 9)
    assert weights_digest(first) == weights_digest(second)
    assert origin.source == str(tmp_path / "run/best.safetensors")
    assert origin.people == ("ann", "bob")
    assert "backbone and head of" in origin.notice
    assert not origin.warning


@pytest.mark.parametrize(
    ("theirs", "ours", "words", "warned"),
    [
        ("features", 8, "it has no head, so the head of 8 dimensions begins RANDOM", True),
        (16, 8, "its head has 16 dimensions, so the head of 8 dimensions begins RANDOM", True),
        (16, "features", "without its head", False),
        ("features", "features", "weights: backbone of", False),
    ],
)
def test_what_of_a_run_is_not_taken_is_said(
    tmp_path: Path, theirs: int | Literal["features"], ours: int | Literal["features"], words: str, warned: bool
) -> None:
    # A classifier without unit length is a start for triplets of unit length: only pixels must be alike.
    first = trained_run(tmp_path / "run", replace(SPEC, embedding=theirs, normalise=False))
    second, origin = initial_network(replace(SPEC, embedding=ours), str(tmp_path / "run"), 9)
    assert weights_digest(first.backbone) == weights_digest(second.backbone)
    assert words in origin.notice
    assert origin.warning is warned
    random = initial_network(replace(SPEC, embedding=ours), "none", 9)[0]
    assert weights_digest(second.head) == weights_digest(random.head)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone": "resnet34"}, "network.backbone is 'resnet18' in the settings and 'resnet34' in .*best"),
        ({"mean": (0.5, 0.5, 0.5)}, r"network.mean is \[0.485.* in the settings and \[0.5"),
        ({"std": (1.0, 1.0, 1.0)}, r"network.std is \[0.229.* in the settings and \[1.0"),
    ],
)
def test_a_run_of_other_pixels_or_another_backbone_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    trained_run(tmp_path / "run", replace(SPEC, **change))
    with pytest.raises(FacematchError, match=words):
        initial_network(SPEC, str(tmp_path / "run"), 9)


def test_a_run_without_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"holds no best\.safetensors"):
        initial_network(SPEC, str(tmp_path), 9)


@pytest.mark.parametrize(("name", "size"), [("resnet50", 224), ("efficientnet_b5", 456), ("vgg16", 224)])
def test_the_size_a_network_is_made_for_is_known(name: str, size: int) -> None:
    assert native_size(name) == size
