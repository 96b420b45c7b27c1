"""Sending a submission: again where that is safe, never twice by accident, each attempt in the journal."""

import time
from collections.abc import Callable
from shlex import quote

from urllib3.util.retry import Retry

from facematch.core.console import info, result, waiting, warn
from facematch.core.errors import UNKNOWN, FacematchError
from facematch.settings.competition import CompetitionForm
from facematch.settings.root import Settings
from facematch.tasks.competition.address import (
    Destination,
    RetryPolicy,
    headers_from_environment,
    shown_url,
    submission_url,
)
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import Interrupted, exchange
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission

_LONGEST_WAIT = 60.0  # seconds between two attempts, unless the server asks for more
_WRONG_ADDRESS = ("dns", "unreachable", "connect-time-out", "tls", "status-404", "status-405")  # perhaps


def destination(
    settings: Settings, form: CompetitionForm, dialect: str | None = None, fallback: str | None = None
) -> Destination:
    """Return where to send: `server.url`, else the form's address, else `fallback`.

    Raises FacematchError for a missing or bad address, an unknown dialect, a header without its variable
    and a CA bundle that is not there.
    """
    server = settings.server
    dialect, address = dialect or server.dialect, server.url or form.address or fallback
    if address is None:
        raise FacematchError(
            "server.url is not set: the address is announced on the day.",
            f"Add --set server.url=http://HOST:PORT{form.dialect(dialect).path}; --dry-run stops before sending.",
        )
    if server.ca_bundle is not None and not server.ca_bundle.exists():
        raise FacematchError(f"server.ca_bundle: {server.ca_bundle} does not exist.", "Name the certificates' file.")
    if not server.verify and server.ca_bundle is None:
        warn("server.verify is false: whoever sits on the line can read and change what is sent")
    return Destination(
        submission_url(address, form, dialect),
        form,
        dialect,
        headers_from_environment(server.headers),
        server.verify if server.ca_bundle is None else str(server.ca_bundle),
        RetryPolicy(server.timeout, server.deadline, server.attempts, server.backoff),
    )


def send(
    journal: Journal,
    submission: StoredSubmission,
    to: Destination,
    *,
    again: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome | Attempt:
    """Send a stored submission and return what became of it, or the earlier attempt because of which it was not sent.

    Touches the network. Tried again, with exponential waits and jitter (urllib3's `Retry`) and within the deadline,
    when the server cannot have had the payload or says itself that it did not score it (the table in `exchange.py`;
    `Retry-After` is honoured). An answer that was lost is never followed by another attempt: the fate is
    unknown. The same payload is not sent to an address where it was scored or may have been, unless `again`.
    """
    payload, policy = journal.payload(submission), to.retry
    ends = time.monotonic() + policy.deadline
    retry = Retry(
        total=policy.attempts,
        backoff_factor=policy.backoff,
        backoff_jitter=policy.backoff,
        backoff_max=_LONGEST_WAIT,
    )
    for number in range(1, policy.attempts + 1):
        attempt = journal.begin(submission, to.url, again=again)
        if isinstance(attempt, Attempt):
            return attempt
        # Half of what is left: an exchange may take its time-out twice, for the answer to begin and to end.
        outcome = _try(journal, attempt, payload, to, max(0.1, min(policy.timeout, (ends - time.monotonic()) / 2)))
        if not outcome.again or number == policy.attempts:
            break
        retry = retry.increment("POST", to.url, error=ConnectionError(outcome.kind))
        words = outcome.message.rstrip(".")
        wait = max(retry.get_backoff_time(), outcome.retry_after or 0.0)
        if time.monotonic() + wait > ends:
            report(f"{words}; no time for another attempt within {policy.deadline:g} s")
            break
        report(f"{words}; attempt {number + 1} of {policy.attempts} in {wait:.1f} s")
        time.sleep(wait)
    return outcome


def _try(journal: Journal, attempt: int, payload: bytes, to: Destination, timeout: float) -> Outcome:
    started = time.monotonic()
    try:
        outcome = exchange(payload, to, timeout=timeout)
    except Interrupted as stopped:
        journal.end(attempt, stopped.outcome, time.monotonic() - started)
        raise
    try:
        journal.end(attempt, outcome, time.monotonic() - started)
    except FacematchError as error:  # a full disk: the answer must still reach the person
        raise FacematchError(f"{error.message} The server's answer was: {outcome.text or outcome.message}") from error
    return outcome


def deliver(journal: Journal, submission: StoredSubmission, to: Destination, *, again: bool) -> None:
    """Send a stored submission and show what became of it.

    Raises FacematchError when it was not scored (exit code 1) or may have been (exit code 3).
    """
    kept, shown = f"It is kept as submission {submission.id}", shown_url(to.url)
    try:
        with waiting(f"sending submission {submission.id} to {shown}"):
            outcome = send(journal, submission, to, again=again, report=info)
    except Interrupted as stopped:
        known = stopped.outcome.message or "It was scored all the same: facematch submissions."
        info(f"{known} {stopped.outcome.hint} {kept}.", "yellow")
        raise
    if isinstance(outcome, Attempt):
        _not_twice(submission, outcome)
        return
    answer = outcome.answer
    if answer is None:
        once_more = f"facematch resend {submission.id}" + (" --again" if outcome.fate == "unknown" else "")
        once_more += f" --set {quote(f'server.url={outcome.target}')}" if outcome.target else ""
        hint = outcome.hint
        if outcome.kind in _WRONG_ADDRESS:
            hint += " Where the address is wrong, add --set server.url=ADDRESS to resend."
        raise FacematchError(
            outcome.message, f"{hint} {kept}: {once_more}", UNKNOWN if outcome.fate == "unknown" else 1
        )
    result(f"answer of {shown}: {outcome.text.strip()}")
    shares = (
        "" if answer.top1 is None else f"top-1 {answer.top1:.3f}, top-5 {answer.top5:.3f}, top-10 {answer.top10:.3f}, "
    )
    result(f"received: {shares}score {answer.score:.0f} of {to.form.best:.0f}")


def _not_twice(submission: StoredSubmission, before: Attempt) -> None:
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
