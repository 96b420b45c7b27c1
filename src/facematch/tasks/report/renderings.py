"""`facematch validate --renderings`: how well photographs find the same people drawn, painted and printed."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facematch.core.console import info, show_json, show_table
from facematch.core.text import with_interval
from facematch.photos.renderings import RENDERING_NAMES
from facematch.pipeline.beside import Contestant, Standing, Weights, stand
from facematch.pipeline.build import photo_limits
from facematch.pipeline.evaluated import TaskPhotos
from facematch.pipeline.rendered import STRENGTH, rendered_gallery
from facematch.settings.root import Settings

PHOTOGRAPHS = "photographs, as they are"
_NOTE = (
    "a stand-in for contests whose gallery is made by other programs: where you have such pictures, name them by "
    "identities.domain, and identities.across asks them"
)

Row = tuple[str, list[Standing]]


def show_renderings(
    settings: Settings, photos: TaskPhotos, contestants: Sequence[Contestant], weights: Weights, *, as_json: bool
) -> None:
    """Ask every contestant the photographs, and then each rendering of the gallery; print top-1 of all."""
    rows: list[Row] = [(PHOTOGRAPHS, [stand(each, photos, weights) for each in contestants])]
    for name in RENDERING_NAMES:
        with tempfile.TemporaryDirectory(prefix="facematch-") as folder:
            drawn = rendered_gallery(photos, [name], Path(folder) / "photos", photo_limits(settings.photos))
            apart = [_cached_in(each, Path(folder) / "cache") for each in contestants]
            rows.append((name, [stand(each, drawn, weights) for each in apart]))
    if as_json:
        show_json({name: {each.name: each.figures.as_dict() for each in standings} for name, standings in rows})
        return
    figures = rows[0][1][0].figures
    show_table(
        f"{figures.queries} photographs ask a gallery of {figures.gallery}, rendered (strength {STRENGTH}): top-1 "
        "[95 % interval over people]",
        ["gallery", *(each.name for each in contestants)],
        [[name, *(with_interval(each.figures.top1, each.figures.interval) for each in found)] for name, found in rows],
    )
    info(_NOTE)


def _cached_in(contestant: Contestant, folder: Path) -> Contestant:
    # Pictures that are gone in a minute leave nothing in the user's cache.
    settings = contestant.settings
    paths = settings.paths.model_copy(update={"cache": folder})
    return replace(contestant, settings=settings.model_copy(update={"paths": paths}))
