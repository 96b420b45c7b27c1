"""What two submissions answer differently, as values and as a page with thumbnails."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.core.errors import FacematchError
from facematch.photos.photo import PhotoFile, find_photos

_SHOWN = 200  # queries on a page
_SIDE, _QUALITY = 80, 65  # pixels of a thumbnail; of its JPEG


@dataclass(frozen=True)
class Change:
    """A query that two submissions answer differently; a side that does not answer it is empty."""

    query: str
    left: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def first_differs(self) -> bool:
        """Return whether the best name changed."""
        return self.left[:1] != self.right[:1]


def changed_queries(left: Mapping[str, Sequence[str]], right: Mapping[str, Sequence[str]]) -> list[Change]:
    """Return the queries answered differently: another best name first, then more new names, then by name."""
    changes = [
        Change(query, tuple(left.get(query, ())), tuple(right.get(query, ())))
        for query in sorted(left.keys() | right.keys())
        if tuple(left.get(query, ())) != tuple(right.get(query, ()))
    ]
    return sorted(
        changes, key=lambda each: (not each.first_differs, -len(set(each.right) - set(each.left)), each.query)
    )


def diff_page(
    changes: Sequence[Change],
    numbers: tuple[int, int],
    query: Path,
    gallery: Path,
    differing: Sequence[str] = (),
    folder: Path = Path(),
) -> bytes:
    """Return an HTML page of the changes, whole in itself: thumbnails of photos that can be read are part of it.

    Each is held once, and leads to its photo as it lies from `folder`, where the page will be. Names on one side only
    are framed. The first 200 changes are shown. `differing` are lines about what else differs.
    """
    shown = changes[:_SHOWN]
    more = f" The first {len(shown)} are shown." if len(shown) < len(changes) else ""
    best = sum(change.first_differs for change in changes)
    summary = (
        f"{len(changes)} queries are answered differently, {best} of them with another best name. Framed: named by one "
        f"of the two only. A thumbnail leads to its photo.{more}"
    )
    photos = _Photos(query, gallery, folder)
    groups = [_group(change, numbers, photos) for change in shown]
    title = f"Submissions {numbers[0]} and {numbers[1]}"
    return picture_page("diff", title, [summary, *differing], groups, photos.thumbnails, "rows")


class _Photos:
    # Photos of the two folders by their base names, and their thumbnails.
    def __init__(self, query: Path, gallery: Path, folder: Path) -> None:
        self.thumbnails, self._folder = Thumbnails(_SIDE, _QUALITY), folder
        self._places = {"query": _photos(query), "gallery": _photos(gallery)}

    def picture(self, side: str, name: str, only: bool = False) -> Picture:
        path = self._places[side].get(name)
        source = "" if path is None else self.thumbnails.source(PhotoFile(name, path))
        return Picture(source, (name,), only, _address(path, self._folder) if path is not None and source else "")


def _address(path: Path, folder: Path) -> str:
    # From the page to the photo, so that it holds when both are moved together and names no folder above them.
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:  # another drive
        return path.absolute().as_uri()


def _photos(folder: Path) -> dict[str, Path]:
    try:
        return {file.path.name: file.path for file in find_photos(folder).files}
    except FacematchError:  # moved since then
        return {}


def _group(change: Change, numbers: tuple[int, int], photos: _Photos) -> Group:
    rows = [Row((photos.picture("query", change.query),), "query")]
    for number, own, other in ((numbers[0], change.left, change.right), (numbers[1], change.right, change.left)):
        pictures = tuple(photos.picture("gallery", name, name not in other) for name in own)
        rows.append(Row(pictures, str(number) if own else f"{number}: not answered"))
    return Group(change.query, tuple(rows))
