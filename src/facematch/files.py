"""Files that are never half written: write under a temporary name, then rename."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facematch.errors import FacematchError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well.

    The file is flushed to the disk before the rename. When the block raises, the temporary file is
    removed and `path` is as it was. Raises FacematchError when the folder cannot be written or the
    disk is full, also where a library (torch, safetensors, SQLite) has words of its own for that.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error
    except Exception as error:
        if temporary is not None and (refused := _refused(temporary)) is not None:
            raise _not_written(path, refused) from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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


def _refused(temporary: Path) -> OSError | None:
    # Why the disk takes no more, asked of itself: torch says "unexpected pos 97034944 vs 97034836" of a full one.
    try:
        with temporary.open("ab") as opened:
            opened.write(bytes(1 << 20))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        return error
    return None


def _not_written(path: Path, error: OSError) -> FacematchError:
    return FacematchError(
        f"{path} could not be written: {error.strerror or error}.",
        "Free space on the disk or choose a folder you may write to; nothing was left half written.",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
