"""The accuracy over folds that Labeled Faces in the Wild is reported by, and folds in which nobody is twice.

Huang, Ramesh, Berg & Learned-Miller, Labeled Faces in the Wild, UMass TR 07-49, 2007.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Floats, Ints
from facematch.tasks.protocols.labelled_pairs import Bools, LabelledPairs

FOLDS = 10


@dataclass(frozen=True, eq=False)
class IdentityFolds:
    """The fold of each of P pairs (`int64`), how many there are, and a note where they are fewer than wanted."""

    folds: Ints
    count: int
    note: str


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy of each fold at the threshold that is best on the others; their mean and its standard error.

    Both are None with fewer than 2 folds; `note` then begins with "insufficient data".
    """

    mean: float | None
    standard_error: float | None
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    note: str = ""


def people_of(pairs: LabelledPairs) -> dict[str, str]:
    """Return whom each photo shows.

    That is the folder it stands in, where this agrees with the label of every pair. Elsewhere photos that
    same pairs join, directly or through others, show one identity, named by its first photo.

    Raises FacematchError where the labels contradict each other.
    """
    photos = pairs.photos
    folders = {name: name.rpartition("/")[0] for name in photos}
    if all(folders.values()) and not len(_contradictions(pairs, folders)):
        return folders
    number = {name: place for place, name in enumerate(photos)}
    alike = [(number[a], number[b]) for a, b, same in zip(pairs.first, pairs.second, pairs.same, strict=True) if same]
    labels = _components(len(photos), np.array(alike, dtype=np.int64).reshape(-1, 2))
    leader: dict[int, str] = {}
    people = {name: leader.setdefault(label, name) for name, label in zip(photos, labels.tolist(), strict=True)}
    wrong = _contradictions(pairs, people)
    if len(wrong):
        a, b = pairs.first[wrong[0]], pairs.second[wrong[0]]
        raise FacematchError(
            f"the labels of {len(wrong)} pairs contradict others: {a} and {b} are called different, "
            "but other pairs make them the same person.",
            "Mend the column `same` of these pairs.",
        )
    return people


def folds_by_identity(pairs: LabelledPairs, people: Mapping[str, str], count: int = FOLDS) -> IdentityFolds:
    """Divide pairs so that nobody is in two folds, into as many folds of roughly equal size as there can be.

    People who are compared with each other, directly or through others, stay together. Such groups go,
    largest first, to the fold that holds least of their kind of pairs. Folds are roughly equal when none
    holds less than half or more than one and a half times the mean. At most `count`; one where the pairs
    cannot be divided at all.
    """
    codes = {person: number for number, person in enumerate(dict.fromkeys(people.values()))}
    compared = [(codes[people[a]], codes[people[b]]) for a, b in zip(pairs.first, pairs.second, strict=True)]
    edges = np.array(compared, dtype=np.int64).reshape(-1, 2)
    group = _components(len(codes), edges)[edges[:, 0]]
    sizes = np.stack(
        [np.bincount(group, weights=side).astype(np.float64) for side in (pairs.same, ~pairs.same)], axis=1
    )
    for folds in range(min(count, int((sizes.sum(axis=1) > 0).sum())), 1, -1):
        fold_of = _share_out(sizes, folds)
        held = np.bincount(fold_of[group], minlength=folds) * folds / len(pairs)
        if held.min() >= 0.5 and held.max() <= 1.5:
            break
    else:
        folds, fold_of = 1, np.zeros(len(sizes), dtype=np.int64)
    note = ""
    if folds < count:
        note = f"{folds} fold{'s' if folds > 1 else ''} in place of {count}: more of roughly equal size cannot be made"
        note += " without a person in two of them"
    return IdentityFolds(fold_of[group], folds, note)


def lfw_accuracy(
    distances: Sequence[float] | Floats, same: Sequence[bool] | Bools, folds: Sequence[int] | Ints
) -> FoldAccuracy:
    """Return the accuracy of P pairs by the protocol of LFW's View 2.

    Each fold in turn is decided at the threshold with the best accuracy on all others (`best_threshold`). Of
    n accuracies p: mean μ = Σp/n, standard error σ/√n with σ² = Σ(p − μ)²/(n − 1). Folds count alike,
    whatever their size.
    """
    apart, alike, number = np.asarray(distances, np.float64), np.asarray(same, np.bool_), np.asarray(folds, np.int64)
    if not len(apart) == len(alike) == len(number):
        raise ValueError(f"{len(apart)} distances, {len(alike)} answers and {len(number)} folds")
    every = np.unique(number)
    if len(every) < 2:
        return FoldAccuracy(None, None, (), (), f"insufficient data: {len(every)} of at least 2 folds")
    thresholds = [best_threshold(apart[number != fold], alike[number != fold]) for fold in every]
    accuracies = [
        float(((apart <= threshold) == alike)[number == fold].mean())
        for fold, threshold in zip(every, thresholds, strict=True)
    ]
    error = float(np.std(accuracies, ddof=1) / np.sqrt(len(every)))
    return FoldAccuracy(float(np.mean(accuracies)), error, tuple(accuracies), tuple(thresholds))


def best_threshold(distances: Floats, same: Bools) -> float:
    """Return the threshold at which most of P pairs (at least one) are decided right, accepted when distance ≤ it.

    Every threshold between two neighbouring distances decides alike: the one half way is taken. Of equally
    good places the lowest is, which accepts least. Where accepting nothing is best, the threshold lies just
    below all distances; where accepting everything is, it is the greatest.
    """
    values, place = np.unique(distances, return_inverse=True)
    gained = np.concatenate([[0.0], np.cumsum(np.bincount(place, weights=np.where(same, 1.0, -1.0)))])
    best = int(gained.argmax())
    if best == 0:
        return float(np.nextafter(values[0], -np.inf))
    low, high = values[best - 1], values[min(best, len(values) - 1)]
    middle = low + (high - low) / 2
    return float(middle if middle < high else low)  # two doubles without one between them


def _contradictions(pairs: LabelledPairs, people: Mapping[str, str]) -> Ints:
    # The pairs whose label does not agree with whom the photos show.
    alike = np.array([people[a] == people[b] for a, b in zip(pairs.first, pairs.second, strict=True)], dtype=np.bool_)
    found: Ints = np.flatnonzero(alike != pairs.same)
    return found


def _components(nodes: int, edges: Ints) -> Ints:
    # For each node the number of what it hangs together with through E×2 edges.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = edges.astype(np.int32)  # what older versions of scipy ask for
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    labels: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _share_out(sizes: Floats, folds: int) -> Ints:
    # The fold of each of C groups of so many same and different pairs (C×2).
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    held, fold_of = np.zeros((folds, 2)), np.zeros(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes.sum(axis=1), kind="stable"):
        fold_of[group] = (held @ shares[group]).argmin()  # keeps the sum of squares of what folds hold least
        held[fold_of[group]] += shares[group]
    return fold_of
