"""Copies as a page to look through: the files of every group beside each other, the largest first."""

from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.photos.photo import PhotoLimits
from facematch.tasks.images.copies import Copies, CopyFile, freed, room, summary

SHOWN, OF_EACH = 600, 12  # pictures on a page, and of one group


def duplicates_page(found: Copies, limits: PhotoLimits) -> bytes:
    """Return an HTML page of the groups in the order given, whole in itself: thumbnails are part of it.

    At most 600 pictures are shown, and 12 of each group. Photos that cannot be read any more leave their place
    empty.
    """
    thumbnails, groups, left = Thumbnails(limits=limits), list[Group](), SHOWN
    for number, group in enumerate(found.groups, start=1):
        shown = group[:OF_EACH]
        if len(shown) > left:
            break
        left -= len(shown)
        more = f"; {len(group) - len(shown)} more are not shown" if len(shown) < len(group) else ""
        heading = f"{number}: {len(group)} files, {room(freed(group))} could be freed{more}"
        groups.append(Group(heading, (Row(tuple(_picture(each, thumbnails) for each in shown)),)))
    cut = f" The first {len(groups):,} groups are shown." if len(groups) < len(found.groups) else ""
    words = summary(found)
    line = f"{words[0].upper()}{words[1:]}. Nothing was deleted.{cut}"
    return picture_page("duplicates", "Copies", [line], groups, thumbnails, "files")


def _picture(each: CopyFile, thumbnails: Thumbnails) -> Picture:
    file = each.photo.file
    size = f"{each.photo.width}×{each.photo.height}, {room(each.photo.bytes)}"
    return Picture(thumbnails.source(file), (each.change or "the largest copy", size, str(file.path)), each.largest)
