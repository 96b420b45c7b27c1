"""Which method finds the photo that a changed picture was made from: changes made on a folder's own photos.

Each picture is a query to the whole folder. Photos of the folder that are one with the original (equal pixels, or
near-duplicates) are neither right nor wrong for any method.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import single_threaded_opencv
from facematch.evaluation.bootstrap import Estimate, mean_figure
from facematch.faces.stream import in_order
from facematch.near_duplicates.contents import picture_of
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.photos.pixels import Rgb
from facematch.pipeline.timing import seconds_of, timed
from facematch.tasks.robustness.changes import NONE, Change, changed, resized
from facematch.tasks.robustness.methods import Answers, Method, Smalls

LONGEST = 2048  # pixels of the longer side of what is changed: larger photos are reduced first
OVERALL = "all changes"  # but `none`
_BLOCK = 16  # photos whose changes are in memory at once
_TIMED, _ROUNDS = 20, 3  # photos, and how often, for images a second

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Cell:
    """What a method is worth under one change, or over all.

    `first` is the share of pictures whose photo ranks first (recall at 1), `found` the share whose photo is
    called a copy, `false` how many other photos are, over all pictures; the two are None for a method that only
    ranks. Intervals are over photos.
    """

    first: Estimate
    found: Estimate | None = None
    false: int | None = None


@dataclass(frozen=True)
class Column:
    """One method: a cell for each change by name, one over all changes (but `none`), and its speed.

    `missing` says why a method has no cells.
    """

    name: str
    rule: str = ""
    cells: Mapping[str, Cell] | None = None
    overall: Cell | None = None
    images_per_second: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class Robustness:
    """What was measured on a folder of `photos`: `queries` were changed, `copied` of those have copies there."""

    folder: str
    photos: int
    queries: int
    copied: int
    seed: int
    changes: tuple[Change, ...]
    columns: tuple[Column, ...]
    unread: tuple[str, ...] = ()

    def rows(self, columns: Sequence[Column]) -> list[tuple[str, list[Cell]]]:
        """Return each change by name, and last all of them together, with the cells of some columns that have any."""
        there = [column for column in columns if column.cells is not None]
        rows = [(change.name, [(each.cells or {})[change.name] for each in there]) for change in self.changes]
        overall = [column.overall for column in there if column.overall is not None]
        return [*rows, (OVERALL, overall)] if overall else rows


def spread(count: int, most: int, seed: int) -> list[int]:
    """Return at most `most` of `count` places, rising: one from each of equal stretches, drawn by the seed."""
    if count <= most:
        return list(range(count))
    edges = np.arange(most + 1) * count // most
    return [int(place) for place in np.random.default_rng(seed).integers(edges[:-1], edges[1:])]


@single_threaded_opencv()
def measure(
    methods: Sequence[Method],
    files: Sequence[PhotoFile],
    changes: Sequence[Change],
    limits: PhotoLimits,
    *,
    seed: int = 0,
    on_progress: Progress = lambda done: None,
) -> list[Column]:
    """Make every change of every file, search by every method, and return a column for each.

    `files` are photos of the folder that the methods know. `on_progress` gets the number of files done. Raises
    FacematchError when a file cannot be read any more.
    """
    answers: dict[str, list[Answers]] = {method.name: [] for method in methods}
    for start in range(0, len(files), _BLOCK):
        block = files[start : start + _BLOCK]
        work = in_order(lambda file: _reduced(file, methods, changes, limits, seed), block, os.cpu_count() or 1)
        smalls = list(work)
        wanted = [file.name for file in block for _ in changes]
        names = [f"{file.name} ({change.name})" for file in block for change in changes]
        for place, method in enumerate(methods):
            pictures = np.concatenate([each[place] for each in smalls])
            answers[method.name].append(method.answers(pictures, names, wanted))
        on_progress(start + len(block))
    rates = images_per_second(methods, files, limits)
    photos = [file.name for file in files]
    return [column(method, answers[method.name], changes, photos, rates[method.name]) for method in methods]


def column(
    method: Method, parts: Sequence[Answers], changes: Sequence[Change], photos: Sequence[str], rate: float
) -> Column:
    """Return the figures of a method from its answers, which follow each other by photo and then by change."""
    found = [part.found for part in parts if part.found is not None]
    false = [part.false for part in parts if part.false is not None]
    answers = Answers(np.concatenate([part.first for part in parts]))
    if found and false:
        answers = replace(answers, found=np.concatenate(found), false=np.concatenate(false))
    places = np.arange(len(photos) * len(changes)).reshape(len(photos), len(changes))
    cells = {change.name: cell(answers, places[:, at], photos) for at, change in enumerate(changes)}
    counted = [at for at, change in enumerate(changes) if change.name != NONE.name]
    overall = None
    if counted:
        groups = [photo for photo in photos for _ in counted]
        overall = cell(answers, places[:, counted].ravel(), groups)
    return Column(method.name, method.rule, cells, overall, rate)


def cell(answers: Answers, places: NDArray[np.int64], photos: Sequence[str]) -> Cell:
    """Return the figures of N of the answers; `photos` says which photo each was made from."""
    first = mean_figure("recall at 1", answers.first[places], photos)
    if answers.found is None or answers.false is None:
        return Cell(first)
    return Cell(first, mean_figure("found", answers.found[places], photos), int(answers.false[places].sum()))


def images_per_second(methods: Sequence[Method], files: Sequence[PhotoFile], limits: PhotoLimits) -> dict[str, float]:
    """Return how many decoded photos each method embeds in a second: the best of three rounds over 20 of them."""
    chosen = files[:_TIMED]
    least = {method.name: math.inf for method in methods}
    for _ in range(_ROUNDS):
        smalls: dict[str, list[Smalls]] = {method.name: [] for method in methods}
        seconds = dict.fromkeys(smalls, 0.0)
        for file in chosen:  # one decoded photo is in memory at a time
            image = picture_of(file, limits)
            for method in methods:
                spent, small = timed(partial(method.reduce, image))
                seconds[method.name] += spent
                smalls[method.name].append(small)
        for method in methods:
            spent = seconds_of(partial(method.embed, np.stack(smalls[method.name])))
            least[method.name] = min(least[method.name], seconds[method.name] + spent)
    return {name: len(chosen) / max(spent, 1e-9) for name, spent in least.items()}


def made_from(image: Rgb, changes: Iterable[Change], seed: int) -> Iterable[Rgb]:
    """Yield a photo (H×W×3) after each change: itself for `none`, else made of it with at most 2,048 pixels a side.

    Changed pictures are as large as those that services hand on; of a photo of 48 megapixels 30 of them would
    take a minute.
    """
    by = LONGEST / max(image.shape)
    reduced = resized(image, by, by) if by < 1 else image
    for change in changes:
        yield image if change.name == NONE.name else changed(reduced, change, seed)


def _reduced(
    file: PhotoFile, methods: Sequence[Method], changes: Sequence[Change], limits: PhotoLimits, seed: int
) -> list[Smalls]:
    # For each method what it uses of every change: C×….
    kept: list[list[Smalls]] = [[] for _ in methods]
    for picture in made_from(picture_of(file, limits), changes, seed):
        for own, method in zip(kept, methods, strict=True):
            own.append(method.reduce(picture))
    return [np.stack(own) for own in kept]
