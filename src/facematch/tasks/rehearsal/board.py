"""The leaderboard as values: groups, their histories, and the queries that the own group missed."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from facematch.charts.jpeg import SmallPhoto, read_small, small_jpeg
from facematch.charts.picture_page import Group, Picture, Row
from facematch.core.text import brief
from facematch.photos.photo import find_photos
from facematch.tasks.rehearsal.store import Received

_SIDE = 96  # pixels of a thumbnail
_PLOT = (160, 36)  # pixels of a history
_NAME = 80  # characters of a name that are shown


@dataclass(frozen=True)
class BoardRow:
    """A group on the board: its best and its latest submission and how many there were."""

    rank: int
    group: str
    best: Received
    latest: Received
    count: int
    plot: str  # points of an SVG polyline
    own: bool
    first: int  # the number of its first submission, which stays while it sends more


def leaderboard(received: Iterable[Received], own: str | None, best: float) -> list[BoardRow]:
    """Return one row for each group, the best score first; of equal scores the earlier one.

    `best` is the highest score there can be: the top of every plot.
    """
    groups: dict[str, list[Received]] = {}
    for each in received:
        groups.setdefault(each.group, []).append(each)
    tops = {group: top_of(history) for group, history in groups.items()}
    order = sorted(groups, key=lambda group: (-tops[group].score, tops[group].id))
    rows = []
    for rank, group in enumerate(order, start=1):
        history = groups[group]
        points, first = plot(history, best), history[0].id
        rows.append(BoardRow(rank, group, tops[group], history[-1], len(history), points, group == own, first))
    return rows


def top_of(history: Iterable[Received]) -> Received:
    """Return the submission with the best score, the first of equal ones."""
    return max(history, key=lambda each: (each.score, -each.id))


def plot(history: Sequence[Received], best: float, box: tuple[int, int] = _PLOT) -> str:
    """Return the points of a polyline through a group's scores, the last 60 of them, in a box of width×height."""
    width, height = box
    shown = history[-60:]
    step = (width - 6) / max(1, len(shown) - 1)
    return " ".join(
        f"{3 + number * step:.1f},{height - 3 - (height - 6) * each.score / (best or 1):.1f}"
        for number, each in enumerate(shown)
    )


def group_name(text: str) -> str:
    """Return the name of a group on the board; names that no address can end in are bracketed."""
    name = brief(text, _NAME)
    return f"({name or 'no name'})" if name in ("", ".", "..") else name


class PhotoNumbers:
    """The photos that pages may show: those in the two folders when the server started, by number."""

    def __init__(self, query: Path | None, gallery: Path | None) -> None:
        listed = {
            side: find_photos(folder).files if folder is not None else ()
            for side, folder in (("query", query), ("gallery", gallery))
        }
        self._files = [file for files in listed.values() for file in files]
        numbers = iter(range(len(self._files)))
        self._numbers = {
            side: {Path(file.name).name: next(numbers) for file in files} for side, files in listed.items()
        }
        self._stamp = secrets.token_hex(4)  # another server's photos, at the same address, are not these
        self.thumbnail = lru_cache(maxsize=4000)(self._thumbnail)

    def picture(self, side: str, name: str, *, marked: bool = False) -> Picture:
        """Return a photo of the `query` or `gallery` side as a page shows it."""
        number = self._numbers[side].get(name)
        source = "" if number is None else f"/photos/{number}?{self._stamp}"
        return Picture(source, (brief(name, _NAME),), marked, missing="no picture")

    def _thumbnail(self, number: int) -> bytes | None:
        """Return a JPEG of at most 96 pixels, None for an unknown number or a photo that cannot be read."""
        if not 0 <= number < len(self._files):
            return None
        photo = read_small(self._files[number], _SIDE)
        return small_jpeg(photo.image, _SIDE) if isinstance(photo, SmallPhoto) else None


def missed(
    images: Mapping[str, Sequence[str]], truth: Mapping[str, AbstractSet[str]], photos: PhotoNumbers, limit: int = 100
) -> tuple[int, list[Group]]:
    """Return how many queries have no right name among their first ten, and the first `limit` of them as pictures."""
    wrong = [query for query, right in sorted(truth.items()) if right.isdisjoint(images.get(query, ())[:10])]
    return len(wrong), [
        _missed_query(query, images.get(query, ())[:10], truth[query], photos) for query in wrong[:limit]
    ]


def _missed_query(query: str, answers: Sequence[str], right: AbstractSet[str], photos: PhotoNumbers) -> Group:
    rows = (
        Row((photos.picture("query", query),), "query"),
        Row(tuple(photos.picture("gallery", name) for name in answers), "answered" if answers else "answered: none"),
        Row(tuple(photos.picture("gallery", name, marked=True) for name in sorted(right)[:5]), "right"),
    )
    return Group(brief(query, _NAME), rows)
