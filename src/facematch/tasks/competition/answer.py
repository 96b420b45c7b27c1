"""What became of an attempt, and what the competition's server answers, in any of its dialects."""

import html
import re
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, Literal

from facematch.core.errors import FacematchError
from facematch.core.foreign import parse_json
from facematch.core.text import brief
from facematch.settings.competition import AnswerForm, CompetitionForm

Fate = Literal["scored", "not scored", "unknown"]

MAX_TEXT = 10_000  # characters of an answer that are kept
_ROUNDING = 1e-9  # share of the range by which a server's rounding may leave it
_MAYBE_SCORED = (
    "The server may have scored the submission all the same: look at its leaderboard or ask before sending again."
)


@dataclass(frozen=True)
class ServerAnswer:
    """A server's answer.

    `dialect` is the one it was given in. `top1`, `top5` and `top10` are shares of the queries (0–1),
    None in a dialect that gives the score alone. `score` is on the competition's scale (0 to 1000).
    """

    dialect: str
    top1: float | None
    top5: float | None
    top10: float | None
    score: float


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt.

    `kind` names it in a word, `message` and `hint` in plain words. `fate` says whether the submission
    was scored; `again` whether trying again by itself is safe and may help, after `retry_after` seconds
    if the server said so. `status` is HTTP's; `text` the answer as it came, cut after 10,000
    characters; `answer` its score; `target` the address that a redirect names, without its secrets.
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
    target: str = ""


class AnswerError(FacematchError):
    """An answer without a score; `kind` is one of empty, html, not-json, wrong-form, not-finite, out-of-range."""

    def __init__(self, kind: str, message: str, hint: str = _MAYBE_SCORED) -> None:
        super().__init__(message, hint)
        self.kind = kind


def parse_answer(text: str, form: CompetitionForm, dialect: str) -> ServerAnswer:
    """Return the answer that a server gave as `text` when it was asked in `dialect`.

    `{"results": [top1, top5, top10]}` or `{"accuracy": score}`, or as the form says; an answer in
    another of its dialects is accepted, and `ServerAnswer.dialect` says so. Raises AnswerError, each with its
    own kind and words, for an empty text, HTML, no JSON, another form, and numbers that are not finite
    or out of range.
    """
    value = _json_object(text)
    names = [dialect, *(name for name in form.dialects if name != dialect)]
    given = next((name for name in names if form.dialect(name).answer.key in value), None)
    if given is None:
        keys = list(dict.fromkeys(each.answer.key for each in form.dialects.values()))
        what = "neither the key" if len(keys) > 1 else "not the key"
        raise _wrong_form(f"has {what} {' nor '.join(map(repr, keys))}", text, form)
    answer = form.dialect(given).answer
    found = value[answer.key]
    if answer.form == "score":
        return ServerAnswer(given, None, None, None, _number(found, form.best, answer.key, text, form))
    if not isinstance(found, list) or len(found) != 3:
        raise _wrong_form(f"has {answer.key} that are not a list of three numbers", text, form)
    top1, top5, top10 = (_number(share, 1, answer.key, text, form) for share in found)
    return ServerAnswer(given, top1, top5, top10, form.score(top1, top5, top10))


def gist(text: str, limit: int = 200) -> str:
    """Return what a person needs of a server's text: its first line, or HTML without its tags.

    Control characters become spaces (a terminal would obey them); at most `limit` characters.
    """
    text = text[:100_000]
    if is_html(text):
        text = re.sub(r"(?is)<!--.*?(-->|\Z)|<(script|style)\b.*?(</\2\s*>|\Z)", " ", text)
        text = _once(html.unescape(re.sub(r"<[^>]*(>|\Z)", " ", text)).split()[: 2 * limit])
    return brief(next((line for line in text.splitlines() if line.strip()), ""), limit)


def _once(words: list[str]) -> str:
    # A page's heading says its title again, whole or its end.
    for at in range(len(words)):
        for length in range(1, 11):
            if words[at : at + length] == words[at + length : at + 2 * length]:
                del words[at : at + length]
    return " ".join(words)


def is_html(text: str) -> bool:
    """Tell whether a text begins with a tag, as HTML and XML do and JSON never does."""
    return text.lstrip().startswith("<")


def _json_object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise AnswerError("empty", "the server's answer is empty.")
    if is_html(text):
        raise AnswerError(
            "html",
            f"the server answered with an HTML page instead of a score: {gist(text)}",
            f"Check server.url: a login page, a proxy or a tired server answers like this. {_MAYBE_SCORED}",
        )
    try:
        value = parse_json(text, "note")
    except JSONDecodeError:
        raise AnswerError("not-json", f"the server's answer is not JSON: {gist(text)}") from None
    except ValueError as error:  # beyond all measure
        raise AnswerError("wrong-form", f"the server's answer is refused, since {error}: {gist(text)}") from None
    if not isinstance(value, dict):
        raise AnswerError("wrong-form", f"the server's answer is not a JSON object: {gist(text)}")
    return value


def _number(value: Any, top: float, key: str, text: str, form: CompetitionForm) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_form(f"has {gist(repr(value), 40)} in {key!r}, not a number", text, form)
    if value != value or value in (float("inf"), float("-inf")):
        raise AnswerError(
            "not-finite", f"the server's answer has a number that is not finite ({value}) in {key!r}: {gist(text)}"
        )
    if not -top * _ROUNDING <= value <= top * (1 + _ROUNDING):
        shown = gist(repr(value), 40)
        raise AnswerError(
            "out-of-range", f"the server's answer has {shown} in {key!r}, out of range (0 to {top:g}): {gist(text)}"
        )
    return float(value)


def _wrong_form(what: str, text: str, form: CompetitionForm) -> AnswerError:
    expected = " or ".join(dict.fromkeys(_example(dialect.answer) for dialect in form.dialects.values()))
    return AnswerError(
        "wrong-form", f"the server's answer {what}: {gist(text)}", f"Expected: {expected}. {_MAYBE_SCORED}"
    )


def _example(answer: AnswerForm) -> str:
    return f'{{"{answer.key}": {"[top1, top5, top10]" if answer.form == "shares" else "score"}}}'
