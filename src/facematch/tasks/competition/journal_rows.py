"""What stands in the journal: its tables in this version, and its rows as checked values."""

import sqlite3
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Strict, TypeAdapter

from facematch.core.foreign import as_kind, parse_json
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


def _parsed(text: object) -> object:
    return parse_json(text, "note") if isinstance(text, str) else text


def _with_score(expectation: dict[str, Any] | None) -> dict[str, Any] | None:
    if expectation is not None and not isinstance(expectation.get("score"), int | float):
        raise ValueError("it has no score")
    return expectation


_Whole = Annotated[int, Strict()]
_Object = Annotated[dict[str, Any] | None, BeforeValidator(_parsed)]  # from its JSON text


@dataclass(frozen=True)
class StoredSubmission:
    """A submission of the journal: its dialect, folders, the command that made it, what was expected and what ranked.

    `expectation` and `system` are JSON objects; an earlier version did not write the latter.
    """

    id: _Whole
    made: str
    sha256: str
    dialect: str
    query: str | None
    gallery: str | None
    made_by: str | None
    expectation: Annotated[_Object, AfterValidator(_with_score)]
    to_send: _Whole
    system: _Object


@dataclass(frozen=True)
class Attempt:
    """An attempt: `fate` is scored, not scored, unknown or sending; `url` is as `kept_url` masks it."""

    id: _Whole
    submission: _Whole
    started: str
    url: Annotated[str, AfterValidator(kept_url)]  # an earlier version masked less
    host: str
    process: _Whole
    fate: str
    kind: str | None
    message: str | None
    status: _Whole | None
    answer: str | None
    top1: float | None
    top5: float | None
    top10: float | None
    score: float | None
    seconds: float | None

    def __post_init__(self) -> None:
        if self.fate == "scored" and self.score is None:
            raise ValueError("it was scored, and has no score")


Row = TypeVar("Row", StoredSubmission, Attempt)
_KINDS: dict[type, tuple[str, TypeAdapter[Any]]] = {
    StoredSubmission: ("submissions", TypeAdapter(StoredSubmission)),
    Attempt: ("attempts", TypeAdapter(Attempt)),
}


def rows_of(table: sqlite3.Connection, kind: type[Row], which: str, *values: object) -> list[Row]:
    """Return the rows of a kind; columns that a newer version added are not asked for.

    Raises ValueError that names the row and its column which holds something else.
    """
    (name, checked), names = _KINDS[kind], [field.name for field in fields(kind)]
    found = []
    for row in table.execute(f"SELECT {', '.join(names)} FROM {name} {which}", values).fetchall():
        try:
            found.append(as_kind(checked, dict(zip(names, row, strict=True))))
        except ValueError as error:
            raise ValueError(f"{name} {brief(row[0], 20)}: {brief(error, 100)}") from error
    return found


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


def as_text(value: object) -> str:
    """Return a text that SQLite takes: half a character, as a name that is no UTF-8 has it, is written out."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def now() -> str:
    """Return the time in UTC as it is written down."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
