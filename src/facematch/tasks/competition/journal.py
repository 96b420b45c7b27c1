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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facematch.core.console import warn
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of, write_bytes
from facematch.core.processes import alive
from facematch.core.text import brief
from facematch.tasks.competition.address import kept_url
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.journal_rows import (
    SENDING,
    VERSION,
    Attempt,
    Row,
    StoredSubmission,
    as_text,
    bring_up,
    now,
    rows_of,
    version_of,
)

__all__ = ["NAME", "SENDING", "Attempt", "Journal", "StoredSubmission", "warn_unfinished"]

NAME = "journal.sqlite"
_REMEDY = (
    "Nothing is sent without it. If the file is damaged, move it aside, or choose another folder with "
    "--set paths.submissions=FOLDER."
)


class Journal:
    """The journal of a submissions folder; made when it is not there. Use as a context manager.

    That of an earlier version gains what it lacks. That of a newer one can be read, `to_read`, as far as its columns
    are known, and is never written to. Every method raises FacematchError when the file cannot be read or written, and
    for a row that is damaged.
    """

    def __init__(self, folder: Path, *, to_read: bool = False) -> None:
        self.path = folder / NAME
        with self._usable():
            folder.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            version = version_of(self._table)
            self._newer = version > VERSION
            if self._newer and not to_read:
                raise FacematchError(
                    f"the journal {self.path} was written by a newer facematch (version {version} of it; this one "
                    f"knows {VERSION}), so nothing can be written to it, and nothing is sent without it.",
                    "Update facematch, or choose another folder with --set paths.submissions=FOLDER.",
                )
            if not self._newer:
                self._table.execute("PRAGMA journal_mode=WAL")  # stays as it was where the file system has no WAL
                self._table.execute("PRAGMA synchronous=FULL")
        if version < VERSION:
            with self._transaction():
                bring_up(self._table)

    def keep(
        self,
        payload: bytes,
        dialect: str,
        *,
        to_send: bool,
        query: Path | None = None,
        gallery: Path | None = None,
        made_by: str = "",
        system: Mapping[str, Any] | None = None,
    ) -> StoredSubmission:
        """Write a submission down and return it; a payload that is there already is the same submission.

        `made_by` is the command line, `system` what ranked, as a JSON object: those of the last time count. The payload
        is also put beside the journal as a file, to look at or to send by hand.
        """
        return self._insert(
            payload,
            "INSERT INTO submissions(made, sha256, dialect, query, gallery, made_by, system, to_send) "
            "VALUES (:made, :sha256, :dialect, :query, :gallery, :made_by, :system, :to_send) "
            "ON CONFLICT (sha256) DO UPDATE SET dropped = NULL, "
            "to_send = max(to_send, excluded.to_send), dialect = excluded.dialect, "
            "made_by = CASE WHEN excluded.system IS NULL THEN made_by ELSE excluded.made_by END, "
            "system = coalesce(excluded.system, system)",
            dialect=as_text(dialect),
            query=None if query is None else as_text(query.absolute()),
            gallery=None if gallery is None else as_text(gallery.absolute()),
            made_by=as_text(made_by),
            system=None if system is None else json.dumps(system),
            to_send=int(to_send),
        )

    def for_group(self, submission: StoredSubmission, payload: bytes) -> StoredSubmission:
        """Write a submission down as `payload`, the same answers for another group, to be sent; return that.

        What ranked it and what is expected of it go along, but for one that is there already.
        """
        return self._insert(
            payload,
            "INSERT INTO submissions(made, sha256, dialect, query, gallery, made_by, system, expectation, to_send) "
            "SELECT :made, :sha256, dialect, query, gallery, made_by, system, expectation, 1 FROM submissions "
            "WHERE id = :id ON CONFLICT (sha256) DO UPDATE "
            "SET dropped = NULL, to_send = 1, expectation = coalesce(expectation, excluded.expectation)",
            id=submission.id,
        )

    def _insert(self, payload: bytes, statement: str, **values: object) -> StoredSubmission:
        digest = sha256_of(payload)
        with self._transaction():
            self._table.execute("INSERT OR REPLACE INTO payloads VALUES (?, ?)", (digest, payload))
            self._table.execute(statement, {"made": now(), "sha256": digest, **values})
            (stored,) = self._submissions("AND sha256 = ?", digest)
        if not self.file(stored).is_file():
            write_bytes(self.file(stored), payload)
        return stored

    def expect(self, submission: StoredSubmission, expectation: Mapping[str, Any]) -> None:
        """Write down what a kept submission is expected to score: a JSON object with a `score`."""
        with self._transaction():
            values = json.dumps(expectation), submission.id
            self._table.execute("UPDATE submissions SET expectation = ? WHERE id = ?", values)

    def drop(self, submission: StoredSubmission) -> None:
        """Forget a submission that was surely never scored: it is no longer listed, its files are removed.

        Its number is not given again; the same answers made anew bring it back. Raises FacematchError for one that was
        scored, may have been, or is being sent.
        """
        with self._transaction():
            self._end_dead()
            for attempt in self.attempts(submission):
                if attempt.fate != "not scored":
                    what = {"scored": "was scored", SENDING: "is being sent"}.get(attempt.fate, "may have been scored")
                    raise FacematchError(
                        f"submission {submission.id} {what} at {attempt.url} ({attempt.started[:16]}): what a server "
                        "has had is not forgotten."
                    )
            self._table.execute("UPDATE submissions SET dropped = ? WHERE id = ?", (now(), submission.id))
        with self._usable():
            for file in self.path.parent.glob(f"{self.file(submission).stem}*"):
                file.unlink()

    def file(self, submission: StoredSubmission) -> Path:
        """Return where the payload of a submission lies as a file."""
        return self.path.with_name(f"{submission.id:04d}-{submission.sha256[:8]}.json")

    def faceless(self, submission: StoredSubmission) -> Path:
        """Return where the photos without a face are listed, if there were any."""
        return self.path.with_name(f"{self.file(submission).stem}-without-face.csv")

    def payload(self, submission: StoredSubmission) -> bytes:
        """Return the payload of a submission; raises FacematchError when it is not what was kept."""
        with self._usable():
            row = self._table.execute("SELECT data FROM payloads WHERE sha256 = ?", (submission.sha256,)).fetchone()
        data = row[0] if row else None
        if not isinstance(data, bytes) or sha256_of(data) != submission.sha256:
            raise FacematchError(f"{self.path}: the payload of submission {submission.id} is damaged.", "Make it anew.")
        return data

    def submission(self, number: int) -> StoredSubmission:
        """Return a submission by its number. Raises FacematchError where there is none, or it was dropped."""
        found = self._submissions("AND id = ?", number) if 0 < number < 2**63 else []
        if not found:
            raise FacematchError(f"{self.path} has no submission {number}.", "List them: facematch submissions")
        return found[0]

    def submissions(self) -> list[StoredSubmission]:
        """Return all submissions in the order they were made."""
        return self._submissions("ORDER BY id")

    def attempts(self, submission: StoredSubmission | None = None) -> list[Attempt]:
        """Return the attempts of a submission, or of all, in their order."""
        number = None if submission is None else submission.id
        return self._rows(Attempt, "WHERE submission = coalesce(?, submission) ORDER BY id", number)

    def begin(self, submission: StoredSubmission, url: str, *, again: bool) -> int | Attempt:
        """Write down that an attempt begins and return its number, in one transaction with the check; `url` is masked.

        When the same payload was scored at the same address, may have been, or is being sent, the
        attempt that stands in the way is returned instead, unless `again`.
        """
        url = kept_url(url)
        with self._transaction():
            self._end_dead()
            for attempt in reversed(self.attempts(submission)):
                if attempt.url == url and (attempt.fate == SENDING or (attempt.fate != "not scored" and not again)):
                    return attempt
            self._table.execute("UPDATE submissions SET to_send = 1, dropped = NULL WHERE id = ?", (submission.id,))
            cursor = self._table.execute(
                "INSERT INTO attempts(submission, started, url, host, process, fate) VALUES (?, ?, ?, ?, ?, ?)",
                (submission.id, now(), url, socket.gethostname(), os.getpid(), SENDING),
            )
        return int(cursor.lastrowid or 0)

    def end(self, attempt: int, outcome: Outcome, seconds: float) -> None:
        """Write down what became of an attempt."""
        answer = outcome.answer
        shares = (None,) * 4 if answer is None else (answer.top1, answer.top5, answer.top10, answer.score)
        words = (outcome.fate, outcome.kind, as_text(outcome.message), outcome.status, as_text(outcome.text))
        with self._transaction():
            self._table.execute(
                "UPDATE attempts SET fate = ?, kind = ?, message = ?, status = ?, answer = ?, top1 = ?, top5 = ?, "
                "top10 = ?, score = ?, seconds = ? WHERE id = ?",
                (*words, *shares, seconds, attempt),
            )

    def unfinished(self) -> list[tuple[StoredSubmission, Attempt | None]]:
        """Return the submissions that were meant to be sent and have no score, with their last attempt.

        Attempts whose process is gone become unknown here.
        """
        if not self._newer:
            with self._transaction():
                self._end_dead()
        found = []
        for submission in self.submissions():
            attempts = self.attempts(submission)
            if submission.to_send and not any(attempt.fate in ("scored", SENDING) for attempt in attempts):
                found.append((submission, attempts[-1] if attempts else None))
        return found

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def _end_dead(self) -> None:
        # Attempts of processes that are gone; another machine's are left to it.
        for attempt in self._rows(Attempt, "WHERE fate = ? AND host = ?", SENDING, socket.gethostname()):
            if not alive(attempt.process):
                self._table.execute(
                    "UPDATE attempts SET fate = 'unknown', kind = 'killed', message = ? WHERE id = ?",
                    ("the process that sent it ended before an answer came.", attempt.id),
                )

    def _submissions(self, which: str, *values: object) -> list[StoredSubmission]:
        return self._rows(StoredSubmission, f"WHERE dropped IS NULL {which}", *values)

    def _rows(self, kind: type[Row], which: str, *values: object) -> list[Row]:
        with self._usable():
            try:
                return rows_of(self._table, kind, which, *values)
            except ValueError as error:
                raise FacematchError(f"the journal {self.path} is damaged: {error}.", _REMEDY) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # A transaction that holds the write lock from its beginning: what it reads stays true.
        with self._usable(), self._table:  # which commits, or rolls back
            self._table.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError) as error:  # of damage, SQLite's own words may be no text
            raise FacematchError(
                f"the journal {self.path} cannot be used: {brief(error)}.", f"Free space on the disk. {_REMEDY}"
            ) from error


def warn_unfinished(journal: Journal) -> None:
    """Name the submissions that were meant to be sent and have no score."""
    for submission, attempt in journal.unfinished():
        if attempt is None or attempt.fate == "not scored":
            why = "was not sent yet" if attempt is None else f"was not scored: {attempt.message}"
            warn(
                f"submission {submission.id} of {submission.made[:16]} {why} – facematch resend {submission.id}, or "
                f"forget it: facematch submissions drop {submission.id}"
            )
        else:
            warn(
                f"submission {submission.id} of {submission.made[:16]} may have been scored, its answer was lost: "
                f"{attempt.message} Look at the leaderboard; facematch resend {submission.id} --again"
            )
