"""`facematch crop --compare haar,yunet`: what each detector finds in each photo, side by side on one sheet."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from facematch.charts.contact_sheet import Tile, counted, write_contact_sheet
from facematch.core.console import progress, result, show_json, show_table
from facematch.core.errors import FacematchError
from facematch.faces.boxes import intersection_over_union
from facematch.faces.cropper import Cropper, choose_face
from facematch.faces.stream import in_order
from facematch.faces.values import Face, Image
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, find_photos, made_of, read_photo
from facematch.pipeline.build import build_cropper, photo_limits
from facematch.settings.file import load_settings

_ROWS = 60  # photos on the sheet
_SIDE = 240  # pixels of a picture
_SAME = 0.5  # intersection over union of boxes that are one face
_CHOSEN, _OTHER, _POINT = (0, 200, 0), (230, 160, 0), (255, 0, 0)


@dataclass(frozen=True)
class Finds:
    """What one detector found in one photo, and which of it would be cropped."""

    faces: tuple[Face, ...]
    chosen: Face | None


def compare_detectors(
    photos: Path, folder: Path, config: Path | None, overrides: Sequence[str], names: str, *, as_json: bool
) -> None:
    """Write OUT/compare.png: a row for each photo, first those in which detectors choose different faces.

    `names` are detectors with commas between, with a second look as `haar+yunet`.
    """
    chosen = [name.strip() for name in names.split(",")]
    if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
        raise FacematchError(f"--compare {names}: expected different detectors.", "For example: --compare haar,yunet")
    croppers = {name: _cropper(config, overrides, name) for name in chosen}
    limits = photo_limits(load_settings(config, overrides).photos)
    files = find_photos(photos).files
    if not files:
        raise FacematchError(f"{photos} holds no photos.")
    rows: dict[PhotoFile, list[Finds]] = {}
    with progress("photos", len(files)) as step:
        outcomes = in_order(lambda file: _finds(file, croppers, limits), files, os.cpu_count() or 1)
        for done, (file, found) in enumerate(zip(files, outcomes, strict=True), start=1):
            if found is not None:
                rows[file] = found
            step(done)
    differing = [file for file, found in rows.items() if _differ(found)]
    shown = sorted(rows, key=lambda file: file not in differing)[:_ROWS]
    tiles = [tile for file in shown for tile in _tiles(file, dict(zip(chosen, rows[file], strict=True)), limits)]
    title = counted(f"faces in {photos}, first where they differ ({len(differing)})", len(shown), len(rows))
    path = folder / "compare.png"
    write_contact_sheet(path, tiles, title=title, columns=len(chosen), tile_size=_SIDE)
    _tell(path, chosen, rows, len(files) - len(rows), len(differing), as_json=as_json)


def _cropper(config: Path | None, overrides: Sequence[str], name: str) -> Cropper:
    detector, _, second = name.partition("+")
    ours = [f"faces.detector={detector}", f"faces.second_look={second or 'none'}"]
    return build_cropper(load_settings(config, [*overrides, *ours]).faces)


def _finds(file: PhotoFile, croppers: dict[str, Cropper], limits: PhotoLimits) -> list[Finds] | None:
    photo = read_photo(file, limits)
    if isinstance(photo, Unreadable):
        return None
    found = made_of(photo, lambda read: [_found(read.image, cropper) for cropper in croppers.values()])
    return None if isinstance(found, Unreadable) else found


def _found(image: Image, cropper: Cropper) -> Finds:
    faces = cropper.detector.detect(image)
    return Finds(tuple(faces), choose_face(faces, image.shape[1], image.shape[0], cropper.choose))


def _differ(finds: Sequence[Finds]) -> bool:
    first, *others = (each.chosen for each in finds)
    if first is None:
        return any(other is not None for other in others)
    return any(other is None or intersection_over_union(first, other) < _SAME for other in others)


def _tiles(file: PhotoFile, finds: dict[str, Finds], limits: PhotoLimits) -> list[Tile]:
    photo = read_photo(file, limits)
    if isinstance(photo, Unreadable):
        return [Tile(None, file.name, photo.reason)] * len(finds)
    return [Tile(drawn(photo.image, each, _SIDE), f"{name}: {_words(each)}", file.name) for name, each in finds.items()]


def _words(finds: Finds) -> str:
    if finds.chosen is None:
        return "no face"
    return f"{len(finds.faces)} face{'s' * (len(finds.faces) > 1)}, {finds.chosen.score:.3g}"


def drawn(image: Image, finds: Finds, side: int) -> Image:
    """Return a photo (H×W×3) of `side` pixels with boxes and points on it; the box that would be cropped is green."""
    scale = side / max(image.shape[:2])
    size = tuple(max(1, round(edge * scale)) for edge in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for face in finds.faces:
        corners = np.array([[face.x, face.y], [face.x + face.width, face.y + face.height]]) * scale
        first, last = corners.round().astype(int).tolist()
        cv2.rectangle(small, first, last, _CHOSEN if face == finds.chosen else _OTHER, 2)
        for x, y in (np.array(face.points).reshape(-1, 2) * scale).round().astype(int).tolist():
            cv2.circle(small, (x, y), 2, _POINT, -1)
    return np.asarray(small, np.uint8)


def _tell(
    path: Path,
    names: Sequence[str],
    rows: dict[PhotoFile, list[Finds]],
    unreadable: int,
    differing: int,
    *,
    as_json: bool,
) -> None:
    columns = list(zip(*rows.values(), strict=True)) or [()] * len(names)
    found = {name: sum(each.chosen is not None for each in column) for name, column in zip(names, columns, strict=True)}
    if as_json:
        faces = {
            file.name: {name: [asdict(face) for face in each.faces] for name, each in zip(names, finds, strict=True)}
            for file, finds in rows.items()
        }
        told = {"photos": len(rows), "unreadable": unreadable, "with_a_face": found, "different": differing}
        show_json({"out": str(path), **told, "faces": faces})
        return
    table = [
        [name, str(found[name]), str(len(rows) - found[name]), str(sum(len(each.faces) for each in column))]
        for name, column in zip(names, columns, strict=True)
    ]
    show_table(f"{len(rows)} photos", ["detector", "with a face", "without", "faces"], table)
    result(f"different faces are chosen in {differing}; to look at: {path}")
