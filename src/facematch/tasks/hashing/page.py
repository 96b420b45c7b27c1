"""One HTML file that shows codes beside each other: it needs no network, no other file and no script."""

from facematch.charts.page import render_page
from facematch.tasks.hashing.code_figures import PLACES, RADIUS
from facematch.tasks.hashing.data import HashReport, HashRun, same_photos
from facematch.tasks.hashing.drawings import comparison_drawings, names_of, run_drawings
from facematch.tasks.hashing.table import figure_groups, variant_rows

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
    comparable, names = same_photos(report.runs), names_of(hashing)
    values = {
        "report": report,
        "title": _title(report.runs),
        "asked": _asked(report.runs),
        "names": names,
        "hashing": hashing,
        "groups": figure_groups(report),
        "variants": variant_rows(hashing),
        "comparable": comparable,
        "comparison": comparison_drawings(report.runs, names) if comparable else [],
        "drawings": [run_drawings(run, number, alone=not comparable) for number, run in enumerate(hashing)],
        "definitions": _DEFINITIONS,
    }
    return render_page(__package__, "hash.html", values, styles=["report.css", "hash.css"])


def _title(runs: tuple[HashRun, ...]) -> str:
    names = [run.name for run in runs]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _asked(runs: tuple[HashRun, ...]) -> list[str]:
    # Who asked whom, once where it was the same for all.
    every = {
        f"{run.asked}: {len(run.groups):,} queries of {run.people:,} people or classes, {run.gallery:,} gallery photos"
        for run in runs
    }
    if len(every) == 1:
        return [every.pop()]
    return [
        f"{run.name} – {run.asked}: {len(run.groups):,} queries of {run.people:,} people or classes, "
        f"{run.gallery:,} gallery photos"
        for run in runs
    ]
