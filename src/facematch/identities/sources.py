"""Where labelled photos come from: a folder for each person, or a list file."""

import codecs
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.core.errors import FacematchError, MissingError
from facematch.core.foreign import read_limited, reading
from facematch.core.text import brief, count_of, first_of, printable
from facematch.identities.domains import Domains
from facematch.identities.values import LabelledPhotos, Pair, Problem, unread_file
from facematch.photos.photo import PhotoFile, find_photos

LAYOUT = (
    "Give a folder that holds one folder of photos for each person, FOLDER/<person>/*.jpg, or a list file "
    "with a line `<photo> <person>` for each photo; its names start at the list's folder or at "
    "identities.images."
)

Loaded = tuple[LabelledPhotos, list[Problem]]


@dataclass(frozen=True)
class _Line:
    number: int
    text: str
    photo: str  # empty: the line has too few fields
    who: str
    exists: bool
    domain: str = ""


def load_many(sources: Sequence[Path], images: Path | None = None, domains: Domains | None = None) -> Loaded:
    """Load several folders or lists as one set; the same identity in two of them is the same person.

    A source given twice is loaded once. When two sources have a photo of the same name, all names are
    preceded by their source's folder (as much of its path as the sources differ in). Raises
    FacematchError as `load_identities` does, and without a source.
    """
    distinct = list({source.resolve(): source for source in sources}.values())
    if not distinct:
        raise FacematchError("identities.train names no folder of labelled photos.", LAYOUT)
    loaded = [load_identities(source, images, domains) for source in distinct]
    problems = [problem for _, found in loaded for problem in found]
    names = Counter(file.name for labelled, _ in loaded for file in labelled.files)
    clash = any(count > 1 for count in names.values())
    prefixes = _prefixes(distinct) if clash else [""] * len(distinct)
    joined = LabelledPhotos.of(
        (PhotoFile(prefix + file.name, file.path, file.domain), who)
        for prefix, (labelled, _) in zip(prefixes, loaded, strict=True)
        for file, who in labelled.pairs
    )
    return joined, problems


def load_identities(source: Path, images: Path | None = None, domains: Domains | None = None) -> Loaded:
    """Load the photos of a folder `<identity>/*` or of a list file, and what is wrong with them.

    - Folder: a photo belongs to the topmost folder it lies in, however deep.
    - List (CelebA): a line `name identity` for each photo, split at the last white space, or at the
      last tab or comma where that gives a file that exists. A count or a header before the first
      photo, blank lines, CRLF and a byte order mark are accepted. Names start at `images`, or at the
      list's folder. With `domains` by column each line has a third field, the picture's domain.

    Raises FacematchError when `source` or `images` does not exist, when the list is not text, and when
    there is no photo with an identity.
    """
    if images is not None and not images.is_dir():
        raise FacematchError(f"identities.images: {images} is not a folder ({images.absolute()}).", LAYOUT)
    if source.is_dir():
        return _load_folder(source, domains)
    if source.is_file():
        return _load_list(source, images or source.parent, domains)
    raise MissingError(f"labelled photos: {source} does not exist ({source.absolute()}).", LAYOUT)


def _prefixes(sources: Sequence[Path]) -> list[str]:
    parts = [source.resolve().parts for source in sources]
    tails = ["/".join(path) for path in parts]
    for depth in range(1, max(map(len, parts))):
        tails = ["/".join(path[-depth:]) for path in parts]
        if len(set(tails)) == len(tails):
            break
    return [f"{tail}/" for tail in tails]


# --- folders --------------------------------------------------------------------------------------


def _load_folder(folder: Path, domains: Domains | None) -> Loaded:
    found = find_photos(folder)
    problems = [
        Problem("hidden file", file.name, "rename it where it is wanted")
        if "hidden" in file.reason
        else unread_file(file)
        for file in found.unreadable
    ]
    pairs: list[Pair] = []
    loose: list[str] = []
    for file in found.files:
        person, _, rest = file.name.partition("/")
        if rest:
            pairs.append((file if domains is None else PhotoFile(file.name, file.path, domains.of(rest)), person))
        else:
            loose.append(file.name)
    problems += [Problem("loose file", name, "move it into the folder of its person") for name in loose]
    with_photos = {file.path.relative_to(folder).parts[0] for file, _ in pairs}
    empty = [printable(name) for name in _folders_in(folder) if name not in with_photos]
    problems += [Problem("empty identity", name, "add photos or remove the folder") for name in empty]
    if not pairs:
        unread = [problem.text for problem in problems if problem.kind == "unreadable file"]
        raise FacematchError(
            f"{folder} has no folder of a person with photos: found {count_of(len(empty), 'folder', 'folders')} "
            f"without a photo, {count_of(len(loose), 'photo', 'photos')} outside any folder and "
            f"{count_of(len(unread), 'file that was not read', 'files that were not read')}"
            f"{': ' * bool(unread)}{first_of(unread, 3)}.",
            LAYOUT,
        )
    return LabelledPhotos.of(pairs), problems


def _folders_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    except OSError:  # find_photos has named the reason
        return []


# --- lists ----------------------------------------------------------------------------------------


def _load_list(path: Path, base: Path, domains: Domains | None) -> Loaded:
    column = domains is not None and domains.by == "column"
    lines = _without_header([_parse(number, text, base, column=column) for number, text in _lines(path)])
    fields = "`<photo> <person> <domain>`" if column else "`<photo> <person>`"
    usable = [line for line in lines if line.exists]
    if not usable:
        raise _nothing_usable(path, base, lines, fields)
    people: dict[str, set[str]] = defaultdict(set)
    for line in usable:
        people[printable(line.photo)].add(line.who)
    pairs: dict[str, Pair] = {}
    problems: list[Problem] = []
    for line in lines:
        name, where = printable(line.photo), f"{path.name} line {line.number}"
        if not line.exists:
            problems.append(_bad_line(line, where, base, fields))
        elif len(people[name]) > 1:
            text = f"{name} as {line.who} ({where})"
            problems.append(Problem("listed under two identities", text, "keep the line whose person is right"))
        elif name in pairs:
            problems.append(Problem("listed twice", f"{name} ({where})", "nothing: one is used"))
        else:
            domain = line.domain if domains is None or column else domains.of(name)
            pairs[name] = (PhotoFile(name, base / line.photo, domain), line.who)
    if not pairs:
        raise FacematchError(f"{path} lists each of its photos under two people.", LAYOUT)
    return LabelledPhotos.of(pairs.values()), problems


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank."""
    with reading(path, "labelled photos", "Allow reading it, or give it in parts."):
        data = read_limited(path, "list")
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise FacematchError(
            f"{path} is not a list of labelled photos: line {number} is not UTF-8 text.",
            f"Save the list as UTF-8. {LAYOUT}",
        ) from None
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _parse(number: int, text: str, base: Path, *, column: bool) -> _Line:
    """Split a line where that gives a file that exists; else at white space."""
    marks: list[str | None] = [None, *(mark for mark in "\t," if mark in text)]
    named = [fields for mark in marks if all(fields := _fields(text, mark, 3 if column else 2))]
    for photo, who, *domain in named:
        if os.path.isfile(base / photo):  # noqa: PTH113 - Path.is_file raises for names that are too long
            return _Line(number, text, photo, printable(who), True, printable("".join(domain)))
    photo, who, *domain = named[-1] if named else ("", "")
    return _Line(number, text, photo, printable(who), False, printable("".join(domain)))


def _fields(text: str, mark: str | None, count: int) -> tuple[str, ...]:
    fields = tuple(each.strip().strip('"') for each in text.rsplit(mark, count - 1))
    return fields if len(fields) == count else ("",) * count


def _without_header(lines: list[_Line]) -> list[_Line]:
    """Drop a leading count (CelebA) and then a leading line of titles: words alone, and no such file."""
    if lines and lines[0].text.isdecimal():
        lines = lines[1:]
    if lines and not lines[0].exists and not any(mark.isdigit() or mark in "./\\" for mark in lines[0].text):
        lines = lines[1:]
    return lines


def _bad_line(line: _Line, where: str, base: Path, fields: str) -> Problem:
    if line.photo:
        text = f"{brief(line.photo)} ({where})"
        return Problem("missing file", text, f"put it into {base}, or name its folder in identities.images")
    return Problem("bad line", f"{brief(line.text, 80)!r} ({where})", f"write {fields}")


def _nothing_usable(path: Path, base: Path, lines: list[_Line], fields: str) -> FacematchError:
    named = [printable(line.photo) for line in lines if line.photo]
    found = f"it names {len(named)} photos, none of which is in {base}: {first_of(named, 3)}"
    if not named:
        found = f"none of its {len(lines)} lines is {fields}" if lines else "it is empty"
    return FacematchError(f"{path} lists no photo that can be used: {found}.", LAYOUT)
