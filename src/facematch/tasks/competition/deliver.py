"""What `request_send.py`, `submit` and `resend` share: where to send, sending, and what a person is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from facematch.core.console import info, result, waiting, warn
from facematch.core.errors import UNKNOWN, FacematchError
from facematch.settings.competition import CompetitionForm
from facematch.settings.root import Settings
from facematch.tasks.competition.address import headers_from_environment, shown_url, submission_url
from facematch.tasks.competition.exchange import Interrupted
from facematch.tasks.competition.journal import Attempt, Journal, Kept
from facematch.tasks.competition.sending import Patience, send

_WRONG_ADDRESS = ("dns", "unreachable", "connect-time-out", "tls", "status-404", "status-405")  # perhaps


@dataclass(frozen=True)
class Destination:
    """Where submissions go and how."""

    url: str
    form: CompetitionForm
    patience: Patience
    headers: Mapping[str, str]
    verify: bool | str


def destination(
    settings: Settings, form: CompetitionForm, dialect: str | None = None, fallback: str | None = None
) -> Destination:
    """Return where to send: `server.url`, else the form's address, else `fallback`.

    Raises FacematchError for a missing or bad address, an unknown dialect, a header without its variable
    and a CA bundle that is not there.
    """
    server = settings.server
    dialect = dialect or server.dialect
    address = server.url or form.address or fallback
    if address is None:
        raise FacematchError(
            "server.url is not set: the address is told on the day.",
            f"Add --set server.url=http://HOST:PORT{form.dialect(dialect).path}; --dry-run stops before sending.",
        )
    if server.ca_bundle is not None and not server.ca_bundle.exists():
        raise FacematchError(f"server.ca_bundle: {server.ca_bundle} does not exist.", "Name the certificates' file.")
    if not server.verify and server.ca_bundle is None:
        warn("server.verify is false: whoever sits on the line can read and change what is sent")
    return Destination(
        submission_url(address, form, dialect),
        form,
        Patience(server.timeout, server.deadline, server.attempts, server.backoff),
        headers_from_environment(server.headers),
        server.verify if server.ca_bundle is None else str(server.ca_bundle),
    )


def say_unfinished(journal: Journal) -> None:
    """Say which submissions were meant to be sent and have no score."""
    for submission, attempt in journal.unfinished():
        if attempt is None or attempt.fate == "not scored":
            why = "was not sent yet" if attempt is None else f"was not scored: {attempt.message}"
            warn(
                f"submission {submission.id} of {submission.made[:16]} {why} – facematch resend {submission.id}, or "
                f"forget it: facematch submissions drop {submission.id}"
            )
        else:
            warn(
                f"submission {submission.id} of {submission.made[:16]} may have been scored, its answer was lost: "
                f"{attempt.message} Look at the leaderboard; facematch resend {submission.id} --again"
            )


def deliver(journal: Journal, submission: Kept, to: Destination, *, again: bool) -> None:
    """Send a kept submission and show what became of it.

    Raises FacematchError when it was not scored (exit code 1) or may have been (exit code 3).
    """
    kept, shown = f"It is kept as submission {submission.id}", shown_url(to.url)
    try:
        with waiting(f"sending submission {submission.id} to {shown}"):
            sent = send(
                journal, submission, to.url, to.form,
                patience=to.patience, headers=to.headers, verify=to.verify, again=again, report=info,
            )  # fmt: skip
    except Interrupted as stopped:
        known = stopped.outcome.message or "It was scored all the same: facematch submissions."
        info(f"{known} {stopped.outcome.hint} {kept}.", "yellow")
        raise
    if sent.before is not None:
        _not_twice(submission, sent.before)
        return
    outcome = sent.outcome
    assert outcome is not None
    if outcome.answer is None:
        once_more = f"facematch resend {submission.id}" + (" --again" if outcome.fate == "unknown" else "")
        once_more += f" --set {quote(f'server.url={outcome.target}')}" if outcome.target else ""
        hint = outcome.hint
        if outcome.kind in _WRONG_ADDRESS:
            hint += " Where the address is wrong, add --set server.url=ADDRESS to resend."
        raise FacematchError(
            outcome.message, f"{hint} {kept}: {once_more}", UNKNOWN if outcome.fate == "unknown" else 1
        )
    answer = outcome.answer
    result(f"answer of {shown}: {outcome.text.strip()}")
    shares = (
        "" if answer.top1 is None else f"top-1 {answer.top1:.3f}, top-5 {answer.top5:.3f}, top-10 {answer.top10:.3f}, "
    )
    result(f"received: {shares}score {answer.score:.0f} of {to.form.best:.0f}")


def _not_twice(submission: Kept, before: Attempt) -> None:
    # The same payload was sent to the same address before.
    when, how = before.started[:16], f"send it all the same with --again (facematch resend {submission.id} --again)"
    if before.fate == "scored":
        result(
            f"already scored: {before.score:.0f} at {before.url} on {when}, for the very same answers; not sent again."
        )
        info(how)
        return
    if before.fate == "sending":
        raise FacematchError(
            f"submission {submission.id} is being sent to {before.url} by process {before.process} on {before.host}.",
            "Wait for it; facematch submissions shows its answer.",
            UNKNOWN,
        )
    raise FacematchError(
        f"submission {submission.id} was sent to {before.url} on {when} and its answer was lost: {before.message} "
        "It may have been scored, so it is not sent again.",
        f"Look at the leaderboard or ask the organisers; {how}.",
        UNKNOWN,
    )
