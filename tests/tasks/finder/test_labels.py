"""What two detectors agree on is a label; what one of them alone says is unknown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from facematch.faces.values import Face, Image
from facematch.photos.encoded import png_bytes, rgb_pixels
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.tasks.finder.labels import Labelled, label_photos

POINTS = ((10.0, 12.0), (20.0, 12.0), (15.0, 18.0), (11.0, 22.0), (19.0, 22.0))


@dataclass(frozen=True)
class Said:
    """A detector that says the same of every photo."""

    faces: tuple[Face, ...]
    name: str = "said"

    def detect(self, image: Image) -> list[Face]:
        return list(self.faces)

    def settings(self) -> dict[str, object]:
        return {"faces": repr(self.faces)}


def face(x: float = 5, y: float = 5, side: float = 20, score: float = 0.9, shift: float = 0.0) -> Face:
    points = tuple((a + x - 5 + shift, b + y - 5) for a, b in POINTS)
    return Face(x, y, side, side, score, "said", points)


def label(tmp_path: Path, first: list[Face], second: list[Face]) -> Labelled:
    (tmp_path / "photos").mkdir(exist_ok=True)
    (tmp_path / "photos" / "one.png").write_bytes(png_bytes(np.full((60, 60, 3), 90, np.uint8)))
    done: list[int] = []
    (labelled,) = label_photos(
        find_photos(tmp_path / "photos").files,
        (Said(tuple(first)), Said(tuple(second), "other")),
        0.5,
        tmp_path / "cache",
        PhotoLimits(),
        2,
        done.append,
    )
    assert done[0] == 1
    return labelled


def test_two_that_agree_are_one_face_in_their_middle(tmp_path: Path) -> None:
    labelled = label(tmp_path, [face()], [face(x=6, shift=-1)])
    assert labelled.boxes.tolist() == [[5.5, 5, 25.5, 25]]
    assert labelled.points[0].tolist() == [list(pair) for pair in POINTS]
    assert len(labelled.unknown) == 0
    assert rgb_pixels(labelled.data).shape == (60, 60, 3)


def test_one_alone_is_unknown(tmp_path: Path) -> None:
    labelled = label(tmp_path, [face(), face(x=35)], [face(), face(y=38)])
    assert len(labelled.boxes) == 1
    assert sorted(labelled.unknown.tolist()) == [[5, 38, 25, 58], [35, 5, 55, 25]]


@pytest.mark.parametrize("other", [face(shift=6.0), face(score=0.4)])
def test_points_elsewhere_and_faint_faces_are_unknown(tmp_path: Path, other: Face) -> None:
    labelled = label(tmp_path, [face()], [other])
    assert len(labelled.boxes) == 0
    assert len(labelled.unknown) == 2


def test_each_face_of_the_second_agrees_with_one_of_the_first(tmp_path: Path) -> None:
    labelled = label(tmp_path, [face(score=0.7), face(x=6, score=0.95)], [face(x=6)])
    assert labelled.boxes.tolist() == [[6, 5, 26, 25]]
    assert labelled.unknown.tolist() == [[5, 5, 25, 25]]


def test_labels_are_kept_by_what_is_in_the_photo_and_by_who_labels(tmp_path: Path) -> None:
    first = label(tmp_path, [face()], [face()])
    assert len(list((tmp_path / "cache").iterdir())) == 1
    again = label(tmp_path, [face()], [face()])
    assert again.boxes.tolist() == first.boxes.tolist()
    assert len(label(tmp_path, [], []).boxes) == 0
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_file_that_is_no_photo_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    label(tmp_path, [face()], [face()])
