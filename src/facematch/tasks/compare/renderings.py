"""`facematch compare --renderings`: every system asked the same photos, the gallery drawn, painted and printed."""

from collections.abc import Sequence

from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.rank_task import rank_divisions
from facematch.pipeline.rendered import each_rendering, rendered_words
from facematch.tasks.compare.data import ComparedSystem, Rendered
from facematch.tasks.compare.fusing import Fusing, fitted, ranked_values
from facematch.tasks.compare.results import system_figures
from facematch.tasks.compare.systems import ComparisonRun
from facematch.tasks.compare.weights import across_halves


def rendered_figures(run: ComparisonRun, systems: Sequence[ComparedSystem]) -> Rendered:
    """Ask every system that has figures the photographs, and then each rendering of their gallery.

    Ensembles are those of the photographs: with the weights found there, and with probabilities fitted there on the
    other half of the people.
    """
    weights = {each.name: each.result.weights for each in systems if each.result is not None}
    entries = [each for each in run.wanted.systems if each.name in weights]
    members = {each.name: run.members(each) for each in entries}
    singles = {single.name: single for every in members.values() for single in every}
    stages = {name: single.stage for name, single in singles.items()}
    fusing: dict[str, Fusing] = {}
    figures: dict[str, dict[str, dict[str, Estimate]]] = {}
    for gallery, photos, embedded in each_rendering(run.photos.to_render, stages, run.photos.limits):
        task, ranked = photos.task, {}
        for name, single in singles.items():
            rank = photos.judged(single.system.rank)
            ranked[name] = rank_divisions(task, embedded[name], rank, known=photos.known(rank.steps))
        figures[gallery] = {}
        for entry in entries:
            names, fusion = [each.name for each in members[entry.name]], run.fusion_of(entry)
            every = [ranked[name] for name in names]
            if fusion is None:
                values = ranked_values(task, every[0], run.weights)
            else:
                if entry.name not in fusing:  # the first gallery is of photographs
                    fusing[entry.name] = fitted(fusion.method, task, every, names)
                both = fusing[entry.name].values(task, every, weights[entry.name], run.weights)
                values = across_halves(both, task.identities)
            figures[gallery][entry.name] = system_figures(values, task.identities, sum(run.weights))
    task = run.photos.to_render.task
    return Rendered(rendered_words(len(task.queries), len(task.gallery)), figures)
