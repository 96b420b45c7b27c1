"""A hash report as one HTML file: its tables, what photos take against mAP, precision and recall by radius."""

from collections.abc import Sequence

from facematch.charts.axes import Axis
from facematch.charts.chart import MOST, Chart, Series
from facematch.charts.page import render_page
from facematch.tasks.compare.charts import SystemPoint, trade_off
from facematch.tasks.hashing.code_figures import PLACES, RADIUS
from facematch.tasks.hashing.data import HashReport, HashRun, same_photos
from facematch.tasks.hashing.tables import (
    bit_table,
    correlation_map,
    hash_tables,
    numbered,
    radius_table,
    variant_table,
)

_DEFINITIONS = (
    (
        "mAP",
        "mean over queries of the average precision over the whole ranking, divided by all right photos of the "
        "gallery. Photos at one distance have no order, so it is the mean over all their orders",
    ),
    (
        "worst – best order of ties",
        "the same with the wrong, or the right, photos of each distance first: no order gives less, or more",
    ),
    (f"precision@{PLACES}", f"right photos among the first {PLACES}, divided by {PLACES}, expected over ties"),
    ("top-1", "share of queries whose first answer is right, expected over ties"),
    (
        f"within radius {RADIUS}",
        f"share of right photos among those that differ from the query in {RADIUS} bits or fewer: what a hash table "
        "finds. A query for which nothing is there counts as 0",
    ),
    (
        "codes less floats",
        "what is lost by taking signs: mAP of the codes by Hamming distance less that of the network's values by "
        "Euclidean distance, on the same queries; p says how often chance alone does as much",
    ),
    (
        "bits that count",
        "as many independent bits as the codes are worth, by the spread of their correlations' eigenvalues",
    ),
    ("quantisation gap", "mean squared distance of the network's values from −1 and +1; 0 when none is in between"),
)


def hash_page(report: HashReport) -> bytes:
    """Return the page as UTF-8. Everything that was named by a stranger is escaped."""
    hashing = [run for run in report.runs if run.codes is not None]
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
        "maps": [(run.name, correlation_map(run.codes)) for run in hashing if run.codes is not None],
        "variants": variant_table(report),
        "meanings": _DEFINITIONS,
        "facts": (*report.facts, machine, *runs),
    }
    return render_page(__package__, "hash.html", values)


def _charts(report: HashReport, *, together: bool) -> list[Chart]:
    # What photos take against mAP, then precision and recall, each run alone where runs were asked about other photos.
    points = []
    for number, run in numbered(report.runs):
        kinds = [("floats", f"{number}f", run.float_bytes, run.floats.mean_ap)]
        if run.codes is not None:
            kinds = [("codes", number, run.dimensions // 8, run.codes.mean_ap), *kinds]
        points += [
            SystemPoint(label, f"{run.name}, {kind}", size, figure.value, figure.interval)
            for kind, label, size, figure in kinds
            if figure.value is not None
        ]
    hashing = [each for each in numbered(report.runs) if each[1].codes is not None]
    step = MOST if together else 1
    curves = [_curves(hashing[at : at + step], at) for at in range(0, len(hashing), step)]
    return [*([trade_off("bytes", "mAP", "bytes a photo", points)] if together else []), *curves]


def _curves(runs: Sequence[tuple[str, HashRun]], at: int) -> Chart:
    series = []
    for number, run in runs:
        assert run.codes is not None
        curve = run.codes.curve
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
