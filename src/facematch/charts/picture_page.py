"""A page of photos to look through: groups of small pictures with a few words below each, whole in one file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from facematch.charts.jpeg import SmallPhoto, data_url, read_small, small_jpeg
from facematch.charts.page import render_page
from facematch.photos.photo import PhotoFile, PhotoLimits

SIDE = 160  # pixels of a picture
GONE = "cannot be read any more"


@dataclass(frozen=True)
class Picture:
    """One photo: the number of its picture in the album, None where there is none, and lines of words below it.

    The first line is bold, empty ones are left out. A `marked` one has a frame; `link` is the photo's own address, from
    where the page lies.
    """

    number: int | None
    lines: tuple[str, ...]
    marked: bool = False
    link: str = ""


@dataclass(frozen=True)
class Line:
    """Pictures beside each other, with words before them."""

    pictures: tuple[Picture, ...]
    words: str = ""


@dataclass(frozen=True)
class Group:
    """What stands under one heading."""

    heading: str
    lines: tuple[Line, ...]
    words: str = ""


@dataclass(frozen=True)
class Kept:
    """A picture of the album: an address that holds it, its width and height, and those of the photo itself."""

    address: str
    width: int
    height: int
    size: tuple[int, int]


@dataclass
class Album:
    """Small pictures of the photos that are shown; each is read, and stands in the page, once."""

    side: int = SIDE
    quality: int = 80
    limits: PhotoLimits = field(default_factory=PhotoLimits)
    kept: list[Kept] = field(default_factory=list)
    _numbers: dict[object, int | None] = field(default_factory=dict)

    def number(self, file: PhotoFile) -> int | None:
        """Return the number of a photo's picture; None where it cannot be read."""
        if file not in self._numbers:
            photo = read_small(file, self.side, self.limits)
            self._numbers[file] = len(self.kept) if isinstance(photo, SmallPhoto) else None
            if isinstance(photo, SmallPhoto):
                height, width = photo.image.shape[:2]
                address = data_url(small_jpeg(photo.image, self.side, self.quality))
                self.kept.append(Kept(address, width, height, (photo.width, photo.height)))
        return self._numbers[file]

    def size(self, number: int | None) -> str:
        """Return the width and height of the photo itself, in words; nothing where there is none."""
        return "" if number is None else "{}×{}".format(*self.kept[number].size)


def picture_page(
    command: str,
    title: str,
    words: Sequence[str],
    groups: Sequence[Group],
    album: Album,
    layout: Literal["files", "pairs", "rows"],
) -> bytes:
    """Return the page of `facematch COMMAND` as UTF-8; `words` are lines below the title.

    `layout` is how a line's pictures stand: `files` in a grid, `pairs` as a card for each line, `rows` small, in a row.
    """
    values = {
        "command": command,
        "title": title,
        "words": words,
        "groups": groups,
        "pictures": album.kept,
        "layout": layout,
        "gone": GONE,
    }
    return render_page(__package__, "pictures.html", values, styles=["report.css", "pictures.css"])
