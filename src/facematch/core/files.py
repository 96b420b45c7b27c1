"""Files that are never half written: write under a temporary name, then rename."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from facematch.core.errors import FacematchError
from facematch.core.processes import alive, here

RESULTS = Path("results")  # where commands write what is to be looked at, unless another place is named

_TEMPORARY = re.compile(r"\..+\.writing-([0-9a-f]{8})-(\d{1,9})-\w+")  # here(), process, at random


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the name of `path`; put what is there in place of `path` when the block ends well.

    It is in a hidden folder beside `path`, so that what a library makes beside its file goes with it. The file is
    flushed to the disk before it is renamed. When the block raises, the temporary file is removed and `path` is as it
    was; what killed processes left in `path`'s folder goes when a process first writes there. Raises FacematchError
    when the folder cannot be written or the disk is full, also where a library (torch, safetensors, SQLite) has words
    of its own for that.
    """
    hidden: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _swept(path.parent.absolute())
        prefix = f".{path.name[:40]}.writing-{here()}-{os.getpid()}-"
        hidden = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
        temporary = hidden / path.name
        temporary.touch()
        mode = temporary.stat().st_mode  # as the user allows; safetensors makes files that only the user reads
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        raise _not_written(path, error.strerror or str(error)) from error
    except Exception as error:
        if hidden is not None and (refused := _refused(hidden / path.name, error)) is not None:
            raise _not_written(path, refused) from error
        raise
    finally:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)


def sweep(folder: Path, *, nobody_else_writes: bool = False) -> None:
    """Remove from a folder what `replacing` left in it in processes of this machine that were killed.

    Where `nobody_else_writes` there, whatever it left goes, of other machines, too.
    """
    for entry in [*os.scandir(folder)]:
        found = _TEMPORARY.fullmatch(entry.name)
        if found and (nobody_else_writes or (found[1] == here() and not alive(int(found[2])))):
            shutil.rmtree(entry.path, ignore_errors=True)


@cache
def _swept(folder: Path) -> None:
    with suppress(OSError):  # one may write where one may not look
        sweep(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in the order given, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, reading it in blocks."""
    with path.open("rb") as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _refused(temporary: Path, error: Exception) -> str | None:
    # Why the disk takes no more. Libraries in Rust name it; torch has "unexpected pos 97034944 vs 97034836" of a full
    # one, so the disk itself is tried.
    if words := re.search(r"([^:]+) \(os error \d+\)", str(error)):
        return words[1].strip()
    try:
        with temporary.open("ab") as opened:
            opened.write(bytes(1 << 20))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as refused:
        return refused.strerror or str(refused)
    return None


def _not_written(path: Path, why: str) -> FacematchError:
    return FacematchError(
        f"{path} could not be written: {why}.",
        "Free space on the disk or choose a folder you may write to; nothing was left half written.",
    )
