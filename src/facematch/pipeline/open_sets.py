"""Whole rankings in which some people are unknown."""

from facematch.core.errors import FacematchError
from facematch.evaluation.folds import make_folds
from facematch.evaluation.open_set import OpenSet
from facematch.pipeline.evaluated import EmbeddedPeople
from facematch.refine.chain import Ranker


def open_set(people: EmbeddedPeople, rank: Ranker) -> OpenSet:
    """Return whole rankings of labelled photos in folds in which some people are unknown.

    Raises FacematchError when there are too few people for that.
    """
    folds = make_folds(people.embeddings, people.identities, people.asked, unknown=True)
    if not folds:
        raise FacematchError(
            f"insufficient data: {len(set(people.identities))} people cannot be divided into known and unknown ones.",
            "Validate on more people.",
        )
    sides = [rank.sides(fold.query, fold.gallery, fold.known) for fold in folds]
    rankings = tuple(rank.compare(query, gallery, len(gallery)) for query, gallery in sides)
    return OpenSet(tuple(folds), rankings, tuple(gallery for _, gallery in sides))
