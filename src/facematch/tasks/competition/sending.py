"""Sending a submission: again where that is safe, never twice by accident, each attempt in the journal."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from urllib3.util.retry import Retry

from facematch.core.errors import FacematchError
from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import without_secrets
from facematch.tasks.competition.exchange import Interrupted, Outcome, exchange
from facematch.tasks.competition.journal import Attempt, Journal, Kept

_LONGEST_WAIT = 60.0  # seconds between two attempts, unless the server asks for more

Report = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """How long to go on: seconds for one answer, seconds and attempts in all, seconds of the first wait."""

    timeout: float = 60.0
    deadline: float = 600.0
    attempts: int = 8
    backoff: float = 1.0


@dataclass(frozen=True)
class Sent:
    """The last attempt's outcome; `before` is the earlier attempt because of which nothing was sent now."""

    outcome: Outcome | None
    before: Attempt | None = None


def send(
    journal: Journal,
    submission: Kept,
    url: str,
    form: CompetitionForm,
    *,
    patience: Patience = Patience(),
    headers: Mapping[str, str] | None = None,
    verify: bool | str = True,
    again: bool = False,
    report: Report = lambda line: None,
) -> Sent:
    """Send a kept submission and return what became of it. Touches the network.

    Tried again, with exponential waits and jitter (urllib3's `Retry`) and within the deadline, when the
    server cannot have had the payload or says itself that it did not score it (the table in `exchange.py`;
    `Retry-After` is honoured). An answer that was lost is never followed by another attempt: the fate is
    unknown. The same payload is not sent to an address where it was scored or may have been, unless
    `again`. An `Idempotency-Key` goes along, the payload's SHA-256, for servers that honour it.
    """
    payload = journal.payload(submission)
    sent_headers = {"Idempotency-Key": submission.sha256, **(headers or {})}
    ends = time.monotonic() + patience.deadline
    retry = Retry(
        total=patience.attempts,
        backoff_factor=patience.backoff,
        backoff_jitter=patience.backoff,
        backoff_max=_LONGEST_WAIT,
    )

    hide = partial(without_secrets, url=url, headers=headers or {})

    def once() -> Outcome:
        # Half of what is left: an exchange may take its time-out twice, for the answer to begin and to end.
        timeout = max(0.1, min(patience.timeout, (ends - time.monotonic()) / 2))
        outcome = exchange(payload, url, form, submission.dialect, headers=sent_headers, timeout=timeout, verify=verify)
        said = hide(outcome.message), hide(outcome.hint), hide(outcome.text), hide(outcome.target)
        return replace(outcome, message=said[0], hint=said[1], text=said[2], target=said[3])

    for number in range(1, patience.attempts + 1):
        began = journal.begin(submission, url, again=again)
        if isinstance(began, Attempt):
            return Sent(None, began)
        outcome = _attempt(journal, began, once)
        if not outcome.again or number == patience.attempts:
            break
        retry = retry.increment("POST", url, error=ConnectionError(outcome.kind))
        words = outcome.message.rstrip(".")
        wait = max(retry.get_backoff_time(), outcome.retry_after or 0.0)
        if time.monotonic() + wait > ends:
            report(f"{words}; no time for another attempt within {patience.deadline:g} s")
            break
        report(f"{words}; attempt {number + 1} of {patience.attempts} in {wait:.1f} s")
        time.sleep(wait)
    return Sent(outcome)


def _attempt(journal: Journal, number: int, once: Callable[[], Outcome]) -> Outcome:
    started = time.monotonic()
    try:
        outcome = once()
    except Interrupted as stopped:
        journal.end(number, stopped.outcome, time.monotonic() - started)
        raise
    try:
        journal.end(number, outcome, time.monotonic() - started)
    except FacematchError as error:  # a full disk: the answer must still reach the person
        raise FacematchError(f"{error.message} The server's answer was: {outcome.text or outcome.message}") from error
    return outcome
