"""From two checked folders to a submission: ranked, checked, stored, with the score to expect, and sent."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from facematch.core.console import Stopwatch, info, result, show_json, warn
from facematch.core.files import write_bytes
from facematch.pipeline.folders import Folder, base_name
from facematch.ranking.ranking import Ranking
from facematch.settings.competition import CompetitionForm
from facematch.settings.root import Settings
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.ensembles import Faceless, Submitted, build_submitted
from facematch.tasks.competition.journal import Journal, StoredSubmission, warn_unfinished
from facematch.tasks.competition.made_by import command_line
from facematch.tasks.competition.submission import NO_GROUP, Submission, check, has_group


@dataclass(frozen=True, eq=False)
class Task:
    """Two folders and what is to become of them: without `to` nothing is sent; `out` is for a copy of the payload."""

    config: Path
    settings: Settings
    form: CompetitionForm
    to: Destination | None
    query: Folder
    gallery: Folder
    out: Path | None
    again: bool
    watch: Stopwatch


def answer(task: Task, *, expect: bool, as_json: bool) -> None:
    """Rank, check, store, show the score to expect unless it is not asked for, send."""
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
                from facematch.tasks.competition.submissions import row_of

                show_json({"submission": row_of(task.form, journal, journal.submission(stored.id))})


def _ranked_and_stored(journal: Journal, task: Task, submitted: Submitted) -> StoredSubmission:
    # The submission, checked, in the journal and beside it.
    server, query = task.settings.server, task.query
    dialect = task.form.dialect(server.dialect)
    ranked = submitted.rank(query, task.gallery, dialect.names, task.watch)
    group = server.group if server.group and has_group(server.group) else NO_GROUP
    submission = make_submission(group, query, ranked.ranking, dialect.names)
    check(
        replace(submission, group="anybody") if task.to is None else submission,
        query.names,
        [base_name(name) for name in ranked.ranking.gallery],
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
    faceless = journal.faceless(stored)
    faceless.unlink(missing_ok=True)  # of another system with the same answers
    if ranked.faceless:
        write_bytes(faceless, _table(ranked.faceless))
        result(f"photos without a face, or not read: {faceless}")
    if task.out is not None:
        write_bytes(task.out, payload)
        result(f"payload: {task.out}")
    return stored


def _expect(journal: Journal, stored: StoredSubmission, task: Task, submitted: Submitted) -> None:
    # What the validation says of a submission to a task of this size.
    from facematch.pipeline.beside import say_beside
    from facematch.tasks.competition.expected import compare_with_best, say_expected

    queries, gallery, form = len(task.query.names), len(task.gallery.files), task.form
    try:
        expected = submitted.expected(queries, gallery, form)
        values = expected.as_json()
        if values is not None:
            journal.expect(stored, values)
        say_expected(expected, form)
        compare_with_best(expected, journal, stored, None if task.to is None else task.to.url, gallery, form)
        if values is not None and expected.outcomes is not None and expected.photos is not None:
            beside = say_beside(task.settings, expected.outcomes, expected.photos, task.config, form.weights)
            journal.expect(stored, {**values, "beside": beside})
    except KeyboardInterrupt:
        info(f"submission {stored.id} is kept, not sent: facematch resend {stored.id}", "yellow")
        raise


def _send(journal: Journal, stored: StoredSubmission, task: Task) -> None:
    if task.to is not None:
        from facematch.tasks.competition.sending import deliver

        with task.watch.stage("sending"):
            deliver(journal, stored, task.to, again=task.again)
        return
    result("not sent (--dry-run)")
    named = "" if has_group(task.settings.server.group) else " --set server.group=NAME"
    info(f"facematch resend {stored.id} --set server.url=ADDRESS{named} sends it")


def _table(photos: Sequence[Faceless]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Faceless)]
    table.writerow(names)
    table.writerows([getattr(photo, name) for name in names] for photo in photos)
    return text.getvalue().encode(errors="backslashreplace")


def make_submission(group: str, query: Folder, ranking: Ranking, names: int) -> Submission:
    """Return the best gallery names for every query photo, `names` each.

    A query without an embedding (unreadable, or without a face under faces.miss: skip) still has to
    be answered: it gets the first gallery photos by name, which is no better than a guess.
    """
    guess = tuple(base_name(name) for name in sorted(ranking.gallery)[:names])
    ranked = {
        base_name(name): tuple(base_name(answer) for answer in ranking.names(number)[:names])
        for number, name in enumerate(ranking.queries)
    }
    guessed = [name for name in query.names if name not in ranked]
    if guessed:
        shown = ", ".join(guessed[:3]) + (" …" if len(guessed) > 3 else "")
        warn(
            f"{len(guessed)} of {len(query.names)} queries have no embedding; their {names} names are a guess: {shown}"
        )
    return Submission(group, {name: ranked.get(name, guess) for name in query.names})
