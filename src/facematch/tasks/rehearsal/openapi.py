"""The server's own description in OpenAPI 3.1: the requests at each path, and the answers."""

from typing import Any

from facematch import __version__
from facematch.settings.competition import CompetitionForm, Dialect

KEY_LENGTH = 200  # characters of an Idempotency-Key
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_PAGE = {"text/html": {"schema": {"type": "string"}}}
_ERRORS = {
    "400": "Not a submission, or no fit Idempotency-Key",
    "403": "Posted by a page of another site",
    "404": "Nothing of that name or number",
    "408": "The submission did not arrive in time",
    "413": "The submission is too large",
    "421": "The Host header names another server",
    "422": "The Idempotency-Key came before with another submission",
    "429": "Too many submissions a minute from one address",
    "500": "The submission could not be kept",
    "503": "Too many submissions at once",
}


def description(form: CompetitionForm) -> dict[str, Any]:
    """Return the OpenAPI description of a server that answers the dialects of a form."""
    paths: dict[str, Any] = {
        "/": _get("The leaderboard", _PAGE),
        "/groups/{name}": _get("A group's submissions", _PAGE, ("name", {"type": "string", "minLength": 1})),
        "/photos/{number}": _get(
            "A thumbnail, for browsers on the server's machine",
            {"image/jpeg": {}},
            ("number", {"type": "integer", "minimum": 0}),
        ),
        "/version": _get("A number that grows with each submission", _TEXT),
        "/openapi.json": _get("This description", {"application/json": {"schema": {"type": "object"}}}),
    }
    for name, dialect in form.dialects.items():
        paths[dialect.path] = {"post": _post(name, dialect, form.best)}
    info = {
        "title": "facematch rehearsal server",
        "version": __version__,
        "description": "Stands in for the competition's server. Errors are plain text.",
    }
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _get(summary: str, content: dict[str, Any], parameter: tuple[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": summary}
    if parameter is not None:
        name, schema = parameter
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": schema}]
    errors = ("404", "421", "500", "503") if parameter else ("421", "500", "503")
    return {"get": {**described, "responses": _responses(summary, content, errors)}}


def _post(name: str, dialect: Dialect, best: float) -> dict[str, Any]:
    names = {"type": "array", "items": {"type": "string"}}
    body = {
        "type": "object",
        "required": [dialect.group_key, dialect.images_key],
        "properties": {
            dialect.group_key: {"type": "string"},
            dialect.images_key: {
                "type": "object",
                "description": f"For each query's file name the names of {dialect.names} gallery photos, best first",
                "additionalProperties": names,
            },
        },
    }
    share, score = {"type": "number", "minimum": 0, "maximum": 1}, {"type": "number", "minimum": 0, "maximum": best}
    shares = {"type": "array", "items": share, "minItems": 3, "maxItems": 3, "description": "top-1, top-5, top-10"}
    answer = {
        "type": "object",
        "required": [dialect.answer.key],
        "properties": {dialect.answer.key: score if dialect.answer.form == "score" else shares},
    }
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A submission that comes again with the same key is not scored again",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
    }
    return {
        "summary": f"Score a submission in the dialect {name!r}",
        "parameters": [key],
        "requestBody": {
            "required": True,
            "description": "JSON text; another Content-Type, or none, is taken too",
            "content": {"application/json": {"schema": body}},
        },
        "responses": _responses(
            "The score", {"application/json": {"schema": answer}}, tuple(code for code in _ERRORS if code != "404")
        ),
    }


def _responses(found: str, content: dict[str, Any], errors: tuple[str, ...]) -> dict[str, Any]:
    refused = {code: {"description": _ERRORS[code], "content": _TEXT} for code in errors}
    return {"200": {"description": found, "content": content}, **refused}
