"""Leaks as a page to look through: both sides of every pair beside each other."""

from collections.abc import Mapping, Sequence

from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.leaks.leaks import KINDS, Leak, PhotoSet
from facematch.tasks.leaks.words import change, heading, how_sure, remedy

SHOWN = 200  # pairs on a page


def leaks_page(leaks: Sequence[Leak], sets: Sequence[PhotoSet], limits: PhotoLimits) -> bytes:
    """Return an HTML page of the leaks in the order given, whole in itself: thumbnails are part of it.

    At most 200 pairs are shown, as many of each kind as there is room for. Photos that cannot be read any
    more leave their place empty.
    """
    files = {(each.name, file.name): file for each in sets for file in each.files}
    kinds = {kind: [leak for leak in leaks if leak.kind == kind] for kind in KINDS}
    room = _room([len(group) for group in kinds.values()])
    thumbnails, groups = Thumbnails(limits=limits), list[Group]()
    for (kind, group), shown in zip(kinds.items(), room, strict=True):
        if group:
            cut = f" The first {shown} are shown." if shown < len(group) else ""
            pairs = tuple(_pair(leak, files, thumbnails) for leak in group[:shown])
            groups.append(Group(heading(kind, group), pairs, f"What to do: {remedy(kind)}.{cut}"))
    looked = ", ".join(f"{each.name} ({len(each.files):,} files, {each.source})" for each in sets)
    words = f"Looked at: {looked}. {f'Leaks: {len(leaks):,}' if leaks else 'No leaks'}."
    title = f"Leaks between {', '.join(each.name for each in sets)}"
    return picture_page("leaks", title, [words], groups, thumbnails, "pairs")


def _room(counts: Sequence[int]) -> list[int]:
    # Kinds with few take what they need; the others share the rest evenly.
    room, left = [0] * len(counts), SHOWN
    for still, kind in enumerate(sorted(range(len(counts)), key=counts.__getitem__)):
        room[kind] = min(counts[kind], left // (len(counts) - still))
        left -= room[kind]
    return room


def _pair(leak: Leak, files: Mapping[tuple[str, str], PhotoFile], thumbnails: Thumbnails) -> Row:
    pictures = []
    for where, names in zip(leak.sets, (leak.left, leak.right), strict=True):
        file, more = files[where, names[0]], f" and {len(names) - 1} more" if len(names) > 1 else ""
        pictures.append(Picture(thumbnails.source(file), (where, file.name + more, thumbnails.size(file))))
    return Row(tuple(pictures), " – ".join(part for part in (leak.person, how_sure(leak), change(leak)) if part))
