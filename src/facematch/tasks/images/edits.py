"""The eight orientations of a picture, and what was done to a photo to make an image of it, in words."""

from dataclasses import dataclass

import numpy as np

from facematch.near_duplicates.contents import Content
from facematch.near_duplicates.pairs import NearDuplicate
from facematch.photos.photo import PhotoFile
from facematch.photos.pixels import Rgb

_WORDS = {
    (0, False): "",
    (1, False): "turned 90° clockwise",
    (2, False): "turned upside down",
    (3, False): "turned 90° anticlockwise",
    (0, True): "mirrored",
    (1, True): "mirrored, then turned 90° clockwise",
    (2, True): "mirrored top to bottom",
    (3, True): "mirrored, then turned 90° anticlockwise",
}
_SAME = 0.02  # share by which sizes and areas may differ for nothing to be reported


@dataclass(frozen=True)
class Orientation:
    """What is done to a picture: first mirrored left to right, or not, then turned clockwise by quarters."""

    quarters: int = 0
    mirrored: bool = False

    def __str__(self) -> str:
        """Return it in words; empty for a picture left as it is."""
        return _WORDS[self.quarters, self.mirrored]


UPRIGHT = Orientation()
ORIENTATIONS: tuple[Orientation, ...] = tuple(Orientation(*key) for key in _WORDS)  # the plainest first


def oriented(image: Rgb, orientation: Orientation) -> Rgb:
    """Return a picture (H×W×3, or W×H×3 after an odd number of quarters) in an orientation; C-contiguous."""
    start = image[:, ::-1] if orientation.mirrored else image
    return np.ascontiguousarray(np.rot90(start, -orientation.quarters))


def describe_edits(image: Content, photo: Content, pair: NearDuplicate) -> tuple[str, ...]:
    """Return what was done to the photo to become the image, borders first; the image is the left one of the pair.

    Sizes are compared where both show the same part, so a crop alone is no change of size.
    """
    cut, orientation = pair.inner, Orientation(pair.turned // 90, pair.mirrored)
    edits = ["" if cut[0] == cut[1] else "border added" if cut[0] else "border cut off", str(orientation)]
    area = pair.area
    if area < 1 - _SAME:
        edits.append(f"cropped to {area:.0%}")
    elif area > 1 + _SAME:
        edits.append(f"less cropped (the photo shows {1 / area:.0%} of the image)")
    size, before = _size(image, cut[0]), _size(photo, cut[1])
    edits.append(_resized(size, before[::-1] if orientation.quarters % 2 else before, area))
    if image.grey != photo.grey:
        edits.append("without colour" if image.grey else "with colour")
    return tuple(edit for edit in edits if edit)


def largest_first(content: Content) -> tuple[int, int, str]:
    """Return what sorts copies by falling pixels, then falling bytes, then name."""
    return -content.width * content.height, -content.bytes, content.file.name


def same_file(one: PhotoFile, other: PhotoFile) -> bool:
    """Return whether two paths lead to one file; False where one is gone."""
    try:
        return one.path.samefile(other.path)
    except OSError:
        return False


def _size(content: Content, inner: bool) -> tuple[int, int]:
    return content.inner if inner and content.inner is not None else (content.width, content.height)


def _resized(image: tuple[int, int], photo: tuple[int, int], area: float) -> str:
    across, down = image[0] / photo[0], image[1] / photo[1]
    if abs(area - 1) > _SAME:  # how much was cut from which side is not known
        across = down = (across * down / area) ** 0.5
    if max(abs(across - 1), abs(down - 1)) <= _SAME:
        return ""
    if abs(across / down - 1) > _SAME:
        return f"width resized to {across:.0%}, height to {down:.0%}"
    return f"{'reduced' if across < 1 else 'enlarged'} to {across:.0%}"
