"""A hash report as one HTML file: tables with a row for each run, or for each radius and bit, and charts."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from facematch.charts.chart import MOST, Axis, Chart, Series
from facematch.charts.page import render_page
from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.comparison import Comparison
from facematch.tasks.compare.side_by_side import Cell, Row, SystemPoint, Table, estimate, gain, headed, shown, trade_off
from facematch.tasks.hashing.codes import PLACES, RADIUS
from facematch.tasks.hashing.data import HashReport, HashRun, same_photos

Columns = Mapping[str | Cell, Callable[[HashRun], Cell]]

_BITS: Columns = {
    "bits that count": lambda run: Cell(f"{run.bits.effective_bits:.1f}", (f"of {run.bits.bits}",)),
    "never change": lambda run: Cell(f"{run.bits.constant_bits}"),
    "share of ones, least and most": lambda run: Cell(f"{min(run.bits.balance):.2f} – {max(run.bits.balance):.2f}"),
    Cell("correlation of two bits", ("mean, largest",)): lambda run: Cell(
        f"{shown(run.bits.mean_correlation)}, {_strength(run).max():.3f}"
    ),
    "different codes": lambda run: Cell(
        f"{run.bits.distinct:,}", (f"of {run.bits.photos:,} photos", f"{run.bits.largest:,} with the commonest")
    ),
    Cell("quantisation gap", ("mean |value| before the sign",)): lambda run: Cell(
        shown(run.bits.quantisation_gap), (f"mean |value| {shown(run.bits.mean_magnitude)}",)
    ),
}
_COSTS: Columns = {
    Cell("bytes of a photo", ("codes, floats",)): lambda run: Cell(f"{run.code_bytes or '–'}, {run.float_bytes:,}"),
    "queries a second, codes": lambda run: _rate(run.speed.code_rate, run.speed.queries, run.speed.codes),
    "queries a second, floats": lambda run: _rate(run.speed.float_rate, run.speed.queries, run.speed.floats),
    "codes are faster by": lambda run: Cell(
        "–" if run.speed.code_rate is None else f"{run.speed.code_rate / run.speed.float_rate:.1f} times"
    ),
    "timed": lambda run: Cell(f"{run.speed.queries:,} queries", (f"of {run.speed.gallery:,} gallery photos",)),
}
_CELLS = 64  # rows of a map of correlations: with more bits each stands for several


def hash_tables(report: HashReport) -> list[Table]:
    """Return every figure of every run: by codes, by floats, of the bits, and what it costs."""
    every, hashing = _numbered(report.runs), _coded(report.runs)
    return [
        _table(
            "Retrieval by codes, Hamming distance",
            hashing,
            {
                "mAP": lambda run: estimate(run.of_codes.mean_ap),
                "worst – best order of ties": lambda run: Cell(" – ".join(map(shown, run.of_codes.bounds or (None,)))),
                "less the best codes": lambda run: Cell("the best") if run.best else _gain(run.less_than_best),
                f"precision@{PLACES}": lambda run: estimate(run.of_codes.precision),
                "top-1": lambda run: estimate(run.of_codes.top1),
            },
        ),
        _table(
            "Look-up by code",
            hashing,
            {
                f"precision within radius {RADIUS}": lambda run: estimate(run.of_codes.within),
                f"queries with nothing within radius {RADIUS}": lambda run: estimate(run.of_codes.empty),
                "half of what is right": _half,
            },
        ),
        _table(
            "Retrieval by floats, the values whose signs are the codes",
            every,
            {
                "mAP": lambda run: estimate(run.floats.mean_ap),
                "codes less floats": lambda run: _gain(None if run.codes is None else run.codes.cost),
                f"precision@{PLACES}": lambda run: estimate(run.floats.precision),
                "top-1": lambda run: estimate(run.floats.top1),
                "distance": lambda run: Cell(run.floats.metric),
            },
        ),
        _table("How the gallery's codes use their bits", hashing, _BITS),
        _table(f"Size and speed on {report.machine}", every, _COSTS),
    ]


def variant_table(report: HashReport) -> Table:
    """Return mAP in every published definition, of every run with codes."""
    hashing = _coded(report.runs)
    rows = [Row(_head(run), tuple(map(estimate, run.of_codes.variants)), number) for number, run in hashing]
    names = [figure.name for figure in hashing[0][1].of_codes.variants]
    return Table("mAP in every definition", headed("run", *names), tuple(rows))


def radius_table(report: HashReport) -> Table:
    """Return what lies within each Hamming radius: precision of the queries with any photo there, recall, answered."""

    def cells(run: HashRun) -> list[Cell]:
        curve = run.of_codes.curve
        return [
            Cell(_or_none(precision), (f"recall {recall:.3f}", f"{answered:.0%} answered"))
            for precision, recall, answered in zip(curve.precision, curve.recall, curve.answered, strict=True)
        ]

    return _by_number(report, "radius", cells)


def bit_table(report: HashReport) -> Table:
    """Return for each bit its share of ones, its entropy, and the bit that is most like it."""

    def cells(run: HashRun) -> list[Cell]:
        strength = _strength(run)
        most, like = strength.max(axis=1), strength.argmax(axis=1)
        return [
            Cell(f"{share:.3f}", (f"entropy {entropy:.3f}", f"|r| {most[bit]:.2f} with {like[bit]}"))
            for bit, (share, entropy) in enumerate(zip(run.bits.balance, run.bits.entropy, strict=True))
        ]

    return _by_number(report, "bit", cells)


def correlation_map(run: HashRun) -> str:
    """Return the absolute correlations of each two bits in hundredths, a line for each bit, a dot for itself.

    With more than 64 bits a number is the largest of several bits.
    """
    strength = _strength(run)
    each = -(-len(strength) // _CELLS)
    wide = -(-len(strength) // each)
    padded = np.pad(strength, (0, each * wide - len(strength)))
    cells = padded.reshape(wide, each, wide, each).max(axis=(1, 3))
    lines = [
        " ".join("  ·" if row == column and each == 1 else f"{100 * value:3.0f}" for column, value in enumerate(values))
        for row, values in enumerate(cells.tolist())
    ]
    return "\n".join(f"{each * row:4d}  {line}" for row, line in enumerate(lines))


def _numbered(runs: Sequence[HashRun]) -> list[tuple[str, HashRun]]:
    return [(str(number), run) for number, run in enumerate(runs, start=1)]


def _coded(runs: Sequence[HashRun]) -> list[tuple[str, HashRun]]:
    # Those that have codes.
    return [each for each in _numbered(runs) if each[1].codes is not None]


def _table(heading: str, runs: Sequence[tuple[str, HashRun]], columns: Columns) -> Table:
    rows = [Row(_head(run), tuple(cell(run) for cell in columns.values()), number, run.best) for number, run in runs]
    return Table(heading, headed("run", *columns), tuple(rows))


def _head(run: HashRun) -> Cell:
    kind = f"{run.dimensions} bits" if run.codes is not None else f"float reference, {run.dimensions} numbers"
    return Cell(run.name, (kind + ("" if run.epoch is None else f", epoch {run.epoch}"),))


def _half(run: HashRun) -> Cell:
    curve = run.of_codes.curve
    radius = int(np.argmax(curve.recall >= 0.5))
    return Cell(f"within radius {radius}", (f"precision {_or_none(curve.precision[radius])}",))


def _gain(found: Comparison | None) -> Cell:
    if found is None:
        return Cell("–")
    cell = gain(found)
    return Cell(cell.text, (*cell.under, f"p {found.p_value:.3f}"))


def _rate(rate: float | None, queries: int, seconds: Sequence[float]) -> Cell:
    if rate is None:
        return Cell("–")
    return Cell(f"{rate:,.0f}", (f"[{queries / max(seconds):,.0f}–{queries / min(seconds):,.0f}]",))


def _by_number(report: HashReport, what: str, cells: Callable[[HashRun], list[Cell]]) -> Table:
    # A row for each radius or bit, a column for each run with codes; shorter codes have fewer.
    hashing = [run for _, run in _coded(report.runs)]
    rows = [
        Row(Cell(f"{what} {number}"), cells)
        for number, cells in enumerate(zip_longest(*map(cells, hashing), fillvalue=Cell("–")))
    ]
    return Table(f"By {what}", headed(what, *map(_head, hashing)), tuple(rows))


def _strength(run: HashRun) -> Floats:
    correlation = run.bits.correlation
    return np.asarray(np.abs(correlation - np.diag(correlation.diagonal())))


def _or_none(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def hash_page(report: HashReport) -> bytes:
    """Return the page as UTF-8. Everything that was named by a stranger is escaped."""
    comparable = same_photos(report.runs)
    machine = ("machine", report.machine)
    runs = [(run.name, f"photos {run.photos}, network {run.fingerprint[:16]}") for run in report.runs]
    values = {
        "command": "hash report",
        "report": report,
        "title": _title(report.runs),
        "asked": _asked(report.runs),
        "tables": hash_tables(report),
        "comparable": comparable,
        "charts": _charts(report, together=comparable),
        "radii": radius_table(report),
        "bits": bit_table(report),
        "maps": [(run.name, correlation_map(run)) for _, run in _coded(report.runs)],
        "variants": variant_table(report),
        "places": PLACES,
        "radius": RADIUS,
        "facts": (*report.facts, machine, *runs),
    }
    return render_page(__package__, "hash.html", values)


def _charts(report: HashReport, *, together: bool) -> list[Chart]:
    # What photos take against mAP, then precision and recall, each run alone where runs were asked about other photos.
    points = []
    for number, run in _numbered(report.runs):
        kinds = [("floats", f"{number}f", run.float_bytes, run.floats.mean_ap)]
        if run.codes is not None:
            kinds = [("codes", number, run.dimensions // 8, run.codes.mean_ap), *kinds]
        points += [
            SystemPoint(label, f"{run.name}, {kind}", size, figure.value, figure.interval)
            for kind, label, size, figure in kinds
            if figure.value is not None
        ]
    hashing = _coded(report.runs)
    step = MOST if together else 1
    curves = [_curves(hashing[at : at + step], at) for at in range(0, len(hashing), step)]
    return [*([trade_off("bytes", "mAP", "bytes a photo", points)] if together else []), *curves]


def _curves(runs: Sequence[tuple[str, HashRun]], at: int) -> Chart:
    series = []
    for number, run in runs:
        curve = run.of_codes.curve
        series.append(Series(f"{number}: {run.dimensions} bits", curve.recall, curve.precision, labels={RADIUS: ""}))
    names = ", ".join(f"{number} {run.name}" for number, run in runs)
    return Chart(
        "pr" + "".join(chr(ord("a") + int(digit)) for digit in str(at)),
        "Precision and recall by Hamming radius",
        f"One point for each radius; a mark is at radius {RADIUS}. Precision is that of the queries with any photo "
        f"within the radius. The runs: {names}.",
        Axis("recall", 0, 1),
        Axis("precision", 0, 1),
        series,
    )


def _title(runs: tuple[HashRun, ...]) -> str:
    names = [run.name for run in runs]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _asked(runs: tuple[HashRun, ...]) -> list[str]:
    # Who asked whom, once where it was the same for all.
    every = [
        f"{run.asked}: {len(run.groups):,} queries of {run.people:,} people or classes, {run.gallery:,} gallery photos"
        for run in runs
    ]
    if len(set(every)) == 1:
        return every[:1]
    return [f"{run.name} – {words}" for run, words in zip(runs, every, strict=True)]
