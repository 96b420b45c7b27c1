"""Steps in a list: each does its part, in the order given."""

from dataclasses import replace

import numpy as np
import pytest

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.refine.bridge import bridge
from facematch.refine.chain import Ranker, needs_folds
from facematch.refine.cohort import normalise_by_cohort
from facematch.refine.expansion import augment_database, blend_neighbours, expand_queries
from facematch.refine.k_reciprocal import k_reciprocal
from facematch.refine.known import KnownPeople
from facematch.refine.templates import average_templates
from facematch.refine.whitening import fit_whitening
from facematch.settings.refine import (
    BlendStep,
    BridgeStep,
    CohortStep,
    DatabaseStep,
    ExpansionStep,
    FlipStep,
    ReciprocalStep,
    TemplatesStep,
    TunedSteps,
    WhitenStep,
)


def side(count: int, prefix: str, seed: int) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    return Embeddings(tuple(f"{prefix}{i:02d}" for i in range(count)), vectors, "cosine", Fingerprint())


QUERY, GALLERY = side(4, "q", 0), side(12, "g", 1)
PEOPLE = {name: f"id{number // 3}" for number, name in enumerate(GALLERY.names)}


def test_without_steps_it_ranks_plainly() -> None:
    for steps in ((), (FlipStep(),)):
        assert not needs_folds(steps)
        ranking = Ranker(steps, "cosine")(QUERY, GALLERY, 5)
        assert (ranking.indices == distance_estimator(QUERY, GALLERY, 5, "cosine").indices).all()


def test_each_step_is_done_in_its_order() -> None:
    whitening = fit_whitening(side(40, "t", 2))
    steps = (
        WhitenStep(components=4), TemplatesStep(weight=0.5), DatabaseStep(n=2, alpha=1), ExpansionStep(n=3, alpha=0),
        BlendStep(n=2, weight=0.4, least=0.2), ReciprocalStep(k1=4, k2=2, weight=0.5),
    )  # fmt: skip
    assert needs_folds(steps)
    query, gallery = whitening.apply(QUERY, 4), whitening.apply(GALLERY, 4)
    gallery = augment_database(average_templates(gallery, PEOPLE, 0.5), 2, 1, "cosine")
    query = expand_queries(query, gallery, 3, 0, "cosine")
    query, gallery = blend_neighbours(query, gallery, 2, 0.4, 0.2, "cosine")
    expected = k_reciprocal(query, gallery, 12, "cosine", k1=4, k2=2, weight=0.5)
    found = Ranker(steps, "cosine", whitening)(QUERY, GALLERY, 12, PEOPLE)
    assert (found.indices == expected.indices).all()
    assert (found.distances == expected.distances).all()
    sides = Ranker(steps, "cosine", whitening).sides(QUERY, GALLERY, PEOPLE)
    assert all((ours.vectors == theirs.vectors).all() for ours, theirs in zip(sides, (query, gallery), strict=True))
    other_way = (*steps[:2], steps[3], steps[2], *steps[4:])
    assert (Ranker(other_way, "cosine", whitening)(QUERY, GALLERY, 12, PEOPLE).distances != found.distances).any()


def test_what_is_not_ready_is_refused() -> None:
    with pytest.raises(ValueError, match="whitening is fitted before"):
        Ranker((WhitenStep(),), "cosine")
    with pytest.raises(ValueError, match="resolved before"):
        Ranker((TunedSteps(),), "cosine")
    for step in (BridgeStep(), CohortStep()):
        with pytest.raises(ValueError, match="needs training people"):
            Ranker((step,), "cosine")


def test_training_people_are_compared_as_the_sides_are() -> None:
    photos = side(40, "t", 2)
    whitening, known = fit_whitening(photos), KnownPeople(photos, tuple(f"id{row // 4}" for row in range(40)))
    whitened = replace(known, embeddings=whitening.apply(photos, 3, 0.25))
    query, gallery = whitening.apply(QUERY, 3, 0.25), whitening.apply(GALLERY, 3, 0.25)
    for step, expected in (
        (BridgeStep(weight=0.25, power=2), bridge(query, gallery, 12, "cosine", whitened, weight=0.25, power=2)),
        (CohortStep(nearest=9), normalise_by_cohort(query, gallery, 12, "cosine", whitened, nearest=9)),
    ):
        ranker = Ranker((WhitenStep(components=3, power=0.25), step), "cosine", whitening, known=lambda: known)
        found = ranker(QUERY, GALLERY, 12)
        assert (found.indices == expected.indices).all()
        assert (found.distances == expected.distances).all()
        assert ranker.choice(QUERY, GALLERY, 3).kind == "exact"
        assert ranker.known_digest == known.digest
        assert ranker.without({"id3"}).known_digest == known.without({"id3"}).digest
    assert Ranker((), "cosine").without({"id3"}).known_digest is None
