"""A page of photos to look through: groups of small pictures with a few words below each, whole in one file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from facematch.charts.jpeg import SmallPhoto, data_url, read_small, small_jpeg
from facematch.charts.page import render_page
from facematch.photos.photo import PhotoFile, PhotoLimits

SIDE = 160  # pixels of a picture


@dataclass(frozen=True)
class Picture:
    """One photo: where its picture is, "" where there is none, and lines of words below it.

    `source` is that of a thumbnail of the page, or an address; without one `missing` says why. The first line is bold,
    empty ones are left out. A `marked` one has a frame; `link` is the photo's own address, from where the page will be.
    """

    source: str
    lines: tuple[str, ...]
    marked: bool = False
    link: str = ""
    missing: str = "cannot be read any more"


@dataclass(frozen=True)
class Row:
    """Pictures beside each other, with words before them."""

    pictures: tuple[Picture, ...]
    words: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of pictures under one heading."""

    heading: str
    rows: tuple[Row, ...]
    words: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """A picture in a page: an address that holds it, its width and height, and in words those of the photo itself."""

    address: str
    width: int
    height: int
    size: str


@dataclass
class Thumbnails:
    """Small pictures of the photos on a page; each is read, and held in the page, once."""

    side: int = SIDE
    quality: int = 80
    limits: PhotoLimits = field(default_factory=PhotoLimits)
    made: list[Thumbnail] = field(default_factory=list)
    _numbers: dict[PhotoFile, int | None] = field(default_factory=dict)

    def source(self, file: PhotoFile) -> str:
        """Return where the page has a photo's picture, "" where it cannot be read."""
        number = self._number(file)
        return "" if number is None else f"#p{number}"

    def size(self, file: PhotoFile) -> str:
        """Return the width and height of the photo itself, "" where it cannot be read."""
        number = self._number(file)
        return "" if number is None else self.made[number].size

    def _number(self, file: PhotoFile) -> int | None:
        if file not in self._numbers:
            photo = read_small(file, self.side, self.limits)
            self._numbers[file] = len(self.made) if isinstance(photo, SmallPhoto) else None
            if isinstance(photo, SmallPhoto):
                height, width = photo.image.shape[:2]
                address = data_url(small_jpeg(photo.image, self.side, self.quality))
                self.made.append(Thumbnail(address, width, height, f"{photo.width}×{photo.height}"))
        return self._numbers[file]


def picture_page(
    command: str,
    title: str,
    words: Sequence[str],
    groups: Sequence[Group],
    thumbnails: Thumbnails,
    layout: Literal["files", "pairs", "rows"],
) -> bytes:
    """Return the page of `facematch COMMAND` as UTF-8; `words` are lines below the title.

    `layout` is how a row's pictures are placed: `files` in a grid, `pairs` as a card for each row, `rows` small, in a
    row.
    """
    values = {"command": command, "title": title, "words": words, "groups": groups, "layout": layout}
    return render_page(__package__, "pictures.html", {**values, "thumbnails": thumbnails.made})
