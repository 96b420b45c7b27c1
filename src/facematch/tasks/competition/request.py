"""`python request_send.py`: from two folders of photos to a scored submission that is never lost."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from facematch.core.console import Stopwatch, info, result, results_aside, show_json, warn
from facematch.core.files import write_bytes
from facematch.pipeline.beside import say_beside
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.folders import Folder, base_name
from facematch.pipeline.two_folders import two_folders
from facematch.ranking.ranking import Ranking
from facematch.settings.competition import CompetitionForm, Dialect, load_form
from facematch.tasks.competition.deliver import Destination, deliver, destination, say_unfinished
from facematch.tasks.competition.ensembles import Faceless, Ranked, Submitted, build_submitted
from facematch.tasks.competition.expected import compare_with_best, say_expected
from facematch.tasks.competition.journal import Journal, Kept
from facematch.tasks.competition.made_by import command_line
from facematch.tasks.competition.submission import NO_GROUP, Submission, check, has_group, require_group
from facematch.tasks.competition.submissions import row_of


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for: not to send, a copy of the payload, to send twice, no expected score, …"""

    dry_run: bool = False
    out: Path | None = None
    again: bool = False
    expect: bool = True
    as_they_are: bool = False
    as_json: bool = False


def request_command(config: Path, overrides: Sequence[str], wishes: Wishes) -> None:
    """Rank, check, keep, say what to expect, send. Everything that can be wrong is checked before any compute."""
    settings, watch = settings_in_use(config, overrides, ensembles=True), Stopwatch()
    form = load_form(settings.server.form)
    dialect = form.dialect(settings.server.dialect)
    to = None if wishes.dry_run else destination(settings, form)
    if to is not None:
        require_group(settings.server.group)
    with results_aside(wishes.as_json), watch.stage("checking folders"):
        query, gallery = two_folders(
            settings, settings.paths.query, settings.paths.gallery, dialect.names, as_they_are=wishes.as_they_are
        )
    submitted = build_submitted(settings)
    with results_aside(wishes.as_json), Journal(settings.paths.submissions) as journal:
        say_unfinished(journal)
        ranked = submitted.rank(query, gallery, dialect.names, watch)
        kept = _keep(journal, query, gallery, ranked, submitted, dialect, wishes)
        try:
            if wishes.expect:
                with watch.stage("expected score"):
                    _expect(journal, kept, submitted, form, (len(query.asked), len(gallery.files)), config, to)
            _send(journal, kept, to, settings.server.group, watch, wishes)
        finally:
            if wishes.as_json:
                show_json({"submission": row_of(form, journal, journal.submission(kept.id))})
    info(f"seconds: {watch}")


def _keep(
    journal: Journal,
    query: Folder,
    gallery: Folder,
    ranked: Ranked,
    submitted: Submitted,
    dialect: Dialect,
    wishes: Wishes,
) -> Kept:
    # The submission, checked, in the journal and beside it.
    server = submitted.settings.server
    group = server.group
    submission = make_submission(
        group if group and has_group(group) else NO_GROUP, query, ranked.ranking, dialect.names
    )
    check(
        replace(submission, group="anybody") if wishes.dry_run else submission,
        query.asked,
        [base_name(name) for name in ranked.ranking.gallery],
        dialect.names,
    )
    payload = submission.payload(dialect)
    kept = journal.keep(
        payload, server.dialect, to_send=not wishes.dry_run, query=query.path, gallery=gallery.path,
        made_by=command_line(), system=submitted.told,
    )  # fmt: skip
    result(f"submission {kept.id}: {journal.file(kept)} ({len(submission.images)} queries, {dialect.names} names each)")
    journal.faceless(kept).unlink(missing_ok=True)  # of another system with the same answers
    if ranked.faceless:
        write_bytes(journal.faceless(kept), _table(ranked.faceless))
        result(f"photos without a face, or not read: {journal.faceless(kept)}")
    if wishes.out is not None:
        write_bytes(wishes.out, payload)
        result(f"payload: {wishes.out}")
    return kept


def _expect(
    journal: Journal,
    kept: Kept,
    submitted: Submitted,
    form: CompetitionForm,
    size: tuple[int, int],
    config: Path,
    to: Destination | None,
) -> None:
    # What the validation says of a submission to a task of `size` queries and gallery photos.
    try:
        expected = submitted.expected(*size, form)
        told = expected.as_json()
        if told is not None:
            journal.expect(kept, told)
        say_expected(expected, form)
        compare_with_best(expected, journal, kept, None if to is None else to.url, size[1], form)
        if told is not None and expected.outcomes is not None and expected.people is not None:
            beside = say_beside(
                submitted.settings, expected.outcomes, expected.people, config, in_folds=expected.in_folds
            )
            journal.expect(kept, {**told, "beside": beside})
    except KeyboardInterrupt:
        info(f"submission {kept.id} is kept, not sent: facematch resend {kept.id}", "yellow")
        raise


def _send(
    journal: Journal, kept: Kept, to: Destination | None, group: str | None, watch: Stopwatch, wishes: Wishes
) -> None:
    if to is None:
        result("not sent (--dry-run)")
        named = "" if has_group(group) else " --set server.group=NAME"
        info(f"facematch resend {kept.id} --set server.url=ADDRESS{named} sends it")
        return
    with watch.stage("sending"):
        deliver(journal, kept, to, again=wishes.again)


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
    guessed = [name for name in query.asked if name not in ranked]
    if guessed:
        shown = ", ".join(guessed[:3]) + (" …" if len(guessed) > 3 else "")
        warn(
            f"{len(guessed)} of {len(query.asked)} queries have no embedding; their {names} names are a guess: {shown}"
        )
    return Submission(group, {name: ranked.get(name, guess) for name in query.asked})
