"""Posting a submission to the competition's server.

A connection that cannot be made is tried again. Once bytes may have arrived nothing is sent a second
time, because the submission may have been scored.
"""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as broken
from urllib3.util.retry import Retry

from facematch.competition.answer import Answer, Dialect, gist, parse_answer
from facematch.competition.submission import Submission
from facematch.errors import FacematchError

PATHS: dict[Dialect, str] = {"results": "/results/", "retrieval": "/retrieval/"}

_MAX_ANSWER = 1_000_000  # bytes
_CONNECT = 10.0  # seconds at most for one attempt to connect
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NOT_SENT = "Nothing was sent. Check the address and that the VPN is up, then send again."
_MAYBE_SCORED = (
    "It may have been scored: do not send again blindly. Look at the leaderboard or ask the organisers first."
)

OnAttempt = Callable[[int, str], None]


def submission_url(url: str, dialect: Dialect) -> str:
    """Return the address to post to.

    A URL without a path gets the dialect's (`/results/` or `/retrieval/`), the dialect's path without
    its slash gets the slash, any other path stays as it is. Raises FacematchError for a URL without
    http:// or https://, without a host or with a bad port, and for the path of the other dialect.
    """
    expected = f"Expected, for example: http://HOST:PORT{PATHS[dialect]}"
    if not re.match(r"(?i)https?://", url.strip()):
        raise FacematchError(f"server.url is {url!r}, which has no http:// or https://.", expected)
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        _ = parts.port  # raises when it is no port
    except ValueError as error:
        raise FacematchError(f"server.url is {url!r}, which is not an address: {error}.", expected) from error
    if not host or re.search(r"\s", url.strip()):
        raise FacematchError(f"server.url is {url!r}, which is not an address.", expected)
    path = parts.path
    named = next((name for name, known in PATHS.items() if path.rstrip("/") == known.rstrip("/")), None)
    if named is not None and named != dialect:
        raise FacematchError(
            f"server.url is {url!r}, the path of the dialect {named}, but server.dialect is {dialect}.",
            f"Set server.dialect={named}, or the path to {PATHS[dialect]}",
        )
    if named is not None or path in ("", "/"):
        path = PATHS[dialect]
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def post(
    submission: Submission,
    url: str,
    dialect: Dialect,
    *,
    timeout: float,
    retries: int = 4,
    backoff: float = 0.5,
    on_attempt: OnAttempt | None = None,
) -> Answer:
    """Send a submission and return the server's answer. Touches the network.

    The payload goes as the raw body without a content type, as the official example sends it.
    `timeout` is in seconds, for the wait until the answer begins and again until it ends. Only a
    connection that could not be made is tried again, `retries` times, after 0, 2, 4, 8 … × `backoff`
    seconds and some jitter; `on_attempt(number, reason)` is told of each attempt, from 1, and why the
    one before it failed. Redirects are not followed.

    Raises FacematchError, each with its own words, when there is no connection, no answer, a cut or
    endless one, an error status, or an answer without a score. The caller keeps the submission first.
    """
    told = on_attempt or (lambda number, reason: None)
    told(1, "")
    with _OneAddress() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_connecting_only(retries, backoff, told)))
        try:
            response = session.post(
                url,
                data=submission.payload(),
                headers={"Accept-Encoding": "identity"},
                timeout=(min(timeout, _CONNECT), timeout),
                allow_redirects=False,
                stream=True,
                # A proxy cannot reach this machine's own addresses, so none is asked to.
                proxies={"no_proxy": ",".join(_LOOPBACK)} if urlsplit(url).hostname in _LOOPBACK else None,
            )
        except (OSError, broken.HTTPError) as error:  # OSError: requests' own, and a CA bundle that is not there
            raise _no_answer(error, url, timeout, retries + 1) from error
        with response:
            text = _read(response, url, timeout)
    _raise_for_status(response, text, url)
    return parse_answer(text, dialect)


def _connecting_only(retries: int, backoff: float, told: OnAttempt) -> Retry:
    # urllib3 leaves POST out of `allowed_methods`, which rules retries after a broken read or by
    # status; together with read=False and status=0 this leaves retries to connecting alone.
    retry = _ConnectRetry(
        total=None,
        connect=retries,
        read=False,
        redirect=0,
        status=0,
        other=0,
        backoff_factor=backoff,
        backoff_jitter=backoff,
        respect_retry_after_header=False,
    )
    retry.told = told
    return retry


class _OneAddress(requests.Session):
    # requests reads the whole body of a redirect, however long, to know where it leads; so it is not told.
    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _ConnectRetry(Retry):
    told: OnAttempt

    def new(self, **changes: Any) -> Any:
        following = super().new(**changes)
        following.told = self.told
        return following

    def increment(self, *args: Any, **kwargs: Any) -> Any:
        following = super().increment(*args, **kwargs)
        self.told(len(following.history) + 1, _reason(kwargs["error"]))
        return following


def _read(response: requests.Response, url: str, timeout: float) -> str:
    # read1 returns what is there, so a server that drips cannot hold us longer than the deadline.
    deadline = time.monotonic() + timeout
    body = b""
    try:
        while block := response.raw.read1(65_536, decode_content=True):
            body += block
            if len(body) > _MAX_ANSWER:
                raise FacematchError(
                    f"the answer of {url} is longer than {_MAX_ANSWER} bytes: {gist(_text(body))}", _MAYBE_SCORED
                )
            if time.monotonic() > deadline:
                raise FacematchError(f"the answer of {url} did not end within {timeout:g} s.", _MAYBE_SCORED)
    except broken.ReadTimeoutError as error:
        raise FacematchError(f"the answer of {url} stopped for {timeout:g} s.", _MAYBE_SCORED) from error
    except broken.HTTPError as error:
        raise FacematchError(
            f"the answer of {url} was cut short after {len(body)} bytes: {gist(_text(body))}", _MAYBE_SCORED
        ) from error
    return _text(body)


def _text(body: bytes) -> str:
    return body.decode("utf-8-sig", errors="replace")


def _raise_for_status(response: requests.Response, text: str, url: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        target = gist(response.headers.get("Location", "")) or "nowhere"
        raise FacematchError(
            f"{url} answered with a redirect ({status}) to {target}; redirects are not followed.",
            "If that is the right address, set server.url to it.",
        )
    reason = f"{status} {gist(response.reason or '', 60)}".strip()
    raise FacematchError(
        f"{url} answered with the error status {reason}: {gist(text) or '(no text)'}",
        f"The server has a problem of its own. {_MAYBE_SCORED}"
        if status >= 500
        else "The server did not take the submission. Check server.url, server.dialect and server.group.",
    )


def _no_answer(error: Exception, url: str, timeout: float, attempts: int) -> FacematchError:
    # The words for a request that ended without an answer; requests wraps urllib3's reasons twice.
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    if isinstance(cause, broken.MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    reason = _reason(cause)
    host = urlsplit(url).netloc.rpartition("@")[2]
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    known: list[tuple[type[Exception] | tuple[type[Exception], ...], str, str]] = [
        (broken.ProxyError, f"the proxy on the way to {host} cannot be used{tried}: {reason}.",
         "Check http_proxy, https_proxy and no_proxy; nothing was sent to the server."),
        (broken.NameResolutionError, f"the name {host} cannot be resolved (DNS){tried}: {reason}.", _NOT_SENT),
        (broken.NewConnectionError, f"{host} cannot be reached{tried}: {reason}.", _NOT_SENT),
        (broken.ConnectTimeoutError, f"{host} did not take the connection in time (connect time-out){tried}.",
         _NOT_SENT),
        (broken.ReadTimeoutError, f"{url} gave no answer within {timeout:g} s (read time-out).", _MAYBE_SCORED),
        (broken.SSLError, f"the secure connection to {host} failed: {reason}.",
         "Check http:// against https://; for a certificate authority of your own set REQUESTS_CA_BUNDLE=FILE."),
        ((broken.ProtocolError, requests.ConnectionError),
         f"the connection to {host} broke before an answer came: {reason}.", _MAYBE_SCORED),
    ]  # fmt: skip
    for kind, message, hint in known:
        if isinstance(cause, kind) or isinstance(error, kind):
            return FacematchError(message, hint)
    return FacematchError(f"{url} cannot be posted to: {reason}.", "Check server.url.")


def _reason(error: BaseException) -> str:
    # The operating system's own words where there are some, else the last of the exception's.
    if isinstance(error, broken.ProxyError):
        error = error.original_error
    inner = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error)
    words = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return gist(words or type(error).__name__).rstrip(".")
