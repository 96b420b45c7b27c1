"""The tables of a hash report: a row for each run, or for each radius and bit with a column for each run."""

from collections.abc import Callable, Sequence

import numpy as np

from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.comparison import Comparison
from facematch.tasks.compare.table import Cell, Row, Table, estimate, gain, headed, shown
from facematch.tasks.hashing.code_figures import PLACES, RADIUS, CodeFigures
from facematch.tasks.hashing.data import HashReport, HashRun

_CELLS = 64  # rows of a map of correlations: with more bits each stands for several


def hash_tables(report: HashReport) -> list[Table]:
    """Return every figure of every run: by codes, by floats, of the bits, and what it costs."""
    hashing = [(number, run, run.codes) for number, run in numbered(report.runs) if run.codes is not None]

    def of_codes(heading: str, columns: tuple[Cell, ...], cells: Callable[[CodeFigures], tuple[Cell, ...]]) -> Table:
        return Table(heading, columns, tuple(Row(_head(run), cells(codes), number) for number, run, codes in hashing))

    def of_runs(heading: str, columns: tuple[Cell, ...], cells: Callable[[HashRun], tuple[Cell, ...]]) -> Table:
        return Table(
            heading, columns, tuple(Row(_head(run), cells(run), number) for number, run in numbered(report.runs))
        )

    return [
        Table(
            "Retrieval by codes, Hamming distance",
            headed("run", "mAP", "worst – best order of ties", "less the best codes", f"precision@{PLACES}", "top-1"),
            tuple(Row(_head(run), _by_codes(run, codes), number, run.best) for number, run, codes in hashing),
        ),
        of_codes(
            "Look-up by code",
            headed(
                "run", f"precision within radius {RADIUS}", f"queries with nothing within radius {RADIUS}",
                "half of what is right",
            ),
            _look_up,
        ),
        of_runs(
            "Retrieval by floats, the values whose signs are the codes",
            headed("run", "mAP", "codes less floats", f"precision@{PLACES}", "top-1", "distance"),
            _by_floats,
        ),
        of_codes(
            "How the gallery's codes use their bits",
            headed(
                "run", "bits that count", "never change", "share of ones, least and most",
                Cell("correlation of two bits", ("mean, largest",)), "different codes",
                Cell("quantisation gap", ("mean |value| before the sign",)),
            ),
            _quality,
        ),
        of_runs(
            f"Size and speed on {report.machine}",
            headed(
                "run", Cell("bytes of a photo", ("codes, floats",)), "queries a second, codes",
                "queries a second, floats", "codes are faster by", "timed",
            ),
            _speed,
        ),
    ]  # fmt: skip


def variant_table(report: HashReport) -> Table:
    """Return mAP in every published definition, of every run with codes."""
    hashing = [(number, run, run.codes.variants) for number, run in numbered(report.runs) if run.codes is not None]
    rows = [Row(_head(run), tuple(map(estimate, figures)), number) for number, run, figures in hashing]
    return Table("mAP in every definition", headed("run", *(figure.name for figure in hashing[0][2])), tuple(rows))


def radius_table(report: HashReport) -> Table:
    """Return what lies within each Hamming radius: precision of the queries with any photo there, recall, answered."""
    return _by_number(
        report,
        "radius",
        lambda codes: [
            Cell(_or_none(precision), (f"recall {recall:.3f}", f"{answered:.0%} answered"))
            for precision, recall, answered in zip(
                codes.curve.precision, codes.curve.recall, codes.curve.answered, strict=True
            )
        ],
    )


def bit_table(report: HashReport) -> Table:
    """Return for each bit its share of ones, its entropy, and the bit that is most like it."""

    def cells(codes: CodeFigures) -> list[Cell]:
        strength = _strength(codes)
        most, like = strength.max(axis=1), strength.argmax(axis=1)
        return [
            Cell(f"{share:.3f}", (f"entropy {entropy:.3f}", f"|r| {most[bit]:.2f} with {like[bit]}"))
            for bit, (share, entropy) in enumerate(zip(codes.quality.balance, codes.quality.entropy, strict=True))
        ]

    return _by_number(report, "bit", cells)


def correlation_map(codes: CodeFigures) -> str:
    """Return the absolute correlations of each two bits in hundredths, a line for each bit, a dot for itself.

    With more than 64 bits a number is the largest of several bits.
    """
    strength = _strength(codes)
    each = -(-len(strength) // _CELLS)
    wide = -(-len(strength) // each)
    padded = np.pad(strength, (0, each * wide - len(strength)))
    cells = padded.reshape(wide, each, wide, each).max(axis=(1, 3))
    lines = [
        " ".join("  ·" if row == column and each == 1 else f"{100 * value:3.0f}" for column, value in enumerate(values))
        for row, values in enumerate(cells.tolist())
    ]
    return "\n".join(f"{each * row:4d}  {line}" for row, line in enumerate(lines))


def numbered(runs: Sequence[HashRun]) -> list[tuple[str, HashRun]]:
    """Return runs with their numbers in tables and charts."""
    return [(str(number), run) for number, run in enumerate(runs, start=1)]


def _head(run: HashRun) -> Cell:
    kind = f"{run.dimensions} bits" if run.codes is not None else f"float reference, {run.dimensions} numbers"
    return Cell(run.name, (kind + ("" if run.epoch is None else f", epoch {run.epoch}"),))


def _by_codes(run: HashRun, codes: CodeFigures) -> tuple[Cell, ...]:
    bounds = "–" if codes.bounds is None else " – ".join(map(shown, codes.bounds))
    less = Cell("the best" if run.best else "–")
    if run.less_than_best is not None:
        less = _gain(run.less_than_best)
    return estimate(codes.mean_ap), Cell(bounds), less, estimate(codes.precision), estimate(codes.top1)


def _look_up(codes: CodeFigures) -> tuple[Cell, ...]:
    half = int(np.argmax(codes.curve.recall >= 0.5))
    precision = f"precision {_or_none(codes.curve.precision[half])}"
    return estimate(codes.within), estimate(codes.empty), Cell(f"within radius {half}", (precision,))


def _by_floats(run: HashRun) -> tuple[Cell, ...]:
    floats = run.floats
    cost = Cell("–") if run.codes is None else _gain(run.codes.cost)
    return estimate(floats.mean_ap), cost, estimate(floats.precision), estimate(floats.top1), Cell(floats.metric)


def _gain(found: Comparison) -> Cell:
    cell = gain(found)
    return Cell(cell.text, (*cell.under, f"p {found.p_value:.3f}"))


def _quality(codes: CodeFigures) -> tuple[Cell, ...]:
    quality = codes.quality
    return (
        Cell(f"{quality.effective_bits:.1f}", (f"of {quality.bits}",)),
        Cell(f"{quality.constant_bits}"),
        Cell(f"{min(quality.balance):.2f} – {max(quality.balance):.2f}"),
        Cell(f"{shown(quality.mean_correlation)}, {_strength(codes).max():.3f}"),
        Cell(f"{quality.distinct:,}", (f"of {quality.photos:,} photos", f"{quality.largest:,} with the commonest")),
        Cell(shown(quality.quantisation_gap), (f"mean |value| {shown(quality.mean_magnitude)}",)),
    )


def _speed(run: HashRun) -> tuple[Cell, ...]:
    speed, rate = run.speed, run.speed.code_rate
    codes = "–" if run.code_bytes is None else f"{run.code_bytes:,}"

    def cell(rate: float, seconds: Sequence[float]) -> Cell:
        slowest, fastest = speed.queries / max(seconds), speed.queries / min(seconds)
        return Cell(f"{rate:,.0f}", (f"[{slowest:,.0f}–{fastest:,.0f}]",))

    return (
        Cell(f"{codes}, {run.float_bytes:,}"),
        Cell("–") if rate is None else cell(rate, speed.codes),
        cell(speed.float_rate, speed.floats),
        Cell("–" if rate is None else f"{rate / speed.float_rate:.1f} times"),
        Cell(f"{speed.queries:,} queries", (f"of {speed.gallery:,} gallery photos",)),
    )


def _by_number(report: HashReport, what: str, cells: Callable[[CodeFigures], list[Cell]]) -> Table:
    # A row for each radius or bit, a column for each run with codes; shorter codes have fewer.
    hashing = [(run, cells(run.codes)) for run in report.runs if run.codes is not None]
    rows = [
        Row(Cell(f"{what} {number}"), tuple(each[number] if number < len(each) else Cell("–") for _, each in hashing))
        for number in range(max(len(each) for _, each in hashing))
    ]
    return Table(f"By {what}", headed(what, *(_head(run) for run, _ in hashing)), tuple(rows))


def _strength(codes: CodeFigures) -> Floats:
    correlation = codes.quality.correlation
    return np.asarray(np.abs(correlation - np.diag(correlation.diagonal())))


def _or_none(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"
