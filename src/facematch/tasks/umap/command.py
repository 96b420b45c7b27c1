"""`facematch umap`: a folder of photos as a UMAP of grey pixels, tuned, fitted, queried and kept up to date."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.draw import chart_file
from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, result, results_aside, show_json, show_table, waiting, warn_unread
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.core.text import count_of, first_of, printable
from facematch.pipeline.build import photo_limits
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.umap.fit import UmapSettings, curve_of, fewest_rows, prepare_numba, warm_up
from facematch.tasks.umap.grey_pixels import GreyPixels, grey_pixels, pixel_cache
from facematch.tasks.umap.model import (
    FILE,
    REFIT_SHARE,
    UmapModel,
    compare,
    load_model,
    query_model,
    save_model,
    update_model,
)
from facematch.tasks.umap.tune import Candidate, Sweep, fixed_k_for, settings_for, sweep


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
            {**asdict(each.settings), "trustworthiness_own_n": each.own, "trustworthiness_k": each.fixed}
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
        "settings": asdict(model.settings),
        "trustworthiness": {str(k): value for k, value in model.trust.items()},
    }


def umap_tune_command(
    path: Path,
    overrides: Sequence[str],
    *,
    sizes: Sequence[int],
    fixed: UmapSettings,
    k: int,
    plot: Path,
    as_json: bool,
) -> None:
    """Fit every n_neighbors, print and plot their trustworthiness, and which is the best and why."""
    if plot.suffix.lower() != ".svg":
        raise FacematchError(f"the plot is written as .svg; found {plot}.", "Give --out results/NAME.svg")
    settings = load_settings(None, overrides)
    photos = _read(path, settings)
    found = _sweep(photos, settings, sizes, fixed, k)
    write_bytes(plot, trustworthiness_chart(found))
    if as_json:
        show_json({"photos": len(photos.names), "distinct": len(photos.pixels), **sweep_as_dict(found)})
    else:
        show_sweep(found, len(photos.pixels))
    info(f"plotted: {plot}")


def umap_fit_command(
    path: Path,
    folder: Path,
    overrides: Sequence[str],
    *,
    sizes: Sequence[int],
    fixed: UmapSettings,
    k: int,
    as_json: bool,
) -> None:
    """Fit a folder and write the model; of several `sizes` the most trustworthy is kept."""
    settings = load_settings(None, overrides)
    photos = _read(path, settings)
    found = _sweep(photos, settings, sizes, fixed, k)
    model = _fitted(photos, found.best, found.k)
    save_model(folder, model)
    if as_json:
        show_json({**model_as_dict(model, folder), **sweep_as_dict(found)})
        return
    if len(found.candidates) > 1:
        show_sweep(found, len(photos.pixels))
    show_model(model, folder)
    info(f"query it: facematch umap query IMAGE --model {shlex.quote(str(folder))}", wrap=False)


def umap_query_command(image: Path, folder: Path, overrides: Sequence[str], *, k: int, as_json: bool) -> None:
    """Print the photos of a model that are nearest to an image."""
    settings, model = load_settings(None, overrides), load_model(folder)
    if not image.is_file():
        raise FacematchError(f"{image} is not a file.", "Give one image; a folder is added with: facematch umap update")
    query = _read(image, settings)
    _prepare(settings, model.settings)
    hits = query_model(model, query.pixels[0], query.sha256[0], k)
    if as_json:
        found = [{"rank": i, "photo": hit.name, "distance": hit.distance} for i, hit in enumerate(hits, start=1)]
        show_json({"image": str(image), "photos": len(model.photos.names), "found": found})
        return
    count = count_of(len(model.photos.names), "photo", "photos")
    result(printable(f"{image.name}: the {len(hits)} nearest of {count} in the embedding (euclidean distance)"), "bold")
    for rank, hit in enumerate(hits, start=1):
        result(printable(f"{rank:4}  {hit.distance:.4f}  {hit.name}"))


def umap_update_command(path: Path, folder: Path, overrides: Sequence[str], *, refit: bool, as_json: bool) -> None:
    """Bring a model up to date with its folder, and print what changed."""
    settings, model = load_settings(None, overrides), load_model(folder)
    now = _read(path, settings)
    changes = compare(model, now)
    counts = {
        **{kind: len(getattr(changes, kind)) for kind in ("new", "changed", "deleted")},
        "unchanged": changes.unchanged,
    }
    with results_aside(as_json):
        result(", ".join(f"{count} {kind}" for kind, count in counts.items()))
        if changes or refit:
            model = _updated(model, now, settings, refit=refit)
            save_model(folder, model)
            show_model(model, folder)
        else:
            result("nothing to do")
    if as_json:
        show_json({**counts, **model_as_dict(model, folder)})


def _updated(model: UmapModel, now: GreyPixels, settings: Settings, *, refit: bool) -> UmapModel:
    _prepare(settings, model.settings)
    updated = model if refit else update_model(model, now)
    if refit or updated.drift > REFIT_SHARE:
        if not refit:
            info(f"{updated.drift:.0%} of the photos changed since the fit, more than {REFIT_SHARE:.0%}: fitted again")
        found = _sweep(now, settings, (model.settings.n_neighbors,), model.settings, model.k)
        updated = _fitted(now, found.best, found.k)
    return updated


def umap_info_command(folder: Path, *, as_json: bool) -> None:
    """Print what a model holds."""
    model = load_model(folder)
    if as_json:
        show_json(model_as_dict(model, folder))
    else:
        show_model(model, folder)


def _read(path: Path, settings: Settings) -> GreyPixels:
    with pixel_cache(cache_folder(settings.paths.cache)) as cache, progress("grey pixels", 100) as step:
        photos = grey_pixels(
            path, cache, photo_limits(settings.photos), lambda done, total: step(100 * done // max(1, total))
        )
    warn_unread(photos.unread)
    return photos


def _sweep(photos: GreyPixels, settings: Settings, sizes: Sequence[int], fixed: UmapSettings, k: int) -> Sweep:
    # Every n of `sizes` that these photos allow, with the other settings of `fixed`.
    rows = len(photos.pixels)
    every = settings_for(rows, fixed, sizes)
    if not every:
        least = fewest_rows(replace(fixed, n_neighbors=max(2, min(sizes))))
        raise FacematchError(
            f"{count_of(rows, 'distinct photo is', 'distinct photos are')} too few for UMAP with n_neighbors "
            f"{first_of([str(n) for n in sizes])} and {fixed.n_components} components: it needs {least}.",
            "Add photos, or give fewer --n-neighbors or --components.",
        )
    left_out = sorted(set(sizes) - {each.n_neighbors for each in every})
    if left_out:
        info(f"n_neighbors {', '.join(map(str, left_out))} left out: it must be from 2 to below half of {rows} photos")
    _prepare(settings, every[0])
    kept = cache_folder(settings.paths.cache) / "umap.sqlite"
    return sweep(photos.pixels, every, fixed_k_for(rows, k), kept, progress)


def _prepare(settings: Settings, chosen: UmapSettings) -> None:
    # Compiled once on a machine; what is there already is loaded while the work begins.
    if not prepare_numba(cache_folder(settings.paths.cache)):
        with waiting("compiling UMAP's code (once on this machine) …"):
            warm_up(chosen)


def _fitted(photos: GreyPixels, best: Candidate, k: int) -> UmapModel:
    rows = len(photos.pixels)
    trust = {best.settings.n_neighbors: best.own, k: best.fixed}
    fitted = np.ones(rows, np.bool_)
    return UmapModel(best.settings, photos, best.embedding, fitted, rows, curve_of(best.settings), trust, k)
