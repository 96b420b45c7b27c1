"""Open-set identification (1:N): queries whose person may not be in the gallery at all.

A gallery photo is returned when its distance ≤ threshold. Definitions: Phillips, Grother & Micheals,
Evaluation Methods in Face Recognition (Handbook of Face Recognition, 2nd edition, 2011, chapter 21), and
NIST's FRVT 1:N reports. A known query shows somebody in the gallery; the others show unknown people.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, codes_of, statistic_figure
from facematch.evaluation.rank_task import Evaluated, judge_task, rank_divisions
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.step_curve import (
    accepted,
    highest_within,
    in_blocks,
    least_count,
    require_rate,
    share,
    sort_steps,
)
from facematch.evaluation.task import in_folds
from facematch.evaluation.verification import Pairs, pooled_pairs
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking
from facematch.refine.chain import Ranker

FPIRS = (0.1, 0.01)


@dataclass(frozen=True, eq=False)
class OpenSet(Evaluated):
    """Whole rankings of folds in which some people are unknown, with the embeddings of each fold's gallery.

    `galleries` are compared as they stand: refined, where the rankings are.
    """

    galleries: tuple[Embeddings, ...]

    @cached_property
    def pairs(self) -> Pairs:
        """Return all pairs of a query and a gallery photo, those of each fold."""
        return pooled_pairs(self.rankings, self.task.shown)


def open_set(shown: Mapping[str, str], queries: Collection[str], embeddings: Embeddings, rank: Ranker) -> OpenSet:
    """Return whole rankings of labelled photos in folds in which some people are unknown; as `in_folds`.

    Raises FacematchError when there are too few people for that.
    """
    here = in_folds(shown, queries, unknown=True).among(embeddings.names)
    if not here.divisions:
        raise FacematchError(
            f"insufficient data: {len(set(shown.values()))} people cannot be divided into known and unknown ones.",
            "Validate on more people.",
        )
    galleries: list[Embeddings] = []

    def ranked(query: Embeddings, gallery: Embeddings, k: int, known: Mapping[str, str] | None) -> Ranking:
        refined = rank.sides(query, gallery, known)
        galleries.append(refined[1])
        return rank.compare(*refined, k)

    rankings = rank_divisions(here, embeddings, ranked)
    return OpenSet(here, rankings, judge_task(here, rankings), tuple(galleries))


@dataclass(frozen=True, eq=False)
class OpenSetCurve:
    """Shares of queries at every distinct distance that decides one, from (0, 0) on.

    `thresholds` begins with −infinity. `fpir` (false positive identification rate) is the share of unknown
    queries with any gallery photo at distance ≤ threshold; `dir` (detection and identification rate) the
    share of known queries with a right photo within the first `rank` places and at distance ≤ threshold.
    NaN where there are no such queries. FNIR = 1 − DIR.
    """

    thresholds: Floats
    fpir: Floats
    dir: Floats


def dir_curve(judged: RelevanceMatrix, rank: int = 1) -> OpenSetCurve:
    """Return the exact curve of DIR against FPIR.

    Raises FacematchError when a row ends before place `rank` though its gallery does not.
    """
    known, unknown = _deciding(judged, rank)
    distances = np.concatenate([known, unknown])
    thresholds = np.unique(distances[np.isfinite(distances)])
    rates = []
    for side in (unknown, known):
        counts = np.searchsorted(np.sort(side), thresholds, side="right").astype(np.float64)
        rates.append(share(np.concatenate([[0.0], counts])[None], np.array([len(side)], np.float64))[0])
    return OpenSetCurve(np.concatenate([[-np.inf], thresholds]), rates[0], rates[1])


def open_set_figures(
    judged: RelevanceMatrix, fpirs: Sequence[float] = FPIRS, rank: int = 1, *, rounds: int = ROUNDS, seed: int = 0
) -> list[Estimate]:
    """Return the FNIR at each FPIR, with intervals over people: known and unknown ones are drawn together.

    An FPIR that fewer than 1/FPIR unknown queries cannot resolve has no value; its note says how many it
    needs. The gallery stays as it is: intervals say nothing about other galleries. Raises FacematchError
    as `dir_curve`.
    """
    known = int(judged.answerable.sum())
    unknown, people = len(judged) - known, len(set(judged.groups))
    figures = []
    for fpir in fpirs:
        require_rate(fpir, "a false positive identification rate")
        name = f"FNIR@FPIR={fpir:g}" + (f", rank {rank}" if rank != 1 else "")
        needed = least_count(fpir)
        gap = ""
        if unknown < needed:
            gap = f"insufficient data: {unknown} unknown queries, an FPIR of {fpir:g} needs at least {needed}"
        elif not known:
            gap = "insufficient data: no query has a right photo in the gallery"
        if gap:
            figures.append(Estimate(name, None, None, len(judged), people, gap))
        else:
            statistic = _fnir(judged, rank, fpir)
            figures.append(statistic_figure(name, statistic, len(judged), people, rounds=rounds, seed=seed))
    return figures


def _deciding(judged: RelevanceMatrix, rank: int) -> tuple[Floats, Floats]:
    # The least threshold that identifies each known query, and that alarms at each unknown one; else infinity.
    if rank < 1:
        raise ValueError(f"rank is {rank}; a place in a ranking is at least 1")
    there = np.isfinite(judged.distances).sum(axis=1)
    short = np.flatnonzero(there < np.minimum(rank, judged.relevant + judged.wrong))
    if len(short):
        raise FacematchError(
            f"open-set figures at rank {rank} need the first {rank} places; the ranking of "
            f"{judged.queries[short[0]]} ends after {int(there[short[0]])}.",
            f"Rank with k of at least {rank}.",
        )
    right = np.where(judged.right, judged.distances, np.inf)[judged.answerable, :rank]
    return (
        right.min(axis=1, initial=np.inf).astype(np.float64),
        judged.distances[~judged.answerable].min(axis=1, initial=np.inf).astype(np.float64),
    )


def _fnir(judged: RelevanceMatrix, rank: int, fpir: float) -> Callable[[Floats], Floats]:
    # From R×P weights of people to R rates.
    codes = codes_of(judged.groups)
    asked, strangers = codes[judged.answerable], codes[~judged.answerable]
    known, unknown = _deciding(judged, rank)
    found, alarmed = np.isfinite(known), np.isfinite(unknown)
    steps = sort_steps(known[found], unknown[alarmed])
    of_found, of_alarmed = asked[found][steps.wanted], strangers[alarmed][steps.unwanted]

    def some(weights: Floats) -> Floats:
        x, y = accepted(steps, weights[:, of_found], weights[:, of_alarmed])
        false, true = share(x, weights[:, strangers].sum(axis=1)), share(y, weights[:, asked].sum(axis=1))
        return 1 - highest_within(false, true, fpir)

    return in_blocks(some, len(judged))
