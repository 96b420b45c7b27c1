"""Photos: found in folders and decoded once, safely. Every file ends as a photo or as a named reason."""

import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from facematch.core.cores import take_memory
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of, sha256_of_file
from facematch.photos.pixels import Rgb, memory_of, pixels
from facematch.photos.reasons import NO_MEMORY, reason_of, reason_of_work, too_much

T = TypeVar("T")
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
_LARGE = 8_000_000  # bytes of a file that is not read before there is room in memory for it
_NOT_FILES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True, init=False)
class PhotoFile:
    """A file to read: its path, its name below the folder that was searched (`ann/1.jpg`), its domain where labels say.

    A gallery has a million of them, so the path is held as two texts that mostly are there anyway: the folder, one for
    all its files, and the name where the path ends with it. A `Path` would take ten times the memory.
    """

    name: str
    _folder: str
    _below: str
    domain: str

    def __init__(self, name: str, path: str | Path, domain: str = "") -> None:
        text = os.fspath(path)
        folder, below = os.path.split(text)
        if text.endswith(os.sep + name):
            folder, below = text[: -len(name) - 1] or os.sep, name
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_folder", sys.intern(folder))
        object.__setattr__(self, "_below", below)
        object.__setattr__(self, "domain", domain)

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return Path(self._folder, self._below)


@dataclass(frozen=True)
class Unreadable:
    """A file that is no photo, with the reason in plain words; its SHA-256 where the bytes were read."""

    name: str
    reason: str
    sha256: str | None = None

    def __str__(self) -> str:
        """Return `name (reason)`."""
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo: upright RGB `uint8` H×W×3, C-contiguous, and the SHA-256 of the file's bytes."""

    name: str
    sha256: str
    image: Rgb

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"a photo is uint8 H×W×3; {self.name} is {self.image.dtype} {shape}")
        if not self.image.flags.c_contiguous:
            raise ValueError(f"a photo is C-contiguous; {self.name} is a view with strides {self.image.strides}")


@dataclass(frozen=True)
class PhotoLimits:
    """The largest picture (pixels) and the largest file (bytes) that are read, the most memory (bytes) that one takes.

    A pixel of JPEG or PNG takes 7 bytes, of other formats up to 28: `photo_memory`.
    """

    max_pixels: int = 89_000_000
    max_bytes: int = 200_000_000
    max_memory: int = 500_000_000


@dataclass(frozen=True)
class FolderPhotos:
    """What a folder holds: files to read and entries that cannot be, both in order of name."""

    files: tuple[PhotoFile, ...]
    unreadable: tuple[Unreadable, ...]


def find_photos(folder: Path) -> FolderPhotos:
    """Return every file below `folder`; links are followed, each real folder once.

    Files are known by content, not by name, so every regular file is a candidate. Hidden and system
    files, broken links, links to a folder already searched, pipes and devices, folders that cannot be
    listed and files whose names are not UTF-8 are named as unreadable. The path of a single file gives
    that file. Raises FacematchError when `folder` is missing, neither folder nor file, or cannot be
    listed.
    """
    try:
        mode = folder.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(folder).close()
    except (OSError, ValueError) as error:
        shown, whole = _shown(str(folder)), _shown(str(folder.absolute()))
        raise FacematchError(
            f"{shown} cannot be searched for photos: {_why(error)} ({whole}).", "Check the path."
        ) from None
    if stat.S_ISREG(mode):
        return FolderPhotos((PhotoFile(_shown(folder.name), folder),), ())
    if not stat.S_ISDIR(mode):
        raise FacematchError(f"{_shown(str(folder))} is {_kind(mode)}, not a folder of photos.", "Check the path.")
    met = sorted(_walk(folder), key=lambda entry: entry.name)
    return FolderPhotos(
        tuple(entry for entry in met if isinstance(entry, PhotoFile)),
        tuple(entry for entry in met if isinstance(entry, Unreadable)),
    )


def read_bytes(file: PhotoFile, limits: PhotoLimits) -> tuple[bytes, str] | Unreadable:
    """Return a file's bytes and their SHA-256 as 64 hex digits, or the reason it cannot be read."""

    def whole(path: Path, size: int) -> tuple[bytes, str]:
        if size > _LARGE:
            take_memory(memory_of(path, size), limits.max_memory)
        data = path.read_bytes()
        return data, sha256_of(data)

    return _read(file, limits, whole)


def digest_of(file: PhotoFile, limits: PhotoLimits) -> str | Unreadable:
    """Return the SHA-256 of a file's bytes as 64 hex digits, or the reason it cannot be read; in little memory."""
    return _read(file, limits, lambda path, size: sha256_of_file(path))


def digests_of(files: Iterable[PhotoFile], limits: PhotoLimits) -> Iterator[tuple[PhotoFile, str]]:
    """Yield each file that can be read with its `digest_of`."""
    for file in files:
        digest = digest_of(file, limits)
        if not isinstance(digest, Unreadable):
            yield file, digest


def _read(file: PhotoFile, limits: PhotoLimits, how: Callable[[Path, int], T]) -> T | Unreadable:
    try:
        path = file.path
        status = path.stat()  # before opening: opening a pipe would wait for its other end
        if not stat.S_ISREG(status.st_mode):
            return Unreadable(file.name, f"{_kind(status.st_mode)}, not a file")
        if status.st_size > limits.max_bytes:
            return Unreadable(file.name, too_much(status.st_size, limits.max_bytes, "MB"))
        return how(path, status.st_size) if status.st_size else Unreadable(file.name, "empty file")
    except (OSError, ValueError) as error:
        return Unreadable(file.name, _why(error))
    except MemoryError:
        return Unreadable(file.name, NO_MEMORY)


def read_photo(file: PhotoFile, limits: PhotoLimits = PhotoLimits()) -> Photo | Unreadable:
    """Read and decode one file."""
    read = read_bytes(file, limits)
    return read if isinstance(read, Unreadable) else decode(file.name, *read, limits)


def decode(name: str, data: bytes, sha256: str, limits: PhotoLimits) -> Photo | Unreadable:
    """Decode a file's bytes to upright RGB: the one place where pixels are made; safe in threads.

    The first frame of an animation, the first page of a document. EXIF orientation is applied, a
    damaged EXIF block ignored. Transparency becomes white; CMYK, YCbCr and Lab become RGB. 16 bits
    become the upper 8; grey that fills only 8 or 12 of its 16 bits keeps those, and 32-bit or
    floating-point grey is scaled to its range. The array is read-only. Never raises for what a file holds.
    """
    try:
        return Photo(name, sha256, pixels(data, limits.max_pixels, limits.max_memory))
    except Exception as error:  # Pillow's readers raise whatever a hostile file provokes
        return Unreadable(name, reason_of(error, data, limits.max_pixels), sha256)


def made_of(photo: Photo, work: Callable[[Photo], T]) -> T | Unreadable:
    """Return what `work` makes of a photo, or the reason that it cannot: no photo ends what is done with many.

    A FacematchError passes: it is about all of them.
    """
    try:
        return work(photo)
    except FacematchError:
        raise
    except Exception as error:  # OpenCV, Pillow and NumPy raise whatever an odd photo provokes
        return Unreadable(photo.name, reason_of_work(error), photo.sha256)


def _walk(top: Path) -> Iterator[PhotoFile | Unreadable]:
    # Links wait until all real folders are done, so that a photo goes by its real folder's name.
    searched: dict[tuple[int, int], str] = {}
    waiting = deque([("", top)])
    while waiting:
        name, path = waiting.popleft()
        try:
            status = path.stat()
            before = searched.setdefault((status.st_dev, status.st_ino), name)
            if before != name:
                yield Unreadable(name, _searched_already(name, before))
                continue
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Unreadable(name, f"folder cannot be listed: {_why(error)}")
            continue
        for entry in entries:
            found = _entry(entry, f"{name}/" if name else "")
            if not isinstance(found, tuple):
                yield found
            elif entry.is_symlink():
                waiting.append(found)
            else:
                waiting.appendleft(found)


def _entry(entry: "os.DirEntry[str]", prefix: str) -> PhotoFile | Unreadable | tuple[str, Path]:
    # A folder comes back as its name and path.
    name = prefix + _shown(entry.name)
    if entry.name.startswith("."):
        return Unreadable(name, "hidden folder" if entry.is_dir(follow_symlinks=False) else "hidden file")
    if entry.name.lower() in _SYSTEM_FILES:
        return Unreadable(name, "hidden system file")
    try:
        status = entry.stat()
    except OSError as error:
        broken = entry.is_symlink() and isinstance(error, FileNotFoundError)
        return Unreadable(name, "broken link" if broken else _why(error))
    if stat.S_ISDIR(status.st_mode):
        return name, Path(entry.path)
    if not stat.S_ISREG(status.st_mode):
        return Unreadable(name, f"{_kind(status.st_mode)}, not a file")
    if _shown(entry.name) != entry.name:
        return Unreadable(name, "its name is not valid UTF-8: rename it")
    return PhotoFile(name, entry.path)


def _searched_already(name: str, before: str) -> str:
    if not before or name.startswith(f"{before}/"):
        return f"link that loops back to {before or 'the folder searched'}"
    return f"the same folder as {before}, which was searched already"


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else _NOT_FILES.get(stat.S_IFMT(mode), "something else")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "its name cannot be opened"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if error.errno == errno.ELOOP:
        return "link that leads to itself"
    return (error.strerror or type(error).__name__).lower()


def _shown(name: str) -> str:
    # Names that are not UTF-8 reach Python with lone surrogates, which cannot be printed or sent.
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
