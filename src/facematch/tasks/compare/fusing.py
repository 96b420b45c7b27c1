"""Rankings of one system, or of several made one, as values of every query; probabilities fitted across halves."""

from collections.abc import Sequence
from dataclasses import dataclass

from facematch.evaluation.rank_task import judge_task, not_embedded
from facematch.evaluation.task import RetrievalTask
from facematch.ranking.fusion import Scale, fuse
from facematch.ranking.ranking import Ranking
from facematch.settings.ensemble import Method
from facematch.tasks.compare.results import Values, query_values
from facematch.tasks.compare.weights import Weights
from facematch.thresholds.probability import fit_probabilities, halves_of

Systems = Sequence[Sequence[Ranking]]  # of each system the rankings of all divisions


def ranked_values(task: RetrievalTask, rankings: Sequence[Ranking], score: Sequence[float]) -> Values:
    """Return what whole rankings of a task reach on each query; `score` weighs top-1, top-5 and top-10."""
    return query_values(judge_task(task, rankings), not_embedded(task, rankings), score)


@dataclass(frozen=True, eq=False)
class Fusing:
    """How rankings of several systems become one.

    `scales` make P(same) of each system's distances, for the first and for the second half of the people; they are
    empty where no probabilities are fused.
    """

    method: Method
    scales: tuple[Sequence[Scale], Sequence[Scale]] = ((), ())

    def rankings(self, systems: Systems, weights: Weights, half: int = 0) -> list[Ranking]:
        """Return one ranking of each division, by the scales of a half."""
        return [fuse(each, weights, self.method, self.scales[half]) for each in zip(*systems, strict=True)]

    def values(
        self, task: RetrievalTask, systems: Systems, weights: Weights, score: Sequence[float]
    ) -> tuple[Values, Values]:
        """Return what they reach on each query by the scales of either half."""
        first = ranked_values(task, self.rankings(systems, weights), score)
        return first, ranked_values(task, self.rankings(systems, weights, 1), score) if self.scales[1] else first


def fitted(method: Method, task: RetrievalTask, systems: Systems, names: Sequence[str]) -> Fusing:
    """Return how systems are fused: each half of the people by what is fitted on the other half of them."""
    if method != "probability":
        return Fusing(method)
    first, second = (fit_probabilities(task, systems, names, half) for half in reversed(halves_of(task)))
    return Fusing(method, ([each.of for each in first], [each.of for each in second]))
