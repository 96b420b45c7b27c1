"""Photos: found in folders, decoded once and safely. Every file ends as a photo or as a named reason."""

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from facematch.errors import FacematchError

Rgb = NDArray[np.uint8]

# Pillow's readers that are safe on files from strangers; never EPS and the like, which run programs.
_FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF",
)  # fmt: skip
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}

# Pixel limits are checked here, from the header; Pillow's own global limit would also warn.
PillowImage.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module=r"PIL\..*")


@dataclass(frozen=True)
class PhotoFile:
    """A file to read: its path, and its name below the folder that was searched (`ann/1.jpg`)."""

    name: str
    path: Path


@dataclass(frozen=True)
class Unreadable:
    """A file that is no photo, with the reason in plain words."""

    name: str
    reason: str
    sha256: str | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo: RGB `uint8` H×W×3, upright, and the SHA-256 of the file's bytes."""

    name: str
    sha256: str
    image: Rgb

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"a photo is uint8 H×W×3; {self.name} is {self.image.dtype} {shape}")


@dataclass(frozen=True)
class PhotoLimits:
    """The largest picture (pixels) and file (bytes) that is decoded."""

    max_pixels: int = 89_000_000
    max_bytes: int = 200_000_000


@dataclass(frozen=True)
class Found:
    """What a folder holds: files to read and entries that cannot be, both in order of name."""

    files: tuple[PhotoFile, ...]
    unreadable: tuple[Unreadable, ...]


def find_photos(folder: Path) -> Found:
    """Return every file below `folder`; links to folders are followed, each real folder once.

    Files are told by content, not by name, so every regular file is a candidate; hidden and system
    files, broken links, loops, sockets and folders that cannot be listed are named as unreadable. A
    single file is a set of one. Raises FacematchError when `folder` does not exist.
    """
    if not folder.exists():
        raise FacematchError(f"{folder} does not exist ({folder.absolute()}).", "Check the path.")
    if folder.is_file():
        return Found((PhotoFile(_shown(folder.name), folder),), ())
    files: list[PhotoFile] = []
    bad: list[Unreadable] = []
    for entry in _walk(folder, "", set()):
        (bad if isinstance(entry, Unreadable) else files).append(entry)  # type: ignore[arg-type]
    return Found(tuple(sorted(files, key=lambda f: f.name)), tuple(sorted(bad, key=lambda u: u.name)))


def read_bytes(file: PhotoFile, limits: PhotoLimits) -> tuple[bytes, str] | Unreadable:
    """Return a file's bytes and their SHA-256 as 64 hex digits, or the reason it cannot be read."""
    try:
        with os.fdopen(_open_without_waiting(file.path), "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Unreadable(file.name, "not a regular file")
            if status.st_size > limits.max_bytes:
                return Unreadable(
                    file.name,
                    f"{status.st_size / 1e6:.1f} MB is more than the limit of {limits.max_bytes / 1e6:.1f} MB",
                )
            data = opened.read()
    except OSError as error:
        return Unreadable(file.name, (error.strerror or str(error)).lower())
    if not data:
        return Unreadable(file.name, "empty file")
    return data, hashlib.sha256(data).hexdigest()


def read_photo(file: PhotoFile, limits: PhotoLimits = PhotoLimits()) -> Photo | Unreadable:
    """Read and decode one file."""
    read = read_bytes(file, limits)
    return read if isinstance(read, Unreadable) else decode(file.name, *read, limits)


def decode(name: str, data: bytes, sha256: str, limits: PhotoLimits) -> Photo | Unreadable:
    """Decode a file's bytes to upright RGB; the one place where pixels are made.

    The first frame of an animation, the first page of a document. Alpha is laid over white, CMYK and
    other colour spaces become RGB, 16 bits become the upper 8, 32-bit and floating-point grey is
    stretched from its least to its greatest value. EXIF orientation is applied; a damaged EXIF block is
    ignored. Never raises for what a file holds.
    """
    try:
        with PillowImage.open(io.BytesIO(data), formats=_formats()) as picture:
            width, height = picture.size
            if not width or not height:
                return Unreadable(name, f"a picture of {width}×{height} pixels", sha256)
            if width * height > limits.max_pixels:
                found, most = width * height / 1e6, limits.max_pixels / 1e6
                return Unreadable(name, f"{found:.1f} MP is more than the limit of {most:.1f} MP", sha256)
            picture.load()
            return Photo(name, sha256, _rgb(_upright(picture)))
    except UnidentifiedImageError:
        return Unreadable(name, _what_it_is(data), sha256)
    except MemoryError:
        return Unreadable(name, "too large for this machine's memory", sha256)
    except Exception as error:  # Pillow's readers raise whatever a hostile file provokes
        return Unreadable(name, _in_plain_words(error), sha256)


def _walk(folder: Path, prefix: str, above: set[tuple[int, int]]) -> Iterator[PhotoFile | Unreadable]:
    # `above` are the real folders seen so far, by device and inode.
    try:
        status = folder.stat()
        above.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Unreadable(prefix.rstrip("/") or str(folder), f"folder not listed: {(error.strerror or '').lower()}")
        return
    for entry in entries:
        yield from _entry(entry, prefix, above)


def _entry(entry: "os.DirEntry[str]", prefix: str, above: set[tuple[int, int]]) -> Iterator[PhotoFile | Unreadable]:
    name = prefix + _shown(entry.name)
    if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_FILES:
        yield Unreadable(name, "hidden folder" if entry.is_dir(follow_symlinks=False) else "hidden file")
        return
    try:
        status = entry.stat()  # follows links
    except OSError as error:
        looping = entry.is_symlink() and "symbolic links" in (error.strerror or "")
        reason = (
            "link that leads to itself" if looping else "broken link" if entry.is_symlink() else str(error.strerror)
        )
        yield Unreadable(name, reason.lower())
        return
    if stat.S_ISDIR(status.st_mode):
        if (status.st_dev, status.st_ino) in above:
            yield Unreadable(name, "link to a folder that was searched already")
        else:
            yield from _walk(Path(entry.path), f"{name}/", above)
    elif not stat.S_ISREG(status.st_mode):
        yield Unreadable(name, "not a regular file")
    elif entry.name != _shown(entry.name):
        yield Unreadable(name, "its name is not valid text (UTF-8): rename it")
    else:
        yield PhotoFile(name, Path(entry.path))


def _open_without_waiting(path: Path) -> int:
    # A pipe put in place of a file must not hang; Windows knows neither flag's twin.
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def _shown(name: str) -> str:
    # Names that are not UTF-8 reach Python with lone surrogates, which cannot be printed or sent.
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _formats() -> tuple[str, ...]:
    PillowImage.init()
    return tuple(name for name in _FORMATS if name in PillowImage.OPEN)


def _upright(picture: PillowImage.Image) -> PillowImage.Image:
    try:
        return ImageOps.exif_transpose(picture) or picture
    except Exception:  # a damaged EXIF block does not make the pixels worse
        return picture


def _rgb(picture: PillowImage.Image) -> Rgb:
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture).astype(np.uint16)
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        return _stretched(np.asarray(picture, dtype=np.float64))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = PillowImage.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = PillowImage.alpha_composite(white, picture)
    if picture.mode == "P":  # a palette entry beyond the palette is not worth losing the photo
        picture = picture.convert("RGB")
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _stretched(grey: NDArray[np.float64]) -> Rgb:
    finite = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    scaled = (finite - low) * (255 / (high - low)) if high > low else np.zeros_like(finite)
    return np.repeat(np.round(scaled).astype(np.uint8)[..., None], 3, axis=2)


def _what_it_is(data: bytes) -> str:
    # Words for files that no reader recognises.
    head = data[:512].lstrip().lower()
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "HEIC is not read: convert it to JPEG"
    if b"<svg" in head:
        return "SVG is a drawing, not a photo"
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page, not an image"
    if head.startswith((b"%pdf", b"%!ps")):
        return "a PDF or PostScript document, not an image"
    known = {b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP", b"II*\0": "TIFF"}
    for magic, kind in known.items():
        if data.startswith(magic):
            return f"a damaged {kind} file"
    return f"not an image (begins with {data[:12]!r})"


def _in_plain_words(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if any(word in text.lower() for word in ("truncated", "not enough", "unexpected end", "eof", "premature")):
        return f"the file is cut short ({text})"
    return f"damaged ({text or type(error).__name__})"
