"""One POST and what became of it. Whatever happens ends as an `Outcome`; nothing waits for ever.

What decides is whether the server can have had the whole payload. Bytes are handed over through a
gate that notes the first one and can be shut, so "nothing was sent" is known and not guessed.

    what came                                             fate          tried again
    nothing, before the payload's first byte was taken    not scored    where it may help
    nothing, or no HTTP, after it                         unknown       no
    1xx                                                   read past; 101, or none after it: unknown
    2xx with a valid score, whole                         scored        no
    2xx with anything else                                unknown       no
    301, 307, 308: it is somewhere else                   not scored    no
    3xx else: 302 and 303 often follow a form's success   unknown       no
    408, 429, 500, 502, 503, 504                          not scored    yes
    4xx else, 501 to 511 else                             not scored    no
    512 and above: nobody's, or a proxy's own             unknown       no

The error statuses are taken as the server's word that it did not score.
"""

import re
import threading
import time
from dataclasses import replace
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from urllib.parse import urljoin, urlsplit

import requests
from urllib3 import exceptions as broken

from facematch.core.files import sha256_of
from facematch.tasks.competition.address import Destination, shown_url, without_secrets
from facematch.tasks.competition.answer import MAX_TEXT, AnswerError, Fate, Outcome, gist, parse_answer
from facematch.tasks.competition.line import Line, read_body

_CONNECT = 10.0  # seconds at most for one attempt to connect
_GRACE = 1.0  # seconds beyond all time-outs before an exchange is given up as hanging
_LONGEST_WAIT = 86_400.0  # seconds: a server that asks for more than a day has no wait in mind
_MOVED = (301, 307, 308)
_REDIRECTS = (*_MOVED, 302, 303)
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_NOT_SENT = "Nothing was sent. Check the address and that the VPN is up."
_CHECK = "Check server.url and server.ca_bundle."
_MAYBE_SCORED = "It may have been scored: look at the leaderboard or ask the organisers before sending it again."


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during an exchange; `outcome` says what is known of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def exchange(payload: bytes, to: Destination, *, timeout: float) -> Outcome:
    """Post a payload once and return what became of it. Touches the network; never raises for what it does.

    The payload goes as the raw body, with the dialect's content type if it has one and its SHA-256 as an
    `Idempotency-Key`, for servers that honour it. `timeout` is in seconds, for the wait until the answer begins and
    again until it ends. Redirects are not followed. No secret of the destination stays in the outcome. Raises
    Interrupted on Ctrl-C.
    """
    content_type = to.form.dialect(to.dialect).content_type
    headers = {"Accept-Encoding": "identity", "Idempotency-Key": sha256_of(payload)}
    headers |= {**({"Content-Type": content_type} if content_type else {}), **to.headers}
    line = Line(payload)
    done: list[Outcome] = []

    def work() -> None:
        try:
            with line, line.send_once(to.url, headers, (min(timeout, _CONNECT), timeout), to.verify) as response:
                body, problem = read_body(response, timeout)
                outcome = _answered(response, body.decode("utf-8-sig", errors="replace"), problem, to)
        except Exception as error:  # several libraries' errors come through, and no thread may end without a word
            outcome = _no_answer(error, to.url, timeout, line)
        done.append(_without_secrets(outcome, to))

    # In a thread of its own: looking up a name, or headers that drip, can outlast every time-out.
    thread = threading.Thread(target=work, name="exchange", daemon=True)
    try:
        thread.start()
        thread.join(min(timeout, _CONNECT) + 2 * timeout + _GRACE)
    except KeyboardInterrupt:
        given_up = _given_up("interrupted", "stopped by Ctrl-C before an answer came", line)
        raise Interrupted(done[0] if done else given_up) from None
    except RuntimeError as error:  # the system gives no more threads
        return _without_secrets(_no_answer(error, to.url, timeout, line), to)
    if not done:
        return _given_up("hang", f"{shown_url(to.url)} neither answered nor closed the connection in time", line)
    return done[0]


def _without_secrets(outcome: Outcome, to: Destination) -> Outcome:
    hide = partial(without_secrets, url=to.url, headers=to.headers)
    message, hint, text, target = map(hide, (outcome.message, outcome.hint, outcome.text, outcome.target))
    return replace(outcome, message=message, hint=hint, text=text, target=target)


def _given_up(kind: str, message: str, line: Line) -> Outcome:
    if line.gate.shut():
        return Outcome(kind, "unknown", f"{message}.", _MAYBE_SCORED)
    return Outcome(kind, "not scored", f"{message}.", _NOT_SENT, again=kind == "hang")


def fate_of(status: int) -> tuple[Fate, bool]:
    """Return the fate that an answer without a score leaves by its status, and whether trying again may help."""
    if status in _MOVED or 400 <= status < 512:
        return "not scored", status in _TRY_AGAIN
    return "unknown", False


def _answered(response: requests.Response, text: str, problem: tuple[str, str] | None, to: Destination) -> Outcome:
    shown, status, kept = shown_url(to.url), response.status_code, text[:MAX_TEXT]
    fate, again = fate_of(status)
    if status in _REDIRECTS:
        return _redirect(response, fate, to.url, kept)
    if not 200 <= status < 300:
        wait, words = _wait(response)
        hint = "The server did not take the submission. Check server.url, server.dialect and server.group."
        if fate == "unknown":
            hint = f"Such a status does not say whether the submission was scored. {_MAYBE_SCORED}"
        elif again or status >= 500:
            hint = "The server could not take it: try later."
        sort = "status" if fate == "unknown" else "error status"
        message = f"{shown} answered with the {sort} {_status_line(response, text)}{words}"
        return Outcome(f"status-{status}", fate, message, hint, again, status, kept, retry_after=wait)
    if problem:
        message = f"the answer of {shown} {problem[1]}: {gist(text) or '(no text)'}"
        return Outcome(problem[0], "unknown", message, _MAYBE_SCORED, False, status, kept)
    try:
        answer = parse_answer(text, to.form, to.dialect)
    except AnswerError as error:
        return Outcome(error.kind, "unknown", error.message, error.hint, False, status, kept)
    return Outcome("scored", "scored", "", "", False, status, kept, answer)


def _redirect(response: requests.Response, fate: Fate, url: str, kept: str) -> Outcome:
    status, named = response.status_code, gist(response.headers.get("Location", ""))
    try:
        target = urljoin(url, named) if named else ""
    except ValueError:  # it is no address
        target = ""
    shown, web = shown_url(target or named), target.lower().startswith(("http://", "https://"))
    hint = f"Nothing was scored. {'If that is the right address, send it there.' if web else 'Check server.url.'}"
    return Outcome(
        "redirect", fate,
        f"{shown_url(url)} answered with a redirect ({status}) to {shown or 'nowhere'}; redirects are not followed, "
        "since most turn a POST into a GET.",
        hint if fate == "not scored" else f"Many servers answer so once they took a form. {_MAYBE_SCORED}",
        False, status, kept, target=shown if web and status != 303 else "",
    )  # fmt: skip


def _status_line(response: requests.Response, text: str) -> str:
    # The status with what the server says beside it; most say the status again.
    reason, words = gist(response.reason or "", 60), gist(text) or "(no text)"
    head = f"{response.status_code} {reason}".strip()
    for again in filter(None, (head, reason)):
        words = re.sub(rf"(?i)^{re.escape(again)}(?!\w)[ .:!-]*", "", words)
    return f"{head}: {words}" if words else head


def _wait(response: requests.Response) -> tuple[float | None, str]:
    # The seconds of Retry-After, a number or a date, and words about it. A date is taken from the server's own
    # clock where it sends it, since this machine's may be wrong.
    wanted = response.headers.get("Retry-After", "").strip()
    if not wanted:
        return None, ""
    try:
        seconds = float(wanted) if wanted.isdecimal() else _date(wanted) - _date(response.headers.get("Date", ""))
    except (ValueError, OverflowError):
        seconds = float("nan")
    if not seconds <= _LONGEST_WAIT:
        return None, f" (its Retry-After, {gist(wanted, 40)}, is no time to wait and is ignored)"
    return max(0.0, seconds), ""


def _date(text: str) -> float:
    # Seconds since 1970 of an HTTP date; now where there is none.
    if not text:
        return time.time()
    parsed = parsedate_tz(text)
    if parsed is None:
        raise ValueError(text)
    return float(mktime_tz(parsed))


def _no_answer(error: Exception, url: str, timeout: float, line: Line) -> Outcome:
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
    taken = line.gate.shut()
    for sort, kind, message, hint, again in before:
        if not taken and (isinstance(cause, sort) or isinstance(error, sort)):
            return Outcome(kind, "not scored", message, hint, again)
    if isinstance(cause, broken.ReadTimeoutError):
        kinds = "read-time-out", "connect-time-out"
        message = f"{shown} gave no answer within {timeout:g} s (read time-out)."
    elif isinstance(cause, broken.HTTPError | requests.ConnectionError | ConnectionError):
        kinds, message = ("reset", "reset-before"), f"the connection to {host} broke before an answer came: {reason}."
    else:
        kinds, message = ("failed", "failed"), f"{shown} cannot be posted to: {reason}."
    if taken:
        return Outcome(kinds[0], "unknown", message, _MAYBE_SCORED)
    again = kinds[1] != "failed"
    return Outcome(kinds[1], "not scored", message, _NOT_SENT if again else _CHECK, again)


def _reason(error: BaseException) -> str:
    # The operating system's own words where there are some, else the last of the exception's.
    if isinstance(error, broken.ProxyError):
        error = error.original_error
    inner = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error)
    words = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return gist(words or type(error).__name__).rstrip(".")
