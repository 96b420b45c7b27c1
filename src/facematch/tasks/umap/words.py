"""What `facematch umap` prints and draws."""

from pathlib import Path
from typing import Any

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.draw import chart_file
from facematch.core.console import result, show_table
from facematch.core.text import count_of
from facematch.tasks.umap.model import FILE, UmapModel
from facematch.tasks.umap.tune import Sweep


def show_sweep(found: Sweep, rows: int) -> None:
    """Print a table of the candidates, and which is picked and why."""
    table = [
        (str(each.settings.n_neighbors), f"{each.own:.4f}", f"{each.fixed:.4f}", "◀" if each is found.best else "")
        for each in found.candidates
    ]
    columns = ("n_neighbors", "at k = its own n", f"at k = {found.k}", "")
    show_table(f"trustworthiness of UMAP, {rows:,} distinct photos", columns, table)
    best = found.best
    result(
        f"picked n_neighbors {best.settings.n_neighbors}: the most trustworthy at k = {found.k} ({best.fixed:.4f}); "
        "scores at a candidate's own n ask about other neighbourhoods and are not compared"
    )


def sweep_as_dict(found: Sweep) -> dict[str, Any]:
    """Return a sweep as plain values for JSON."""
    return {
        "k": found.k,
        "candidates": [
            {**each.settings.as_dict(), "trustworthiness_own_n": each.own, "trustworthiness_k": each.fixed}
            for each in found.candidates
        ],
        "picked": found.best.settings.n_neighbors,
    }


def trustworthiness_chart(found: Sweep) -> bytes:
    """Return the scores against n_neighbors as an SVG file."""
    n = [each.settings.n_neighbors for each in found.candidates]
    own, fixed = [each.own for each in found.candidates], [each.fixed for each in found.candidates]
    low, high = min(own + fixed), max(own + fixed)
    room = max(0.002, (high - low) * 0.15)
    best = found.best.settings.n_neighbors
    chart = Chart(
        "trust",
        "Trustworthiness of UMAP against n_neighbors",
        f"At the same k = {found.k} for all and at each candidate's own n; {best} is the best.",
        Axis("n_neighbors", 0.9 * n[0], 1.1 * n[-1], log=True),
        Axis("trustworthiness", low - room, high + room),
        [Series(f"k = {found.k}", n, fixed, labels={n.index(best): f"n = {best}"}), Series("k = own n", n, own)],
    )
    return chart_file(chart)


def show_model(model: UmapModel, folder: Path) -> None:
    """Print what a model holds."""
    photos, placed = model.photos, int((~model.fitted).sum())
    same = len(photos.names) - len(photos.pixels)
    copies = f", {same} of them with the pixels of another" if same else ""
    result(f"{folder / FILE}: {count_of(len(photos.names), 'photo', 'photos')}{copies}")
    each = model.settings
    result(
        f"UMAP: n_neighbors {each.n_neighbors}, {each.n_components} components, min_dist {each.min_dist:g}, "
        f"seed {each.seed}"
    )
    for k, value in sorted(model.trust.items()):
        result(f"trustworthiness at k = {k}: {value:.4f} (of the photos that were fitted)")
    result(f"placed since the fit: {placed}; changed since the fit: {model.drift:.0%}")


def model_as_dict(model: UmapModel, folder: Path) -> dict[str, Any]:
    """Return what a model holds as plain values for JSON."""
    return {
        "model": str(folder / FILE),
        "photos": len(model.photos.names),
        "distinct": len(model.photos.pixels),
        "placed_since_fit": int((~model.fitted).sum()),
        "drift": model.drift,
        "settings": model.settings.as_dict(),
        "trustworthiness": {str(k): value for k, value in model.trust.items()},
    }
