"""What the leaderboard shows, as values: groups, their histories, and the queries that the own group missed."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from facematch.charts.jpeg import SmallPhoto, read_small, small_jpeg
from facematch.photos.photo import PhotoFile, find_photos
from facematch.tasks.rehearsal.store import Received

_SIDE = 96  # pixels of a thumbnail
_PLOT = (160, 36)  # pixels of a history
_NAME = 80  # characters of a name that are shown


@dataclass(frozen=True)
class Standing:
    """A group on the board: its best and its latest submission and how many there were."""

    rank: int
    group: str
    best: Received
    latest: Received
    count: int
    plot: str  # points of an SVG polyline
    own: bool
    first: int  # the number of its first submission, which stays while it sends more


@dataclass(frozen=True)
class Picture:
    """A photo on a page: its name as it is shown and its thumbnail's address, None where the photo is not there."""

    name: str
    address: str | None


@dataclass(frozen=True)
class Missed:
    """A query without a right name among the first ten: what was answered and what is right."""

    query: Picture
    answered: tuple[Picture, ...]
    right: tuple[Picture, ...]


def standings(received: Iterable[Received], own: str | None, best: float) -> list[Standing]:
    """Return one row for each group, the best score first; of equal scores the earlier one.

    `best` is the highest score there can be: the top of every plot.
    """
    groups: dict[str, list[Received]] = {}
    for each in received:
        groups.setdefault(each.group, []).append(each)
    tops = {group: max(history, key=lambda each: (each.score, -each.id)) for group, history in groups.items()}
    order = sorted(groups, key=lambda group: (-tops[group].score, tops[group].id))
    board = []
    for rank, group in enumerate(order, start=1):
        history = groups[group]
        points, first = plot(history, best), history[0].id
        board.append(Standing(rank, group, tops[group], history[-1], len(history), points, group == own, first))
    return board


def plot(history: Sequence[Received], best: float, box: tuple[int, int] = _PLOT) -> str:
    """Return the points of a polyline through a group's scores, the last 60 of them, in a box of width×height."""
    width, height = box
    shown = history[-60:]
    step = (width - 6) / max(1, len(shown) - 1)
    return " ".join(
        f"{3 + number * step:.1f},{height - 3 - (height - 6) * each.score / (best or 1):.1f}"
        for number, each in enumerate(shown)
    )


def printable(text: str, limit: int = _NAME) -> str:
    """Return what a stranger wrote, fit to be shown: no control characters or half surrogates, bounded.

    A terminal obeys control characters, a half surrogate cannot be encoded, and one name should not fill a page.
    """
    kept = "".join(character for character in text[: 4 * limit] if character.isprintable())
    return kept[:limit].strip()


def group_name(text: str) -> str:
    """Return the name under which a group stands on the board; names that no address can end in are bracketed."""
    name = printable(text)
    return f"({name or 'no name'})" if name in ("", ".", "..") else name


class Album:
    """The photos that pages may show: those in the two folders when the server started, by number."""

    def __init__(self, query: Path | None, gallery: Path | None) -> None:
        found = {side: _listed(folder) for side, folder in (("query", query), ("gallery", gallery))}
        self._files = [file for side in found.values() for file in side]
        numbers = iter(range(len(self._files)))
        self._numbers = {side: {Path(file.name).name: next(numbers) for file in files} for side, files in found.items()}
        self._stamp = secrets.token_hex(4)  # another server's photos, at the same address, are not these
        self.thumbnail = lru_cache(maxsize=4000)(self._thumbnail)

    def picture(self, side: str, name: str) -> Picture:
        """Return a photo of the `query` or `gallery` side as a page shows it."""
        number = self._numbers[side].get(name)
        return Picture(printable(name), None if number is None else f"/photos/{number}?{self._stamp}")

    def _thumbnail(self, number: int) -> bytes | None:
        """Return a JPEG of at most 96 pixels, None for an unknown number or a photo that cannot be read."""
        if not 0 <= number < len(self._files):
            return None
        photo = read_small(self._files[number], _SIDE)
        if not isinstance(photo, SmallPhoto):
            return None
        return small_jpeg(photo.image, _SIDE)


def missed(
    images: Mapping[str, Sequence[str]], truth: Mapping[str, AbstractSet[str]], album: Album, limit: int = 100
) -> tuple[int, list[Missed]]:
    """Return how many queries have no right name among their first ten, and the first `limit` of them."""
    wrong = [query for query, right in sorted(truth.items()) if right.isdisjoint(images.get(query, ())[:10])]
    return len(wrong), [
        Missed(
            album.picture("query", query),
            tuple(album.picture("gallery", name) for name in images.get(query, ())[:10]),
            tuple(album.picture("gallery", name) for name in sorted(truth[query])[:5]),
        )
        for query in wrong[:limit]
    ]


def _listed(folder: Path | None) -> tuple[PhotoFile, ...]:
    return find_photos(folder).files if folder is not None else ()
