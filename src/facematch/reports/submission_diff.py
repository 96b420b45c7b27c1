"""What two submissions answer differently, as values and as a page with thumbnails."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.errors import FacematchError
from facematch.photos import PhotoFile, find_photos
from facematch.reports.jpeg import SmallPhoto, data_url, read_small, small_jpeg

_SHOWN = 200  # queries on a page
_SIDE = 72  # pixels of a thumbnail

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.4 system-ui, sans-serif; margin: 1rem auto; padding: 0 1rem; max-width: 80rem }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 .25rem; overflow-wrap: anywhere }}
.row {{ display: flex; gap: .25rem; flex-wrap: wrap; align-items: start; margin: .25rem 0 }}
.row b {{ flex: 0 0 3rem }}
figure {{ margin: 0; width: {side}px; border-bottom: .25rem solid transparent }}
figure.only {{ border-color: #d9822b }}
figure a, figure b {{ display: block; width: {side}px; height: {side}px; background: #8883 center/contain no-repeat }}
figcaption {{ font-size: .65rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
{pictures}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
{differing}
{queries}
</body></html>
"""


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
    changes: Sequence[Change], numbers: tuple[int, int], query: Path, gallery: Path, differing: Sequence[str] = ()
) -> str:
    """Return an HTML page of the changes, whole in itself: thumbnails of photos that can be read are part of it.

    Each is held once, and leads to its photo. Names that stand on one side only are underlined. The first 200 changes
    are shown. `differing` are lines about what else differs.
    """
    shown = changes[:_SHOWN]
    more = f" The first {len(shown)} are shown." if len(shown) < len(changes) else ""
    best = sum(change.first_differs for change in changes)
    album = _Album(query, gallery)
    queries = "\n".join(_change(change, numbers, album) for change in shown)
    return _PAGE.format(
        title=f"Submissions {numbers[0]} and {numbers[1]}",
        summary=f"{len(changes)} queries are answered differently, {best} of them with another best name. Underlined: "
        f"named by one of the two only.{more}",
        differing="\n".join(f"<p>{html.escape(line)}</p>" for line in differing),
        queries=queries,
        pictures="\n".join(album.rules),
        side=_SIDE,
    )


class _Album:
    # Photos of the two folders by their base names; a rule of the style sheet holds each picture.
    def __init__(self, query: Path, gallery: Path) -> None:
        self.rules: list[str] = []
        self._places = {"query": _photos(query), "gallery": _photos(gallery)}
        self._classes: dict[tuple[str, str], str] = {}

    def picture(self, side: str, name: str) -> str:
        """Return the element that shows a photo and leads to it; an empty one where it cannot be read."""
        path = self._places[side].get(name)
        if path is None:
            return "<b></b>"
        if (side, name) not in self._classes:
            photo = read_small(PhotoFile(path.name, path), _SIDE)
            self._classes[side, name] = ""
            if isinstance(photo, SmallPhoto):
                self._classes[side, name] = f" class=p{len(self.rules)}"
                picture = data_url(small_jpeg(photo.image, _SIDE))
                self.rules.append(f".p{len(self.rules)} {{ background-image: url({picture}) }}")
        text = html.escape(name)
        return f'<a{self._classes[side, name]} href="{html.escape(path.absolute().as_uri())}" aria-label="{text}"></a>'


def _photos(folder: Path) -> dict[str, Path]:
    try:
        return {file.path.name: file.path for file in find_photos(folder).files}
    except FacematchError:  # moved since then
        return {}


def _change(change: Change, numbers: tuple[int, int], album: _Album) -> str:
    rows = [
        f'<div class="row"><b>{number}</b>'
        + "".join(_figure(album, "gallery", name, name not in other) for name in own)
        + ("" if own else "<span>not answered</span>")
        + "</div>"
        for number, own, other in (
            (numbers[0], change.left, change.right),
            (numbers[1], change.right, change.left),
        )
    ]
    asked = _figure(album, "query", change.query, False)
    return f'<h2>{html.escape(change.query)}</h2>\n<div class="row">{asked}</div>\n' + "\n".join(rows)


def _figure(album: _Album, side: str, name: str, only: bool) -> str:
    text = html.escape(name)
    return (
        f'<figure{" class=only" if only else ""} title="{text}">{album.picture(side, name)}'
        f"<figcaption>{text}</figcaption></figure>"
    )
