"""Labelled pairs of photos, read from LFW's pairs.txt or from CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.foreign import quoted, read_text, reading
from facematch.evaluation.bootstrap import Ints

Bools = NDArray[np.bool_]

_ANSWERS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, eq=False)
class LabelledPairs:
    """P pairs of photo names, whether both show the same identity (P `bool`), and the fold of each.

    `folds` (P `int64`, from 0) is None where the file gives none.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    same: Bools
    folds: Ints | None

    def __post_init__(self) -> None:
        lengths = {
            len(self.first),
            len(self.second),
            len(self.same),
            len(self.same if self.folds is None else self.folds),
        }
        if len(lengths) != 1:
            raise ValueError(f"labelled pairs have lists of unequal length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.same)

    @property
    def photos(self) -> tuple[str, ...]:
        """Return every photo once, in the order of the file."""
        return tuple(dict.fromkeys(name for pair in zip(self.first, self.second, strict=True) for name in pair))


def load_pairs(path: Path) -> LabelledPairs:
    """Read LFW's pairs.txt, or CSV with the columns a, b, same (1 or 0) and, where given, fold.

    pairs.txt begins with the number of folds and of pairs of either kind in each (`10 300`; one number for
    a single set, which gives no folds). Then each fold has that many lines `name i j`, same, and as many
    `name1 i name2 j`, different; photo i of a name is `name/name_%04d.jpg`.

    Raises FacematchError, which names the line, for anything else.
    """
    with reading(path, "pairs", "Expected CSV with the columns a, b, same, or LFW's pairs.txt, in UTF-8."):
        lines = read_text(path).split("\n")
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise FacematchError(
            f"pairs: {path} is empty.", "Expected CSV with the columns a, b, same, or LFW's pairs.txt."
        )
    head = rows[0][1].split()
    pairs = _read_lfw(path, rows) if len(head) <= 2 and all(map(_is_number, head)) else _read_csv(path, rows)
    if not len(pairs):
        raise FacematchError(f"pairs: {path} holds no pair after its first line.")
    return pairs


def _read_lfw(path: Path, rows: Sequence[tuple[int, str]]) -> LabelledPairs:
    head = [int(each) for each in rows[0][1].split()]
    folds, each = (1, head[0]) if len(head) == 1 else (head[0], head[1])
    if len(rows) - 1 != folds * each * 2:
        raise FacematchError(
            f"pairs: {path} holds {len(rows) - 1} pairs, but its first line, {_shown(rows[0][1])}, stands for "
            f"{folds * each * 2}: {folds} × ({each} same + {each} different)."
        )
    found = [_lfw_line(path, number, line, place // each % 2 == 0) for place, (number, line) in enumerate(rows[1:])]
    numbers = np.repeat(np.arange(folds), 2 * each)
    return LabelledPairs(
        tuple(a for a, _, _ in found),
        tuple(b for _, b, _ in found),
        np.array([same for _, _, same in found], dtype=np.bool_),
        None if folds < 2 else numbers.astype(np.int64),
    )


def _lfw_line(path: Path, number: int, line: str, same: bool) -> tuple[str, str, bool]:
    cells = line.strip().split("\t") if "\t" in line else line.split()
    expected = "`name i j`, two photos of one person" if same else "`name1 i name2 j`, photos of two people"
    names = cells[:1] * 2 if same else cells[:3:2]
    places = cells[1:] if same else cells[1::2]
    good = len(cells) == (3 if same else 4) and all(map(_is_number, places))
    if not good or (names[0] == names[1]) != same or (same and int(places[0]) == int(places[1])):
        raise FacematchError(f"pairs: {path}, line {number}: found {_shown(line)}, expected {expected}.")
    a, b = (f"{name}/{name}_{int(place):04d}.jpg" for name, place in zip(names, places, strict=True))
    return a, b, same


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _read_csv(path: Path, rows: Sequence[tuple[int, str]]) -> LabelledPairs:
    header = [cell.lower() for cell in _cells(rows[0][1])]
    if not {"a", "b", "same"} <= set(header) or len(set(header)) != len(header):
        raise FacematchError(
            f"pairs: {path}, line {rows[0][0]}: found {_shown(rows[0][1])}, expected the columns a, b, same "
            "(and fold, where there is one) with commas between them, or the two numbers LFW's pairs.txt begins with."
        )
    found = [_csv_line(path, number, line, header) for number, line in rows[1:]]
    names = {fold: place for place, fold in enumerate(dict.fromkeys(each.get("fold", "") for each in found))}
    return LabelledPairs(
        tuple(each["a"] for each in found),
        tuple(each["b"] for each in found),
        np.array([_ANSWERS[each["same"].lower()] for each in found], dtype=np.bool_),
        np.array([names[each["fold"]] for each in found], dtype=np.int64) if "fold" in header else None,
    )


def _csv_line(path: Path, number: int, line: str, header: Sequence[str]) -> dict[str, str]:
    cells = _cells(line)
    row = dict(zip(header, cells, strict=False))
    wrong = ""
    if len(cells) != len(header):
        wrong = f"{len(header)} columns"
    elif not all(row[key] for key in ("a", "b", "fold") if key in row):
        wrong = "two photos" + (" and a fold" if "fold" in row else "")
    elif row["a"] == row["b"]:
        wrong = "two photos that are not the same file"
    elif row["same"].lower() not in _ANSWERS:
        wrong = "1 or 0 in the column same"
    if wrong:
        raise FacematchError(f"pairs: {path}, line {number}: found {_shown(line)}, expected {wrong}.")
    return row


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]))]
    except csv.Error:
        return []  # no line has so few


def _shown(line: str) -> str:
    return quoted(line.strip())
