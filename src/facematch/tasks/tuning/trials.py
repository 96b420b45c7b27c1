"""What lists of refine steps make of validation people, who are unknown to training people, or among them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.retrieval import average_precision, hit_at
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.topk import KS
from facematch.identities.values import LabelledPhotos, Pair
from facematch.pipeline.people import ValidationPeople
from facematch.ranking.embeddings import Embeddings, joined
from facematch.refine.chain import Ranker, has_flip
from facematch.refine.known import KnownPeople
from facematch.refine.whitening import Whitening
from facematch.settings.refine import Step
from facematch.settings.root import Settings
from facematch.tasks.tuning.steps import Trial


class Trials:
    """Validation people, embedded plainly and with flip, and what each list of steps makes of them.

    `known` and `fitted` are the training people and the whitening fitted on them, plainly and with flip; None and empty
    where there are none. Raises FacematchError where nobody has an answer.
    """

    def __init__(
        self,
        settings: Settings,
        task: RetrievalTask,
        sides: Mapping[bool, Embeddings],
        known: Mapping[bool, KnownPeople] | None,
        fitted: Mapping[bool, Whitening],
        weights: Sequence[float],
    ) -> None:
        self.settings, self.known, self.fitted, self.weights = settings, known, fitted, weights
        self.task, self.sides = task.among(set(sides[False].names)), sides
        if not self.task.divisions:
            raise FacematchError(
                "there is no query with a right answer among the validation people, so nothing can be tried.",
                "Validation needs people with at least two readable photos.",
            )
        self.people = self.task.identities
        self.dimensions = sides[False].dimensions
        self._made: dict[tuple[Step, ...], Trial] = {}

    def ranker(self, steps: tuple[Step, ...]) -> Ranker:
        """Return what ranks with `steps`."""
        metric, flip = self.settings.ranking.metric, has_flip(steps)
        if self.known is None:
            return Ranker(steps, metric)
        people = self.known[flip]
        return Ranker(steps, metric, self.fitted[flip], known=lambda: people)

    def measure(self, steps: tuple[Step, ...]) -> Trial:
        """Return what `steps` score for each query; each list of steps is tried once."""
        if steps not in self._made:
            judged = rank_task(self.task, self.sides[has_flip(steps)], self.ranker(steps)).judged
            scores = sum(weight * hit_at(judged, k) for weight, k in zip(self.weights, KS, strict=True))
            self._made[steps] = Trial(steps, np.asarray(scores, dtype=np.float64), average_precision(judged))
        return self._made[steps]


def where_known(trials: Trials, people: ValidationPeople) -> Trials | None:
    """Return trials in which half of the photos that each person has of each domain are among the training people's.

    The others ask each other. None without training people, and where nobody is left with an answer.
    """
    if trials.known is None:
        return None
    given: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for file, who in people.queries.pairs:
        given[who, file.domain].append((file, who))
    asking = LabelledPhotos.of(pair for pairs in given.values() for pair in pairs[::2])
    kept = {f"asked/{file.name}": who for pairs in given.values() for file, who in pairs[1::2]}
    try:
        task = replace(people, queries=asking).task(in_folds=True)
        known = {flip: _joined(each, trials.sides[flip], kept) for flip, each in trials.known.items()}
        return Trials(trials.settings, task, trials.sides, known, trials.fitted, trials.weights)
    except FacematchError:
        return None


def _joined(known: KnownPeople, side: Embeddings, kept: Mapping[str, str]) -> KnownPeople:
    own = side.at([row for row, name in enumerate(side.names) if name in kept])
    return KnownPeople(joined([known.embeddings, own]), (*known.people, *(kept[name] for name in own.names)))
