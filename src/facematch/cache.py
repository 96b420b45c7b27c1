"""Results kept by content: a key decides the value, so a moved or touched file costs nothing.

One SQLite file for each way of computing; another process can read it at the same time. The plain
rollback journal is used, since write-ahead logging does not work on network folders. Losing or
deleting a cache loses time only.
"""

import os
import sqlite3
import threading
import warnings
from pathlib import Path
from types import TracebackType

_COMMIT_EVERY = 256


def cache_folder(setting: Path | None) -> Path:
    """Return the cache folder: the setting, else $FACEMATCH_CACHE, else the user's cache folder."""
    if setting is not None:
        return setting
    if chosen := os.environ.get("FACEMATCH_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or str(Path.home() / ".cache")
    return Path(home) / "facematch"


class Cache:
    """A table from key to (note, data), safe to use from several threads.

    A damaged file is set aside and started again; a folder that cannot be written makes the cache
    live in memory, with a warning. Use as a context manager: what was put is committed on leaving.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._pending = 0
        self._table = _open(path)

    def get(self, key: str) -> tuple[str, bytes] | None:
        """Return (note, data) of a key, or None."""
        with self._lock:
            row = self._table.execute("SELECT note, data FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else (str(row[0]), bytes(row[1]))

    def put(self, key: str, note: str, data: bytes) -> None:
        """Keep (note, data) under a key; what was there is replaced."""
        with self._lock:
            self._write("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (key, note, data))
            self._pending += 1
            if self._pending >= _COMMIT_EVERY:
                self._commit()

    def close(self) -> None:
        """Commit and close."""
        with self._lock:
            self._commit()
            self._table.close()

    def _write(self, statement: str, values: tuple[str, str, bytes]) -> None:
        try:
            self._table.execute(statement, values)
        except sqlite3.OperationalError as error:  # disk full, locked for a minute, read-only
            warnings.warn(f"the cache could not be written: {error}; work goes on without it", stacklevel=3)

    def _commit(self) -> None:
        self._pending = 0
        try:
            self._table.commit()
        except sqlite3.OperationalError as error:
            self._table.rollback()
            warnings.warn(f"the cache could not be written: {error}; work goes on without it", stacklevel=3)

    def __enter__(self) -> "Cache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(path))
    except sqlite3.OperationalError as error:
        reason = str(error)
    except sqlite3.DatabaseError as error:
        warnings.warn(f"{path} was damaged ({error}) and is started again", stacklevel=3)
        path.replace(path.with_suffix(".damaged"))
        return _connect(str(path))
    except OSError as error:
        reason = error.strerror or str(error)
    warnings.warn(f"{path.parent} cannot be used as a cache ({reason}); nothing is kept this time", stacklevel=3)
    return _connect(":memory:")


def _connect(name: str) -> sqlite3.Connection:
    table = sqlite3.connect(name, timeout=60, check_same_thread=False)
    try:
        table.execute("PRAGMA synchronous = NORMAL")
        table.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, note TEXT, data BLOB)")
        table.execute("SELECT key FROM kept LIMIT 1").fetchone()
        table.commit()
    except sqlite3.Error:
        table.close()
        raise
    return table
