"""One process for each run: a lock beside its folder, which goes when the process does."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from facematch.core.errors import FacematchError
from facematch.core.text import brief


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a run folder, which need not be there yet, until the block or this process ends, however it does.

    Raises FacematchError that names the process that holds it already, and where nothing can be written beside it.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = _locked(path, folder)
    except OSError as error:
        raise FacematchError(
            f"{path.parent} cannot be written: {error.strerror or error}.",
            "Free space on the disk, or choose a folder that you may write to: --set paths.checkpoints=FOLDER.",
        ) from error
    with opened:
        try:
            with suppress(OSError):  # on a full disk the name is missing
                opened.truncate(0)
                opened.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            if sys.platform != "win32":  # where a file that is open cannot be removed
                path.unlink(missing_ok=True)


def _locked(path: Path, folder: Path) -> IO[bytes]:
    while True:
        opened = path.open("a+b", buffering=0)
        if not _lock(opened):
            with opened:
                opened.seek(0)
                holder = brief(opened.read(200).decode("utf-8", "replace")) or "another process"
            raise FacematchError(
                f"{folder} is being trained: {holder} holds it.",
                "Wait until it has ended, or choose another name: --set name=NAME.",
            )
        with suppress(FileNotFoundError):  # its holder ended between the lines above and took it along: once more
            if os.path.samestat(os.fstat(opened.fileno()), path.stat()):
                return opened
        opened.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(opened: IO[bytes]) -> bool:
        opened.seek(1 << 20)  # what is locked cannot be read, and the holder's name should be
        try:
            msvcrt.locking(opened.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(opened: IO[bytes]) -> bool:
        # Of the process itself: a lock of the open file (flock) would live on in the processes that load batches.
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # the two words POSIX has for "locked"
            return False
        except OSError:
            return True  # a disk without locks: what is left is that a folder that holds a run is not overwritten
        return True
