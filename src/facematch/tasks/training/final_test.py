"""The end of a training on classes: the test photos ask once, and their figures are kept with the run."""

from pathlib import Path

from facematch.core.console import result, show_table
from facematch.core.files import write_json
from facematch.core.text import interval_words
from facematch.evaluation.tie_groups import task_ties
from facematch.evaluation.tied_figures import tied_figures
from facematch.pipeline.build import build_embedder, photo_embedder, with_checkpoint
from facematch.pipeline.evaluated import embed_named
from facematch.pipeline.people import ValidationPeople
from facematch.settings.root import Settings


def ask_test_set(settings: Settings, test: ValidationPeople, run: Path) -> None:
    """Rank the training photos for every test photo with a run's best network; prints mAP and writes test.json.

    No choice of the training has seen these photos, so this is the figure to report. mAP is told in every
    published definition, since they differ; the first is over whole rankings.
    """
    stage = photo_embedder(settings, build_embedder(with_checkpoint(settings, run)))
    task, embedded = test.task(), embed_named(stage, test.files, "test photos").embeddings
    here = task.among(embedded.names)
    figures = tied_figures(task_ties(here, embedded))
    write_json(run / "test.json", {"metric": stage.metric, "figures": [figure.as_dict() for figure in figures]})
    show_table(
        f"test: {len(here.queries):,} photos ask {len(here.gallery):,} training photos; distance {stage.metric}",
        ["figure, expected over the order of ties", "", "95 % interval"],
        [
            [each.name, "" if each.value is None else f"{each.value:.4f}", interval_words(each.interval, ".4f")]
            for each in figures
        ],
    )
    result(f"test figures: {run / 'test.json'}")
