"""Labelled photos: the identity in each. Loaded, checked before a run, split by person."""

from facematch.identities.check import Checked, check_identities, require_disjoint
from facematch.identities.sources import load_identities, load_many
from facematch.identities.split import split_identities, split_photos
from facematch.identities.trained import person_digest, trained_among
from facematch.identities.values import LabelledPhotos, Problem, summarise_problems

__all__ = [
    "Checked",
    "LabelledPhotos",
    "Problem",
    "check_identities",
    "load_identities",
    "load_many",
    "person_digest",
    "require_disjoint",
    "split_identities",
    "split_photos",
    "summarise_problems",
    "trained_among",
]
