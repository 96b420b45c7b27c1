"""A zip file of photos, taken as the folder it holds: checked first, unpacked whole or not at all."""

import re
import stat
import zipfile
from pathlib import Path, PurePosixPath

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.foreign import reading
from facematch.core.text import brief
from facematch.identities.archives import appearing
from facematch.photos.photo import PhotoLimits

_FILES = 1_000_000
# Photos are compressed already; a bomb grows a thousand times. So much more than the file itself is unpacked at most:
_GROWTH, _ALWAYS = 20, 1_000_000_000  # times and, whatever its size, bytes
_BLOCK = 1 << 20
_UNPACK = "Unpack it yourself and name the folder."


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
                    _extract(opened, member, folder / name)
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


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, file.open("xb") as written:
        while block := source.read(_BLOCK):
            written.write(block)


def _refused(path: Path, what: str) -> FacematchError:
    return FacematchError(f"the zip file {path} {what}; nothing was unpacked.", _UNPACK)
