"""The contract tests: our own detectors pass them (embedders: test_embedders.py), and each broken promise fails one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.faces.detectors import Detector
from facematch.faces.values import Face
from facematch.pipeline.build import build_cropper
from facematch.settings.file import load_settings
from facematch.tasks.sample.plan import QUERY, make_plan
from facematch.tasks.sample.write import render_photo
from facematch.testing import check_detector, check_embedder

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photo() -> Images:
    """A photo with one face."""
    first = next(each for each in make_plan(2026).photos if each.path.startswith(QUERY))
    decoded = cv2.imdecode(np.frombuffer(render_photo(first, 2026), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


@pytest.mark.parametrize(
    "settings",
    [["faces.detector=haar"], ["faces.detector=none"], ["faces.detector=finder"], ["faces.second_look=finder"]],
)
def test_our_detectors_pass(photo: Images, settings: list[str]) -> None:
    check_detector(build_cropper(load_settings(None, settings).faces).detector, photo)


@dataclass
class Fine:
    """An embedder that keeps every promise, or breaks one of them."""

    broken: Callable[[NDArray[np.float32], Images], Any] = field(default=lambda vectors, images: vectors)
    batch: int = 4
    fingerprint: Any = field(default_factory=lambda: Fingerprint({"embedder.kind": "fine"}))

    def embed(self, images: Images) -> Any:
        rows = images.reshape(len(images), -1, 3).astype(np.float32)
        return self.broken(np.concatenate([rows.mean(axis=1), rows[:, :2].reshape(len(images), -1)], axis=1), images)


def _spoil(vectors: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
    images[0, 0, 0, 0] ^= 1
    return vectors


def test_an_embedder_that_keeps_every_promise_passes() -> None:
    check_embedder(Fine(), size=16)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"broken": lambda vectors, images: vectors.astype(np.float64)}, "float32, found float64"),
        ({"broken": lambda vectors, images: vectors.tolist()}, "float32, found <class 'list'>"),
        ({"broken": lambda vectors, images: vectors[:1]}, "6 crops give 6×D"),
        (
            {"broken": lambda vectors, images: np.where(images.std((1, 2, 3)) == 0, np.nan, 1)[:, None] * vectors},
            "float32",
        ),
        ({"broken": lambda vectors, images: vectors / images.std((1, 2, 3), dtype=np.float32)[:, None]}, "finite"),
        ({"broken": lambda vectors, images: np.ones_like(vectors)}, "unlike crops have the same vector"),
        ({"broken": lambda vectors, images: vectors - vectors.mean(axis=0)}, "depends on those beside it"),
        ({"broken": _spoil}, "the crops were changed"),
        ({"batch": 0}, "batch is 1 or more"),
        ({"fingerprint": Fingerprint()}, "says nothing"),
        ({"fingerprint": {"embedder.kind": "x"}}, "is a facematch.plugins.Fingerprint"),
        ({"fingerprint": Fingerprint({"faces.size": 3})}, "those of the crops"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_an_embedder_that_breaks_a_promise_fails(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_embedder(replace(Fine(), **broken), size=16)


@dataclass
class Finds:
    """A detector that finds these faces in every photo."""

    faces: Any = (Face(0, 0, 1, 1, 1.0, "finds"),)
    own: dict[str, Any] = field(default_factory=lambda: {"finds_size": 1})
    name: str = "finds"
    gives_points: bool = False

    def detect(self, image: Images) -> Any:
        return list(self.faces) if isinstance(self.faces, tuple) else self.faces(image)

    def settings(self) -> dict[str, Any]:
        return self.own


def face(**changed: Any) -> Face:
    return replace(Face(0, 0, 1, 1, 1.0, "finds"), **changed)


_FRESH = count()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Finds(faces=(face(width=0.0),)), "without a size"),
        (Finds(faces=(face(x=float("nan")),)), "not finite"),
        (Finds(faces=(face(x=5000.0),)), "outside of its photo"),
        (Finds(faces=(face(points=((0, 0),)),)), "1 points, expected 5"),
        (Finds(gives_points=True), "0 points, expected 5"),
        (Finds(faces=((0, 0, 1, 1),)), "is a facematch.plugins.Face"),
        (Finds(faces=lambda image: (face(),)), "faces are a list"),
        (Finds(faces=lambda image: [face(score=next(_FRESH))]), "other faces each time"),
        (Finds(faces=lambda image: image.fill(7) or [face()]), "the photo was changed"),
        (Finds(own={"size": 3}), "call them finds_size"),
        (Finds(name=""), "has a name"),
    ],
)
def test_a_detector_that_breaks_a_promise_fails(broken: Detector, said: str) -> None:
    check_detector(Finds())
    with pytest.raises(AssertionError, match=said):
        check_detector(broken)


def test_a_detector_has_to_find_the_face_it_is_shown(photo: Images) -> None:
    with pytest.raises(AssertionError, match="no face was found"):
        check_detector(Finds(faces=()), photo)
