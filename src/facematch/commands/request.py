"""`python request_send.py`: from two folders of photos to a scored submission that is never lost."""

import sys
from collections.abc import Sequence
from pathlib import Path

from facematch.commands.ensembles import build_submitted
from facematch.commands.expected import say_expected
from facematch.commands.sending import deliver, destination, say_unfinished
from facematch.competition.folders import Folder, base_name, check_folders
from facematch.competition.form import load_form
from facematch.competition.journal import Journal
from facematch.competition.submission import Submission, check
from facematch.console import Stopwatch, loud, note, say
from facematch.default_checkpoint import settings_in_use
from facematch.files import write_bytes
from facematch.flow import photo_limits
from facematch.ranking import Ranking


def request_command(config: Path, overrides: Sequence[str], *, dry_run: bool, out: Path | None, again: bool) -> None:
    """Rank, check, keep, send. Everything that can be wrong is checked before any compute."""
    settings, watch = settings_in_use(config, overrides, ensembles=True), Stopwatch()
    form = load_form(settings.server.form)
    dialect = form.dialect(settings.server.dialect)
    to = None if dry_run else destination(settings)
    with watch.stage("checking folders"):
        query, gallery = check_folders(
            settings.paths.query, settings.paths.gallery, photo_limits(settings.photos), dialect.names
        )
    submitted = build_submitted(settings)
    with Journal(settings.paths.submissions) as journal:
        say_unfinished(journal)
        with watch.stage("expected score"):
            expected = submitted.expected(len(query.asked), len(gallery.files), form)
        ranking = submitted.rank(query, gallery, dialect.names, watch)
        submission = make_submission(settings.server.group, query, ranking, dialect.names)
        check(submission, query.asked, [base_name(name) for name in ranking.gallery], dialect.names)
        payload = submission.payload(dialect)
        kept = journal.keep(
            payload, settings.server.dialect, to_send=not dry_run, query=query.path, gallery=gallery.path,
            made_by=f"{Path(sys.argv[0]).name} --config {config}",
        )  # fmt: skip
        if (told := expected.as_json()) is not None:
            journal.expect(kept, told)
        say(
            f"submission {kept.id}: {journal.file(kept)} ({len(submission.images)} queries, {dialect.names} names each)"
        )
        if out is not None:
            write_bytes(out, payload)
            say(f"payload: {out}")
        say_expected(expected, journal, kept, len(gallery.files), form)
        if to is None:
            say("not sent (--dry-run)")
        else:
            with watch.stage("sending"):
                deliver(journal, kept, to, again=again)
    note(f"seconds: {watch}")


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
        loud(
            f"{len(guessed)} of {len(query.asked)} queries have no embedding; their {names} names are a guess: {shown}"
        )
    return Submission(group, {name: ranked.get(name, guess) for name in query.asked})
