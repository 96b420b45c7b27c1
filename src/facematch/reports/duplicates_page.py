"""Copies as a page to look through: the files of every group beside each other, the largest first."""

import html
from collections.abc import Sequence

from facematch.photos import PhotoLimits
from facematch.reports.jpeg import SmallPhoto, data_url, read_small, small_jpeg
from facematch.reverse.copies import Copies, CopyFile, freed, room, summary

SHOWN, OF_EACH = 600, 12  # pictures on a page, and of one group
_SIDE = 160  # pixels of a thumbnail

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Copies</title>
<style>
:root {{ color-scheme: light dark }}
body {{ color: CanvasText; background: Canvas; font: 1rem/1.4 system-ui, sans-serif }}
body {{ margin: 1rem auto; padding: 0 1rem; max-width: 80rem }}
section {{ border-top: 1px solid #8888; padding-bottom: 1rem }}
h2 {{ font-size: 1.1rem; margin: .75rem 0 .5rem }}
.files {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min({side}px, 45%), 1fr)); gap: 1rem }}
figure {{ margin: 0; min-width: 0 }}
figure img, figure div {{ width: 100%; height: {side}px; object-fit: contain; background: #8883 }}
.largest img, .largest div {{ outline: 3px solid currentColor }}
figcaption {{ font-size: .75rem; overflow-wrap: anywhere }}
</style></head><body>
<h1>Copies</h1>
<p>{summary}. Nothing was deleted.{cut}</p>
{groups}
</body></html>
"""


def duplicates_page(found: Copies, limits: PhotoLimits) -> str:
    """Return an HTML page of the groups in the order given, whole in itself: thumbnails are part of it.

    At most 600 pictures are shown, and 12 of each group. Photos that cannot be read any more leave their place
    empty.
    """
    parts, left = [], SHOWN
    for number, group in enumerate(found.groups, start=1):
        shown = group[:OF_EACH]
        if len(shown) > left:
            break
        left -= len(shown)
        parts.append(_section(number, group, shown, limits))
    cut = f" The first {len(parts):,} groups are shown." if len(parts) < len(found.groups) else ""
    told = summary(found)
    return _PAGE.format(summary=html.escape(told[0].upper() + told[1:]), cut=cut, groups="\n".join(parts), side=_SIDE)


def _section(number: int, group: Sequence[CopyFile], shown: Sequence[CopyFile], limits: PhotoLimits) -> str:
    more = f"; {len(group) - len(shown)} more are not shown" if len(shown) < len(group) else ""
    figures = "\n".join(_figure(each, limits) for each in shown)
    heading = f"{number}: {len(group)} files, {room(freed(group))} could be freed{more}"
    return f'<section><h2>{heading}</h2>\n<div class="files">{figures}</div></section>'


def _figure(each: CopyFile, limits: PhotoLimits) -> str:
    photo = read_small(each.facts.file, _SIDE, limits)
    picture = "<div>cannot be read any more</div>"
    if isinstance(photo, SmallPhoto):
        picture = f'<img alt="" src="{data_url(small_jpeg(photo.image, _SIDE))}">'
    size = f"{each.facts.width}×{each.facts.height}, {room(each.facts.bytes)}"
    told = "<b>the largest copy</b>" if each.change is None else html.escape(each.change)
    caption = f"{told}<br>{size}<br>{html.escape(str(each.facts.file.path))}"
    mark = ' class="largest"' if each.largest else ""
    return f"<figure{mark}>{picture}<figcaption>{caption}</figcaption></figure>"
