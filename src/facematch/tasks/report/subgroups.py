"""Figures of subgroups: how well retrieval works for photos or people that share an attribute.

Attributes come from a CSV with a header; its rows describe photos or people. Which subgroup fares worst
is told with intervals over people, and none for fewer than ten of them: a difference between two handfuls
of people says nothing about everybody else.
"""

import csv
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.foreign import read_limited, reading
from facematch.evaluation.bootstrap import (
    MIN_PEOPLE,
    ROUNDS,
    Estimate,
    Floats,
    Ints,
    codes_of,
    draw_weights,
    mean_figure,
    student,
)

_MOST_VALUES = 8  # a numeric column with more is cut at its quartiles
_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".heic"}


@dataclass(frozen=True)
class Attributes:
    """What a CSV says of each name: `rows[name][column]` is a cell's text, empty where nothing is known.

    `source` is the file, for messages; `columns` are all but the one that holds the names.
    """

    source: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]


def read_attributes(path: Path) -> Attributes:
    """Read a CSV with a header; its first column holds the names of photos or people.

    Raises FacematchError for a file that cannot be read, has no header or no rows, has a row of another
    width, or describes one name twice.
    """
    lines = _lines(path)
    if not lines:
        raise FacematchError(f"{path} is empty.", "The first line names the columns: photo,age,…")
    header = [name.strip() for name in lines[0][1]]
    _check_header(path, header)
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise FacematchError(
                f"{path}, line {number} has {len(cells)} fields; the header has {len(header)}.",
                "Put a field that holds a comma between double quotes.",
            )
        name, *values = (cell.strip() for cell in cells)
        if not name:
            raise FacematchError(f"{path}, line {number} has nothing in the column {header[0]!r}, the names' column.")
        if name in found:
            raise FacematchError(
                f"{path} describes {name!r} twice, in lines {found[name][0]} and {number}.",
                f"Keep one row for each; the column {header[0]!r} holds the names.",
            )
        found[name] = number, dict(zip(header[1:], values, strict=True))
    if not found:
        raise FacematchError(f"{path} has a header and no rows.")
    return Attributes(str(path), tuple(header[1:]), {name: row for name, (_, row) in found.items()})


def column_values(
    attributes: Attributes, column: str, queries: Sequence[str], groups: Sequence[Hashable]
) -> tuple[list[str | None], list[str]]:
    """Return a column's value for each of Q queries, None where it is not known, and the queries that no row describes.

    A row describes a query when its name is, in this order, the query's full name (`ann/1.jpg`); its base
    name (`1.jpg`), where only one side has a folder and no other query or row has that base name; or the
    query's group (`ann`). So the CSV may have a row for each photo, for each person, or both.

    Raises FacematchError for an unknown column, and when no query is described at all.
    """
    if column not in attributes.columns:
        raise FacematchError(
            f"{attributes.source} has no column {column!r}{nearest_name(column, attributes.columns)}.",
            f"Its columns are {', '.join(attributes.columns)}.",
        )
    by_base = _base_names(attributes.rows, queries)
    values: list[str | None] = []
    unmatched: list[str] = []
    for query, group in zip(queries, groups, strict=True):
        names = (query, by_base.get(query, ""), str(group))
        row = next((attributes.rows[name] for name in names if name in attributes.rows), None)
        values.append(row[column] or None if row is not None else None)
        if row is None:
            unmatched.append(query)
    if queries and len(unmatched) == len(queries):
        raise FacematchError(
            f"{attributes.source} describes none of the {len(queries)} queries (its first row is "
            f"{next(iter(attributes.rows))!r}; the first query is {queries[0]!r}, of {groups[0]!r}).",
            "Write the photo's name, with or without its folder, or the person's in the names' column.",
        )
    return values, unmatched


def subgroup_labels(values: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return the subgroup of each query from a column's values: the value itself, or its quartile.

    A column of numbers with more than 8 different ones is cut at its quartiles over the queries, and the
    label says so with the range found: `quartile 1 (18–31)`. A value on a cut belongs below it.
    """
    numbers = _numbers(values)
    if numbers is None or len(np.unique(numbers[~np.isnan(numbers)])) <= _MOST_VALUES:
        return tuple(values)
    known = ~np.isnan(numbers)
    quartile = np.searchsorted(np.quantile(numbers[known], [0.25, 0.5, 0.75]), numbers)
    label: dict[int, str] = {}
    for number in np.unique(quartile[known]).tolist():
        inside = numbers[known & (quartile == number)]
        label[number] = f"quartile {number + 1} ({inside.min():g}–{inside.max():g})"
    return tuple(label[number] if there else None for number, there in zip(quartile.tolist(), known, strict=True))


def subgroup_figures(
    name: str,
    values: ArrayLike,
    groups: Sequence[Hashable],
    labels: Sequence[str | None],
    *,
    rounds: int = ROUNDS,
) -> list[tuple[str, Estimate]]:
    """Return each subgroup's mean with its interval over the people in it, in order of label.

    `values` holds one number for each of Q queries, NaN where it is not defined; `labels` their subgroups,
    None leaves a query out. A subgroup of fewer than 10 people has no interval and its note says so.
    """
    numbers = np.asarray(values, dtype=np.float64)
    figures = []
    for label in _ordered(labels):
        inside = [row for row, other in enumerate(labels) if other == label]
        people = [groups[row] for row in inside]
        figures.append((label, mean_figure(name, numbers[inside], people, rounds=rounds)))
    return figures


def largest_gap(
    name: str,
    values: ArrayLike,
    groups: Sequence[Hashable],
    labels: Sequence[str | None],
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Estimate:
    """Return the difference of the best and the worst subgroup's mean, among those of 10 people or more.

    The largest of many differences is large by selection alone, so the interval is a simultaneous one for
    all pairs of subgroups (single-step max-t, Westfall & Young 1993; Hothorn, Bretz & Westfall
    2008): whichever pair turns out largest, its true difference lies in it with 95 % confidence. Whole
    people are drawn, each with all photos in whatever subgroup. When 0 lies in it, the subgroups
    have not been shown to differ.
    """
    numbers = np.asarray(values, dtype=np.float64)
    kept = [row for row, label in enumerate(labels) if label is not None and not np.isnan(numbers[row])]
    people, where = codes_of([groups[row] for row in kept]), [labels[row] for row in kept]
    large = [label for label in _ordered(where) if len(set(people[[at == label for at in where]])) >= MIN_PEOPLE]
    if len(large) < 2:
        note = f"insufficient data: a gap needs 2 subgroups of {MIN_PEOPLE} people or more, found {len(large)}"
        return Estimate(name, None, None, 0, 0, note)
    inside = np.array([label in large for label in where])
    people = codes_of(people[inside].tolist())
    subgroup = np.array([large.index(label) for label in where if label in large], dtype=np.int64)
    gap, half, (best, worst) = _gap(numbers[kept][inside], people, subgroup, rounds, seed)
    note = f"{large[best]} less {large[worst]}; the interval allows for the choice among {len(large)} subgroups"
    return Estimate(name, gap, (gap - half, gap + half), len(people), int(people.max()) + 1, note)


def _gap(values: Floats, people: Ints, subgroup: Ints, rounds: int, seed: int) -> tuple[float, float, tuple[int, int]]:
    # The largest difference of two subgroups' means, half its interval, and which two.
    shape = (int(people.max()) + 1, int(subgroup.max()) + 1)
    sums, asked = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (people, subgroup), values)
    np.add.at(asked, (people, subgroup), 1)
    means = sums.sum(axis=0) / asked.sum(axis=0)
    best, worst = int(means.argmax()), int(means.argmin())
    weights = draw_weights(len(sums), rounds, np.random.default_rng(seed))
    with np.errstate(invalid="ignore"):  # a draw without anybody of a subgroup
        drawn = (weights @ sums) / (weights @ asked) - means
    first, second = np.triu_indices(len(means), 1)
    moved = np.abs((drawn[:, first] - drawn[:, second])[~np.isnan(drawn).any(axis=1)])
    spread = np.sqrt((moved**2).mean(axis=0))
    furthest = (moved / np.where(spread > 0, spread, 1)).max(axis=1)
    fewest = int((asked > 0).sum(axis=0).min())
    small = student(fewest - 1) / 1.96 * math.sqrt(fewest / (fewest - 1))  # a bootstrap of few people is too narrow
    pair = np.flatnonzero((first == min(best, worst)) & (second == max(best, worst)))
    half = float(np.quantile(furthest, 0.95) * small * spread[pair].sum())
    return float(means[best] - means[worst]), half, (best, worst)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    # The rows that hold anything, with their line numbers.
    with reading(path, "the attributes", "Name a CSV file in UTF-8, with a header."):
        reader = csv.reader(StringIO(read_limited(path, "list").decode("utf-8-sig"), newline=""), strict=True)
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]


def _check_header(path: Path, header: list[str]) -> None:
    suffix = PurePosixPath(header[0]).suffix.lower()
    if suffix in _PHOTO_SUFFIXES:
        raise FacematchError(
            f"{path} has no header: its first line begins with {header[0]!r}.",
            "The first line names the columns.",
        )
    if len(header) < 2:
        raise FacematchError(
            f"{path} has only the column {header[0]!r}; a column of names and one of values are needed.",
            "Separate the columns by commas.",
        )
    twice = [name for name, count in Counter(header).items() if count > 1 or not name]
    if twice:
        raise FacematchError(f"the header of {path} names the column {twice[0]!r} twice or leaves it without a name.")


def _base_names(rows: Mapping[str, object], queries: Sequence[str]) -> dict[str, str]:
    # The row of each query whose base name alone says which photo is meant.
    of_rows, of_queries = (Counter(PurePosixPath(name).name for name in names) for names in (rows, queries))
    row_of = {PurePosixPath(name).name: name for name in rows}
    found = {}
    for query in queries:
        base = PurePosixPath(query).name
        if of_rows[base] == of_queries[base] == 1 and base in (query, row_of[base]):
            found[query] = row_of[base]
    return found


def _numbers(values: Sequence[str | None]) -> Floats | None:
    # The values as numbers, NaN for None; None when one of them is not a finite number.
    try:
        numbers = np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    except ValueError:
        return None
    given = np.array([value is not None for value in values], dtype=np.bool_)
    return numbers if np.isfinite(numbers[given]).all() else None


def _ordered(labels: Sequence[str | None]) -> list[str]:
    # The different labels, by number where all are numbers.
    known = sorted({label for label in labels if label is not None})
    numbers = _numbers(known)
    return known if numbers is None else [known[at] for at in np.argsort(numbers, kind="stable")]
