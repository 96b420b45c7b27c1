"""`facematch check`, `submit` and `resend`: payloads made anywhere, checked, kept and sent."""

from collections.abc import Sequence
from pathlib import Path

from facematch.commands.sending import deliver, destination, say_unfinished
from facematch.competition.folders import check_folders
from facematch.competition.form import load_form
from facematch.competition.journal import Journal
from facematch.competition.submission import Submission, check, defects
from facematch.console import note, say
from facematch.errors import FacematchError
from facematch.flow import photo_limits
from facematch.settings import Settings
from facematch.settings_file import load_settings


def check_command(file: Path, query: Path, gallery: Path, config: Path | None, overrides: Sequence[str]) -> None:
    """Print every defect of a payload; leaves with exit code 1 when there is one."""
    submission, queries, photos, names = _read(file, query, gallery, load_settings(config, overrides))
    found = defects(submission, queries, photos, names)
    for line in found:
        say(f"- {line}")
    if found:
        raise FacematchError(f"{file} is not fit to be sent: {len(found)} kinds of defects.")
    say(f"{file} is fit to be sent: {len(submission.images)} queries, {names} names each, group {submission.group}")


def submit_command(
    file: Path, query: Path, gallery: Path, config: Path | None, overrides: Sequence[str], *, again: bool
) -> None:
    """Check, keep and send a payload that was made elsewhere; its bytes are sent as they are."""
    settings = load_settings(config, overrides)
    to = destination(settings)
    submission, queries, photos, names = _read(file, query, gallery, settings)
    check(submission, queries, photos, names)
    with Journal(settings.paths.submissions) as journal:
        say_unfinished(journal)
        kept = journal.keep(
            file.read_bytes(), settings.server.dialect, to_send=True,
            query=query, gallery=gallery, made_by=f"submit {file}",
        )  # fmt: skip
        say(f"submission {kept.id}: {journal.file(kept)} ({len(submission.images)} queries, {names} names each)")
        deliver(journal, kept, to, again=again)


def resend_command(
    number: int | None, config: Path | None, overrides: Sequence[str], *, pending: bool, again: bool
) -> None:
    """Send a kept submission, or all that were meant to be sent and surely were not scored."""
    if (number is None) == (not pending):
        raise FacematchError("resend needs a submission's number or --pending.", "List them: facematch submissions")
    settings = load_settings(config, overrides)
    with Journal(settings.paths.submissions) as journal:
        if number is not None:
            chosen = [journal.submission(number)]
        else:
            unfinished = journal.unfinished()
            chosen = [kept for kept, attempt in unfinished if again or attempt is None or attempt.fate == "not scored"]
            if len(chosen) < len(unfinished):
                note(f"{len(unfinished) - len(chosen)} that may have been scored are left alone: --again sends them")
            if not chosen:
                say("nothing is pending")
        failed = []
        for kept in chosen:
            attempts = journal.attempts(kept)
            last = attempts[-1].url if attempts else None
            say(f"submission {kept.id}: {journal.file(kept)}")
            try:
                deliver(journal, kept, destination(settings, kept.dialect, last), again=again)
            except FacematchError as error:
                if number is not None:
                    raise
                failed.append(error)
                note(f"{error}", "bold red")
        if failed:
            raise FacematchError(
                f"{len(failed)} of {len(chosen)} submissions have no score.", "", max(each.exit_code for each in failed)
            )


def _read(file: Path, query: Path, gallery: Path, settings: Settings) -> tuple[Submission, list[str], list[str], int]:
    # The payload as a submission, the queries to answer, the photos to name, and how many.
    dialect = load_form(settings.server.form).dialect(settings.server.dialect)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FacematchError(f"{file} cannot be read: {error.strerror}.", "Name the payload's JSON file.") from None
    folders = check_folders(query, gallery, photo_limits(settings.photos), dialect.names)
    return Submission.from_payload(data, dialect), folders[0].asked, folders[1].asked, dialect.names
