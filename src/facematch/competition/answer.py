"""What the competition's server answers, in either of its dialects."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from facematch.errors import FacematchError
from facematch.evaluation.score import competition_score

Dialect = Literal["results", "retrieval"]

_MAX_TEXT = 10_000  # characters of an answer that are kept
_ROUNDING = 1e-9  # share of the range by which a server's rounding may leave it
_MAYBE_SCORED = (
    "The server may have scored the submission all the same: look at its leaderboard or ask before sending again."
)


@dataclass(frozen=True)
class Answer:
    """A server's answer.

    `dialect` is the one it was given in. `top1`, `top5` and `top10` are shares of the queries (0–1),
    None in the dialect `retrieval`, which gives the score alone. `score` is from 0 to 1000. `text`
    is the answer as it came, cut after 10,000 characters.
    """

    dialect: Dialect
    top1: float | None
    top5: float | None
    top10: float | None
    score: float
    text: str


def parse_answer(text: str, dialect: Dialect) -> Answer:
    """Return the answer that a server gave as `text` when it was asked in `dialect`.

    `{"results": [top1, top5, top10]}` or `{"accuracy": score}`; an answer in the other dialect is
    accepted, and `Answer.dialect` says so. Raises FacematchError, each with its own words, for an
    empty text, HTML, no JSON, another form, and numbers that are not finite or out of range.
    """
    value = _json_object(text)
    keys: dict[Dialect, str] = {"results": "results", "retrieval": "accuracy"}
    other: Dialect = "retrieval" if dialect == "results" else "results"
    given = next((each for each in (dialect, other) if keys[each] in value), None)
    if given is None:
        raise _wrong_form("has neither the key 'results' nor 'accuracy'", text)
    found = value[keys[given]]
    if given == "retrieval":
        return Answer(given, None, None, None, _number(found, 1000, "accuracy", text), text[:_MAX_TEXT])
    if not isinstance(found, list) or len(found) != 3:
        raise _wrong_form("has results that are not a list of three numbers", text)
    top1, top5, top10 = (_number(share, 1, "results", text) for share in found)
    return Answer(given, top1, top5, top10, competition_score(top1, top5, top10), text[:_MAX_TEXT])


def gist(text: str, limit: int = 200) -> str:
    """Return what a person needs of a server's text: its first line, or HTML without its tags.

    Control characters are left out (a terminal would obey them); at most `limit` characters.
    """
    text = text[:100_000]
    if is_html(text):
        text = re.sub(r"(?is)<!--.*?(-->|\Z)|<(script|style)\b.*?(</\2\s*>|\Z)", " ", text)
        text = " ".join(html.unescape(re.sub(r"<[^>]*(>|\Z)", " ", text)).split())
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def is_html(text: str) -> bool:
    """Tell whether a text begins with a tag, as HTML and XML do and JSON never does."""
    return text.lstrip().startswith("<")


def _json_object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise FacematchError("the server's answer is empty.", _MAYBE_SCORED)
    if is_html(text):
        raise FacematchError(
            f"the server answered with an HTML page instead of a score: {gist(text)}",
            f"Check server.url: a login page, a proxy or a tired server answers like this. {_MAYBE_SCORED}",
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise FacematchError(f"the server's answer is not JSON: {gist(text)}", _MAYBE_SCORED) from None
    if not isinstance(value, dict):
        raise _wrong_form("is not a JSON object", text)
    return value


def _number(value: Any, top: int, key: str, text: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_form(f"has {gist(repr(value), 40)} in {key!r}, not a number", text)
    if value != value or value in (float("inf"), float("-inf")):
        raise FacematchError(
            f"the server's answer has a number that is not finite ({value}) in {key!r}: {gist(text)}", _MAYBE_SCORED
        )
    if not -top * _ROUNDING <= value <= top * (1 + _ROUNDING):
        shown = gist(repr(value), 40)
        raise FacematchError(
            f"the server's answer has {shown} in {key!r}, out of range (0 to {top}): {gist(text)}", _MAYBE_SCORED
        )
    return float(value)


def _wrong_form(what: str, text: str) -> FacematchError:
    return FacematchError(
        f"the server's answer {what}: {gist(text)}",
        f'Expected: {{"results": [top1, top5, top10]}} or {{"accuracy": score}}. {_MAYBE_SCORED}',
    )
