"""Copies as a page to look through: the files of every group beside each other, the largest first."""

from collections.abc import Sequence

from facematch.charts.picture_page import Album, Group, Line, Picture, picture_page
from facematch.photos.photo import PhotoLimits
from facematch.tasks.images.copies import Copies, CopyFile, freed, room, summary

SHOWN, OF_EACH = 600, 12  # pictures on a page, and of one group


def duplicates_page(found: Copies, limits: PhotoLimits) -> bytes:
    """Return an HTML page of the groups in the order given, whole in itself: thumbnails are part of it.

    At most 600 pictures are shown, and 12 of each group. Photos that cannot be read any more leave their place
    empty.
    """
    album, groups, left = Album(limits=limits), list[Group](), SHOWN
    for number, group in enumerate(found.groups, start=1):
        shown = group[:OF_EACH]
        if len(shown) > left:
            break
        left -= len(shown)
        groups.append(_group(number, group, shown, album))
    cut = f" The first {len(groups):,} groups are shown." if len(groups) < len(found.groups) else ""
    told = summary(found)
    words = f"{told[0].upper()}{told[1:]}. Nothing was deleted.{cut}"
    return picture_page("duplicates", "Copies", [words], groups, album, "files")


def _group(number: int, group: Sequence[CopyFile], shown: Sequence[CopyFile], album: Album) -> Group:
    more = f"; {len(group) - len(shown)} more are not shown" if len(shown) < len(group) else ""
    heading = f"{number}: {len(group)} files, {room(freed(group))} could be freed{more}"
    return Group(heading, (Line(tuple(_picture(each, album) for each in shown)),))


def _picture(each: CopyFile, album: Album) -> Picture:
    size = f"{each.facts.width}×{each.facts.height}, {room(each.facts.bytes)}"
    told = each.change or "the largest copy"
    return Picture(album.number(each.facts.file), (told, size, str(each.facts.file.path)), each.largest)
