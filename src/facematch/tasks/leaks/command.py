"""`facematch leaks`: whether anything is on both sides of a split, printed and as a page to look through."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, result, show_json, warn
from facematch.core.errors import USAGE, FacematchError
from facematch.core.files import write_bytes
from facematch.core.shipped import TRIPLET
from facematch.core.text import count_of, first_of, printable
from facematch.near_duplicates.contents import content_cache
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.pipeline.build import photo_limits
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.leaks.leaks import (
    KINDS,
    Findings,
    Leak,
    PhotoSet,
    change,
    ends,
    find_leaks,
    heading,
    how_sure,
    remedy,
)
from facematch.tasks.leaks.sets import Absent, configured_sets, named_sets

_LINES = 20  # of one kind, on the terminal
SHOWN = 200  # pairs on a page


def leaks_command(
    sets: Sequence[str],
    config: Path | None,
    overrides: Sequence[str],
    *,
    people: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    """Print what two sets share, worst first; leaves with exit code 1 when there is something, 2 on bad input.

    `sets` are `NAME=FOLDER` arguments, and with `people` the first folder below each FOLDER is a person.
    Without `sets` those of the configuration are looked at. `page` is an HTML file to write.
    """
    try:
        settings = load_settings(config or (None if sets else TRIPLET), overrides)
        looked, absent = _sets(sets, settings, people=people)
        with content_cache(cache_folder(settings.paths.cache)) as cache:
            found = find_leaks(looked, cache, photo_limits(settings.photos), progress)
        for name, unread in found.unread.items():
            if unread:
                count = count_of(len(unread), "file was", "files were")
                warn(f"{name}: {count} not read: {printable(first_of(unread))}")
        if as_json:
            show_json(_as_json(looked, absent, found))
        else:
            _print(looked, absent, found)
        if page is not None:
            write_bytes(page, leaks_page(found.leaks, looked, photo_limits(settings.photos)))
            info(f"to look at: {page}")
    except FacematchError as error:
        raise FacematchError(error.message, error.hint, USAGE) from None
    if found.leaks:
        between = ", ".join(each.name for each in looked)
        hint = "" if page else "Look at the pairs: add --out results/leaks.html"
        raise FacematchError(f"{count_of(len(found.leaks), 'leak', 'leaks')} between {between}.", hint)


def _sets(given: Sequence[str], settings: Settings, *, people: bool) -> tuple[list[PhotoSet], list[Absent]]:
    absent: list[Absent] = []
    if given:
        looked = named_sets(given, people=people)
    elif people:
        raise FacematchError("--people says what NAME=FOLDER arguments hold; there are none.", "Leave it out.")
    else:
        looked, absent = configured_sets(settings)
    if len(looked) < 2:
        there = first_of([each.name for each in looked]) or "none"
        why = "".join(f" {each.name}: {each.reason}." for each in absent)
        raise FacematchError(
            f"a leak needs two sets, there is {there}.{why}",
            f"Set the paths in the configuration (relative ones start at {Path.cwd()}), or name folders: facematch "
            "leaks train=FOLDER test=FOLDER",
        )
    return looked, absent


def _print(looked: Sequence[PhotoSet], absent: Sequence[Absent], found: Findings) -> None:
    for each in looked:
        people = f"{count_of(len(each.people), 'person', 'people')}, " if each.people else ""
        photos = count_of(found.photos[each.name], "photo", "photos")
        unused = f"; {each.unused} more that a run leaves out" if each.unused else ""
        plain = found.plain[each.name]
        blank = f"; {plain} without detail, compared by bytes and pixels only" if plain else ""
        result(f"{each.name}: {people}{photos} ({each.source}){unused}{blank}")
    for missing in absent:
        result(f"{missing.name}: not looked at – {missing.reason}")
    for kind in KINDS:
        leaks = [leak for leak in found.leaks if leak.kind == kind]
        if leaks:
            result(f"\n{printable(heading(kind, leaks))}", "bold")
            for leak in leaks[:_LINES]:
                result(f"  {_line(leak)}")
            if len(leaks) > _LINES:
                result(f"  … and {len(leaks) - _LINES} more: --json prints all")
            result(f"  what to do: {remedy(kind)}")
    if not found.leaks:
        result(f"no leaks between {', '.join(each.name for each in looked)}")


def _line(leak: Leak) -> str:
    left, right = ends(leak)
    details = ", ".join(part for part in (how_sure(leak), change(leak)) if part)
    if leak.person is not None:
        return f"{printable(leak.person)}: {left}, {right} ({details})"
    return f"{left} = {right} ({details})"


def _as_json(looked: Sequence[PhotoSet], absent: Sequence[Absent], found: Findings) -> dict[str, Any]:
    return {
        "sets": [
            {
                "name": each.name,
                "source": each.source,
                "people": len(each.people) if each.people else None,
                "photos": found.photos[each.name],
                "left_out": each.unused,
                "without_detail": found.plain[each.name],
                "not_read": list(found.unread[each.name]),
            }
            for each in looked
        ],
        "absent": [{"name": each.name, "reason": each.reason} for each in absent],
        "counts": {kind: sum(leak.kind == kind for leak in found.leaks) for kind in KINDS},
        "leaks": [
            {
                "kind": leak.kind,
                "sets": list(leak.sets),
                "person": leak.person,
                "left": list(leak.left),
                "right": list(leak.right),
                "how_sure": how_sure(leak),
                "correlation": leak.correlation,
                "mirrored": leak.mirrored,
                "area": leak.area,
            }
            for leak in found.leaks
        ],
    }


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
