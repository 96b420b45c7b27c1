"""What a comparison shows, as values: each system with its figures and costs, and which differences are real."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from facematch.evaluation.bootstrap import Estimate, Floats
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.pipeline.rendered import STAND_IN
from facematch.tasks.compare.results import Result
from facematch.tasks.compare.side_by_side import gain, shown

REAL = 0.05  # adjusted p-value below which a difference is called real


@dataclass(frozen=True)
class Pair:
    """Two systems on the same queries: what `better` reaches above `worse`, and the p-value over all pairs.

    `adjusted` is that of Holm: where it is below 0.05, at most one comparison in twenty calls any equal pair different.
    """

    better: str
    worse: str
    comparison: Comparison
    adjusted: float

    @property
    def real(self) -> bool:
        """Return whether the difference is more than luck explains."""
        return self.adjusted < REAL

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "better": self.better, "worse": self.worse, **self.comparison.as_dict(),
            "adjusted_p_value": self.adjusted, "real": self.real,
        }  # fmt: skip


def compare_pairs(systems: Mapping[str, Floats], groups: Sequence[Hashable]) -> list[Pair]:
    """Return every pair of systems compared on the queries that define the figure, p-values adjusted over all pairs.

    `systems` holds the values of one figure by the system's name, in the same order of queries. The larger mean is
    the better one, the earlier of two equal ones.
    """
    every = list(combinations(systems, 2))
    found, rounds = [], draws_for(len(every))
    for first, second in every:
        difference = systems[first] - systems[second]
        defined = difference[~np.isnan(difference)]
        if len(defined):
            better, worse = (first, second) if defined.mean() >= 0 else (second, first)
            found.append((better, worse, paired_values(systems[better], systems[worse], groups, rounds=rounds)))
    adjusted = holm([comparison.p_value for _, _, comparison in found])
    return [Pair(*each, p_value) for each, p_value in zip(found, adjusted, strict=True)]


def draws_for(pairs: int) -> int:
    """Return how many random draws of people a test needs so that its smallest p-value, times `pairs`, can be real."""
    return max(5000, 40 * pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given (Holm, Scandinavian J. of Statistics 6, 1979).

    The i-th smallest of m is multiplied by m − i + 1; none is below that of a smaller one, none above 1.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = least
    return adjusted


@dataclass(frozen=True, eq=False)
class ComparedSystem:
    """One system: its name, what it is in words, what it reached – or why it could not be asked, in `failed`.

    `leak` says what its training saw of the people compared; of one that was trained on them, `seen`, figures mean
    nothing.
    """

    name: str
    words: str
    result: Result | None = None
    figures: Mapping[str, Estimate] | None = None
    leak: str = ""
    seen: bool = False
    failed: str = ""

    @property
    def counts(self) -> bool:
        """Return whether its figures can stand beside those of others."""
        return self.figures is not None and not self.seen

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        values: dict[str, object] = {"name": self.name, "system": self.words, "failed": self.failed or None}
        if self.result is None or self.figures is None:
            return values
        result = self.result
        return {
            **values,
            "leak": self.leak or None,
            "figures": {name: figure.as_dict() for name, figure in self.figures.items()},
            "queries not embedded": result.lost,
            "gallery photos not embedded": result.behind,
            "photos without a face, taken whole": result.stand_ins,
            "cost": {**asdict(result.cost), "photo_ms": result.cost.photo_ms, "machine": result.machine},
            "training seconds": result.training_seconds,
            "weights": list(result.weights) or None,
        }


@dataclass(frozen=True)
class Rendered:
    """What every system reaches where the gallery is rendered: `figures` by the gallery's name and by the system's."""

    asked: str
    figures: Mapping[str, Mapping[str, Mapping[str, Estimate]]]

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        galleries = {
            gallery: {who: {name: each.as_dict() for name, each in found.items()} for who, found in systems.items()}
            for gallery, systems in self.figures.items()
        }
        return {"asked": self.asked, "note": STAND_IN, "galleries": galleries}


@dataclass(frozen=True, eq=False)
class CompareReport:
    """Everything on a comparison's page. `asked` says who asked whom, `by` which figure decides, of at most `most`."""

    title: str
    asked: str
    people: int
    by: str
    most: float
    systems: tuple[ComparedSystem, ...]
    pairs: tuple[Pair, ...]
    facts: tuple[tuple[str, str], ...] = ()
    rendered: Rendered | None = None

    @property
    def best(self) -> ComparedSystem | None:
        """Return the system with the largest figure, the first of equal ones; None where none has one."""
        there = [each for each in self.systems if each.counts and self.value(each) is not None]
        return max(there, key=lambda each: self.value(each) or 0.0, default=None)

    def value(self, system: ComparedSystem) -> float | None:
        """Return the figure that decides, of one system."""
        return None if system.figures is None else system.figures[self.by].value

    @property
    def against_best(self) -> list[Pair]:
        """Return the pairs that the best system is in, those nearest to it first."""
        name = None if self.best is None else self.best.name
        return sorted(
            (pair for pair in self.pairs if name in (pair.better, pair.worse)),
            key=lambda pair: pair.comparison.difference,
        )

    @property
    def equals(self) -> list[ComparedSystem]:
        """Return the best system and those that cannot be told apart from it, cheapest photo first."""
        apart = {name for pair in self.against_best if pair.real for name in (pair.better, pair.worse)}
        there = [each for each in self.systems if each.counts and (each is self.best or each.name not in apart)]
        return sorted(there, key=lambda each: each.result.cost.photo_ms if each.result else 0.0)

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "name": self.title,
            "asked": self.asked,
            "by": self.by,
            "best": None if self.best is None else self.best.name,
            "systems": [each.as_dict() for each in self.systems],
            "pairs": [pair.as_dict() for pair in self.pairs],
            "renderings": None if self.rendered is None else self.rendered.as_dict(),
        }


def pair_words(pair: Pair, by: str) -> str:
    """Return what is known of two systems in one line."""
    found, cell = pair.comparison, gain(pair.comparison, by)
    difference = " ".join((cell.text, *cell.under))
    chance = _chance(found.p_value)
    if pair.adjusted != found.p_value:
        chance += f", adjusted {_chance(pair.adjusted)}"
    if pair.real:
        return f"{pair.better} is better than {pair.worse}: {by} {difference}, {chance}"
    return f"{pair.better} and {pair.worse} cannot be told apart on {found.people} people: {by} {difference}, {chance}"


def _chance(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def verdict(report: CompareReport) -> list[str]:
    """Return in words which system is best, and which of those as good takes the least time and room."""
    best = report.best
    if best is None:
        return ["No system has figures that can be compared."]
    lines = [f"Best: {best.name}, {report.by} {shown(report.value(best), report.by)}."]
    equal = [(each, each.result.cost) for each in report.equals if each.result is not None]
    if len(equal) > 1:
        names = ", ".join(each.name for each, _ in equal if each is not best)
        fast, least = min(equal, key=lambda pair: pair[1].photo_ms)
        small, fewest = min(equal, key=lambda pair: pair[1].bytes)
        fastest = f"{fast.name} is the fastest, {least.photo_ms:.1f} ms a photo"
        smallest = f"the smallest, {fewest.bytes:,} bytes a photo"
        lines += [
            f"Not told apart from it on {report.people:,} people: {names}.",
            f"Of these {len(equal)}, {fastest}, and {'' if small is fast else f'{small.name} '}{smallest}.",
        ]
        if 2.0 ** (1 - report.people) * len(report.pairs) >= REAL:
            lines.append(
                f"{report.people} people or classes are too few to tell any of {len(report.pairs)} pairs apart, "
                "whatever they reach: compare fewer systems, or on more people."
            )
    elif report.pairs:
        lines.append(f"Every other system is worse by more than luck explains, on {report.people:,} people.")
    return lines


def training_words(seconds: float | None) -> str:
    """Return a training's time, a dash where nobody knows."""
    if seconds is None:
        return "–"
    if seconds < 7200:
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
