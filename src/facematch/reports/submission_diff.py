"""What two submissions answer differently, as values and as a page with thumbnails."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from facematch.photos import PhotoFile
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
figure img, figure div {{ width: {side}px; height: {side}px; object-fit: contain; background: #8883 }}
figcaption {{ font-size: .65rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
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


def diff_page(changes: Sequence[Change], numbers: tuple[int, int], query: Path, gallery: Path) -> str:
    """Return an HTML page of the changes, whole in itself: thumbnails of photos that can be read are part of it.

    Names that stand on one side only are underlined. The first 200 changes are shown.
    """
    shown = changes[:_SHOWN]
    more = f" The first {len(shown)} are shown." if len(shown) < len(changes) else ""
    best = sum(change.first_differs for change in changes)
    thumbnail = _thumbnails()
    return _PAGE.format(
        title=f"Submissions {numbers[0]} and {numbers[1]}",
        summary=f"{len(changes)} queries are answered differently, {best} of them with another best name. Underlined: "
        f"named by one of the two only.{more}",
        queries="\n".join(_change(change, numbers, query, gallery, thumbnail) for change in shown),
        side=_SIDE,
    )


def _change(
    change: Change, numbers: tuple[int, int], query: Path, gallery: Path, thumbnail: Callable[[Path], str]
) -> str:
    rows = [
        f'<div class="row"><b>{number}</b>'
        + "".join(_figure(gallery / name, name, name not in other, thumbnail) for name in own)
        + ("" if own else "<span>not answered</span>")
        + "</div>"
        for number, own, other in (
            (numbers[0], change.left, change.right),
            (numbers[1], change.right, change.left),
        )
    ]
    asked = _figure(query / change.query, change.query, False, thumbnail)
    return f'<h2>{html.escape(change.query)}</h2>\n<div class="row">{asked}</div>\n' + "\n".join(rows)


def _figure(path: Path, name: str, only: bool, thumbnail: Callable[[Path], str]) -> str:
    source, text = thumbnail(path), html.escape(name)
    picture = f'<img alt="" src="{source}">' if source else "<div></div>"
    return f'<figure{" class=only" if only else ""} title="{text}">{picture}<figcaption>{text}</figcaption></figure>'


def _thumbnails() -> Callable[[Path], str]:
    # A function from a photo's path to a data URL, empty for what cannot be read; each photo is read once.
    @cache
    def thumbnail(path: Path) -> str:
        photo = read_small(PhotoFile(path.name, path), _SIDE)
        if not isinstance(photo, SmallPhoto):
            return ""
        return data_url(small_jpeg(photo.image, _SIDE))

    return thumbnail
