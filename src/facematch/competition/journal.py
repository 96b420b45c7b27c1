"""The journal: every submission and every attempt to send it, on the disk before the first byte goes out.

One SQLite file in the submissions folder, written ahead and synchronised at every commit, so that a
process killed at any moment leaves it whole. A payload is one submission however often it is made; an
attempt is written down as `sending` before it begins, and what is found in that state afterwards, its
process gone, has an unknown fate: it may have been scored.
"""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from facematch.competition.address import kept_url
from facematch.competition.exchange import Outcome
from facematch.errors import FacematchError
from facematch.files import sha256_of, write_bytes
from facematch.processes import alive

NAME = "journal.sqlite"
SENDING = "sending"

_TABLES = """
CREATE TABLE IF NOT EXISTS payloads (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY, made TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE REFERENCES payloads, dialect TEXT NOT NULL,
    query TEXT, gallery TEXT, made_by TEXT, expectation TEXT, to_send INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, submission INTEGER NOT NULL REFERENCES submissions, started TEXT NOT NULL,
    url TEXT NOT NULL, host TEXT NOT NULL, process INTEGER NOT NULL, fate TEXT NOT NULL, kind TEXT, message TEXT,
    status INTEGER, answer TEXT, top1 REAL, top5 REAL, top10 REAL, score REAL, seconds REAL);
"""


@dataclass(frozen=True)
class Kept:
    """A submission of the journal: who made it, from which folders, what was expected (JSON values)."""

    id: int
    made: str
    sha256: str
    dialect: str
    query: str | None
    gallery: str | None
    made_by: str | None
    expectation: Any
    to_send: int


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


class Journal:
    """The journal of a submissions folder; made when it is not there. Use as a context manager.

    Every method raises FacematchError when the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        with self._said():
            folder.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._table.execute("PRAGMA journal_mode=WAL")  # stays as it was where the file system has no WAL
            self._table.execute("PRAGMA synchronous=FULL")
            self._table.executescript(_TABLES)

    def keep(
        self,
        payload: bytes,
        dialect: str,
        *,
        to_send: bool,
        query: Path | None = None,
        gallery: Path | None = None,
        made_by: str = "",
        expectation: Any = None,
    ) -> Kept:
        """Write a submission down and return it; a payload that is there already is the same submission.

        The payload is also put beside the journal as a file, to look at or to send by hand.
        """
        digest = sha256_of(payload)
        with self._whole():
            self._table.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (digest, payload))
            self._table.execute(
                "INSERT INTO submissions(made, sha256, dialect, query, gallery, made_by, expectation, to_send) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
                "to_send = max(to_send, excluded.to_send), dialect = excluded.dialect, "
                "expectation = coalesce(excluded.expectation, expectation)",
                (
                    _now(), digest, dialect, _text(query), _text(gallery), made_by,
                    None if expectation is None else json.dumps(expectation), int(to_send),
                ),
            )  # fmt: skip
            (row,) = self._rows("SELECT * FROM submissions WHERE sha256 = ?", digest)
        kept = _kept(row)
        if not self.file(kept).is_file():
            write_bytes(self.file(kept), payload)
        return kept

    def file(self, submission: Kept) -> Path:
        """Return where the payload of a submission lies as a file."""
        return self.path.with_name(f"{submission.id:04d}-{submission.sha256[:8]}.json")

    def payload(self, submission: Kept) -> bytes:
        """Return the payload of a submission; raises FacematchError when it is not what was kept."""
        (row,) = self._rows("SELECT data FROM payloads WHERE sha256 = ?", submission.sha256)
        data = bytes(row[0])
        if sha256_of(data) != submission.sha256:
            raise FacematchError(f"{self.path}: the payload of submission {submission.id} is damaged.", "Make it anew.")
        return data

    def submission(self, number: int) -> Kept:
        """Return a submission by its number."""
        rows = self._rows("SELECT * FROM submissions WHERE id = ?", number)
        if not rows:
            raise FacematchError(f"{self.path} has no submission {number}.", "List them: facematch submissions")
        return _kept(rows[0])

    def submissions(self) -> list[Kept]:
        """Return all submissions in the order they were made."""
        return [_kept(row) for row in self._rows("SELECT * FROM submissions ORDER BY id")]

    def attempts(self, submission: Kept | None = None) -> list[Attempt]:
        """Return the attempts of a submission, or of all, in their order."""
        if submission is None:
            rows = self._rows("SELECT * FROM attempts ORDER BY id")
        else:
            rows = self._rows("SELECT * FROM attempts WHERE submission = ? ORDER BY id", submission.id)
        found = [Attempt(*row) for row in rows]
        return [replace(attempt, url=kept_url(attempt.url)) for attempt in found]  # earlier versions kept it whole

    def begin(self, submission: Kept, url: str, *, again: bool) -> int | Attempt:
        """Write down that an attempt begins and return its number, in one transaction with the check; `url` is masked.

        When the same payload was scored at the same address, may have been, or is being sent, the
        attempt that stands in the way is returned instead, unless `again`.
        """
        url = kept_url(url)
        with self._whole():
            self._lost()
            for attempt in reversed(self.attempts(submission)):
                if attempt.url == url and (attempt.fate == SENDING or (attempt.fate != "not scored" and not again)):
                    return attempt
            cursor = self._table.execute(
                "INSERT INTO attempts(submission, started, url, host, process, fate) VALUES (?, ?, ?, ?, ?, ?)",
                (submission.id, _now(), url, socket.gethostname(), os.getpid(), SENDING),
            )
        return int(cursor.lastrowid or 0)

    def end(self, attempt: int, outcome: Outcome, seconds: float) -> None:
        """Write down what became of an attempt."""
        answer = outcome.answer
        shares = (None,) * 4 if answer is None else (answer.top1, answer.top5, answer.top10, answer.score)
        with self._whole():
            self._table.execute(
                "UPDATE attempts SET fate = ?, kind = ?, message = ?, status = ?, answer = ?, top1 = ?, top5 = ?, "
                "top10 = ?, score = ?, seconds = ? WHERE id = ?",
                (outcome.fate, outcome.kind, outcome.message, outcome.status, outcome.text, *shares, seconds, attempt),
            )

    def unfinished(self) -> list[tuple[Kept, Attempt | None]]:
        """Return the submissions that were meant to be sent and have no score, with their last attempt.

        Attempts whose process is gone become unknown here.
        """
        with self._whole():
            self._lost()
        found = []
        for submission in self.submissions():
            attempts = self.attempts(submission)
            if submission.to_send and not any(attempt.fate in ("scored", SENDING) for attempt in attempts):
                found.append((submission, attempts[-1] if attempts else None))
        return found

    def close(self) -> None:
        """Close the file."""
        self._table.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lost(self) -> None:
        # Attempts of processes that are gone; another machine's are left to it.
        for attempt in self._rows(
            "SELECT id, process FROM attempts WHERE fate = ? AND host = ?", SENDING, socket.gethostname()
        ):
            if not alive(int(attempt[1])):
                self._table.execute(
                    "UPDATE attempts SET fate = 'unknown', kind = 'killed', message = ? WHERE id = ?",
                    ("the process that sent it ended before an answer came.", attempt[0]),
                )

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._said():
            return self._table.execute(statement, values).fetchall()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        # A transaction that holds the write lock from its beginning: what it reads stays true.
        with self._said():
            self._table.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._table.execute("COMMIT")
            except BaseException:
                if self._table.in_transaction:
                    self._table.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise FacematchError(
                f"the journal {self.path} cannot be used: {error}.",
                "Nothing is sent without it. Free space on the disk, choose another folder with "
                "--set paths.submissions=FOLDER, or, if the file is damaged, move it aside.",
            ) from error


def _kept(row: tuple[Any, ...]) -> Kept:
    values = dict(zip((field.name for field in fields(Kept)), row, strict=True))
    values["expectation"] = None if values["expectation"] is None else json.loads(values["expectation"])
    return Kept(**values)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
