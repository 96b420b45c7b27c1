"""ROxford5k and RParis6k: the published protocol of easy, medium and hard, and its figures.

Radenović, Iscen, Tolias, Avrithis & Chum, Revisiting Oxford and Paris: Large-Scale Image Retrieval
Benchmarking (CVPR 2018). Figures follow `python/evaluate.py` and `python/example_evaluate.py` of their
repository filipradenovic/revisitop. The ground truth is read from the published pickle, of which no
code is ever run, or from the same content as JSON.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from facematch.core.errors import FacematchError
from facematch.core.foreign import parse_json, read_limited, reading, require_limits
from facematch.core.text import LONGEST, brief
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, mean_figure
from facematch.evaluation.relevance import RelevanceMatrix, relevance_matrix
from facematch.evaluation.retrieval import average_precision
from facematch.ranking.ranking import Ranking
from facematch.tasks.protocols.plain_pickle import load_plain

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")
KS = (1, 5, 10)

_LISTS = ("easy", "hard", "junk")


@dataclass(frozen=True)
class RevisitedQuery:
    """One query of the benchmark: its name, and its easy, hard and junk gallery names.

    `box` is the part of the photo that is to be embedded, (left, top, right, bottom) in pixels.
    """

    name: str
    easy: frozenset[str]
    hard: frozenset[str]
    junk: frozenset[str]
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class RevisitedTruth:
    """The ground truth: the names of the gallery and the queries, without folder and suffix as published."""

    gallery: tuple[str, ...]
    queries: tuple[RevisitedQuery, ...]


def load_ground_truth(path: Path) -> RevisitedTruth:
    """Read `gnd_roxford5k.pkl` or `gnd_rparis6k.pkl` as published, or the same content as JSON.

    Of a pickle only containers, numbers, text and numpy arrays of numbers are read; whatever asks for
    anything else is refused, and nothing it names is imported or called. Raises FacematchError for that
    and for content that is not a ground truth.
    """
    with reading(path, "the ground truth", "Take the file from its publishers."):
        data = read_limited(path, "landmarks")
        is_json = data.lstrip()[:1] == b"{"
        content = parse_json(data, "landmarks") if is_json else load_plain(path, data)
        require_limits(content, "landmarks")
        return _truth(path, content)


def relevant_and_ignored(
    truth: RevisitedTruth, difficulty: Difficulty
) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """Return for each query the relevant gallery names, and those that leave the ranking before it is scored.

    Easy: easy ones are relevant, hard and junk are ignored. Medium: easy and hard are relevant, junk is
    ignored. Hard: hard ones are relevant, easy and junk are ignored.
    """
    if difficulty == "easy":
        return [q.easy for q in truth.queries], [q.junk | q.hard for q in truth.queries]
    if difficulty == "medium":
        return [q.easy | q.hard for q in truth.queries], [q.junk for q in truth.queries]
    return [q.hard for q in truth.queries], [q.junk | q.easy for q in truth.queries]


def revisited_figures(
    ranking: Ranking, truth: RevisitedTruth, *, rounds: int = ROUNDS, seed: int = 0
) -> list[Estimate]:
    """Return mAP and mP@1, 5, 10 for easy, medium and hard, as the published evaluator computes them.

    mAP is the mean of areas by trapezoids. A query without relevant photos leaves the means. Names are
    compared without folder and suffix; the gallery may hold more photos than the truth (the million
    distractors), which are wrong answers. Intervals are drawn over landmarks, since the five or eight
    queries of one share their answers: `people` counts landmarks.

    Raises FacematchError when the ranking is not whole, or queries or gallery photos are missing.
    """
    ranked = _by_stem(ranking, truth)
    groups = landmarks(truth)
    figures = []
    for difficulty in DIFFICULTIES:
        relevant, ignored = relevant_and_ignored(truth, difficulty)
        judged = relevance_matrix(ranked, relevant, groups, ignored=ignored)
        values = {f"mAP {difficulty}": average_precision(judged, "trapezoid")}
        values |= {f"mP@{k} {difficulty}": revisited_precision_at(judged, k) for k in KS}
        figures += [mean_figure(name, each, groups, rounds=rounds, seed=seed) for name, each in values.items()]
    return figures


def revisited_precision_at(judged: RelevanceMatrix, k: int) -> Floats:
    """Return the benchmark's P@k for each query (Q), NaN for one without relevant photos.

    The published evaluator divides by min(k, place of the *last* right photo), not by k: the precision at
    k, unless all right photos have come before. Needs the whole ranking.
    """
    judged.require_complete(f"mP@{k}")
    values = np.full(len(judged), np.nan)
    for query in np.flatnonzero(judged.mated & judged.right.any(axis=1)):
        places = np.flatnonzero(judged.right[query]) + 1
        within = min(int(places[-1]), k)
        values[query] = (places <= within).sum() / within
    return values


def landmarks(truth: RevisitedTruth) -> tuple[int, ...]:
    """Return which landmark each query shows, numbered from 0 in order of first appearance.

    The published file does not say. Two queries show one landmark when half of the fewer relevant photos
    (easy and hard) are the other's too, or when a chain of such queries joins them; a few photos that show
    two landmarks do not join these.
    """
    photos = [query.easy | query.hard for query in truth.queries]
    number = list(range(len(photos)))
    for later, mine in enumerate(photos):
        for earlier, other in enumerate(photos[:later]):
            if 2 * len(mine & other) >= min(len(mine), len(other)) > 0:
                joined = {number[earlier], number[later]}
                number = [min(joined) if each in joined else each for each in number]
    order = {each: place for place, each in enumerate(dict.fromkeys(number))}
    return tuple(order[each] for each in number)


def _by_stem(ranking: Ranking, truth: RevisitedTruth) -> Ranking:
    # The ranking under the names of the truth, its queries in the truth's order.
    queries, gallery = ([PurePosixPath(name).stem for name in names] for names in (ranking.queries, ranking.gallery))
    for what, found, wanted in (
        ("queries", queries, [query.name for query in truth.queries]),
        ("gallery photos", gallery, truth.gallery),
    ):
        there = set(found)
        missing = [name for name in wanted if name not in there]
        if missing or len(there) < len(found):
            problem = f"{len(missing)} are missing, {missing[0]} first" if missing else "a name appears twice"
            raise FacematchError(
                f"the ranking does not hold the {len(wanted)} {what} of the ground truth: {problem}.",
                "Figures are comparable with published ones only when every photo takes part.",
            )
    row = {name: number for number, name in enumerate(queries)}
    rows = [row[query.name] for query in truth.queries]
    names = tuple(query.name for query in truth.queries)
    return Ranking(names, tuple(gallery), ranking.indices[rows], ranking.distances[rows], ranking.metric)


def _truth(path: Path, content: object) -> RevisitedTruth:
    parts = _dictionary(path, content, "the file", ("imlist", "qimlist", "gnd"))
    gallery, names = _names(path, parts["imlist"], "imlist"), _names(path, parts["qimlist"], "qimlist")
    answers = _list(path, parts["gnd"], "gnd")
    if len(answers) != len(names):
        raise _wrong(path, f"it has {len(names)} queries (qimlist) and {len(answers)} answers (gnd)")
    return RevisitedTruth(
        gallery, tuple(_query(path, name, answer, gallery) for name, answer in zip(names, answers, strict=True))
    )


def _query(path: Path, name: str, answer: object, gallery: Sequence[str]) -> RevisitedQuery:
    parts = _dictionary(path, answer, f"the answer of {name}", _LISTS)
    found = {}
    for what in _LISTS:
        numbers = _list(path, parts[what], f"{what} of {name}")
        if not all(type(n) is int and 0 <= n < len(gallery) for n in numbers):
            raise _wrong(path, f"{what} of {name} does not hold numbers from 0 to {len(gallery) - 1}")
        found[what] = frozenset(gallery[n] for n in numbers)
    if len(found["easy"] | found["hard"] | found["junk"]) < sum(len(names) for names in found.values()):
        raise _wrong(path, f"a photo is in two of easy, hard and junk of {name}")
    return RevisitedQuery(name, found["easy"], found["hard"], found["junk"], _box(path, name, parts.get("bbx")))


def _box(path: Path, name: str, content: object) -> tuple[float, float, float, float] | None:
    if content is None:
        return None
    sides = _list(path, content, f"bbx of {name}")
    if len(sides) != 4 or not all(isinstance(side, int | float) and math.isfinite(side) for side in sides):
        raise _wrong(path, f"bbx of {name} does not hold 4 numbers")
    left, top, right, bottom = (float(side) for side in sides)
    return left, top, right, bottom


def _names(path: Path, content: object, what: str) -> tuple[str, ...]:
    names = [name.decode("latin1") if isinstance(name, bytes) else name for name in _list(path, content, what)]
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise _wrong(path, f"{what} does not hold names, each once")
    return tuple(names)


def _list(path: Path, content: object, what: str) -> list[Any]:
    if not isinstance(content, list | tuple):
        raise _wrong(path, f"{what} is {type(content).__name__}, not a list")
    return list(content)


def _dictionary(path: Path, content: object, what: str, keys: Sequence[str]) -> dict[str, Any]:
    missing = [key for key in keys if key not in content] if isinstance(content, dict) else list(keys)
    if not isinstance(content, dict) or missing:
        raise _wrong(path, f"{what} lacks {', '.join(missing)}")
    return content


def _wrong(path: Path, found: str) -> FacematchError:
    return FacematchError(
        f"{path} is not a ground truth of ROxford or RParis: {brief(found, 2 * LONGEST)}.",
        "It holds imlist, qimlist and gnd, and for each query easy, hard and junk.",
    )
