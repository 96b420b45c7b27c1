"""What is compared of a photo, the whole and what its border surrounds, and what is told of two that are one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.near_duplicates import NearDuplicate
from facematch.near_duplicates.contents import Content, thumbnail_of
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.images.turns import Turn

_SAME = 0.02  # share by which sizes and areas may differ for nothing to be said


@dataclass(frozen=True)
class Facts:
    """A photo's file, its width and height in pixels, the bytes of its file, and whether it has no colour."""

    file: PhotoFile
    width: int
    height: int
    bytes: int
    grey: bool


@dataclass(frozen=True, eq=False)
class View:
    """A photo as it is compared, whole or, with `inner`, within its border; `vectors` describe it (3×64)."""

    content: Content
    inner: bool
    vectors: NDArray[np.float32]

    @property
    def facts(self) -> Facts:
        """Return the size and colour of what is compared."""
        return facts_of(self.content, inner=self.inner)

    def thumbnail(self, cache: Cache, limits: PhotoLimits) -> NDArray[np.uint8]:
        """Return the thumbnail that pairs are confirmed by. Raises FacematchError as `thumbnail_of`."""
        return thumbnail_of(self.content, cache, limits, inner=self.inner)


def views_of(content: Content) -> list[View]:
    """Return the whole of a photo that was read with extents, and its inside where it has a border."""
    within = None if content.extent is None else content.extent.inner_vectors
    return [View(content, False, content.vectors), *([] if within is None else [View(content, True, within)])]


def plainness(image: View, photo: View, pair: NearDuplicate) -> tuple[bool, bool, float]:
    """Return what orders the explanations of one pair, the plainest first: borders are for where nothing else does."""
    return image.inner != photo.inner, image.inner, -pair.correlation


def told(image: View, photo: View, pair: NearDuplicate) -> tuple[str, ...]:
    """Return what was done to the photo to become the image, borders first; the image is the left one of the pair."""
    border = [] if image.inner == photo.inner else ["border added" if image.inner else "border cut off"]
    return (*border, *changes_of(image.facts, photo.facts, pair))


def facts_of(content: Content, *, inner: bool = False) -> Facts:
    """Return the size and colour of a photo that was read with extents; with `inner` the size within its border."""
    if content.extent is None:
        raise ValueError(f"{content.file.name} was read without its extent")
    within = content.extent.inner if inner else None
    width, height = content.extent.size if within is None else within
    return Facts(content.file, width, height, content.extent.bytes, content.extent.grey)


def changes_of(image: Facts, photo: Facts, pair: NearDuplicate) -> tuple[str, ...]:
    """Return what was done to the photo to become the image; the image is the left one of the pair.

    Sizes are compared where both show the same part, so a crop alone is no change of size.
    """
    told = [str(Turn(pair.turned // 90, pair.mirrored))]
    area = pair.area
    if area < 1 - _SAME:
        told.append(f"cropped to {area:.0%}")
    elif area > 1 + _SAME:
        told.append(f"less cropped (the photo shows {1 / area:.0%} of the image)")
    told.append(_resized(image, photo, area, sideways=pair.turned in (90, 270)))
    if image.grey != photo.grey:
        told.append("without colour" if image.grey else "with colour")
    return tuple(each for each in told if each)


def _resized(image: Facts, photo: Facts, area: float, *, sideways: bool) -> str:
    width, height = (photo.height, photo.width) if sideways else (photo.width, photo.height)
    across, down = image.width / width, image.height / height
    if abs(area - 1) > _SAME:  # how much was cut from which side is not known
        across = down = (across * down / area) ** 0.5
    if max(abs(across - 1), abs(down - 1)) <= _SAME:
        return ""
    if abs(across / down - 1) > _SAME:
        return f"width resized to {across:.0%}, height to {down:.0%}"
    return f"{'reduced' if across < 1 else 'enlarged'} to {across:.0%}"
