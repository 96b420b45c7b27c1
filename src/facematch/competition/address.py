"""Where a submission goes and which headers go along; what is secret is never shown."""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from facematch.competition.form import CompetitionForm
from facematch.errors import FacematchError


def submission_url(url: str, form: CompetitionForm, dialect: str) -> str:
    """Return the address to post to.

    A URL without a path gets the dialect's (`/results/`, for example), the dialect's path without its
    slash gets the slash, any other path stays as it is. Raises FacematchError for a URL without
    http:// or https://, without a host or with a bad port, and for the path of another dialect.
    """
    own, shown = form.dialect(dialect).path, repr(shown_url(url))
    expected = f"Expected, for example: http://HOST:PORT{own}"
    if not re.match(r"(?i)https?://", url.strip()):
        raise FacematchError(f"server.url is {shown}, which has no http:// or https://.", expected)
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        _ = parts.port  # raises when it is no port
    except ValueError as error:
        raise FacematchError(f"server.url is {shown}, which is not an address: {error}.", expected) from error
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
    """Return a URL without the user name and password it may carry, to print and to keep."""
    return re.sub(r"(//)[^/?#]*@", r"\1", url)


def headers_from_environment(names: Mapping[str, str]) -> dict[str, str]:
    """Return header values that are kept in environment variables: `{header: variable}` in.

    Raises FacematchError that names the variable, never its value, when it is not set or cannot be a
    header's value.
    """
    headers = {}
    for header, variable in names.items():
        value = os.environ.get(variable)
        if value is None:
            raise FacematchError(
                f"server.headers: {header} is taken from the environment variable {variable}, which is not set.",
                f"Set it first: export {variable}=…",
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
