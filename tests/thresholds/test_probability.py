"""Members' probabilities against the definition in plain NumPy, who a fit sees, and what fusing by them does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.outcomes import outcomes_of
from facematch.evaluation.rank_task import judge_task
from facematch.evaluation.task import Division, RetrievalTask, by_truth, leave_one_out
from facematch.ranking.fusion import distance_matrix, fuse
from facematch.ranking.ranking import Ranking
from facematch.thresholds import probability as module
from facematch.thresholds.probability import Probability, fit_probabilities, halves_of
from probability_fits import falling_fit, sigmoid_fit

PEOPLE, PHOTOS = 24, 3
SHOWN = {f"p{person:02d}/{photo}": f"p{person:02d}" for person in range(PEOPLE) for photo in range(PHOTOS)}
TASK = leave_one_out(SHOWN, list(SHOWN))
NAMES = tuple(SHOWN)
SAME = np.array([[SHOWN[a] == SHOWN[b] for b in NAMES] for a in NAMES])


def ranked(table: np.ndarray, task: RetrievalTask = TASK) -> tuple[Ranking, ...]:
    """The whole ranking of the only division of a task, from its Q×G distances; a photo does not answer itself."""
    (division,) = task.divisions
    own = np.array([[query == name for name in division.gallery] for query in division.queries])
    table = np.where(own, np.inf, table)
    order = np.argsort(table, axis=1, kind="stable")
    distances = np.take_along_axis(table, order, 1).astype(np.float32)
    indices = np.where(np.isfinite(distances), order, -1).astype(np.int64)
    return (Ranking(division.queries, division.gallery, indices, distances, "euclidean"),)


def distances_of(seed: int, apart: float, scale: float = 1.0) -> np.ndarray:
    """A table in which photos of one person are nearer by `apart` standard deviations of the rest."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=SAME.shape) + 5 + apart
    noise = (noise + noise.T) / np.sqrt(2)
    return np.asarray(scale * (noise - apart * SAME))


def naive(x: np.ndarray, same: np.ndarray, at: np.ndarray, prior: float) -> np.ndarray:
    """0.99 of a falling step fit and 0.01 of a sigmoid to N pairs, turned to a prior by the odds."""
    places, values = falling_fit(x, same.astype(np.float64), np.ones(len(x)))
    slope, offset = sigmoid_fit(x, same)
    rate, mixed = same.mean(), np.zeros(len(at))
    for share, p in ((0.99, np.interp(at, places, values)), (0.01, 1 / (1 + np.exp(slope * at + offset)))):
        odds = prior / (1 - prior) * (1 - rate) / rate
        mixed += share * p * odds / (p * odds + 1 - p)
    return mixed


def test_probabilities_are_those_of_the_definition() -> None:
    tables = [distances_of(0, 2.0), distances_of(1, 1.0, 100.0)]
    # The second system has not embedded one photo, so that its pairs have another share of same ones.
    fewer = TASK.among(NAMES[1:])
    second = ranked(tables[1][1:, 1:], fewer)
    fits = fit_probabilities(TASK, [ranked(tables[0]), second], ["one", "two"])
    off = ~np.eye(len(NAMES), dtype=bool)
    pairs = [(tables[0][off], SAME[off]), (tables[1][1:, 1:][off[1:, 1:]], SAME[1:, 1:][off[1:, 1:]])]
    prior = sum(same.sum() for _, same in pairs) / sum(len(same) for _, same in pairs)
    for fit, (x, same) in zip(fits, pairs, strict=True):
        x = x.astype(np.float32).astype(np.float64)
        at = np.linspace(x.min() - 1, x.max() + 1, 200)
        assert fit.of(at) == pytest.approx(naive(x, same, at, prior), abs=1e-6)
        assert (fit.pairs, fit.people) == (len(x), PEOPLE)
    assert fits[0].of([[np.nan, 0.0]]).tolist() == [[0.0, fits[0].of(0.0)]]


@given(st.integers(0, 30), st.floats(0.5, 4))
@settings(max_examples=15, deadline=None)
def test_a_probability_falls_wherever_the_distance_rises(seed: int, apart: float) -> None:
    table = distances_of(seed, apart)
    (fit,) = fit_probabilities(TASK, [ranked(table)], ["one"])
    at = np.unique(np.round(table, 3))
    assert (np.diff(fit.isotonic.probability(at)) == 0).any()  # which is level in places
    assert (np.diff(fit.of(at)) < 0).all()
    queries = tuple(f"q{row}" for row in range(len(table)))
    one = Ranking(queries, NAMES, np.argsort(table, 1), np.sort(table, 1).astype(np.float32), "euclidean")
    fused = fuse([one], method="probability", probabilities=[fit.of])
    assert (np.diff(fused.distances, axis=1)[np.diff(one.distances, axis=1) > 1e-3] > 0).all()  # in float32, too


def test_one_member_keeps_its_order() -> None:
    rankings = ranked(distances_of(3, 1.5))
    fits = fit_probabilities(TASK, [rankings], ["one"])
    fused = fuse(rankings, method="probability", probabilities=[each.of for each in fits])
    assert [fused.names(row) for row in range(len(NAMES))] == [rankings[0].names(row) for row in range(len(NAMES))]


def test_a_member_of_noise_is_weighed_down() -> None:
    good, noise = ranked(distances_of(0, 3.0)), ranked(distances_of(2, 0.1))
    fits = fit_probabilities(TASK, [good, noise], ["good", "noise"])

    def top1(ranking: Ranking) -> float:
        return float(np.mean([counts[0] == 0 for counts in outcomes_of(judge_task(TASK, [ranking])).closer]))

    parts = [good[0], noise[0]]
    alone, by_z = top1(good[0]), top1(fuse(parts, method="z-score"))
    by_probability = top1(fuse(parts, method="probability", probabilities=[each.of for each in fits]))
    assert by_z < alone - 0.1
    assert by_probability >= alone - 0.02


def test_a_fit_on_one_half_knows_nothing_of_the_other() -> None:
    first, second = halves_of(TASK)
    assert (len(first), len(second), first & second) == (12, 12, frozenset())
    table = distances_of(4, 2.0)
    other = np.array([SHOWN[name] in second for name in NAMES])
    changed = np.where(other[:, None] | other[None, :], table[::-1] * 3 + 1, table)
    fits = [fit_probabilities(TASK, [ranked(each)], ["one"], first) for each in (table, changed)]
    assert fits[0] == fits[1]
    assert (fits[0][0].people, fits[0][0].pairs) == (12, 36 * 35)
    everybody = [fit_probabilities(TASK, [ranked(each)], ["one"]) for each in (table, changed)]
    assert everybody[0] != everybody[1]


def test_distractors_and_people_who_do_not_ask_are_in_every_fit() -> None:
    # Queries and gallery by a ground truth: what is relevant to nobody is anybody's different pair.
    queries = [f"q{person}" for person in range(20)]
    gallery = [f"g{person}" for person in range(20)] + ["x", "y"]
    task = by_truth({query: {f"g{number}"} for number, query in enumerate(queries)}, queries, gallery)
    table = np.random.default_rng(0).random((20, 22)) + 1 - np.eye(20, 22)
    (fit,) = fit_probabilities(task, [ranked(table, task)], ["one"], halves_of(task)[0])
    assert (fit.pairs, fit.people) == (10 * 12, 10)


def test_ignored_photos_and_queries_that_were_not_ranked_are_no_pairs() -> None:
    ignored = tuple(frozenset({name, NAMES[0]}) for name in NAMES)
    (division,) = TASK.divisions
    task = replace(TASK, divisions=(replace(division, ignored=ignored),))
    (there,) = ranked(distances_of(0, 2.0))
    short = Ranking(there.queries[:-1], there.gallery, there.indices[:-1], there.distances[:-1], "euclidean")
    (fit,) = fit_probabilities(task, [(short,)], ["one"])
    count = len(NAMES)
    assert fit.pairs == (count - 1) + (count - 2) * (count - 2)  # the first query ignores itself alone


def test_many_pairs_are_thinned_and_the_share_of_same_ones_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rankings = ranked(distances_of(5, 2.0))
    (whole,) = fit_probabilities(TASK, [rankings], ["one"])
    monkeypatch.setattr(module, "_PAIRS", 1000)
    (thin,) = fit_probabilities(TASK, [rankings], ["one"])
    assert thin.isotonic.basis.count < 1000 + 2 * PEOPLE * PHOTOS < whole.isotonic.basis.count == thin.pairs
    at = distance_matrix(rankings[0], NAMES)
    assert np.nanmean(np.abs(thin.of(at) - whole.of(at))) < 0.005


def test_a_member_that_tells_nothing_and_too_few_people_are_named() -> None:
    backwards = ranked(10 - distances_of(0, 2.0))
    with pytest.raises(FacematchError, match="of hash cannot be made probabilities: among these") as error:
        fit_probabilities(TASK, [ranked(distances_of(0, 2.0)), backwards], ["good", "hash"])
    assert "z-score" in error.value.hint
    few = frozenset(f"p{number:02d}" for number in range(9))
    with pytest.raises(FacematchError, match="insufficient data"):
        fit_probabilities(TASK, [ranked(distances_of(0, 2.0))], ["good"], few)
    nobody = RetrievalTask((), {}, "nobody")
    with pytest.raises(FacematchError, match="insufficient data"):
        fit_probabilities(nobody, [()], ["good"])


def test_divisions_are_put_together() -> None:
    (division,) = TASK.divisions
    rows = range(len(NAMES))
    parts: list[Division] = [division.at(rows[::2]), division.at(rows[1::2])]
    table = distances_of(6, 2.0)
    one = fit_probabilities(TASK, [ranked(table)], ["one"])
    (whole,) = ranked(table)
    rankings = [
        Ranking(whole.queries[part], whole.gallery, whole.indices[part], whole.distances[part], "euclidean")
        for part in (slice(0, None, 2), slice(1, None, 2))
    ]
    both: tuple[Probability, ...] = fit_probabilities(replace(TASK, divisions=tuple(parts)), [rankings], ["one"])
    at = np.linspace(0, 12, 50)
    assert both[0].of(at) == pytest.approx(one[0].of(at))
