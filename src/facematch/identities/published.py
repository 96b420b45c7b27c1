"""The data sets of learning to hash, CUB-200-2011 and Stanford Dogs, with their official training and test photos."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.foreign import read_text
from facematch.core.text import count_of, first_of, printable
from facematch.identities.archives import Archive, unpack
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile

Report = Callable[[int, int], None]
_Sides = tuple[list[str], list[str]]  # the training and the test photos as listed: `<class>/<file>`

# `<class>/<file>`, neither of them hidden, neither leading elsewhere.
_NAME = re.compile(r"[^./\\:][^/\\:]*/[^./\\:][^/\\:]*")


@dataclass(frozen=True)
class PublishedSplit:
    """The official training and test photos of a published data set."""

    train: LabelledPhotos
    test: LabelledPhotos


@dataclass(frozen=True)
class _DataSet:
    """A data set as published: its archives, what they unpack to, and the counts of its official split."""

    name: str
    archives: tuple[Archive, ...]
    inner: str  # the folder of the archives that holds photos and lists; empty: they lie at the top
    photos: str  # the folder of photos
    lists: tuple[str, ...]
    read: Callable[[Path], _Sides]
    train: int
    test: int
    classes: int


def load_published(name: str, root: Path, *, on_progress: Report | None = None) -> PublishedSplit:
    """Load the official split of a published data set that lies in the folder `root`.

    Taken is the unpacked folder: `root/<name>`, `root/<name>/<name>` or `root` itself. Where there is
    none, the archives in `root` or `root/<name>` are checked and unpacked once, to `root/<name>`, or to
    `root/<name>/<name>` where that exists; `on_progress` gets the bytes done and their total meanwhile.

    - `CUB_200_2011`: `images`, `images.txt`, `image_class_labels.txt`, `train_test_split.txt` and
      `classes.txt`; 5,994 training and 5,794 test photos of 200 classes (Wah et al. 2011).
    - `Stanford_Dogs`: `Images` (or `images`), `train_list.mat` and `test_list.mat`; 12,000 training and
      8,580 test photos of 120 classes (Khosla et al. 2011).

    Photos are named as published, `<class>/<file>`, in the order of the lists; the identity is
    the class's folder. Training and test share the classes. Photos are not read: one that is there twice
    under two names stays, as published. Raises FacematchError when there is no such data set, when
    nothing or only a part of it is there, when an archive is not the published one, and when lists,
    labels, files and counts do not agree.
    """
    if name not in _DATA_SETS:
        known = f"Published data sets: {', '.join(PUBLISHED)}."
        raise FacematchError(f"{name!r} is not a published data set{nearest_name(name, PUBLISHED)}.", known)
    return _load(_DATA_SETS[name], root, on_progress)


def _load(data: _DataSet, root: Path, on_progress: Report | None = None) -> PublishedSplit:
    try:
        folder = _find(data, root) or _unpack(data, root, on_progress)
        if missing := _missing(data, folder):
            archives = f"{_and(archive.name for archive in data.archives)} from {data.archives[0].source}"
            verb = "is" if len(missing) == 1 else "are"
            raise FacematchError(
                f"{folder} is only a part of {data.name}: {_and(missing)} {verb} missing.",
                f"Unpack {archives} there, or move the folder away and put that in its place: it is unpacked once.",
            )
        sides, photos = data.read(folder), folder / _photo_folder(data, folder)
        if mistake := next(_mistakes(data, photos, *sides), None):
            raise _other(folder, mistake)
    except OSError as error:
        where = printable(str(error.filename or root))
        raise FacematchError(f"{data.name}: {where} cannot be read: {error.strerror}.", "Allow reading it.") from error
    train, test = (
        LabelledPhotos.of((PhotoFile(name, photos / name), _class_of(name)) for name in side) for side in sides
    )
    return PublishedSplit(train, test)


def _class_of(name: str) -> str:
    return name.partition("/")[0]


# --- finding --------------------------------------------------------------------------------------


def _find(data: _DataSet, root: Path) -> Path | None:
    """Return the unpacked folder, the whole one where several are there, or None."""
    folders = (root / data.name, root / data.name / data.name, root)
    missing = {folder: len(_missing(data, folder)) for folder in folders}
    # In a folder of another name a single thing, say a folder `images`, may be anything.
    begun = [folder for folder in folders if missing[folder] <= len(data.lists) - (folder.absolute().name != data.name)]
    return min(begun, key=lambda folder: missing[folder] > 0, default=None)


def _missing(data: _DataSet, folder: Path) -> list[str]:
    photos = [] if (folder / _photo_folder(data, folder)).is_dir() else [data.photos]
    return photos + [name for name in data.lists if not (folder / name).is_file()]


def _photo_folder(data: _DataSet, folder: Path) -> str:
    return data.photos if (folder / data.photos).is_dir() else data.photos.lower()


def _unpack(data: _DataSet, root: Path, on_progress: Report | None) -> Path:
    found = {
        archive: path
        for archive in data.archives
        for path in (root / data.name / archive.name, root / archive.name)
        if path.is_file()
    }
    absent = [archive for archive in data.archives if archive not in found]
    if absent:
        beside = f", only {_and(archive.name for archive in found)}" if found else ""
        raise FacematchError(
            f"{data.name} is not in {root}: expected a folder {data.name} with {data.photos} and "
            f"{_and(data.lists)}, or {_and(archive.name for archive in data.archives)}; there is neither{beside}.",
            f"Fetch {_and(archive.name for archive in absent)} from {absent[0].source} into {root}, "
            "which is unpacked there once.",
        )
    target = root / data.name
    if target.exists():
        target /= data.name
    unpack(found, target, inner=data.inner, on_progress=on_progress)
    return target


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


# --- checking -------------------------------------------------------------------------------------


def _mistakes(data: _DataSet, photos: Path, train: list[str], test: list[str]) -> Iterator[str]:
    every = [*train, *test]
    for name in every:
        if not (_NAME.fullmatch(name) and name.isprintable()):
            yield f"{printable(name)!r} is listed, which is not `<class>/<file>`"
    for names, where in ((train, "for training"), (test, "for test"), (every, "for training and for test")):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            yield f"{count_of(len(twice), 'photo', 'photos')} listed twice {where}: {first_of(twice)}"
    listed = len(train), len(test), len(set(map(_class_of, every)))
    if listed != (expected := (data.train, data.test, data.classes)):
        words = "{:,} training and {:,} test photos of {:,} classes"
        yield f"it lists {words.format(*listed)}, expected {words.format(*expected)}"
    absent = [name for name in every if not (photos / name).is_file() or not (photos / name).stat().st_size]
    if absent:
        yield f"{len(absent):,} of {len(every):,} listed photos are missing or empty: {first_of(absent)}"


def _other(path: Path, found: str) -> FacematchError:
    return FacematchError(
        f"{path} is not as published: {found}.",
        "Move the unpacked folder away and put the published archive in its place, which is unpacked once.",
    )


# --- reading the lists ----------------------------------------------------------------------------


def _read_birds(folder: Path) -> _Sides:
    """Read the lists of CUB-200-2011: lines of a photo's number and its name, class or side (1: training)."""
    photos, labels, sides, classes = (_table(folder / name) for name in _BIRD_LISTS)
    for name, table in zip(_BIRD_LISTS[1:3], (labels, sides), strict=True):
        if odd := sorted(photos.keys() ^ table.keys()):
            raise _other(folder / name, f"its numbers are not those of {_BIRD_LISTS[0]}: {first_of(odd)}")
    for number, photo in photos.items():
        label = classes.get(labels[number], f"class {labels[number]}")
        if label != _class_of(photo):
            raise _other(folder / _BIRD_LISTS[1], f"{printable(photo)} is labelled {printable(label)}")
        if sides[number] not in ("0", "1"):
            raise _other(folder / _BIRD_LISTS[2], f"{printable(photo)} has {printable(sides[number])!r}, not 0 or 1")
    train, test = ([photo for number, photo in photos.items() if sides[number] == side] for side in "10")
    return train, test


def _table(path: Path) -> dict[str, str]:
    """Read lines `<number> <value>`, no number twice."""
    try:
        lines = read_text(path).split("\n")
    except ValueError:
        raise _other(path, "it is not UTF-8 text") from None
    table: dict[str, str] = {}
    for at, line in enumerate(lines, start=1):
        number, _, value = line.strip().partition(" ")
        if number and not value:
            raise _other(path, f"line {at} is not `<number> <value>`")
        if number in table:
            raise _other(path, f"line {at} has {number} again")
        if number:
            table[number] = value.strip()
    return table


def _read_dogs(folder: Path) -> _Sides:
    """Read the lists of Stanford Dogs; a label is that of one folder in both."""
    read = [_mat(folder / name) for name in _DOG_LISTS]
    label_of: dict[str, float] = {}
    class_of: dict[float, str] = {}
    for name, pairs in zip(_DOG_LISTS, read, strict=True):
        for photo, label in pairs:
            who = _class_of(photo)
            if label_of.setdefault(who, label) != label or class_of.setdefault(label, who) != who:
                found = f"the label {label:g} of {printable(photo)} does not agree with the folders of the others"
                raise _other(folder / name, found)
    train, test = ([photo for photo, _ in pairs] for pairs in read)
    return train, test


def _mat(path: Path) -> list[tuple[str, float]]:
    """Read the photos and labels of a MATLAB 5 file; nothing in one is run."""
    from scipy.io import loadmat  # here, as it takes a quarter of a second that other commands need not wait

    data = path.read_bytes()
    try:
        found: dict[str, Any] = loadmat(BytesIO(data), variable_names=("file_list", "labels"), squeeze_me=True)
        photos, labels = (np.ravel(found[key]).tolist() for key in ("file_list", "labels"))
        return [(str(photo), float(label)) for photo, label in zip(photos, labels, strict=True)]
    except Exception as error:  # scipy raises many kinds for a damaged file
        why = printable(" ".join(str(error).split())[:100])
        raise _other(path, f"it is no MATLAB 5 file with a label for each of a file_list ({why})") from error


# --- the data sets --------------------------------------------------------------------------------

_BIRD_LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")
_DOG_LISTS = ("train_list.mat", "test_list.mat")
_BIRD_PAGE = "https://data.caltech.edu/records/65de6-vp158"
_DOG_PAGE = "http://vision.stanford.edu/aditya86/ImageNetDogs/"

# The MD5 is Caltech's own. Stanford gives no checksums; these SHA-256, and all sizes, are those that
# TensorFlow Datasets checks its downloads against (url_checksums/stanford_dogs.txt, caltech_birds2011.txt).
_DOG_IMAGES_SHA256 = "a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58"
_DOG_LISTS_SHA256 = "34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c"
_CUB = _DataSet(
    name="CUB_200_2011",
    archives=(Archive("CUB_200_2011.tgz", _BIRD_PAGE, 1_150_585_339, "md5", "97eceeb196236b17998738112f37df78"),),
    inner="CUB_200_2011",
    photos="images",
    lists=_BIRD_LISTS,
    read=_read_birds,
    train=5_994,
    test=5_794,
    classes=200,
)
_DOGS = _DataSet(
    name="Stanford_Dogs",
    archives=(
        Archive("images.tar", _DOG_PAGE, 793_579_520, "sha256", _DOG_IMAGES_SHA256),
        Archive("lists.tar", _DOG_PAGE, 481_280, "sha256", _DOG_LISTS_SHA256),
    ),
    inner="",
    photos="Images",
    lists=_DOG_LISTS,
    read=_read_dogs,
    train=12_000,
    test=8_580,
    classes=120,
)
_DATA_SETS = {data.name: data for data in (_CUB, _DOGS)}
PUBLISHED: tuple[str, ...] = tuple(_DATA_SETS)
