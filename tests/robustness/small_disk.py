"""A disk that is nearly full: a small file system of its own, or a limit on how long files grow where that fails."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MEGABYTE = 1 << 20


@dataclass
class SmallDisk:
    """A folder `path` on a small disk; `full` is what the system says of it when nothing more fits."""

    path: Path
    full: str
    mounted: bool

    def fill(self, leave: int) -> None:
        """Leave room for so many bytes (whole pages of 4,096), for this process and those it starts.

        Where no file system could be made, every file may hold so many.
        """
        if not self.mounted:
            _limit_files(leave)
            return
        self.free()
        room = os.statvfs(self.path)
        filler = bytes(MEGABYTE)
        with (self.path / ".filler").open("wb") as opened:
            for start in range(0, room.f_bavail * room.f_frsize - leave, MEGABYTE):
                opened.write(filler[: room.f_bavail * room.f_frsize - leave - start])

    def free(self) -> None:
        """Make room again."""
        if self.mounted:
            (self.path / ".filler").unlink(missing_ok=True)
        else:
            _limit_files(None)


@contextmanager
def a_small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """Yield a disk of `size` bytes at `folder`, which must not exist yet; skips where neither kind can be had."""
    if sys.platform == "win32":
        pytest.skip("needs a file system of POSIX")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform == "linux" and os.geteuid() == 0 and not subprocess.run(mount, capture_output=True).returncode:
        try:
            yield SmallDisk(folder, "No space left on device", mounted=True)
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    disk = SmallDisk(folder, "File too large", mounted=False)
    try:
        yield disk
    finally:
        disk.free()


def _limit_files(size: int | None) -> None:
    # The signal that comes with it is ignored by Python, so writing fails as on a full disk, with other words.
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most if size is None else size, most))
