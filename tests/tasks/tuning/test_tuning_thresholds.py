"""Thresholds fitted on one half of the people and measured on the other: nobody is on both sides."""

import numpy as np
import pytest

from facematch.core.fingerprint import Fingerprint
from facematch.core.kinds import known_names
from facematch.evaluation.classes import set_scores
from facematch.evaluation.open_set import OpenSet
from facematch.evaluation.open_set import open_set as open_set_of
from facematch.evaluation.relevance import pooled, stacked
from facematch.ranking.embeddings import Embeddings
from facematch.refine.chain import Ranker
from facematch.tasks.tuning.thresholds import measure_thresholds
from facematch.thresholds.dynamic import DynamicRule
from facematch.thresholds.fitting import fit_threshold
from facematch.thresholds.static import StaticThreshold
from facematch.thresholds.values import accepted_mask


def open_set(people: int, seed: int, spread: float = 0.25) -> OpenSet:
    """People with four photos each around a centre of their own."""
    rng = np.random.default_rng(seed)
    vectors = np.repeat(rng.normal(size=(people, 6)), 4, axis=0) + rng.normal(scale=spread, size=(people * 4, 6))
    who = [f"id{seed}-{i // 4}" for i in range(people * 4)]
    names = tuple(f"{person}/{i}" for i, person in enumerate(who))
    every = Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint())
    return open_set_of(dict(zip(names, who, strict=True)), names, every, Ranker((), "euclidean"))


def test_pairs_are_those_of_every_fold() -> None:
    found = open_set(12, 0)
    pairs = found.pairs
    assert len(pairs) == sum(len(fold.queries) * len(fold.gallery) for fold in found.task.divisions)
    assert pairs.people == 12
    same = sum(
        person == found.task.shown[name]
        for fold in found.task.divisions
        for person in fold.identities
        for name in fold.gallery
    )
    assert pairs.same.sum() == same
    assert pairs.distances[pairs.same].mean() < pairs.distances[~pairs.same].mean()


def naive(threshold: float, on: OpenSet) -> tuple[float, float, float]:
    f1, found, refused = [], [], []
    for fold, ranking in zip(on.task.divisions, on.rankings, strict=True):
        for row, right in enumerate(fold.relevant):
            names = {
                name
                for name, distance in zip(ranking.names(row), ranking.distances[row], strict=True)
                if distance <= threshold
            }
            if right:
                f1.append(2 * len(names & right) / (len(names) + len(right)))
                found.append(len(names & right) / len(right))
            else:
                f1.append(float(not names))
                refused.append(float(not names))
    return float(np.mean(f1)), float(np.mean(found)), float(np.mean(refused))


def test_the_static_row_is_a_plain_count_on_the_other_half() -> None:
    halves = [open_set(16, 1), open_set(16, 2)]
    static = measure_thresholds(halves)[0]
    counts = []
    for fitted, on in (halves[::-1], halves):
        threshold = fit_threshold("static", fitted)
        assert isinstance(threshold, StaticThreshold)
        counts.append((naive(threshold.distance, on), len(on.judged)))
    assert static.f1 is not None
    expected = sum(values[0] * count for values, count in counts) / sum(count for _, count in counts)
    assert static.f1.value == pytest.approx(expected)
    assert static.found is not None
    assert static.refused is not None
    assert static.found.count + static.refused.count == static.f1.count
    assert static.found.value == pytest.approx(
        np.average([v[1] for v, _ in counts], weights=[half.judged.answerable.sum() for half in halves])
    )


def test_every_kind_has_its_row() -> None:
    rows = measure_thresholds([open_set(16, 3), open_set(16, 4)])
    assert [row.name for row in rows] == list(known_names("thresholds"))
    for row in rows:
        assert row.missing == ""
        assert row.f1 is not None
        assert 0.5 < (row.f1.value or 0) <= 1
        assert (row.against_static is None) == (row.name == "static")


def test_too_few_people_are_said() -> None:
    rows = {row.name: row for row in measure_thresholds([open_set(4, 5), open_set(4, 6)])}
    assert rows["static"].f1 is not None
    assert rows["isotonic"].f1 is None
    assert rows["isotonic"].missing.startswith("insufficient data")


def test_a_dynamic_rule_is_measured_on_the_gallery_of_each_fold() -> None:
    parts = [open_set(12, 7), open_set(12, 8)]
    row = next(row for row in measure_thresholds(parts) if row.name == "dynamic")
    masks = []
    for fitted, on in (parts[::-1], parts):
        rule = fit_threshold("dynamic", fitted)
        assert isinstance(rule, DynamicRule)
        each = zip(on.rankings, on.galleries, strict=True)
        masks += [accepted_mask(ranking.distances, rule.on(gallery).limits(ranking)) for ranking, gallery in each]
    assert row.f1 is not None
    assert row.f1.value == set_scores(pooled([part.judged for part in parts]), stacked(masks)).f1.mean()
