"""`facematch check`, `submit` and `resend`: payloads made anywhere, checked, kept and sent."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facematch.core.console import info, result, results_aside, show_json, warn
from facematch.core.errors import FacematchError
from facematch.core.foreign import read_limited, reading
from facematch.pipeline.folders import doubts, two_folders
from facematch.settings.competition import CompetitionForm, Dialect, load_form
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.competition.address import kept_url, shown_url
from facematch.tasks.competition.journal import Journal, StoredSubmission, warn_unfinished
from facematch.tasks.competition.made_by import command_line
from facematch.tasks.competition.sending import deliver, destination
from facematch.tasks.competition.submission import Submission, check, defects, has_group
from facematch.tasks.competition.submissions import row_of


def check_command(
    file: Path, query: Path, gallery: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool
) -> None:
    """Print every defect of a payload; leaves with exit code 1 when there is one."""
    settings = load_settings(config, overrides)
    dialect = load_form(settings.server.form).dialect(settings.server.dialect)
    _, submission = _read(file, dialect)
    folders = two_folders(settings, query, gallery, dialect.names, as_they_are=True)
    for doubt in doubts(*folders):
        warn(f"query and gallery look swapped: {doubt}")
    found = defects(submission, folders[0].names, folders[1].names, dialect.names)
    group, queries = submission.group, len(submission.images)
    if as_json:
        whole = {"file": str(file), "group": group, "queries": queries, "names": dialect.names}
        show_json({**whole, "fit": not found, "defects": found})
    else:
        for line in found:
            result(f"- {line}")
    if found:
        raise FacematchError(f"{file} is not fit to be sent: {len(found)} kinds of defects.")
    if not as_json:
        result(f"{file} is fit to be sent: {queries} queries, {dialect.names} names each, group {group}")


def submit_command(
    file: Path,
    query: Path,
    gallery: Path,
    config: Path | None,
    overrides: Sequence[str],
    *,
    again: bool,
    as_they_are: bool,
    as_json: bool,
) -> None:
    """Check, keep and send a payload that was made elsewhere, for the group in it; its bytes are sent as they are."""
    settings = load_settings(config, overrides)
    to = destination(settings, load_form(settings.server.form))
    dialect = to.form.dialect(to.dialect)
    data, submission = _read(file, dialect)
    folders = two_folders(settings, query, gallery, dialect.names, as_they_are=as_they_are)
    check(submission, folders[0].names, folders[1].names, dialect.names)
    with results_aside(as_json), Journal(settings.paths.submissions) as journal:
        warn_unfinished(journal)
        kept = journal.keep(data, to.dialect, to_send=True, query=query, gallery=gallery, made_by=command_line())
        queries = len(submission.images)
        result(f"submission {kept.id}: {journal.file(kept)} ({queries} queries, {dialect.names} names each)")
        try:
            deliver(journal, kept, to, again=again)
        finally:
            if as_json:
                show_json({"submission": row_of(to.form, journal, kept)})


def resend_command(
    number: int | None, config: Path | None, overrides: Sequence[str], *, pending: bool, again: bool, as_json: bool
) -> None:
    """Send a kept submission, or all that were meant to be sent and surely were not scored."""
    if (number is None) == (not pending):
        raise FacematchError("resend needs a submission's number or --pending.", "List them: facematch submissions")
    settings = load_settings(config, overrides)
    form = load_form(settings.server.form)
    rows: list[dict[str, Any]] = []
    with results_aside(as_json), Journal(settings.paths.submissions) as journal:
        chosen = [journal.submission(number)] if number is not None else _pending(journal, again=again)
        failed = []
        for each in chosen:
            kept = each
            try:
                kept = _with_group(settings, form, journal, each)
                _resend(settings, form, journal, kept, again=again)
            except FacematchError as error:
                failed.append(error)
                if number is None:
                    info(f"{error}", "bold red")
            rows.append(row_of(form, journal, kept))
    if as_json:
        show_json({"submissions": rows})
    if failed and number is not None:
        raise failed[0]
    if failed:
        raise FacematchError(
            f"{len(failed)} of {len(chosen)} submissions have no score.", "", max(each.exit_code for each in failed)
        )


def _pending(journal: Journal, *, again: bool) -> list[StoredSubmission]:
    unfinished = journal.unfinished()
    chosen = [kept for kept, attempt in unfinished if again or attempt is None or attempt.fate == "not scored"]
    if len(chosen) < len(unfinished):
        info(f"{len(unfinished) - len(chosen)} that may have been scored are left alone: --again sends them")
    if not chosen:
        result("nothing is pending")
    return chosen


def _resend(
    settings: Settings, form: CompetitionForm, journal: Journal, kept: StoredSubmission, *, again: bool
) -> None:
    # To server.url, or to where it was sent last.
    attempts = journal.attempts(kept)
    last = attempts[-1] if attempts else None
    result(f"submission {kept.id}: {journal.file(kept)}")
    to = destination(settings, form, kept.dialect, None if last is None else last.url)
    if last is not None and last.fate == "not scored" and last.url == kept_url(to.url):
        info(
            f"it goes to {shown_url(to.url)} once more, where it failed before: {last.message} To another address: "
            f"facematch resend {kept.id} --set server.url=ADDRESS",
            "yellow",
        )
    deliver(journal, kept, to, again=again)


def _with_group(
    settings: Settings, form: CompetitionForm, journal: Journal, kept: StoredSubmission
) -> StoredSubmission:
    # What a dry run made without a group is made anew for the group that is named now.
    dialect = form.dialect(kept.dialect)
    submission, group = Submission.from_payload(journal.payload(kept), dialect), settings.server.group
    if has_group(submission.group):
        return kept
    if group is None or not has_group(group):
        raise FacematchError(
            f"submission {kept.id} was made in a dry run, without a group: nobody would be scored for it.",
            f"Name the group: facematch resend {kept.id} --set server.group=NAME",
        )
    made = journal.for_group(kept, replace(submission, group=group).payload(dialect))
    if made.system == kept.system and journal.faceless(kept).is_file():
        journal.faceless(kept).replace(journal.faceless(made))
    journal.drop(kept)
    result(f"submission {kept.id} is submission {made.id} now, for the group {group}")
    return made


def _read(file: Path, dialect: Dialect) -> tuple[bytes, Submission]:
    # A payload as it is and the submission in it.
    with reading(file, "the payload", "Name the JSON text of a submission."):
        data = read_limited(file, "submission")
    return data, Submission.from_payload(data, dialect)
