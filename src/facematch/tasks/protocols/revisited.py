"""ROxford5k and RParis6k: the published protocol of easy, medium and hard, and its figures.

Radenović, Iscen, Tolias, Avrithis & Chum, Revisiting Oxford and Paris: Large-Scale Image Retrieval
Benchmarking (CVPR 2018). Figures follow `python/evaluate.py` and `python/example_evaluate.py` of their
repository filipradenovic/revisitop. The ground truth is read from the published pickle, of which no
code is ever run, or from the same content as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictInt

from facematch.core.errors import FacematchError
from facematch.core.foreign import as_kind, parse_json, read_limited, reading, require_limits
from facematch.core.text import LONGEST, brief
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, mean_figure
from facematch.evaluation.rank_task import judge_task
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import average_precision
from facematch.evaluation.task import FIXED, Division, RetrievalTask
from facematch.evaluation.topk import KS
from facematch.ranking.ranking import Ranking
from facematch.tasks.protocols.plain_pickle import load_plain

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")


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


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("it does not hold names, each once")
    return names


_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Name = Annotated[str, BeforeValidator(lambda name: name.decode("latin1") if isinstance(name, bytes) else name)]
_Names = Annotated[tuple[_Name, ...], Field(min_length=1), AfterValidator(_each_once)]


class _Answer(BaseModel):
    easy: list[StrictInt]
    hard: list[StrictInt]
    junk: list[StrictInt]
    bbx: tuple[_Number, _Number, _Number, _Number] | None = None


class _File(BaseModel):
    imlist: _Names
    qimlist: _Names
    gnd: list[_Answer]


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


def revisited_task(truth: RevisitedTruth, difficulty: Difficulty, gallery: Sequence[str]) -> RetrievalTask:
    """Return who asks whom: each query the whole gallery, less what leaves its ranking before it is scored (ignored).

    Easy: easy ones are relevant, hard and junk are ignored. Medium: easy and hard are relevant, junk is
    ignored. Hard: hard ones are relevant, easy and junk are ignored.
    """
    queries = truth.queries
    relevant, ignored = {
        "easy": ([q.easy for q in queries], [q.junk | q.hard for q in queries]),
        "medium": ([q.easy | q.hard for q in queries], [q.junk for q in queries]),
        "hard": ([q.hard for q in queries], [q.junk | q.easy for q in queries]),
    }[difficulty]
    names, identities = tuple(q.name for q in queries), tuple(map(str, landmarks(truth)))
    division = Division(names, tuple(gallery), tuple(relevant), identities, tuple(ignored))
    return RetrievalTask((division,), dict(zip(names, identities, strict=True)), FIXED)


def revisited_figures(ranking: Ranking, truth: RevisitedTruth, *, rounds: int = ROUNDS) -> list[Estimate]:
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
        judged = judge_task(revisited_task(truth, difficulty, ranked.gallery), [ranked])
        values = {f"mAP {difficulty}": average_precision(judged, rule="trapezoid")}
        values |= {f"mP@{k} {difficulty}": revisited_precision_at(judged, k) for k in KS}
        figures += [mean_figure(name, each, groups, rounds=rounds) for name, each in values.items()]
    return figures


def revisited_precision_at(judged: RelevanceMatrix, k: int) -> Floats:
    """Return the benchmark's P@k for each query (Q), NaN for one without relevant photos.

    The published evaluator divides by min(k, place of the *last* right photo), not by k: the precision at
    k, unless all right photos have come before. Needs the whole ranking.
    """
    judged.require_complete(f"mP@{k}")
    values = np.full(len(judged), np.nan)
    for query in np.flatnonzero(judged.answerable & judged.right.any(axis=1)):
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
    try:
        file = as_kind(_File, content)
        if len(file.gnd) != len(file.qimlist):
            raise ValueError(f"it has {len(file.qimlist)} queries (qimlist) and {len(file.gnd)} answers (gnd)")
        answers = zip(file.qimlist, file.gnd, strict=True)
        return RevisitedTruth(file.imlist, tuple(_query(name, answer, file.imlist) for name, answer in answers))
    except ValueError as error:
        raise FacematchError(
            f"{path} is not a ground truth of ROxford or RParis: {brief(error, 2 * LONGEST)}.",
            "It holds imlist, qimlist and gnd, and for each query easy, hard and junk.",
        ) from error


def _query(name: str, answer: _Answer, gallery: Sequence[str]) -> RevisitedQuery:
    numbers = {"easy": answer.easy, "hard": answer.hard, "junk": answer.junk}
    for what, some in numbers.items():
        if not all(0 <= n < len(gallery) for n in some):
            raise ValueError(f"{what} of {name} does not hold numbers from 0 to {len(gallery) - 1}")
    easy, hard, junk = (frozenset(gallery[n] for n in some) for some in numbers.values())
    if len(easy | hard | junk) < len(easy) + len(hard) + len(junk):
        raise ValueError(f"a photo is in two of easy, hard and junk of {name}")
    return RevisitedQuery(name, easy, hard, junk, answer.bbx)
