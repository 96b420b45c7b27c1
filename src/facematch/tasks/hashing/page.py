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
    coded,
    correlation_map,
    hash_tables,
    numbered,
    radius_table,
    variant_table,
)


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
        "maps": [(run.name, correlation_map(run)) for _, run in coded(report.runs)],
        "variants": variant_table(report),
        "places": PLACES,
        "radius": RADIUS,
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
    hashing = coded(report.runs)
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
