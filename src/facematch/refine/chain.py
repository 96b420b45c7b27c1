"""The listed steps as one function from two sides to a ranking."""

from collections.abc import Callable, Mapping, Sequence

from facematch.embeddings import Embeddings
from facematch.ranking import Metric, Ranking, distance_estimator
from facematch.refine.expansion import augment_database, expand_queries
from facematch.refine.k_reciprocal import k_reciprocal
from facematch.refine.templates import average_templates
from facematch.refine.whitening import Whitening
from facematch.settings_refine import (
    DatabaseStep,
    ExpansionStep,
    FlipStep,
    ReciprocalStep,
    Step,
    TemplatesStep,
    TunedSteps,
    WhitenStep,
)

# From query and gallery embeddings, the wanted length, and who the gallery photos show where that is known.
Ranker = Callable[[Embeddings, Embeddings, int, Mapping[str, str] | None], Ranking]


def needs_folds(steps: Sequence[Step]) -> bool:
    """Return whether the steps need query and gallery apart: all but flip, which is done photo by photo."""
    return any(not isinstance(step, FlipStep) for step in steps)


def make_ranker(steps: Sequence[Step], metric: Metric, whitening: Whitening | None = None) -> Ranker:
    """Return the function that ranks a gallery with `steps`, in their order; without any, plainly.

    `flip` is not among what it does: it happens where photos are embedded. Raises ValueError for a step
    that cannot be done here: `whiten` without its fitted numbers, `tuned` before it was resolved.
    """
    if any(isinstance(step, TunedSteps) for step in steps):
        raise ValueError("tuned steps are resolved before they are used")
    if whitening is None and any(isinstance(step, WhitenStep) for step in steps):
        raise ValueError("whitening is fitted before it is used")

    def rank(query: Embeddings, gallery: Embeddings, k: int, people: Mapping[str, str] | None) -> Ranking:
        for step in steps:
            if isinstance(step, WhitenStep):
                assert whitening is not None
                query, gallery = (whitening.apply(side, step.components, step.power) for side in (query, gallery))
            elif isinstance(step, TemplatesStep):
                gallery = average_templates(gallery, people or {}, step.weight)
            elif isinstance(step, DatabaseStep):
                gallery = augment_database(gallery, step.n, step.alpha, metric)
            elif isinstance(step, ExpansionStep):
                query = expand_queries(query, gallery, step.n, step.alpha, metric)
            elif isinstance(step, ReciprocalStep):
                return k_reciprocal(query, gallery, k, metric, k1=step.k1, k2=step.k2, weight=step.weight)
            else:
                assert isinstance(step, FlipStep)
        return distance_estimator(query, gallery, k, metric)

    return rank
