"""Where an image comes from: the photos of a folder that show the same picture, the largest first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.near_duplicates.contents import Content, read_contents
from facematch.near_duplicates.match import Match, Progress, match
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from facematch.pipeline.images import require_photos
from facematch.tasks.images.edits import describe_edits, largest_first, same_file

Kind = Literal["the very same file", "the same bytes", "the same pixels", "near-duplicate"]


@dataclass(frozen=True)
class Copy:
    """A photo that shows the same picture as an image.

    `changes` says, for a near-duplicate, what was done to the photo to become the image, as far as it was seen.
    `correlation` of their detail is at most 1.
    """

    kind: Kind
    photo: Content
    changes: tuple[str, ...] = ()
    correlation: float | None = None


@dataclass(frozen=True)
class Source:
    """The copies of an image, the one with the most pixels first, then by bytes and name.

    `photos` is how many were compared, `unread` says `name (reason)` for the rest of the folder.
    """

    image: Content
    copies: tuple[Copy, ...]
    photos: int
    unread: tuple[str, ...]

    @property
    def others(self) -> tuple[Copy, ...]:
        """Return the copies but the image's own file."""
        return tuple(copy for copy in self.copies if copy.kind != "the very same file")


def find_source(image: Path, folder: Path, cache: Cache, limits: PhotoLimits, progress: Progress) -> Source:
    """Compare an image with every photo below a folder: by bytes, by decoded pixels, and as near-duplicates.

    Near-duplicates are confirmed by registration (`facematch.near_duplicates`), also mirrored, turned by quarters,
    and with a plain border on either side; an image without detail has none. What was read before comes from the
    cache; of the photos only descriptors are in memory. Raises FacematchError for an image that cannot be read and a
    folder without a photo.
    """
    if image.is_dir():
        raise FacematchError(f"{image} is a folder, not an image.", "Name a photo; the folder belongs after --in.")
    query, refused = read_contents([PhotoFile(str(image), image)], cache, limits)
    if refused:
        raise FacematchError(f"{image} is no photo that can be read: {refused[0].reason}.", "Name another.")
    found = find_photos(folder)
    with progress("photos", len(found.files)) as step:
        photos, bad = read_contents(found.files, cache, limits, step)
    unread = [str(each) for each in sorted([*found.unreadable, *bad], key=lambda each: each.name)]
    require_photos(folder, len(photos), unread)
    matches = match(query, photos, cache, limits, progress, edited=True)
    copies = [_copy(query[0], photo, each) for each in matches for photo in each.right]
    return Source(
        query[0], tuple(sorted(copies, key=lambda copy: largest_first(copy.photo))), len(photos), tuple(unread)
    )


def _copy(image: Content, photo: Content, found: Match) -> Copy:
    if found.near is not None:
        return Copy("near-duplicate", photo, describe_edits(image, photo, found.near), found.near.correlation)
    if photo.sha256 != image.sha256:
        return Copy("the same pixels", photo)
    return Copy("the very same file" if same_file(photo.file, image.file) else "the same bytes", photo)
