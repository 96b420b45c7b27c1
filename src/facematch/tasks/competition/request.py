"""`python request_send.py`: from two folders of photos to a scored submission that is never lost."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facematch.core.console import Stopwatch, info, result, results_aside, show_json, warn
from facematch.core.files import write_bytes
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.folders import Folder, base_name, two_folders
from facematch.settings.competition import CompetitionForm, load_form
from facematch.settings.root import Settings
from facematch.tasks.competition.submission import NO_GROUP, Submission, check, has_group, require_group

if TYPE_CHECKING:
    from facematch.ranking.ranking import Ranking
    from facematch.tasks.competition.address import Destination
    from facematch.tasks.competition.ensembles import Faceless, Submitted
    from facematch.tasks.competition.journal import Journal, StoredSubmission


@dataclass(frozen=True, eq=False)
class Task:
    """Two folders and what is to become of them: without `to` nothing is sent; `out` is for a copy of the payload."""

    config: Path
    settings: Settings
    form: CompetitionForm
    to: "Destination | None"
    query: Folder
    gallery: Folder
    out: Path | None
    again: bool
    watch: Stopwatch


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
        task = Task(config, settings, form, to, *folders, out, again, watch)
        _answer(task, expect=not no_expect, as_json=as_json)
    info(f"seconds: {watch}")


def _answer(task: Task, *, expect: bool, as_json: bool) -> None:
    # Imported once the folders are checked: a mistake in what was given is reported at once.
    from facematch.tasks.competition.ensembles import build_submitted
    from facematch.tasks.competition.journal import Journal, warn_unfinished
    from facematch.tasks.competition.submissions import row_of

    submitted = build_submitted(task.settings)
    with Journal(task.settings.paths.submissions) as journal:
        warn_unfinished(journal)
        stored = _ranked_and_stored(journal, task, submitted)
        try:
            if expect:
                with task.watch.stage("expected score"):
                    _expect(journal, stored, task, submitted)
            _send(journal, stored, task)
        finally:
            if as_json:
                show_json({"submission": row_of(task.form, journal, journal.submission(stored.id))})


def _ranked_and_stored(journal: "Journal", task: Task, submitted: "Submitted") -> "StoredSubmission":
    # The submission, checked, in the journal and beside it.
    from facematch.tasks.competition.made_by import command_line

    server, query = task.settings.server, task.query
    dialect = task.form.dialect(server.dialect)
    ranking, faceless = submitted.rank(query, task.gallery, dialect.names, task.watch)
    group = server.group if server.group and has_group(server.group) else NO_GROUP
    submission = make_submission(group, query, ranking, dialect.names)
    check(
        replace(submission, group="anybody") if task.to is None else submission,
        query.names,
        [base_name(name) for name in ranking.gallery],
        dialect.names,
    )
    payload = submission.payload(dialect)
    stored = journal.keep(
        payload, server.dialect, to_send=task.to is not None, query=query.path, gallery=task.gallery.path,
        made_by=command_line(), system=submitted.described,
    )  # fmt: skip
    result(
        f"submission {stored.id}: {journal.file(stored)} ({len(submission.images)} queries, {dialect.names} names each)"
    )
    file = journal.faceless(stored)
    file.unlink(missing_ok=True)  # of another system with the same answers
    if faceless:
        write_bytes(file, _table(faceless))
        result(f"photos without a face, or not read: {file}")
    if task.out is not None:
        write_bytes(task.out, payload)
        result(f"payload: {task.out}")
    return stored


def _expect(journal: "Journal", stored: "StoredSubmission", task: Task, submitted: "Submitted") -> None:
    # What the validation says of a submission to a task of this size.
    from facematch.pipeline.beside import say_beside
    from facematch.tasks.competition.expected import UnknownScoreError, compare_with_best, expected_score, say_expected

    gallery, form, found = len(task.gallery.files), task.form, None
    try:
        try:
            found = expected_score(submitted, len(task.query.names), gallery, form)
        except UnknownScoreError as unknown:
            result(f"expected: unknown: {unknown.message}")
            if unknown.hint:
                info(f"  {unknown.hint}")
        else:
            journal.expect(stored, found.as_json())
            say_expected(found, form)
        url = None if task.to is None else task.to.url
        compare_with_best(None if found is None else found.outcomes, journal, stored, url, gallery, form)
        if found is not None:
            beside = say_beside(task.settings, found.outcomes, found.photos, task.config, form.weights)
            journal.expect(stored, {**found.as_json(), "beside": beside})
    except KeyboardInterrupt:
        info(f"submission {stored.id} is kept, not sent: facematch resend {stored.id}", "yellow")
        raise


def _send(journal: "Journal", stored: "StoredSubmission", task: Task) -> None:
    if task.to is not None:
        from facematch.tasks.competition.sending import deliver

        with task.watch.stage("sending"):
            deliver(journal, stored, task.to, again=task.again)
        return
    result("not sent (--dry-run)")
    named = "" if has_group(task.settings.server.group) else " --set server.group=NAME"
    info(f"facematch resend {stored.id} --set server.url=ADDRESS{named} sends it")


def _table(photos: "Sequence[Faceless]") -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, asdict(photos[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(map(asdict, photos))
    return text.getvalue().encode(errors="backslashreplace")


def make_submission(group: str, query: Folder, ranking: "Ranking", names: int) -> Submission:
    """Return the best gallery names for every query photo, `names` each.

    A query without an embedding (unreadable, or without a face under faces.miss: skip) still has to
    be answered: it gets the first gallery photos by name, which is no better than a guess.
    """
    guess = tuple(base_name(name) for name in sorted(ranking.gallery)[:names])
    ranked = {
        base_name(name): tuple(base_name(answer) for answer in answers[:names])
        for name, answers in ranking.as_dict().items()
    }
    guessed = [name for name in query.names if name not in ranked]
    if guessed:
        shown = ", ".join(guessed[:3]) + (" …" if len(guessed) > 3 else "")
        warn(
            f"{len(guessed)} of {len(query.names)} queries have no embedding; their {names} names are a guess: {shown}"
        )
    return Submission(group, {name: ranked.get(name, guess) for name in query.names})
