"""Leaks as a page to look through: both sides of every pair beside each other."""

import html
from collections.abc import Mapping, Sequence

from facematch.leaks import KINDS, Leak, PhotoSet
from facematch.leaks.words import change, heading, how_sure, remedy
from facematch.photos import PhotoFile, PhotoLimits
from facematch.reports.jpeg import SmallPhoto, data_url, read_small, small_jpeg

SHOWN = 200  # pairs on a page
_SIDE = 160  # pixels of a thumbnail

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Leaks between {sets}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.4 system-ui, sans-serif; margin: 1rem auto; padding: 0 1rem; max-width: 80rem }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .25rem }}
.pairs {{ display: grid; grid-template-columns: repeat(auto-fill, minmax({pair}px, 1fr)); gap: 1rem }}
.pair {{ border: 1px solid #8888; padding: .5rem }}
.pair p {{ margin: 0 0 .5rem; font-size: .85rem; overflow-wrap: anywhere }}
.sides {{ display: flex; gap: .5rem }}
figure {{ margin: 0; width: {side}px; flex: none }}
figure img, figure div {{ width: {side}px; height: {side}px; object-fit: contain; background: #8883 }}
figcaption {{ font-size: .75rem; overflow-wrap: anywhere }}
</style></head><body>
<h1>Leaks between {sets}</h1>
<p>{summary}</p>
{kinds}
</body></html>
"""


def leaks_page(leaks: Sequence[Leak], sets: Sequence[PhotoSet], limits: PhotoLimits) -> str:
    """Return an HTML page of the leaks in the order given, whole in itself: thumbnails are part of it.

    At most 200 pairs are shown, as many of each kind as there is room for. Photos that cannot be read any
    more leave their place empty.
    """
    files = {(each.name, file.name): file for each in sets for file in each.files}
    groups = {kind: [leak for leak in leaks if leak.kind == kind] for kind in KINDS}
    room = _room([len(group) for group in groups.values()])
    parts = []
    for (kind, group), shown in zip(groups.items(), room, strict=True):
        if group:
            cut = f" The first {shown} are shown." if shown < len(group) else ""
            pairs = "\n".join(_pair(leak, files, limits) for leak in group[:shown])
            told = f"<p>What to do: {html.escape(remedy(kind))}.{cut}</p>"
            parts.append(f'<h2>{html.escape(heading(kind, group))}</h2>\n{told}\n<div class="pairs">{pairs}</div>')
    looked = ", ".join(f"{each.name} ({len(each.files):,} files, {each.source})" for each in sets)
    return _PAGE.format(
        sets=html.escape(", ".join(each.name for each in sets)),
        summary=html.escape(f"Looked at: {looked}. {f'Leaks: {len(leaks):,}' if leaks else 'No leaks'}."),
        kinds="\n".join(parts),
        side=_SIDE,
        pair=2 * _SIDE + 26,
    )


def _room(counts: Sequence[int]) -> list[int]:
    # Kinds with few take what they need; the others share the rest evenly.
    room, left = [0] * len(counts), SHOWN
    for still, kind in enumerate(sorted(range(len(counts)), key=counts.__getitem__)):
        room[kind] = min(counts[kind], left // (len(counts) - still))
        left -= room[kind]
    return room


def _pair(leak: Leak, files: Mapping[tuple[str, str], PhotoFile], limits: PhotoLimits) -> str:
    told = [leak.person or "", how_sure(leak), change(leak)]
    text = html.escape(" – ".join(part for part in told if part))
    sides = [
        _figure(files[where, names[0]], where, len(names) - 1, limits)
        for where, names in zip(leak.sets, (leak.left, leak.right), strict=True)
    ]
    return f'<div class="pair"><p>{text}</p><div class="sides">{"".join(sides)}</div></div>'


def _figure(file: PhotoFile, where: str, more: int, limits: PhotoLimits) -> str:
    photo = read_small(file, _SIDE, limits)
    picture, size = "<div></div>", "cannot be read any more"
    if isinstance(photo, SmallPhoto):
        source = data_url(small_jpeg(photo.image, _SIDE))
        picture, size = f'<img alt="" src="{source}">', f"{photo.width}×{photo.height}"
    others = f" and {more} more" if more else ""
    caption = f"<b>{html.escape(where)}</b><br>{html.escape(file.name)}{others}<br>{size}"
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
