"""`facematch duplicates`: the copies in folders of photos, printed or as a page. Nothing there is deleted or moved."""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, result, show_json, warn_unread
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.core.text import count_of, first_of, printable
from facematch.near_duplicates.contents import content_cache
from facematch.photos.photo import PhotoLimits
from facematch.pipeline.build import photo_limits
from facematch.settings.file import load_settings
from facematch.tasks.images.copies import Copies, CopyFile, find_copies, find_files, freed, room, summary

_GROUPS, _FILES = 20, 10  # on the terminal: groups, and files of each
SHOWN, OF_EACH = 600, 12  # pictures on a page, and of one group


def duplicates_command(
    paths: Sequence[Path],
    config: Path | None,
    overrides: Sequence[str],
    *,
    as_json: bool,
    as_csv: bool,
    page: Path | None,
) -> None:
    """Print groups of files that show one picture, those that take the most room first.

    `page` is an HTML file to write. Raises FacematchError when a path does not exist or no photo can be read.
    """
    if as_json and as_csv:
        raise FacematchError("--json and --csv are two ways to print one result.", "Choose one of them.", 2)
    settings = load_settings(config, overrides)
    limits = photo_limits(settings.photos)
    files, bad = find_files(paths)
    with content_cache(cache_folder(settings.paths.cache)) as cache:
        found = find_copies(files, cache, limits, progress)
    warn_unread([*map(str, bad), *found.unread])
    if not found.photos:
        raise FacematchError(f"{first_of([str(path) for path in paths])} holds no photo that can be read.")
    if page is not None:
        write_bytes(page, duplicates_page(found, limits))
        info(f"to look at: {page}")
    with _pipe_may_close():
        if as_json:
            show_json({"groups": [{"files": [_row(each) for each in group]} for group in found.groups]})
        elif as_csv:
            _print_csv(found)
        else:
            _print(found)


def _print(found: Copies) -> None:
    for number, group in enumerate(found.groups[:_GROUPS], start=1):
        result(f"{number}: {len(group)} files, {room(freed(group))} could be freed", "bold")
        rows = [(f"{each.photo.width}×{each.photo.height}", room(each.photo.bytes)) for each in group[:_FILES]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for each, row in zip(group, rows, strict=False):
            size, weight = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            mark = "*" if each.largest else " "
            result(printable(f"  {mark} {size}  {weight}  {each.photo.file.path}  {each.change or 'the largest copy'}"))
        if len(group) > _FILES:
            result(f"    … and {len(group) - _FILES} more")
    if len(found.groups) > _GROUPS:
        result(f"… and {len(found.groups) - _GROUPS} more groups: --csv prints all")
    result(summary(found), "bold")
    if found.plain:
        result(f"{count_of(found.plain, 'photo', 'photos')} without detail, compared by bytes and pixels only")
    if found.groups:
        result("Nothing was deleted. Each change is against the largest copy (*) of its group.")


def _row(each: CopyFile) -> dict[str, Any]:
    return {
        "path": str(each.photo.file.path),
        "width": each.photo.width,
        "height": each.photo.height,
        "bytes": each.photo.bytes,
        "largest": each.largest,
        "change": each.change,
    }


def _print_csv(found: Copies) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["group", "path", "width", "height", "bytes", "largest", "change"])
    for number, group in enumerate(found.groups, start=1):
        for each in group:
            row = _row(each) | {"largest": str(each.largest).lower(), "change": each.change or ""}
            table.writerow([number, *row.values()])


@contextmanager
def _pipe_may_close() -> Iterator[None]:
    # `| head` has read enough: what is left goes nowhere, so that Python does not complain of it on leaving.
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
