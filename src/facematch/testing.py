"""Contract tests for embedders and detectors, to be called in the tests of a plug-in; ours pass them, too.

Each raises AssertionError, which says what was expected. They need no photos, no network and no settings.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.embedders import Embedder
from facematch.faces.detectors import Detector
from facematch.faces.values import Face

_OF_CROPS = ("detector", "size", "margin", "choose", "whole", "template", "max_roll")  # in the fingerprint already
_SIDES = ((64, 64), (1, 1), (1, 300), (300, 1), (480, 640), (37, 53))  # height, width of photos without a face


def check_embedder(embedder: Embedder, size: int = 112, tolerance: float = 1e-3) -> None:
    """Raise AssertionError where an embedder breaks the contract on crops of `size` pixels.

    It gives N crops N finite vectors of float32, all of one length D; the same crop the same vector (within `tolerance`
    of the vector's length), whatever stands beside it, in any thread, for crops of one colour, too; unlike crops unlike
    vectors. It leaves the crops as they are. `fingerprint` has values that JSON can hold and stays the same, and
    `batch` is 1 or more.
    """
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    crops = np.concatenate([noise, np.full((1, size, size, 3), 90, np.uint8)])
    kept, before, batch = crops.copy(), _checked_fingerprint(embedder.fingerprint), embedder.batch
    _require(isinstance(batch, int) and batch >= 1, f"batch is 1 or more, found {batch!r}")
    vectors = embedder.embed(crops)
    kind = getattr(vectors, "dtype", type(vectors))
    _require(isinstance(vectors, np.ndarray) and kind == np.float32, f"vectors are float32, found {kind}")
    fits = vectors.ndim == 2 and len(vectors) == len(crops) and vectors.shape[1] >= 1
    _require(fits, f"6 crops give 6×D vectors, found {vectors.shape}")
    _require(bool(np.isfinite(vectors).all()), "vectors are finite, those of one colour, too")
    _require(np.array_equal(crops, kept), "the crops were changed")
    _require(np.ptp(vectors, axis=0).max() > 0, "unlike crops have the same vector")
    reach = tolerance * max(1e-6, float(np.linalg.norm(vectors, axis=1).max()))
    for number in range(len(crops)):
        alone = embedder.embed(crops[number : number + 1])
        _require(alone.shape == (1, vectors.shape[1]), f"1 crop gives 1×{vectors.shape[1]}, found {alone.shape}")
        _require(np.abs(alone[0] - vectors[number]).max() <= reach, "a crop's vector depends on those beside it")
    with ThreadPoolExecutor(2) as pool:
        for again in pool.map(embedder.embed, [crops, crops]):
            _require(np.abs(again - vectors).max() <= reach, "two threads at once give other vectors")
    _require(_checked_fingerprint(embedder.fingerprint) == before, "the fingerprint changes with use")


def check_detector(detector: Detector, photo: NDArray[np.uint8] | None = None) -> None:
    """Raise AssertionError where a detector breaks the contract; `photo` (H×W×3) shows a face, which it has to find.

    It takes photos of any size, a single pixel, too, leaves them as they are and gives the same `Face`s each time and
    in any thread: finite, of a positive size, in pixels of the photo. One whose class says `gives_points = True` gives
    five points for each. `settings()` are values that JSON can hold, under names that a crop's own do not have.
    """
    _require(bool(isinstance(detector.name, str) and detector.name), "a detector has a name")
    before = _checked_settings(detector)
    pictures = [np.random.default_rng(0).integers(0, 256, (*side, 3), dtype=np.uint8) for side in _SIDES]
    pictures.append(np.zeros((200, 150, 3), np.uint8))
    if photo is not None:
        _require(bool(detector.detect(photo)), "no face was found in the photo")
        pictures.append(photo)
    for picture in pictures:
        kept, faces = picture.copy(), detector.detect(picture)
        _require(np.array_equal(picture, kept), "the photo was changed")
        _require(isinstance(faces, list), f"faces are a list, found {type(faces).__name__}")
        for face in faces:
            _check_face(face, picture.shape[0], picture.shape[1], bool(getattr(detector, "gives_points", False)))
        with ThreadPoolExecutor(2) as pool:
            for again in pool.map(detector.detect, [picture, picture]):
                shape = f"{picture.shape[1]}×{picture.shape[0]}"
                _require(again == faces, f"a photo of {shape} has other faces each time")
    _require(_checked_settings(detector) == before, "the settings change with use")


def _require(kept: bool | np.bool_, otherwise: str) -> None:
    if not kept:
        raise AssertionError(otherwise)


def _check_face(face: Face, height: int, width: int, with_points: bool) -> None:
    _require(isinstance(face, Face), f"a face is a facematch.plugins.Face, found {type(face).__name__}")
    finite = np.isfinite([face.x, face.y, face.width, face.height, face.score, *np.ravel(face.points)]).all()
    _require(finite, f"not finite: {face}")
    _require(face.width > 0 and face.height > 0, f"without a size: {face}")
    inside = face.x < width and face.y < height and face.x + face.width > 0 and face.y + face.height > 0
    _require(inside, f"outside of its photo of {width}×{height}: {face}")
    _require(len(face.points) in ((5,) if with_points else (0, 5)), f"{len(face.points)} points, expected 5")


def _checked_settings(detector: Detector) -> str:
    found = dict(detector.settings())
    taken = [name for name in _OF_CROPS if name in found]
    _require(not taken, f"settings named {taken} are a crop's own: call them {detector.name}_{''.join(taken[:1])}")
    return json.dumps(found, sort_keys=True)


def _checked_fingerprint(found: Fingerprint) -> str:
    _require(isinstance(found, Fingerprint), f"fingerprint is a facematch.plugins.Fingerprint, found {type(found)}")
    _require(bool(found.settings), "a fingerprint that says nothing makes different embedders one")
    of_crops = any(name.startswith("faces.") for name in found.settings)
    _require(not of_crops, "names with faces. are those of the crops")
    return json.dumps(dict(found.settings), sort_keys=True)
