"""What the rehearsal server scored, in a SQLite file: a submission is on the disk before its answer goes out."""

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.core.foreign import parse_json
from facematch.core.text import brief
from facematch.evaluation.score import Score

_TABLE = """
CREATE TABLE IF NOT EXISTS scored (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, team TEXT NOT NULL, top1 REAL NOT NULL, top5 REAL NOT NULL,
    top10 REAL NOT NULL, score REAL NOT NULL, images TEXT NOT NULL, key TEXT UNIQUE, sha256 TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Received:
    """A scored submission; `score` is on the competition's scale, `sha256` its body's."""

    id: int
    time: datetime
    group: str
    shares: Score
    score: float
    sha256: str


class Store:
    """Scored submissions, safe to use from several threads; None keeps them in memory.

    Raises FacematchError when the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=30)
            self._table.execute("PRAGMA journal_mode=WAL")
            self._table.execute("PRAGMA synchronous=FULL")
            self._table.executescript(_TABLE)
            (found,) = self._table.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise ValueError(f"it is damaged ({found})")
            self._select("")
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise FacematchError(
                f"the server's store {path} cannot be used: {brief(error)}.",
                "Move it away to start with an empty board, or name another with --store FILE.",
            ) from error

    def find(self, key: str) -> Received | None:
        """Return the submission that came with an idempotency key."""
        rows = self._select("WHERE key = ?", key)
        return rows[0] if rows else None

    def add(
        self, group: str, images: Mapping[str, Sequence[str]], shares: Score, score: float, sha256: str, key: str | None
    ) -> tuple[Received, bool]:
        """Keep a scored submission and return (it, True), or (the one that came with the same key before, False).

        Raises sqlite3.Error, with nothing kept, where the disk refuses it.
        """
        now = datetime.now()
        with self._lock, self._table:  # which commits; where that fails nothing of it stays, or the next would fail too
            self._table.execute("BEGIN IMMEDIATE")
            before = self._select("WHERE key = ?", key) if key is not None else []
            if not before:
                answers = json.dumps({query: list(names) for query, names in images.items()})
                cursor = self._table.execute(
                    "INSERT INTO scored(time, team, top1, top5, top10, score, images, key, sha256) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (now.isoformat(), group, shares.top1, shares.top5, shares.top10, score, answers, key, sha256),
                )
        if before:
            return before[0], False
        return Received(int(cursor.lastrowid or 0), now, group, shares, score, sha256), True

    def all(self) -> list[Received]:
        """Return every submission in its order."""
        return self._select("ORDER BY id")

    def images(self, number: int) -> dict[str, list[str]]:
        """Return the names a submission gave to each query. Raises sqlite3.Error where they are damaged."""
        with self._lock:
            (row,) = self._table.execute("SELECT images FROM scored WHERE id = ?", (number,)).fetchall()
        try:
            images: dict[str, list[str]] = parse_json(row[0], "note")
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(f"submission {number} is damaged: {brief(error)}") from error
        return images

    def version(self) -> int:
        """Return a number that grows with every submission."""
        with self._lock:
            return int(self._table.execute("SELECT coalesce(max(id), 0) FROM scored").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._table.close()

    def _select(self, clause: str, *values: object) -> list[Received]:
        statement = f"SELECT id, time, team, top1, top5, top10, score, sha256 FROM scored {clause}"
        with self._lock:
            rows = self._table.execute(statement, values).fetchall()
        return [
            Received(row[0], datetime.fromisoformat(row[1]), row[2], Score(*row[3:6]), row[6], row[7]) for row in rows
        ]
