"""Archives as published: checked first, unpacked whole or not at all, and never outside their folder."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.core.text import printable

# What reading a damaged archive raises; a full disk is an OSError without more.
_DAMAGED = (tarfile.TarError, BadGzipFile, EOFError, zlib.error, ValueError)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A tar archive as published: its file name, where it is from, its bytes, and their checksum.

    `algorithm` is the checksum's name in hashlib; `checksum` is in hex digits.
    """

    name: str
    source: str
    size: int
    algorithm: str
    checksum: str

    @property
    def again(self) -> str:
        """Return what to do about a file that is not this archive."""
        return f"Fetch {self.name} again from {self.source}."


def unpack(
    archives: Mapping[Archive, Path],
    target: Path,
    *,
    inner: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Check archives against their size and checksum and unpack them together into the new folder `target`.

    `inner` is the folder of the archives that becomes `target`; what lies beside it is left out. All are
    checked before the first is unpacked. They are unpacked into a hidden folder beside `target` that is
    renamed when it is whole, so an error, a full disk or Ctrl-C leaves nothing behind; only a process
    that is killed leaves the hidden folder, `.<target>.<random>`. When another process makes `target`
    meanwhile, that one stays. `on_progress` gets the bytes done and their total: every byte counts twice,
    once checked and once unpacked.

    Raises FacematchError when an archive is not the published one, is damaged, or holds a name or a link
    that leads outside its folder, or a device; when the folder cannot be written or the disk is full; and
    on a Python whose tarfile has no filters (PEP 706).
    """
    if not hasattr(tarfile, "data_filter"):
        raise FacematchError(
            "This Python cannot unpack archives safely: its tarfile has no filters, which came with 3.10.12, 3.11.4 "
            "and 3.12.",
            f"Update Python, or unpack {' and '.join(archive.name for archive in archives)} yourself to make {target}.",
        )
    size, done = sum(archive.size for archive in archives), 0

    def all_of(work: Callable[[Archive, Path], Iterator[int]]) -> None:
        nonlocal done
        for archive, path in archives.items():
            for position in work(archive, path):
                if on_progress is not None:
                    on_progress(done + position, 2 * size)
            done += archive.size

    all_of(_check)
    with appearing(target, inner, size) as folder:
        all_of(partial(_extract, folder=folder))


def _check(archive: Archive, path: Path) -> Iterator[int]:
    """Yield the bytes checked so far; raise FacematchError when it is not the published archive."""
    try:
        size = path.stat().st_size
        if size != archive.size:
            what = "it was cut short" if size < archive.size else "it is another one"
            raise FacematchError(
                f"{path} has {size:,} bytes, the published archive has {archive.size:,}: {what}.", archive.again
            )
        digest = hashlib.new(archive.algorithm, usedforsecurity=False)  # a bad download shows, not a forged one
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
                yield opened.tell()
    except OSError as error:
        raise FacematchError(f"{path} cannot be read: {error.strerror}.", "Allow reading it.") from error
    if digest.hexdigest() != archive.checksum:
        raise FacematchError(
            f"{path} is not the published archive: its {archive.algorithm.upper()} is {digest.hexdigest()}, "
            f"expected {archive.checksum}.",
            archive.again,
        )


def _extract(archive: Archive, path: Path, folder: Path) -> Iterator[int]:
    """Unpack a checked archive into `folder`; yield the bytes unpacked so far."""
    try:
        with path.open("rb") as opened, tarfile.open(fileobj=opened, mode="r:*") as tar:
            for member in tar:
                tar.extract(member, folder, filter="data")
                yield opened.tell()
    except tarfile.FilterError as error:
        raise FacematchError(
            f"{path} holds {error.tarinfo.name!r}, which does not stay in the folder that it is unpacked "
            "to, or is a device; nothing was unpacked.",
            archive.again,
        ) from error
    except _DAMAGED as error:
        why = printable(str(error).partition("\n")[0].rstrip(":"))
        raise FacematchError(f"{path} is damaged: {why}; nothing was unpacked.", archive.again) from error
    yield archive.size


@contextmanager
def appearing(target: Path, inner: str, size: int) -> Iterator[Path]:
    """Yield an empty folder for some `size` bytes; at a good end rename it, or `inner` in it, to `target`."""
    staged: Path | None = None
    try:
        staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        new = staged / "new"  # made with the user's own mode, which mkdtemp is not
        new.mkdir()
        yield new
        if not (new / inner).is_dir():
            raise FacematchError(
                f"{target} could not be unpacked: the archive holds no folder {inner}.", "Fetch the published archive."
            )
        if hasattr(os, "sync"):
            os.sync()  # else a power cut after the rename could leave files without their bytes
        try:
            (new / inner).rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster: whoever reads the folder checks what is in it
                raise
    except OSError as error:
        raise FacematchError(
            f"{target} could not be unpacked: {error.strerror or error}.",
            f"Free {size / 1e9:.1f} GB on the disk, or choose a folder you may write to; nothing was left half "
            "unpacked.",
        ) from error
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
