"""What finds a changed photo: facematch's pixels, hashes and near-duplicates beside ImageHash and imagededup.

    pip install 'facematch[hashes,bench]'
    python benchmarks/duplicate_finders.py FOLDER … [--photos 100] [--changes jpeg-50,crop-10] [--seed 1]

First the hashes are checked: facematch's have to equal ImageHash's of the same picture, bit for bit. Then each change
is made on some of the photos, and every method is asked for the original among all: recall at 1, the share of
originals called a copy by the method's own threshold, and how many other photos are. Photos that are one already
(equal pixels, or near-duplicates of each other) are neither right nor wrong. All get the same decoded pictures;
images a second are from decoded pixels to what is compared. A peer that is not installed is left out.
"""

import argparse
import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.evaluation.bootstrap import Estimate
from facematch.near_duplicates.contents import Content, content_cache, picture_of, read_contents
from facematch.photos.photo import PhotoLimits, Rgb, find_photos
from facematch.pipeline.images import load_image_settings
from facematch.ranking.codes import hamming_distances
from facematch.tasks.robustness.changes import CHANGES, change_named
from facematch.tasks.robustness.command import open_system
from facematch.tasks.robustness.methods import (
    Answers,
    Copies,
    Method,
    NearDuplicateMethod,
    Pictures,
    copies_within,
    pictures_of,
)
from facematch.tasks.robustness.robustness import Column, measure, spread

SYSTEMS = ("pixels", "phash", "dhash", "whash", "phash+turns")
THRESHOLD = 10  # imagededup's max_distance_threshold; ImageHash has no threshold of its own and gets the same
LIMITS = PhotoLimits()

Codes = NDArray[np.uint8]


@dataclass(eq=False)
class Peer:
    """A hash of another library: `hashed` gives 8 bytes of a picture."""

    name: str
    hashed: Callable[[Rgb], Codes]
    names: Sequence[str] = ()
    codes: Codes = field(default_factory=lambda: np.empty((0, 8), np.uint8))
    copies: Copies = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """What it calls a copy."""
        return f"at most {THRESHOLD} of 64 bits differ"

    def reduce(self, image: Rgb) -> Codes:
        """The hash."""
        return self.hashed(image)

    def embed(self, smalls: Codes) -> Codes:
        """Nothing is left to do."""
        return smalls

    def answers(self, smalls: Codes, names: Sequence[str], wanted: Sequence[str]) -> Answers:
        """Every picture against every photo; `self.names` rise, so that the first of equal distances stands first."""
        place = {name: number for number, name in enumerate(self.names)}
        apart = hamming_distances(smalls, self.codes).astype(np.int64)
        for row, name in enumerate(wanted):
            apart[row, [place[copy] for copy in self.copies.get(name, ())]] = 65
        own = np.array([place[name] for name in wanted])
        found = apart[np.arange(len(own)), own] <= THRESHOLD
        return Answers(apart.argmin(axis=1) == own, found, (apart <= THRESHOLD).sum(axis=1) - found)


def imagehash_peers() -> Iterator[Peer]:
    """ImageHash with 64 bits, of the whole picture."""
    import imagehash

    def of(kind: Callable[..., Any]) -> Callable[[Rgb], Codes]:
        return lambda image: np.packbits(kind(PillowImage.fromarray(image)).hash.ravel())

    for name in ("phash", "dhash", "whash", "average_hash"):
        yield Peer(f"ImageHash {name}", of(getattr(imagehash, name)))


def imagededup_peers() -> Iterator[Peer]:
    """imagededup's hashes. Its import fetches a network's weights for its CNN: it gets that network without any."""
    import torchvision

    fetching = torchvision.models.mobilenet_v3_small
    torchvision.models.mobilenet_v3_small = lambda **_: fetching(weights=None)
    try:
        from imagededup import methods
    finally:
        torchvision.models.mobilenet_v3_small = fetching

    def of(kind: Any) -> Callable[[Rgb], Codes]:
        return lambda image: np.frombuffer(bytes.fromhex(kind.encode_image(image_array=image)), np.uint8)

    for name in ("PHash", "DHash", "WHash", "AHash"):
        yield Peer(f"imagededup {name}", of(getattr(methods, name)(verbose=False)))


def installed_peers() -> list[Peer]:
    """The peers that are there; for each other one a line is printed."""
    peers: list[Peer] = []
    for library, make in (("ImageHash", imagehash_peers), ("imagededup", imagededup_peers)):
        try:
            peers += list(make())
        except ImportError as error:
            print(f"{library} is left out, it is not installed: {error}")
    print("imagededup's CNN is left out: its weights would have to be fetched from elsewhere")
    return peers


def different_hashes(images: Sequence[Rgb]) -> int:
    """How many hashes of facematch are not ImageHash's of the same picture."""
    import imagehash

    from facematch.embedders.hashes import HashEmbedder

    different = 0
    for kind in ("phash", "dhash", "whash"):
        ours = HashEmbedder(kind).embed(np.stack([cv2.resize(image, (112, 112)) for image in images])) > 0
        for image, bits in zip(images, ours, strict=True):
            theirs = getattr(imagehash, kind)(PillowImage.fromarray(cv2.resize(image, (112, 112))))
            different += not np.array_equal(bits, theirs.hash.ravel())
    print(f"phash, dhash, whash of {len(images)} pictures: {different} are not ImageHash's")
    return different


def prepared(folder: Path, pictures: Pictures, contents: Sequence[Content], copies: Copies) -> list[Method]:
    """Every method, knowing the folder."""
    settings = load_image_settings(None)
    methods: list[Method] = [NearDuplicateMethod(pictures, copies)]
    methods += [open_system(settings, name, folder, copies) for name in SYSTEMS]
    peers = installed_peers()
    ordered = sorted(contents, key=lambda each: each.file.name)
    hashes: list[list[Codes]] = [[] for _ in peers]
    for content in ordered:
        image = picture_of(content.file, LIMITS)
        for own, peer in zip(hashes, peers, strict=True):
            own.append(peer.hashed(image))
    for own, peer in zip(hashes, peers, strict=True):
        peer.names, peer.codes, peer.copies = [each.file.name for each in ordered], np.stack(own), copies
    return [*methods, *peers]


def show(columns: Sequence[Column], names: Sequence[str], asked: int, photos: int) -> None:
    """Print the tables: methods as rows, so that they can be read in 120 letters."""
    print(f"\n{'all changes but none':26s} recall at 1        called a copy      false pairs  images a second")
    for column in columns:
        assert column.overall is not None
        each = column.overall
        false = "–" if each.false is None else f"{each.false:,}"
        print(
            f"{column.name:26s} {each.first!s:18s}  {'–' if each.found is None else str(each.found):18s} "
            f"{false:>11s}  {column.images_per_second or 0:15,.0f}"
        )
    compared = asked * sum(name != "none" for name in names) * (photos - 1)
    print(f"false pairs of about {compared:,}")
    print()
    for number, column in enumerate(columns, start=1):
        print(f"{number:2d}: {column.name}{f', copies when {column.rule}' if column.rule else ''}")
    heads = "".join(f"{number:>9d}" for number in range(1, len(columns) + 1))
    print(f"\n{'recall at 1, %':16s}{heads}")
    for name in names:
        print(f"{name:16s}" + "".join(f"{percent((each.cells or {})[name].first):>9s}" for each in columns))
    print(f"\n{'a copy, %':16s}{heads}")
    for name in names:
        print(f"{name:16s}" + "".join(f"{percent((each.cells or {})[name].found):>9s}" for each in columns))


def percent(figure: Estimate | None) -> str:
    """A share in percent."""
    return "–" if figure is None or figure.value is None else f"{100 * figure.value:.1f}"


def main() -> int:
    """Compare and print; 1 when the hashes are not ImageHash's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--changes", default=",".join(change.name for change in CHANGES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    changes = [change_named(name) for name in options.changes.split(",")]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, each in enumerate(options.folders):
            (folder / f"{number}-{each.name}").symlink_to(each.absolute(), target_is_directory=True)
        cache = stack.enter_context(content_cache(folder / ".cache"))
        os.environ["FACEMATCH_CACHE"] = str(folder / ".cache")
        contents, _ = read_contents(find_photos(folder).files, cache, LIMITS)
        pictures = pictures_of(contents, cache, LIMITS)
        copies = copies_within(pictures)
        files = [contents[place].file for place in spread(len(contents), options.photos, options.seed)]
        print(f"{len(contents):,} photos, {len(copies)} of them with copies; {len(files)} are changed")
        if different_hashes([picture_of(file, LIMITS) for file in files[:50]]):
            return 1
        methods = prepared(folder, pictures, contents, copies)
        columns = measure(methods, files, changes, LIMITS, seed=options.seed)
    show(columns, [change.name for change in changes], len(files), len(contents))
    versions = f"Python {platform.python_version()}, OpenCV {cv2.__version__}"
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, {versions}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
