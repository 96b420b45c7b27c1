"""`facematch robustness`: which method finds the original of which changed photo, on one's own photos."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape

from facematch.core.cache import Cache, cache_folder
from facematch.core.console import info, progress, result, show_json, show_table, warn, warn_unread
from facematch.core.errors import FacematchError, nearest_name
from facematch.core.files import write_bytes
from facematch.core.text import count_of, printable
from facematch.evaluation.bootstrap import Estimate
from facematch.near_duplicates.contents import Content, content_cache, read_contents
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.pipeline.build import photo_limits
from facematch.pipeline.images import SYSTEMS, embed_images, image_stage, load_image_settings
from facematch.settings.root import Settings
from facematch.tasks.images.edits import ORIENTATIONS, UPRIGHT
from facematch.tasks.robustness.changes import CHANGES, Change, change_named
from facematch.tasks.robustness.methods import (
    NEAR_DUPLICATES,
    Copies,
    EmbeddingMethod,
    Method,
    NearDuplicateMethod,
    Pictures,
    copies_within,
    pictures_of,
)
from facematch.tasks.robustness.page import example_pictures, heat_rows, robustness_page
from facematch.tasks.robustness.robustness import Column, Robustness, measure, spread

WITH_TURNS = "+turns"  # after a system's name: pictures are searched mirrored and turned by quarters too


def robustness_command(
    path: Path,
    systems: str,
    changes: str,
    photos: int,
    seed: int,
    config: Path | None,
    overrides: Sequence[str],
    *,
    as_json: bool,
    page: Path | None,
) -> None:
    """Print a table of methods and changes; `systems` and `changes` are names with commas, `page` an HTML file."""
    names, chosen = _methods(systems), _changes(changes)
    settings = load_image_settings(config, overrides)
    limits = photo_limits(settings.photos)
    with content_cache(cache_folder(settings.paths.cache)) as cache:
        contents, unread = _contents(path, cache, limits)
        warn_unread(unread)
        pictures = pictures_of(contents, cache, limits)
        copies = copies_within(pictures, progress)
        methods, missing = _opened(names, settings, path, pictures, copies)
        files = [contents[place].file for place in spread(len(contents), photos, seed)]
        with progress(f"{count_of(len(chosen), 'change', 'changes')} of photos", len(files)) as step:
            columns = measure(methods, files, chosen, limits, seed=seed, on_progress=step)
    by_name = {column.name: column for column in (*columns, *missing)}
    copied = sum(file.name in copies for file in files)
    outcome = Robustness(
        str(path),
        len(contents),
        len(files),
        copied,
        seed,
        chosen,
        tuple(by_name[name] for name in names),
        tuple(unread),
    )
    if as_json:
        show_json(_as_json(outcome))
    else:
        _print(outcome)
    if page is not None:
        write_bytes(page, robustness_page(outcome, example_pictures(files[0], chosen, limits, seed)))
        info(f"to look at: {page}")


def _methods(given: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    known = (*SYSTEMS, NEAR_DUPLICATES, *(f"{system}{WITH_TURNS}" for system in SYSTEMS))
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None or not names:
        raise FacematchError(
            f"--systems: {unknown!r} is not known{nearest_name(unknown, known)}." if unknown else "--systems is empty.",
            f"Known are {', '.join(known)}.",
        )
    return names


def _changes(given: str) -> tuple[Change, ...]:
    names = dict.fromkeys(name.strip() for name in given.split(",") if name.strip())
    return tuple(change_named(name) for name in names) or CHANGES


def _contents(path: Path, cache: Cache, limits: PhotoLimits) -> tuple[list[Content], list[str]]:
    found = find_photos(path)
    with progress("photos", len(found.files)) as step:
        contents, bad = read_contents(found.files, cache, limits, step)
    if len(contents) < 2:
        there = count_of(len(contents), "photo that can be read", "photos that can be read")
        raise FacematchError(
            f"{path} holds {there}; to be found among others, a photo needs at least one other.",
            "Name a folder of photos.",
        )
    return contents, [*map(str, (*found.unreadable, *bad))]


def _opened(
    names: Sequence[str], settings: Settings, path: Path, pictures: Pictures, copies: Copies
) -> tuple[list[Method], list[Column]]:
    # The methods that can be had, and a column with the reason for each of the others.
    methods: list[Method] = []
    missing: list[Column] = []
    for name in names:
        if name == NEAR_DUPLICATES:
            methods.append(NearDuplicateMethod(pictures, copies))
            continue
        try:
            with progress(f"photos by {name}", 100) as step:
                methods.append(open_system(settings, name, path, copies, step))
        except FacematchError as error:
            missing.append(Column(name, missing=str(error).replace("\n", " ")))
    if not methods:
        raise FacematchError("none of the systems can be used.", "\n".join(each.missing for each in missing))
    return methods, missing


def open_system(
    settings: Settings, name: str, path: Path, copies: Copies, on_progress: Callable[[int], None] = lambda percent: None
) -> EmbeddingMethod:
    """Embed a folder by a system of `SYSTEMS`; with `+turns` after its name pictures are searched in all orientations.

    `on_progress` gets the percentage done. Raises FacematchError for an unknown system, a missing library and a
    missing model.
    """
    stage = image_stage(settings, name.removesuffix(WITH_TURNS))
    gallery = embed_images(stage, path, on_progress).embeddings
    return EmbeddingMethod(name, stage, gallery, copies, ORIENTATIONS if name.endswith(WITH_TURNS) else (UPRIGHT,))


def _print(outcome: Robustness) -> None:
    tried = (
        f"{count_of(outcome.queries, 'photo', 'photos')} of {outcome.photos:,} in {escape(printable(outcome.folder))}"
    )
    columns = [column for column in outcome.columns if column.cells is not None]
    deciding = [column for column in columns if column.rule]
    title = f"the original ranks first: recall at 1 in %, with its 95 % interval over photos; {tried}"
    show_table(title, ["change", *(column.name for column in columns)], _rows(outcome, columns, "first"))
    if deciding:
        title = "the original is called a copy, in %; after +, how many other photos are, over all pictures"
        show_table(title, ["change", *(column.name for column in deciding)], _rows(outcome, deciding, "found"))
    result("* the best of a row where they differ")
    for rule in dict.fromkeys(column.rule for column in deciding):
        result(f"{', '.join(column.name for column in deciding if column.rule == rule)}: copies when {rule}")
    speeds = [f"{column.name} {column.images_per_second:,.0f}" for column in columns]
    result(f"decoded photos embedded in a second: {', '.join(speeds)}")
    if outcome.copied:
        copied = count_of(outcome.copied, "photo has", "photos have")
        result(f"{copied} copies in the folder, by pixels or near-duplicates: those are neither right nor wrong")
    for column in outcome.columns:
        if column.missing:
            warn(f"{column.name} is left out: {printable(column.missing)}")


def _rows(outcome: Robustness, columns: Sequence[Column], which: Literal["first", "found"]) -> list[list[str]]:
    return [[row.name, *(str(cell or "–") for cell in row.cells)] for row in heat_rows(outcome, columns, which)]


def _as_json(outcome: Robustness) -> dict[str, Any]:
    def figure(each: Estimate | None) -> dict[str, Any] | None:
        if each is None:
            return None
        interval = None if each.interval is None else list(each.interval)
        return {"value": each.value, "interval": interval, "pictures": each.count, "photos": each.people}

    return {
        "folder": outcome.folder,
        "photos": outcome.photos,
        "asked": outcome.queries,
        "with_copies": outcome.copied,
        "seed": outcome.seed,
        "not_read": list(outcome.unread),
        "changes": [{"name": each.name, "words": each.words, "jpeg_quality": each.quality} for each in outcome.changes],
        "systems": [
            {
                "name": column.name,
                "missing": column.missing or None,
                "copies_when": column.rule or None,
                "images_per_second": column.images_per_second,
                "results": {
                    label: {"recall_at_1": figure(cell.first), "found": figure(cell.found), "false_pairs": cell.false}
                    for label, (cell,) in (outcome.rows([column]) if column.cells is not None else [])
                },
            }
            for column in outcome.columns
        ],
    }
