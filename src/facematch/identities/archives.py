"""Archives as published, and zip files of photos: checked first, unpacked whole or not at all, in their folder only."""

import hashlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.foreign import reading
from facematch.core.text import brief, printable
from facematch.photos.photo import PhotoLimits

# What reading a damaged archive raises; a full disk is an OSError without more.
_DAMAGED = (tarfile.TarError, BadGzipFile, EOFError, zlib.error, ValueError)
_BLOCK = 1 << 20
_FILES = 1_000_000
# Photos are compressed already; a bomb grows a thousand times. So much more than the file itself is unpacked at most:
_GROWTH, _ALWAYS = 20, 1_000_000_000  # times and, whatever its size, bytes
_UNPACK = "Unpack it yourself and name the folder."


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


def is_zip(path: Path) -> bool:
    """Return whether a path is that of a zip file, by its name or by its content."""
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def unzipped(path: Path, cache: Path, limits: PhotoLimits) -> Path:
    """Return the folder of photos that a zip file holds, unpacked below `cache`, once for each content.

    Folders at its top that hold all else are left out, and so is what macOS lays beside photos. Raises FacematchError
    for a file that is damaged or encrypted, for names that lead out of it or come twice, for links and devices, for a
    photo or altogether more bytes than the limits allow, and when the disk is full; nothing is left half unpacked.
    """
    with reading(path, "the zip file", f"Fetch it again. {_UNPACK}"):
        target = cache / "unpacked" / sha256_of_file(path)[:16]
        if target.is_dir():
            return target
        with zipfile.ZipFile(path) as opened:
            members = _members(path, opened, limits)
            target.parent.mkdir(parents=True, exist_ok=True)
            with appearing(target, "", sum(each.file_size for each in members.values())) as folder:
                for name, member in members.items():
                    _extract_member(opened, member, folder / name)
    return target


def _members(path: Path, opened: zipfile.ZipFile, limits: PhotoLimits) -> dict[PurePosixPath, zipfile.ZipInfo]:
    # What is unpacked, by its place in the folder. zipfile reads no more of a member than its header has.
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))  # some programs of Windows write those
        if member.is_dir() or name.parts[:1] == ("__MACOSX",) or name.name.startswith(("._", ".DS_Store")):
            continue
        if problem := _problem(name, member, limits):
            raise _refused(path, f"holds {brief(repr(str(name)), 80)}, {problem}")
        if found.setdefault(name, member) is not member:
            raise _refused(path, f"holds {brief(repr(str(name)), 80)} twice")
    if len(found) > _FILES:
        raise _refused(path, f"holds {len(found):,} files, more than {_FILES:,}")
    size, most = sum(each.file_size for each in found.values()), max(_ALWAYS, _GROWTH * path.stat().st_size)
    if size > most:
        raise _refused(path, f"grows to {size / 1e9:,.1f} GB when unpacked, which no photos do")
    while found and len({name.parts[0] for name in found}) == 1 and all(len(name.parts) > 1 for name in found):
        found = {PurePosixPath(*name.parts[1:]): each for name, each in found.items()}
    return found


def _problem(name: PurePosixPath, member: zipfile.ZipInfo, limits: PhotoLimits) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16) if member.create_system == 3 else 0  # of Unix
    if not name.parts or name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", str(name)):
        return "which leads out of the folder"
    if kind not in (0, stat.S_IFREG):
        return "which is a link or a device"
    if member.flag_bits & 1:
        return "which is encrypted"
    if member.file_size > limits.max_bytes:
        return f"of {member.file_size / 1e6:,.0f} MB; photos.max_bytes is {limits.max_bytes / 1e6:,.0f} MB"
    return ""


def _extract_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, file.open("xb") as written:
        shutil.copyfileobj(source, written)


def _refused(path: Path, what: str) -> FacematchError:
    return FacematchError(f"the zip file {path} {what}; nothing was unpacked.", _UNPACK)
