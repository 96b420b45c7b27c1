"""`facematch validate --renderings`: how well photographs find the same people drawn, painted and printed."""

from collections.abc import Sequence

from facematch.core.console import info, show_json, show_table
from facematch.core.text import with_interval
from facematch.pipeline.beside import Contestant, Weights, stand_by
from facematch.pipeline.build import photo_limits
from facematch.pipeline.evaluated import TaskPhotos
from facematch.pipeline.rendered import STAND_IN, each_rendering, rendered_words
from facematch.settings.root import Settings


def show_renderings(
    settings: Settings, photos: TaskPhotos, contestants: Sequence[Contestant], weights: Weights, *, as_json: bool
) -> None:
    """Ask every contestant the photographs, and then each rendering of the gallery; print top-1 of all."""
    stages = {each.name: each.stage for each in contestants}
    rows = [
        (name, [stand_by(each, asked, embedded[each.name], weights) for each in contestants])
        for name, asked, embedded in each_rendering(photos, stages, photo_limits(settings.photos))
    ]
    if as_json:
        show_json({name: {each.name: each.figures.as_dict() for each in standings} for name, standings in rows})
        return
    figures = rows[0][1][0].figures
    show_table(
        rendered_words(figures.queries, figures.gallery),
        ["gallery", *stages],
        [[name, *(with_interval(each.figures.top1, each.figures.interval) for each in found)] for name, found in rows],
    )
    info(STAND_IN)
