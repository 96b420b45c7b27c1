"""The pictures the sample is made of are the wheel's own, and nothing is fetched."""

import socket
from importlib.machinery import ModuleSpec
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from facematch.core import extras
from facematch.core.errors import FacematchError
from facematch.tasks.sample import portraits as sources
from facematch.tasks.sample.portraits import BACKGROUNDS, load_backgrounds, load_faces, wheel_file


def _install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    # As if scikit-image were installed in `folder`.
    spec = ModuleSpec("skimage", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(sources, "find_spec", lambda name: spec)


def test_the_faces_are_those_of_scikit_image() -> None:
    np.testing.assert_array_equal(load_faces(), skimage.data.lfw_subset()[:100].astype(np.float32))


def test_the_faces_are_100_different_grey_crops() -> None:
    faces = load_faces()
    assert faces.shape == (100, 25, 25)
    assert faces.dtype == np.float32
    assert faces.min() >= 0
    assert faces.max() <= 1
    assert len({face.tobytes() for face in faces}) == 100


def test_loaded_pictures_cannot_be_changed_by_accident() -> None:
    assert not load_faces().flags.writeable
    assert not any(photograph.flags.writeable for photograph in load_backgrounds())


def test_backgrounds_are_in_colour_and_red_comes_first() -> None:
    photographs = dict(zip(BACKGROUNDS, load_backgrounds(), strict=True))
    for photograph in photographs.values():
        assert photograph.dtype == np.uint8
        assert photograph.shape[2] == 3
        assert np.ptp(photograph.astype(float).mean((0, 1))) > 5, "it is grey"
    np.testing.assert_array_equal(photographs["coffee.png"], skimage.data.coffee())
    red, green, blue = photographs["brick.png"].mean((0, 1))
    assert red > green > blue


def test_a_grey_background_is_tinted_by_its_factors() -> None:
    photographs = dict(zip(BACKGROUNDS, load_backgrounds(), strict=True))
    grey = skimage.data.grass().astype(np.float32)
    for channel, factor in enumerate(BACKGROUNDS["grass.png"]):
        expected = np.clip(grey * np.float32(factor), 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(photographs["grass.png"][..., channel], expected)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("SKIMAGE_DATADIR", str(tmp_path))
    assert len(load_faces.__wrapped__()) == 100
    assert len(load_backgrounds.__wrapped__()) == len(BACKGROUNDS)
    assert not list(tmp_path.iterdir())


def test_a_wheel_without_the_faces_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(monkeypatch, tmp_path)
    with pytest.raises(FacematchError, match=r"does not carry data/lfw_subset\.npy") as caught:
        load_faces.__wrapped__()
    assert "pip install" in caught.value.hint


def test_without_scikit_image_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(FacematchError, match="this needs skimage, which is not installed") as caught:
        wheel_file("coffee.png")
    assert caught.value.hint == "Run: pip install 'facematch[serve]'"


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_damaged_faces_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lfw_subset.npy").write_bytes(content)
    _install(monkeypatch, tmp_path)
    with pytest.raises(FacematchError, match=r"lfw_subset\.npy cannot be used"):
        load_faces.__wrapped__()


@pytest.mark.parametrize("shape", [(99, 25, 25), (200, 24, 25), (100, 625)])
def test_faces_of_another_shape_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "lfw_subset.npy", np.zeros(shape))
    _install(monkeypatch, tmp_path)
    with pytest.raises(FacematchError, match="not at least 100×25×25"):
        load_faces.__wrapped__()


def test_a_damaged_background_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in BACKGROUNDS:
        cv2.imwrite(str(tmp_path / "data" / name), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "data" / "rocket.jpg").write_bytes(b"not a picture")
    _install(monkeypatch, tmp_path)
    with pytest.raises(FacematchError, match=r"rocket\.jpg cannot be used: it cannot be decoded"):
        load_backgrounds.__wrapped__()
