"""One POST and what became of it. Whatever happens ends as an `Outcome`; nothing waits for ever.

What decides is whether the server can have had the whole payload. Bytes are handed over through a
gate that notes the first one and can be shut, so "nothing was sent" is known and not guessed.
"""

import io
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as broken

from facematch.competition.address import shown_url
from facematch.competition.answer import MAX_TEXT, AnswerError, ServerAnswer, gist, parse_answer
from facematch.competition.form import CompetitionForm

Fate = Literal["scored", "not scored", "unknown"]

_MAX_ANSWER = 1_000_000  # bytes
_CONNECT = 10.0  # seconds at most for one attempt to connect
_GRACE = 1.0  # seconds beyond all time-outs before an exchange is given up as hanging
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TRY_AGAIN = (429, 500, 502, 503, 504)  # the server's own word that it did not score
_NOT_SENT = "Nothing was sent. Check the address and that the VPN is up."
_MAYBE_SCORED = "It may have been scored: look at the leaderboard or ask the organisers before sending it again."


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt.

    `kind` names it in a word, `message` and `hint` in plain words. `fate` says whether the submission
    was scored; `again` whether trying again by itself is safe and may help, after `retry_after` seconds
    if the server said so. `status` is HTTP's; `text` the answer as it came, cut after 10,000
    characters; `answer` its score.
    """

    kind: str
    fate: Fate
    message: str
    hint: str = ""
    again: bool = False
    status: int | None = None
    text: str = ""
    answer: ServerAnswer | None = None
    retry_after: float | None = None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during an exchange; `outcome` says what is known of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def exchange(
    payload: bytes,
    url: str,
    form: CompetitionForm,
    dialect: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    verify: bool | str = True,
) -> Outcome:
    """Post a payload once and return what became of it. Touches the network; never raises for what it does.

    The payload goes as the raw body, with the dialect's content type if it has one. `timeout` is in
    seconds, for the wait until the answer begins and again until it ends. `verify` is False to take any
    certificate, or the path of a CA bundle. Redirects are not followed. Raises Interrupted on Ctrl-C.
    """
    gate = _Gate(payload)
    done: list[Outcome] = []

    def work() -> None:
        done.append(_exchange(gate, url, form, dialect, headers, timeout, verify))

    # In a thread of its own: looking up a name, or headers that drip, can outlast every time-out.
    thread = threading.Thread(target=work, name="exchange", daemon=True)
    thread.start()
    try:
        thread.join(min(timeout, _CONNECT) + 2 * timeout + _GRACE)
    except KeyboardInterrupt:
        raise Interrupted(_given_up("interrupted", "stopped by Ctrl-C before an answer came", gate)) from None
    if not done:
        return _given_up("hang", f"{shown_url(url)} neither answered nor closed the connection in time", gate)
    return done[0]


class _Gate(io.BytesIO):
    # The payload as a file: notes when its first byte is taken, and gives none once it is shut.
    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self._lock = threading.Lock()
        self._shut = False
        self.taken = False

    def read(self, size: int | None = -1) -> bytes:
        with self._lock:
            if self._shut:
                raise OSError("given up")
            self.taken = True
            return super().read(size)

    def shut(self) -> bool:
        # Whether a byte was taken before.
        with self._lock:
            self._shut = True
            return self.taken


def _given_up(kind: str, message: str, gate: _Gate) -> Outcome:
    if gate.shut():
        return Outcome(kind, "unknown", f"{message}.", _MAYBE_SCORED)
    return Outcome(kind, "not scored", f"{message}.", _NOT_SENT, again=kind == "hang")


def _exchange(
    gate: _Gate,
    url: str,
    form: CompetitionForm,
    dialect: str,
    headers: Mapping[str, str],
    timeout: float,
    verify: bool | str,
) -> Outcome:
    content_type = form.dialect(dialect).content_type
    sent = {"Accept-Encoding": "identity", **({"Content-Type": content_type} if content_type else {}), **headers}
    with _OneAddress() as session:
        try:
            response = session.post(
                url,
                data=gate,
                headers=sent,
                timeout=(min(timeout, _CONNECT), timeout),
                allow_redirects=False,
                stream=True,
                verify=None if verify is True else verify,  # None: REQUESTS_CA_BUNDLE is honoured
                # A proxy cannot reach this machine's own addresses, so none is asked to.
                proxies={"no_proxy": ",".join(_LOOPBACK)} if urlsplit(url).hostname in _LOOPBACK else None,
            )
        except Exception as error:  # requests lets several libraries' errors through
            return _no_answer(error, url, timeout, gate)
        with response:
            body, problem = _read(response, timeout)
    text = body.decode("utf-8-sig", errors="replace")
    if problem and 200 <= response.status_code < 300:
        kind, words = problem
        message = f"the answer of {shown_url(url)} {words}: {gist(text) or '(no text)'}"
        return Outcome(kind, "unknown", message, _MAYBE_SCORED, False, response.status_code, text[:MAX_TEXT])
    return _outcome(response, text, url, form, dialect)


class _OneAddress(requests.Session):
    # requests reads the whole body of a redirect, however long, to know where it leads; so it is not told.
    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _read(response: requests.Response, timeout: float) -> tuple[bytes, tuple[str, str] | None]:
    # The body, and what went wrong with it as (kind, words). read1 returns what is there, so a server
    # that drips cannot hold us longer than the deadline.
    deadline = time.monotonic() + timeout
    body = b""
    try:
        while block := response.raw.read1(65_536, decode_content=True):
            body += block
            if len(body) > _MAX_ANSWER:
                return body, ("too-long", f"is longer than {_MAX_ANSWER} bytes")
            if time.monotonic() > deadline:
                return body, ("drip", f"did not end within {timeout:g} s")
    except broken.ReadTimeoutError:
        return body, ("stopped", f"stopped for {timeout:g} s")
    except (broken.HTTPError, OSError):
        return body, ("cut-short", f"was cut short after {len(body)} bytes")
    return body, None


def _outcome(response: requests.Response, text: str, url: str, form: CompetitionForm, dialect: str) -> Outcome:
    status, shown, kept = response.status_code, shown_url(url), text[:MAX_TEXT]
    if 300 <= status < 400:
        target = shown_url(gist(response.headers.get("Location", ""))) or "nowhere"
        return Outcome(
            "redirect", "not scored",
            f"{shown} answered with a redirect ({status}) to {target}; redirects are not followed, "
            "since most turn a POST into a GET.",
            "If that is the right address, set server.url to it.", False, status, kept,
        )  # fmt: skip
    if not 200 <= status < 300:
        reason = f"{status} {gist(response.reason or '', 60)}".strip()
        return Outcome(
            f"status-{status}", "not scored",
            f"{shown} answered with the error status {reason}: {gist(text) or '(no text)'}",
            "The server has a problem of its own: try later."
            if status >= 500
            else "The server did not take the submission. Check server.url, server.dialect and server.group.",
            status in _TRY_AGAIN, status, kept, None, _seconds(response.headers.get("Retry-After")),
        )  # fmt: skip
    try:
        answer = parse_answer(text, form, dialect)
    except AnswerError as error:
        return Outcome(error.kind, "unknown", error.message, error.hint, False, status, kept)
    return Outcome("scored", "scored", "", "", False, status, kept, answer)


def _seconds(retry_after: str | None) -> float | None:
    # Seconds or an HTTP date; urllib3 reads both.
    from urllib3.util.retry import Retry

    try:
        return None if retry_after is None else float(Retry().parse_retry_after(retry_after))
    except (broken.InvalidHeader, OverflowError):
        return None


def _no_answer(error: Exception, url: str, timeout: float, gate: _Gate) -> Outcome:
    # The outcome of a request that ended without an answer; requests wraps urllib3's reasons twice.
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    if isinstance(cause, broken.MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    reason, host, shown = _reason(cause), urlsplit(url).netloc.rpartition("@")[2], shown_url(url)
    before: list[tuple[type[Exception], str, str, str, bool]] = [
        (broken.ProxyError, "proxy", f"the proxy on the way to {host} cannot be used: {reason}.",
         "Check http_proxy, https_proxy and no_proxy; nothing was sent to the server.", True),
        (broken.NameResolutionError, "dns", f"the name {host} cannot be resolved (DNS): {reason}.", _NOT_SENT, True),
        (broken.NewConnectionError, "unreachable", f"{host} cannot be reached: {reason}.", _NOT_SENT, True),
        (broken.ConnectTimeoutError, "connect-time-out",
         f"{host} did not take the connection in time (connect time-out).", _NOT_SENT, True),
        (broken.SSLError, "tls", f"the secure connection to {host} failed: {reason}.",
         "Check http:// against https://; for a certificate authority of your own set server.ca_bundle.", False),
    ]  # fmt: skip
    taken = gate.shut()
    for sort, kind, message, hint, again in before:
        if not taken and (isinstance(cause, sort) or isinstance(error, sort)):
            return Outcome(kind, "not scored", message, hint, again)
    if isinstance(cause, broken.ReadTimeoutError):
        message = f"{shown} gave no answer within {timeout:g} s (read time-out)."
        if taken:
            return Outcome("read-time-out", "unknown", message, _MAYBE_SCORED)
        return Outcome("connect-time-out", "not scored", message, _NOT_SENT, again=True)
    if isinstance(cause, broken.HTTPError | requests.ConnectionError | ConnectionError):
        message = f"the connection to {host} broke before an answer came: {reason}."
        if taken:
            return Outcome("reset", "unknown", message, _MAYBE_SCORED)
        return Outcome("reset-before", "not scored", message, _NOT_SENT, again=True)
    fate: Fate = "unknown" if taken else "not scored"
    return Outcome("failed", fate, f"{shown} cannot be posted to: {reason}.", "Check server.url and server.ca_bundle.")


def _reason(error: BaseException) -> str:
    # The operating system's own words where there are some, else the last of the exception's.
    if isinstance(error, broken.ProxyError):
        error = error.original_error
    inner = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error)
    words = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return gist(words or type(error).__name__).rstrip(".")
