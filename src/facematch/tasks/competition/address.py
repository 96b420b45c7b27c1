"""Where a submission goes, and how; what is secret is never shown."""

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote, unquote_plus, urlsplit, urlunsplit

from facematch.core.errors import FacematchError, nearest_name
from facematch.settings.competition import CompetitionForm

_MASK = "…"
_SECRET = 8  # characters from which a value is looked for in texts; shorter ones stand there by chance


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on: seconds for one answer, seconds and attempts in all, seconds of the first wait."""

    timeout: float = 60.0
    deadline: float = 600.0
    attempts: int = 8
    backoff: float = 1.0


@dataclass(frozen=True)
class Destination:
    """Where submissions are posted and how: the address, the form and the name of its dialect.

    `headers` go along. `verify` is False to take any certificate, or the path of a CA bundle.
    """

    url: str
    form: CompetitionForm
    dialect: str
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool | str = True
    retry: RetryPolicy = RetryPolicy()


def submission_url(url: str, form: CompetitionForm, dialect: str) -> str:
    """Return the address to post to.

    A URL without a path gets the dialect's (`/results/`, for example), the dialect's path without its
    slash gets the slash, any other path stays as it is. Raises FacematchError for a URL without
    http:// or https://, without a host or with a bad port, for a masked one and for the path of another dialect.
    """
    own, shown = form.dialect(dialect).path, repr(shown_url(url))
    expected = f"Expected, for example: http://HOST:PORT{own}"
    if not re.match(r"(?i)https?://", url.strip()):
        raise FacematchError(f"server.url is {shown}, which has no http:// or https://.", expected)
    if _MASK in url:
        raise FacematchError(
            f"server.url is {shown}: what stood at {_MASK} is secret and was not kept.",
            "Write the address in full: --set server.url=ADDRESS",
        )
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        _ = parts.port  # raises when it is no port
    except ValueError:  # its words may hold a password
        raise FacematchError(
            f"server.url is {shown}, which is not an address: look at host and port.", expected
        ) from None
    if not host or re.search(r"\s", url.strip()):
        raise FacematchError(f"server.url is {shown}, which is not an address.", expected)
    path = parts.path
    named = [name for name, each in form.dialects.items() if path.rstrip("/") == each.path.rstrip("/")]
    if path.rstrip("/") and named and dialect not in named:
        raise FacematchError(
            f"server.url is {shown}, the path of the dialect {named[0]}, but server.dialect is {dialect}.",
            f"Set server.dialect={named[0]}, or the path to {own}",
        )
    if named or path in ("", "/"):
        path = own
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def shown_url(url: str) -> str:
    """Return a URL to print: without user name and password, with every value of its query as `…`.

    Its path stays, since a wrong address is known by it: what is secret belongs into `server.headers`.
    """
    bare, question, rest = _without_user(url).partition("?")
    bare, query = bare.partition("#")[0], rest.partition("#")[0]
    return bare + question + "&".join(_masked(part) for part in query.split("&"))


def kept_url(url: str) -> str:
    """Return a URL to write down: as it is shown, and others give other texts, all but one in 256.

    Two digits of its SHA-256 are added where something was masked: too few to find a secret by. What was kept once
    is kept as it is.
    """
    shown = shown_url(url)
    if _MASK not in shown or re.search(rf"{_MASK}[0-9a-f]{{2}}$", shown):
        return shown
    return f"{shown.removesuffix(_MASK)}{_MASK}{sha256(_without_user(url).encode()).hexdigest()[:2]}"


def without_secrets(text: str, url: str, headers: Mapping[str, str]) -> str:
    """Return a text, a server's or a library's, without what is secret in an address and in the headers sent to it."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    values = [part.partition("=")[2] or part for part in parts.query.split("&")]
    values += [user, user.partition(":")[2], b64encode(unquote(user).encode()).decode()]
    values += [word for value in headers.values() for word in (value, *value.split())]
    found = {each for value in values for each in (value, unquote(value), unquote_plus(value)) if len(each) >= _SECRET}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text


def headers_from_environment(names: Mapping[str, str]) -> dict[str, str]:
    """Return header values that are kept in environment variables: `{header: variable}` in.

    Raises FacematchError that names the header, never a value, when the variable is not set or holds what cannot be a
    header's value. A variable that is not set is named only where it cannot be the secret itself, written in its place.
    """
    headers = {}
    for header, variable in names.items():
        value = os.environ.get(variable)
        if value is None:
            known = re.fullmatch(r"[A-Z_]{1,40}", variable) is not None
            name = variable if known else "COMPETITION_TOKEN"
            raise FacematchError(
                f"server.headers: {header} is taken from the environment variable {name}, which is not set."
                if known
                else f"server.headers: what stands for {header} is not the name of an environment variable that is set"
                f"{nearest_name(variable, os.environ)}.",
                f"Set one, export {name}=…, and give its name, never the value: "
                f"--set 'server.headers={{{header}: {name}}}'",
            )
        if not re.fullmatch(r"[!-~]+", header) or ":" in header:
            raise FacematchError(f"server.headers: {header!r} is not the name of a header.")
        if not re.fullmatch(r"[\t -~]*", value) or value != value.strip():
            raise FacematchError(
                f"server.headers: the value of {variable} has letters that cannot stand in a header.",
                "Look for a line break or a blank at its end.",
            )
        headers[header] = value
    return headers


def _masked(part: str) -> str:
    # A value without a name, or the end of one in base64, is all secret.
    name, _, value = part.partition("=")
    if not part or re.fullmatch(rf"{_MASK}([0-9a-f]{{2}})?", value or part):
        return part
    return f"{name}={_MASK}" if value.strip("=") else _MASK


def _without_user(url: str) -> str:
    # To a later @ where a password holds one of / ? #: what stands before those is then no port.
    return re.sub(r"(//)(?:[^/?#]*|[^/?#@[]*:(?!\d*(?:[/?#]|$))[^@]*)@", r"\1", url)
