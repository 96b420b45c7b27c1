"""What stands in the journal: its tables in this version, and its rows as checked values."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, get_type_hints

from facematch.core.foreign import parse_json
from facematch.core.text import brief
from facematch.tasks.competition.address import kept_url

VERSION = 2  # kept as SQLite's user_version; the first version wrote none, which is 0
SENDING = "sending"

_TABLES = (
    "CREATE TABLE IF NOT EXISTS payloads (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS submissions (id INTEGER PRIMARY KEY, made TEXT NOT NULL, "
    "sha256 TEXT NOT NULL UNIQUE REFERENCES payloads, dialect TEXT NOT NULL, query TEXT, gallery TEXT, made_by TEXT, "
    "expectation TEXT, to_send INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS attempts (id INTEGER PRIMARY KEY, submission INTEGER NOT NULL REFERENCES submissions, "
    "started TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL, process INTEGER NOT NULL, fate TEXT NOT NULL, "
    "kind TEXT, message TEXT, status INTEGER, answer TEXT, top1 REAL, top5 REAL, top10 REAL, score REAL, seconds REAL)",
)
_ADDED = ("system", "dropped")  # columns of `submissions` that the first version had not
_OBJECTS = ("expectation", "system")  # columns of `submissions` that hold JSON objects


@dataclass(frozen=True)
class Kept:
    """A submission of the journal: its dialect, folders, the command that made it, what was expected and what ranked.

    `expectation` and `system` are JSON objects; an earlier version did not write the latter.
    """

    id: int
    made: str
    sha256: str
    dialect: str
    query: str | None
    gallery: str | None
    made_by: str | None
    expectation: Mapping[str, Any] | None
    to_send: int
    system: Mapping[str, Any] | None


@dataclass(frozen=True)
class Attempt:
    """An attempt: `fate` is scored, not scored, unknown or sending; `url` is as `kept_url` masks it."""

    id: int
    submission: int
    started: str
    url: str
    host: str
    process: int
    fate: str
    kind: str | None
    message: str | None
    status: int | None
    answer: str | None
    top1: float | None
    top5: float | None
    top10: float | None
    score: float | None
    seconds: float | None


Row = TypeVar("Row", Kept, Attempt)


def columns(kind: type[Row]) -> str:
    """Return the columns of a kind of row; those that a newer version added are not asked for."""
    return ", ".join(field.name for field in fields(kind))


def version_of(table: sqlite3.Connection) -> int:
    """Return the version of the journal that is open."""
    return int(table.execute("PRAGMA user_version").fetchone()[0])


def bring_up(table: sqlite3.Connection) -> None:
    """Make the tables, or add to those of an earlier version what they lack; within the caller's transaction."""
    if version_of(table) >= VERSION:  # another process was faster
        return
    for statement in _TABLES:
        table.execute(statement)
    there = {row[1] for row in table.execute("PRAGMA table_info(submissions)")}
    for column in _ADDED:
        if column not in there:
            table.execute(f"ALTER TABLE submissions ADD COLUMN {column} TEXT")
    table.execute(f"PRAGMA user_version = {VERSION}")


def kept_of(row: tuple[Any, ...]) -> Kept:
    """Return a submission. Raises ValueError that names the column which holds something else."""
    values = dict(zip((field.name for field in fields(Kept)), row, strict=True))
    kept = _checked(Kept, {**values, **{name: _object(name, values[name]) for name in _OBJECTS}})
    if kept.expectation is not None and not isinstance(kept.expectation.get("score"), int | float):
        raise ValueError("its expectation has no score")
    return kept


def attempt_of(row: tuple[Any, ...]) -> Attempt:
    """Return an attempt. Raises ValueError that names the column which holds something else."""
    values = dict(zip((field.name for field in fields(Attempt)), row, strict=True))
    found = _checked(Attempt, values)
    if found.fate == "scored" and found.score is None:
        raise ValueError("it was scored, and has no score")
    return replace(found, url=kept_url(found.url))  # an earlier version masked less


def as_text(value: object) -> str:
    """Return a text that SQLite takes: half a character, as a name that is no UTF-8 has it, is written out."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def as_json(value: Mapping[str, Any] | None) -> str | None:
    """Return a JSON object as text, None for None."""
    return None if value is None else json.dumps(value)


def _object(name: str, text: object) -> Any:
    try:
        value = None if text is None else parse_json(text if isinstance(text, str) else "", "note")
    except ValueError as error:
        raise ValueError(f"its {name} is no JSON: {brief(error, 80)}") from None
    if not isinstance(value, dict | None):
        raise ValueError(f"its {name} is no JSON object")
    return value


def _checked(kind: type[Row], values: dict[str, Any]) -> Row:
    for name, expected in get_type_hints(kind).items():
        if name not in _OBJECTS and not isinstance(values[name], expected):
            raise ValueError(f"its {name} is {brief(repr(values[name]), 60)}")
    return kind(**values)
