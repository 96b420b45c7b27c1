"""Face detection as shipped beside OpenCV's cascade alone, on photos of about 250 pixels.

    python benchmarks/detection.py [FOLDER] [--photos 240] [--rounds 5]

The project's `HaarDetector` by the default settings, and `cv2.CascadeClassifier.detectMultiScale(grey, 1.1)` with the
same cascade on the whole grey photo; one thread each, photos decoded beforehand, colour to grey within both times.
Photos are spread evenly over FOLDER; without one they are made like the sample's, from real faces.

First the finds are compared: the detector has to find a face in 98 % of the photos in which the cascade alone finds
one, and in 97 % of the photos in which both do, their largest faces have to be the same, which means that they share
more than half of their union. Then both search all photos once a round, in turn, and medians are printed.
"""

import argparse
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import cv2.data
import numpy as np
from side_by_side import in_turn, shown

from facematch.core.text import evenly
from facematch.faces.boxes import intersection_over_union
from facematch.faces.cropper import choose_face
from facematch.faces.detectors import HaarDetector
from facematch.faces.values import Face, Image
from facematch.photos.encoded import jpeg_bytes
from facematch.photos.photo import Photo, PhotoFile, find_photos, read_photo
from facematch.pipeline.build import build_cropper
from facematch.pipeline.timing import machine
from facematch.settings.file import load_settings
from facematch.tasks.sample.portraits import PEOPLE, load_backgrounds, load_faces, make_portrait

SIDE, QUALITY = 250, 90  # of photos that are made: as many pixels as a square of this side has; of JPEG
FOUND, SAME = 0.98, 0.97  # the least shares
OVERLAP = 0.5  # intersection over union of boxes that are one face

Detect = Callable[[Image], Sequence[Face]]


def add_photo_options(parser: argparse.ArgumentParser, count: int) -> None:
    """Add what `photo_files` reads."""
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="photos; without it they are made")
    parser.add_argument("--photos", type=int, default=count, help="how many, evenly spread over the folder")


def photo_files(options: argparse.Namespace, scratch: Path) -> list[PhotoFile]:
    """Return photos spread evenly over the folder, or made ones, which are written into `scratch`."""
    if options.folder is None:
        make_photos(scratch, options.photos)
    files = find_photos(options.folder or scratch).files
    if not files:
        raise SystemExit(f"{options.folder} holds no photos")
    return evenly(files, options.photos)


def make_photos(folder: Path, count: int) -> None:
    """Write photos of the sample's people, each person in turn, of about `SIDE`×`SIDE` pixels."""
    for number in range(count):
        rng = np.random.default_rng(number)
        image = make_portrait(load_faces()[number % PEOPLE], load_backgrounds(), rng).image
        scale = SIDE / math.sqrt(image.shape[0] * image.shape[1])
        height, width = (round(side * scale) for side in image.shape[:2])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        (folder / f"{number:05d}.jpg").write_bytes(jpeg_bytes(image, QUALITY))


def decoded(files: Sequence[PhotoFile]) -> list[Photo]:
    """Return the photos that can be read."""
    photos = [read_photo(file) for file in files]
    return [photo for photo in photos if isinstance(photo, Photo)]


def alone(cascade: str) -> Detect:
    """Return the peer: a cascade of OpenCV on the whole photo."""
    classifier = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / cascade))

    def detect(image: Image) -> list[Face]:
        boxes = classifier.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 1.1)
        return [Face(x, y, width, height, 0.0, cascade) for x, y, width, height in np.array(boxes, float).tolist()]

    return detect


def largest(detect: Detect, photos: Sequence[Photo]) -> list[Face | None]:
    """Return the largest face of each photo."""
    sizes = [photo.image.shape for photo in photos]
    return [
        choose_face(detect(photo.image), width, height, "largest")
        for photo, (height, width, _) in zip(photos, sizes, strict=True)
    ]


def check(ours: Sequence[Face | None], theirs: Sequence[Face | None]) -> None:
    """Print how often both find a face, and the same; SystemExit where that is too seldom."""
    common = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    found = sum(face is not None for face in theirs)
    if not common:
        raise SystemExit(f"no face is found by both in {len(ours)} photos")
    shares = [intersection_over_union(a, b) for a, b in common]
    same = sum(share > OVERLAP for share in shares)
    print(
        f"a face in {sum(face is not None for face in ours)} photos of {len(ours)}, by the cascade alone in {found}; "
        f"of those {found} in {len(common)} ({len(common) / found:.1%})\n"
        f"the same largest face in {same} of {len(common)} ({same / len(common):.1%}), "
        f"mean intersection over union {statistics.mean(shares):.3f}",
        flush=True,
    )
    if len(common) < FOUND * found:
        raise SystemExit(f"faces are missed: at least {FOUND:.0%} of what the cascade alone finds were expected")
    if same < SAME * len(common):
        raise SystemExit(f"other faces are chosen: at least {SAME:.0%} the same were expected")


def main() -> None:
    """Compare and print; SystemExit when the finds differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser, 240)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    detector = build_cropper(load_settings(None).faces).detector
    assert isinstance(detector, HaarDetector)
    peer = alone(detector.cascades[0])
    with tempfile.TemporaryDirectory() as scratch:
        photos = decoded(photo_files(options, Path(scratch)))
    if not photos:
        raise SystemExit("none of the photos can be read")
    side = math.sqrt(statistics.median(photo.image.shape[0] * photo.image.shape[1] for photo in photos))
    print(f"{machine()}, one thread, OpenCV {cv2.__version__}; {len(photos)} photos of about {side:.0f}×{side:.0f} px")
    check(largest(detector.detect, photos), largest(peer, photos))
    times = in_turn(
        lambda: [detector.detect(photo.image) for photo in photos],
        lambda: [peer(photo.image) for photo in photos],
        options.rounds,
    )
    each = [shown(tuple(second / len(photos) for second in side)) for side in (times.ours, times.peer)]
    print(f"a photo: {each[0]}, by the cascade alone {each[1]}\nall photos: {times}")


if __name__ == "__main__":
    main()
