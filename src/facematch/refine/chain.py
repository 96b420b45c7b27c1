"""The listed steps as one function from two sides to a ranking."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from facematch.core.errors import FacematchError
from facematch.core.kinds import make, require_kind
from facematch.ranking.choice import Choice, choose_index
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.refine.known import KnownPeople
from facematch.refine.whitening import Whitening
from facematch.settings.ranking import IndexKind
from facematch.settings.refine import FlipStep, Step, TunedSteps, ViewsStep, WhitenStep


def has_flip(steps: Sequence[Step]) -> bool:
    """Return whether photos are embedded together with their mirror images."""
    return any(isinstance(step, FlipStep) for step in steps)


def needs_folds(steps: Sequence[Step]) -> bool:
    """Return whether the steps need query and gallery apart: all but flip and views, which are done photo by photo."""
    return any(not isinstance(step, FlipStep | ViewsStep) for step in steps)


@dataclass(frozen=True, eq=False)
class Ranker:
    """Ranks a gallery with `steps`, in their order; without any, plainly.

    `flip` and `views` are not among what it does: they happen where photos are embedded. `index` finds the nearest.
    `known` embeds the training people, once a step needs them. Raises ValueError for a step that cannot be done here:
    `whiten` without its fitted numbers, `bridge` or `cohort` without training people, `tuned` before it was resolved.
    """

    steps: tuple[Step, ...]
    metric: Metric
    whitening: Whitening | None = None
    index: IndexKind = "exact"
    known: Callable[[], KnownPeople] | None = None

    def __post_init__(self) -> None:
        if any(isinstance(step, TunedSteps) for step in self.steps):
            raise ValueError("tuned steps are resolved before they are used")
        if self.whitening is None and any(isinstance(step, WhitenStep) for step in self.steps):
            raise ValueError("whitening is fitted before it is used")
        if self.known is None and any(step.needs_known for step in self.steps):
            raise ValueError("a step needs training people, and there is nobody to embed")

    def __call__(
        self, query: Embeddings, gallery: Embeddings, k: int, people: Mapping[str, str] | None = None
    ) -> Ranking:
        """Return the first `k` gallery photos of every query; `people` says whom gallery photos show, if known."""
        return self.compare(*self.sides(query, gallery, people), k)

    def compare(self, query: Embeddings, gallery: Embeddings, k: int) -> Ranking:
        """Return the first `k` gallery photos of every query, of two sides that `sides` gave back."""
        for step in self.steps:
            if step.gives_distances:
                given = self._given(step, None) | {"query": query, "gallery": gallery, "k": k}
                ranking: Ranking = _made(step, Ranking, given)
                return ranking
        return distance_estimator(query, gallery, k, self.metric, index=self.index)

    def choice(self, query: Embeddings, gallery: Embeddings, k: int) -> Choice:
        """Return the index that `compare` uses, and why; a step that gives distances compares everything."""
        if any(step.gives_distances for step in self.steps):
            return Choice("exact")
        return choose_index(self.index, len(query), len(gallery), k, gallery.vectors.strides[0], self.metric)

    def sides(
        self, query: Embeddings, gallery: Embeddings, people: Mapping[str, str] | None = None
    ) -> tuple[Embeddings, Embeddings]:
        """Return query and gallery as they are compared: after all steps that change embeddings."""
        for step in self.steps:
            if not step.gives_distances and not isinstance(step, FlipStep | ViewsStep):
                query, gallery = _made(step, tuple, self._given(step, people) | {"query": query, "gallery": gallery})
        return query, gallery

    def without(self, people: Iterable[str]) -> "Ranker":
        """Return the same without training photos of `people`: those on whom it is judged.

        Raises FacematchError, once it ranks, where nobody is left.
        """
        if self.known is None:
            return self
        everyone, judged = self.known, frozenset(people)
        return replace(self, known=cache(lambda: everyone().without(judged)))

    @property
    def known_digest(self) -> str | None:
        """Return the digest of the training people's photos where a step needs them; they are embedded for it."""
        return None if self.known is None else self.known().digest

    def _given(self, step: Step, people: Mapping[str, str] | None) -> dict[str, Any]:
        given = {"metric": self.metric, "people": people, "whitening": self.whitening}
        return given | ({"known": self._known()} if step.needs_known else {})

    def _known(self) -> KnownPeople:
        # As query and gallery are compared: whitened where these are.
        assert self.known is not None
        known = self.known()
        for step in self.steps:
            if isinstance(step, WhitenStep):
                assert self.whitening is not None
                vectors = self.whitening.apply(known.embeddings, step.components, step.power)
                known = replace(known, embeddings=vectors)
        return known


def _made(step: Step, wanted: type[Any], given: Mapping[str, Any]) -> Any:
    kind = require_kind("refine", step.step)
    made = make(kind, step.options_given, given, f"refine: {step.step}")
    if not isinstance(made, wanted) or (wanted is tuple and [type(each) for each in made] != [Embeddings, Embeddings]):
        expected = "a Ranking" if wanted is Ranking else "two Embeddings, of query and gallery"
        raise FacematchError(
            f"refine step {step.step} of the package {kind.package} gave {type(made).__name__}, expected {expected}.",
            "It is a defect of that package; leave the step out.",
        )
    return made
