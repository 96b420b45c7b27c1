"""Views are what cutting them from the photo itself would give, and their embeddings are averaged."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.embedders.pixels import PixelEmbedder
from facematch.embedders.views import FlipEmbedder, View, ViewsEmbedder, cut_view, make_views
from facematch.faces.cropper import Cropper, cut_square
from facematch.faces.detectors import NoDetector
from facematch.faces.values import Face
from facematch.photos.photo import find_photos
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.system import with_views
from facematch.settings.file import load_settings
from facematch.settings.refine import FlipStep, ViewsStep
from facematch.settings.root import Settings

Image = NDArray[np.uint8]
SIDE = 40


def photo() -> Image:
    """Smooth, so that cutting once or twice gives nearly the same."""
    coarse = np.random.default_rng(0).integers(0, 256, size=(9, 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (400, 400), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


BOX = Face(140, 150, 100, 100, 1.0, "haar")


def wide_crop(embedder: ViewsEmbedder) -> Image:
    cropper = embedder.cropper(Cropper(NoDetector(), SIDE))
    return cut_square(photo(), BOX, cropper.size, cropper.margin)


def gap(first: Image, second: Image) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.2, 0.5])
def test_an_upright_view_is_the_crop_of_its_margin(margin: float) -> None:
    embedder = ViewsEmbedder(PixelEmbedder(), SIDE, make_views([margin, 0.3]))
    view = cut_view(wide_crop(embedder), View(margin), embedder.reach, SIDE)
    assert gap(view, cut_square(photo(), BOX, SIDE, margin)) < 2.5


@pytest.mark.parametrize(("right", "down"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)])
def test_a_moved_view_is_the_crop_of_a_moved_box(right: float, down: float) -> None:
    view = View(0.2, right, down)
    embedder = ViewsEmbedder(PixelEmbedder(), SIDE, (view, View(0.2)))
    moved = Face(BOX.x + 120 * right, BOX.y + 120 * down, 100, 100, 1.0, "haar")
    found = cut_view(wide_crop(embedder), view, embedder.reach, SIDE)
    assert gap(found, cut_square(photo(), moved, SIDE, 0.2)) < 2.5
    assert gap(found, cut_square(photo(), BOX, SIDE, 0.2)) > 5


@pytest.mark.parametrize("angle", [-20.0, 20.0])
def test_a_turned_view_is_the_crop_of_a_turned_photo(angle: float) -> None:
    view = View(0.0, angle=angle)
    embedder = ViewsEmbedder(PixelEmbedder(), SIDE, (view,))
    centre = (BOX.x + 49.5, BOX.y + 49.5)
    # The view's axes are turned clockwise, so its picture is turned the other way; OpenCV counts that as positive.
    turned = cv2.warpAffine(photo(), cv2.getRotationMatrix2D(centre, angle, 1), (400, 400))
    found = cut_view(wide_crop(embedder), view, embedder.reach, SIDE)
    assert gap(found, cut_square(np.asarray(turned, np.uint8), BOX, SIDE, 0)) < 3
    assert gap(found, cut_square(photo(), BOX, SIDE, 0)) > 5


def test_the_views_of_margins_shift_and_angle() -> None:
    assert make_views([0.1, 0.3]) == (View(0.1), View(0.3))
    assert set(make_views([0.1], shift=0.05, angle=8)) == {
        View(0.1), View(0.1, 0.05), View(0.1, -0.05), View(0.1, 0, 0.05), View(0.1, 0, -0.05),
        View(0.1, angle=8), View(0.1, angle=-8),
    }  # fmt: skip
    assert make_views([0.1], up=0.04) == (View(0.1, down=-0.04),)
    assert make_views([0.1], up=0.25, shift=0.25)[3] == View(0.1)


@settings(max_examples=200)
@given(st.floats(-0.4, 1), st.floats(-0.25, 0.25), st.floats(-0.25, 0.25), st.floats(-45, 45))
def test_reach_holds_the_corners(margin: float, right: float, down: float, angle: float) -> None:
    view = View(margin, right, down, angle)
    side, turn = 1 + margin, math.radians(angle)
    for x in (-0.5, 0.5):
        for y in (-0.5, 0.5):
            across = side * (x * math.cos(turn) - y * math.sin(turn) + right)
            along = side * (x * math.sin(turn) + y * math.cos(turn) + down)
            assert max(abs(across), abs(along)) <= (1 + view.reach) / 2 + 1e-9


def test_the_wide_crop_is_finer_than_the_tightest_view() -> None:
    embedder = ViewsEmbedder(PixelEmbedder(), 112, make_views([0.0, 0.4]))
    plain = Cropper(NoDetector(), 112, 0.2)
    cropper = embedder.cropper(plain)
    assert (cropper.margin, cropper.size) == (pytest.approx(0.4), 236)
    assert cropper.detector == plain.detector


@pytest.mark.parametrize("normalise", [True, False])
def test_embeddings_are_the_mean_over_views(normalise: bool) -> None:
    inner = FlipEmbedder(PixelEmbedder(side=8))
    views = make_views([0.0, 0.3], shift=0.05)
    embedder = ViewsEmbedder(inner, SIDE, views, normalise)
    images = np.stack([wide_crop(embedder), wide_crop(embedder)[::-1]])
    total = np.zeros((2, 64))
    for view in views:
        for row, image in enumerate(images):
            total[row] += inner.embed(cut_view(image, view, embedder.reach, SIDE)[None])[0]
    expected = total / len(views)
    if normalise:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert embedder.embed(images) == pytest.approx(expected, abs=1e-5)
    assert embedder.batch == inner.batch


def test_the_fingerprint_tells_the_views() -> None:
    inner = PixelEmbedder()
    plain = ViewsEmbedder(inner, SIDE, make_views([0.1, 0.2]))
    assert plain.fingerprint.difference(inner.fingerprint) == ("refine.view_size", SIDE, None)
    for other in (make_views([0.1, 0.3]), make_views([0.1, 0.2], shift=0.1), make_views([0.1, 0.2], angle=3)):
        found = ViewsEmbedder(inner, SIDE, other).fingerprint.difference(plain.fingerprint)
        assert found is not None
        assert found[0] == "refine.views"


def test_the_step_widens_the_crops_and_wraps_flip() -> None:
    values = Settings.model_validate(
        {
            "embedder": {"kind": "pixels"},
            "refine": ["flip", {"step": "views", "margins": [0, 0.5], "up": 0.05, "angle": 5}],
        }
    )
    assert values.refine == (FlipStep(), ViewsStep(margins=(0, 0.5), up=0.05, angle=5))
    embedder = with_views(values, PixelEmbedder(), values.refine)
    assert isinstance(embedder, ViewsEmbedder)
    assert isinstance(embedder.inner, FlipEmbedder)
    assert embedder.views == make_views([0, 0.5], up=0.05, angle=5)
    stage = photo_embedder(values, embedder)
    assert stage.fingerprint.settings["faces.margin"] == pytest.approx(embedder.reach)
    assert stage.fingerprint.settings["faces.size"] == math.ceil(1.5 * 112 * (1 + embedder.reach))
    assert photo_embedder(values, PixelEmbedder()).cropper.size == 112


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["refine=[{step: views, margins: []}]"], "at least 1 item"),
        (["refine=[{step: views, shift: 0.9}]"], "less than or equal to 0.25"),
        (["refine=[views, views]"], "views is given twice"),
    ],
)
def test_what_cannot_be_is_named(sets: list[str], message: str) -> None:
    with pytest.raises(FacematchError, match=message):
        load_settings(None, sets)


@pytest.mark.parametrize("chosen", ["detector=yunet", "detector=centerface", "second_look=yunet"])
def test_an_aligned_face_has_one_view(chosen: str) -> None:
    values = load_settings(None, ["refine=[views]", f"faces.{chosen}", "faces.yunet_file=x", "faces.centerface_file=x"])
    inner = PixelEmbedder()
    assert with_views(values, inner, values.refine) is inner


def test_bits_may_be_taken_of_views() -> None:
    assert load_settings(None, ["refine=[views]", "ranking.metric=hamming"]).refine == (ViewsStep(),)


def test_views_are_kept_like_any_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = Settings.model_validate({"refine": ["views"], "paths": {"cache": str(tmp_path / "cache")}})
    stage = photo_embedder(values, with_views(values, PixelEmbedder(), values.refine))
    cv2.imwrite(str(tmp_path / "photo.png"), photo())
    files = find_photos(tmp_path / "photo.png").files
    first = stage.run(files)
    monkeypatch.delattr(ViewsEmbedder, "embed")
    assert (stage.run(files).embeddings.vectors == first.embeddings.vectors).all()
