"""`python request_send.py`: from two folders of photos to a scored submission that is never lost."""

from collections.abc import Sequence
from pathlib import Path

from facematch.core.console import Stopwatch, info, results_aside
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.folders import two_folders
from facematch.settings.competition import load_form
from facematch.tasks.competition.submission import require_group


def request_command(
    config: Path,
    overrides: Sequence[str],
    *,
    dry_run: bool,
    out: Path | None,
    again: bool,
    no_expect: bool,
    as_they_are: bool,
    as_json: bool,
) -> None:
    """Rank, check, keep, say what to expect, send. Everything that can be wrong is checked before any compute."""
    settings, watch, to = settings_in_use(config, overrides, ensembles=True), Stopwatch(), None
    paths, form = settings.paths, load_form(settings.server.form)
    names = form.dialect(settings.server.dialect).names
    if not dry_run:
        from facematch.tasks.competition.sending import destination

        to = destination(settings, form)
        require_group(settings.server.group)
    with results_aside(as_json):
        with watch.stage("checking folders"):
            folders = two_folders(settings, paths.query, paths.gallery, names, as_they_are=as_they_are)
        # Not before: a mistake is said at once.
        from facematch.tasks.competition.prepare import Task, answer

        task = Task(config, settings, form, to, *folders, out, again, watch)
        answer(task, expect=not no_expect, as_json=as_json)
    info(f"seconds: {watch}")
