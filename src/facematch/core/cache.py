"""Results kept by content: a key decides the value, so a moved or touched file costs nothing.

One SQLite file for each way of computing; another process can read it at the same time. The plain
rollback journal is used, since write-ahead logging does not work on network folders. Losing or
deleting a cache loses time only: a damaged file is set aside wherever the damage is met, a damaged row is none, and a
disk that is full or locked leaves the rest of the run without a cache.
"""

import os
import sqlite3
import threading
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from zlib import crc32

from facematch.core.text import brief

T = TypeVar("T")
_COMMIT_EVERY, _COMMIT_BYTES = 256, 8_000_000  # rows that wait in memory
_WAIT = 60  # seconds for another process that writes
_GET = "SELECT * FROM kept WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)"
_ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the last where a message of SQLite repeats damaged text
_COLUMNS = ["key", "note", "data", "crc"]
# SQLite's codes for what is no fault of the file: PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
_ELSEWHERE = (3, 5, 6, 7, 8, 10, 13, 14, 15)


def cache_folder(setting: Path | None) -> Path:
    """Return the cache folder: the setting, else $FACEMATCH_CACHE, else the user's cache folder."""
    if setting is not None:
        return setting
    if chosen := os.environ.get("FACEMATCH_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or str(Path.home() / ".cache")
    return Path(home) / "facematch"


class Cache:
    """A table from key to (note, data), safe to use from several threads and processes.

    It is what it can be: a damaged file is started again, and where that or the folder does not allow it nothing is
    kept. One warning names each. Use as a context manager: what was put is written a few hundred rows at a time, and on
    leaving.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._pending: dict[str, tuple[str, str, bytes, int]] = {}
        self._bytes = 0
        self._warned: set[str] = set()
        self._renewals = 0
        self._writing = True
        self._file: tuple[int, int] | None = None
        self._table: sqlite3.Connection | None = None
        self._open()

    def read(self, key: str, decode: Callable[[str, bytes], T]) -> T | None:
        """Return what `decode` makes of the note and data of a key; None where there are none it can read."""
        with self._lock:
            waiting = self._pending.get(key)
            row = self._asked(key) if waiting is None else (waiting[1].encode(), waiting[2])
        if row is None:
            return None
        try:
            note, data = row
            if not isinstance(data, bytes):
                raise TypeError("it is not what was put there")
            return decode(note.decode(), data)
        except Exception as error:  # whatever a row of another version, or a changed one, leads to
            self._warn("row", f"a row of {self._path} cannot be read ({brief(error)}): such rows are made again")
            return None

    def put(self, key: str, note: str, data: bytes) -> None:
        """Keep (note, data) under a key; what was there is replaced."""
        row = key, note, data, _crc(key, note.encode(), data)
        with self._lock:
            self._pending[key] = row
            self._bytes += len(data)
            if len(self._pending) >= _COMMIT_EVERY or self._bytes >= _COMMIT_BYTES:
                self._commit()

    def close(self) -> None:
        """Commit and close."""
        with self._lock:
            self._commit()
            self._drop()

    def _asked(self, key: str) -> tuple[Any, Any] | None:
        while self._table is not None:
            try:
                row = self._table.execute(_GET, (key,)).fetchone()
                if row is None:
                    return None
                _, note, data, *crc = row
                if crc not in ([], [None], [_crc(key, note, data)]):  # an earlier version kept none
                    raise sqlite3.DatabaseError("a row is not what was put there")
                return note, data
            except _ERRORS as error:  # damaged, locked for a minute, or its disk is gone
                if _is_damage(error):
                    self._renew(error)
                elif not self._moved():
                    self._leave(error)
        return None

    def _written(self, change: Callable[[sqlite3.Connection], object]) -> None:
        while self._table is not None and self._writing:
            try:
                change(self._table)
                return
            except _ERRORS as error:  # damaged, disk full, locked for a minute, read-only
                if _is_damage(error):
                    self._renew(error)
                elif not self._moved():
                    self._writing = False
                    with suppress(sqlite3.Error):
                        self._table.rollback()
                    self._warn("write", f"{self._path} could not be written: {error}; work goes on without it")

    def _commit(self) -> None:
        # All at once: while SQLite's lock is held nobody else can write, and some of them may be waited for.
        rows, self._bytes = [*self._pending.values()], 0
        self._pending.clear()

        def write(table: sqlite3.Connection) -> None:
            table.executemany(_PUT, rows)
            table.commit()

        if rows:
            self._written(write)

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _identity(self._path)  # before: another process may set aside what is opened now
            self._table, self._writing = _connect(self._path)
            self._file = self._file or _identity(self._path)
        except OSError as error:
            self._leave(error.strerror or error)
        except _ERRORS as error:
            if _is_damage(error):
                self._renew(error)
            else:
                self._leave(error)

    def _moved(self) -> bool:
        # Whether another process has set the file aside: SQLite then writes to it no more. Its new one is opened.
        if self._file is None or _identity(self._path) == self._file:
            return False
        self._renew(None)
        return True

    def _renew(self, damage: Exception | None) -> None:
        # Starts again in a new file. Twice at most: a disk that damages every file is no place for a cache.
        self._renewals += 1
        self._drop()
        try:
            if self._renewals > 2:
                raise OSError(f"it was damaged again: {damage}")
            if damage is not None and _set_aside(self._path, self._file):
                self._warn("file", f"{self._path} was damaged ({brief(damage)}) and is started again")
        except (OSError, sqlite3.Error) as error:
            self._leave(error)
        else:
            self._open()

    def _drop(self) -> None:
        if self._table is not None:
            self._table.close()
        self._table = None

    def _leave(self, reason: object) -> None:
        self._drop()
        self._warn("use", f"{self._path} cannot be used as a cache ({brief(reason)}); nothing is kept this time")

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(text, stacklevel=4)

    def __enter__(self) -> "Cache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_damage(error: Exception) -> bool:
    # Whether an error is about what the file holds; a wrong use of SQLite is raised.
    if isinstance(error, sqlite3.ProgrammingError):
        raise error
    code = getattr(error, "sqlite_errorcode", None)  # since Python 3.11, where SQLite gives one
    if code is None:
        return not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF not in _ELSEWHERE


def _connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    # The table, and whether it can be written.
    table = sqlite3.connect(path, timeout=_WAIT, check_same_thread=False)
    try:
        table.execute("PRAGMA synchronous = NORMAL")
        table.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, note TEXT, data BLOB, crc INTEGER)")
        if _columns(table) == _COLUMNS[:3]:  # of an earlier version; one that is read-only is read as it is
            with suppress(sqlite3.OperationalError):
                table.execute("ALTER TABLE kept ADD COLUMN crc INTEGER")
        columns = _columns(table)
        if columns not in (_COLUMNS, _COLUMNS[:3]):
            raise sqlite3.DatabaseError("it holds another table")
        table.execute("SELECT key FROM kept LIMIT 1").fetchone()
        table.commit()
    except BaseException:
        table.close()
        raise
    table.text_factory = bytes
    return table, columns == _COLUMNS


def _columns(table: sqlite3.Connection) -> list[str]:
    return [str(row[1]) for row in table.execute("PRAGMA table_info(kept)")]


def _set_aside(path: Path, found: tuple[int, int] | None) -> bool:
    # Renames a damaged file, unless it is another one than was found damaged: one process at a time does so. The
    # journal goes with it, which would be played back into the new file.
    with closing(sqlite3.connect(path.with_suffix(".lock"), timeout=_WAIT, isolation_level=None)) as one_process:
        one_process.execute("BEGIN EXCLUSIVE")
        if _identity(path) != found:
            return False
        Path(f"{path}-journal").unlink(missing_ok=True)
        path.replace(path.with_suffix(".damaged"))
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    # What differs between a file and another of its name. It is not opened: that would let go of SQLite's locks.
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _crc(key: str, note: Any, data: Any) -> int:
    # Of the key too: a damaged index finds another row. −1 for what was never put.
    whole = isinstance(note, bytes) and isinstance(data, bytes)
    return crc32(data, crc32(note, crc32(key.encode()))) if whole else -1
