"""The tables of a hash report: a row for each figure, a column for each run, so that runs stand side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.comparison import Comparison
from facematch.tasks.hashing.code_figures import PLACES, RADIUS, CodeFigures
from facematch.tasks.hashing.data import HashReport, HashRun


@dataclass(frozen=True)
class Cell:
    """What one run has: a value, and in small lines what belongs to it, an interval or a count."""

    text: str
    under: tuple[str, ...] = ()


NOTHING = Cell("–")


@dataclass(frozen=True)
class Row:
    """One figure of all runs."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    heading: str
    rows: tuple[Row, ...]


def figure_groups(report: HashReport) -> list[Group]:
    """Return every figure of every run; a run without codes has a dash where only codes have a figure."""
    runs = report.runs

    def row(label: str, cell: Callable[[HashRun], Cell]) -> Row:
        return Row(label, tuple(cell(run) for run in runs))

    def of_codes(label: str, cell: Callable[[CodeFigures], Cell]) -> Row:
        return row(label, lambda run: NOTHING if run.codes is None else cell(run.codes))

    by_codes = [
        of_codes("mAP", lambda codes: _figure(codes.mean_ap)),
        of_codes("worst – best order of ties", _bounds),
        *([row("mAP less that of the best codes", _less)] if len(runs) > 1 else []),
        of_codes(f"precision@{PLACES}", lambda codes: _figure(codes.precision)),
        of_codes("top-1", lambda codes: _figure(codes.top1)),
        of_codes(f"precision within radius {RADIUS}", lambda codes: _figure(codes.within)),
        of_codes(f"queries with nothing within radius {RADIUS}", lambda codes: _figure(codes.empty)),
    ]
    by_floats = [
        row("mAP", lambda run: _figure(run.floats.mean_ap)),
        row(f"precision@{PLACES}", lambda run: _figure(run.floats.precision)),
        row("top-1", lambda run: _figure(run.floats.top1)),
        row("distance", lambda run: Cell(run.floats.metric)),
        of_codes("mAP, codes less floats", lambda codes: _compared(codes.cost)),
    ]
    return [
        Group("Retrieval by codes, Hamming distance", tuple(by_codes)),
        Group("Retrieval by floats, the values whose signs are the codes", tuple(by_floats)),
        Group("How the gallery's codes use their bits", _quality_rows(of_codes)),
        Group(f"Size and speed on {report.machine}", _cost_rows(row)),
    ]


def variant_rows(runs: Sequence[HashRun]) -> list[Row]:
    """Return mAP in every published definition, for runs with codes."""
    every = [run.codes.variants for run in runs if run.codes is not None]
    return [Row(figures[0].name, tuple(_figure(figure) for figure in figures)) for figures in zip(*every, strict=True)]


def _quality_rows(of_codes: Callable[[str, Callable[[CodeFigures], Cell]], Row]) -> tuple[Row, ...]:
    return (
        of_codes(
            "bits that count",
            lambda codes: Cell(f"{codes.quality.effective_bits:.1f}", (f"of {codes.quality.bits}",)),
        ),
        of_codes("bits that never change", lambda codes: Cell(f"{codes.quality.constant_bits}")),
        of_codes(
            "share of ones of the bits, least and most",
            lambda codes: Cell(f"{min(codes.quality.balance):.2f} – {max(codes.quality.balance):.2f}"),
        ),
        of_codes("mean |correlation| of two bits", lambda codes: Cell(_number(codes.quality.mean_correlation))),
        of_codes(
            "different codes",
            lambda codes: Cell(f"{codes.quality.distinct:,}", (f"of {codes.quality.photos:,} photos",)),
        ),
        of_codes("photos with the commonest code", lambda codes: Cell(f"{codes.quality.largest:,}")),
        of_codes("quantisation gap", lambda codes: Cell(_number(codes.quality.quantisation_gap))),
        of_codes("mean |value| before the sign", lambda codes: Cell(_number(codes.quality.mean_magnitude))),
    )


def _cost_rows(row: Callable[[str, Callable[[HashRun], Cell]], Row]) -> tuple[Row, ...]:
    def code_rate(run: HashRun) -> Cell:
        rate = run.speed.code_rate
        return NOTHING if rate is None else Cell(f"{rate:,.0f}", (_rounds(run.speed.queries, run.speed.codes),))

    def faster(run: HashRun) -> Cell:
        rate = run.speed.code_rate
        return NOTHING if rate is None else Cell(f"{rate / run.speed.float_rate:.1f} times")

    def float_rate(run: HashRun) -> Cell:
        return Cell(f"{run.speed.float_rate:,.0f}", (_rounds(run.speed.queries, run.speed.floats),))

    return (
        row("bytes of a code", lambda run: NOTHING if run.code_bytes is None else Cell(f"{run.code_bytes:,}")),
        row("bytes of a photo's floats", lambda run: Cell(f"{run.float_bytes:,}")),
        row("queries a second, codes", code_rate),
        row("queries a second, floats", float_rate),
        row("codes are faster by", faster),
        row("timed", lambda run: Cell(f"{run.speed.queries:,} queries", (f"of {run.speed.gallery:,} gallery photos",))),
    )


def _rounds(queries: int, seconds: Sequence[float]) -> str:
    return f"{queries / max(seconds):,.0f} – {queries / min(seconds):,.0f}"


def _figure(figure: Estimate) -> Cell:
    if figure.value is None:
        return Cell("insufficient data")
    interval = "no interval" if figure.interval is None else f"{figure.interval[0]:.3f} – {figure.interval[1]:.3f}"
    return Cell(f"{figure.value:.3f}", (interval,))


def _bounds(codes: CodeFigures) -> Cell:
    return NOTHING if codes.bounds is None else Cell(f"{codes.bounds[0]:.3f} – {codes.bounds[1]:.3f}")


def _less(run: HashRun) -> Cell:
    if run.best:
        return Cell("the best")
    return NOTHING if run.less_than_best is None else _compared(run.less_than_best)


def _compared(found: Comparison) -> Cell:
    interval = () if found.interval is None else (" to ".join(map(_signed, found.interval)),)
    return Cell(_signed(found.difference), (*interval, f"p {found.p_value:.3f}"))


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
