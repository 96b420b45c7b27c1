"""The photos a network was trained on, kept beside it by content, and whether others are among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from facematch.core.cache import Cache
from facematch.core.files import write_json
from facematch.core.foreign import read_as
from facematch.near_duplicates.contents import read_contents
from facematch.near_duplicates.match import Progress, match
from facematch.photos.photo import PhotoFile, PhotoLimits

_NAME = "photos.json"


class _Kept(BaseModel):
    photos: dict[str, str]


@dataclass(frozen=True)
class TrainedCheck:
    """Photos that a network was trained on: `seen` says `photo = training photo (how)`.

    Of `photos` training photos `gone` are no longer where they were: others were compared with these by their bytes
    only, and a copy in other bytes could not be found.
    """

    seen: tuple[str, ...]
    photos: int
    gone: int


def write_trained_photos(run: Path, photos: Mapping[PhotoFile, str], before: Path | None = None) -> None:
    """Write the SHA-256 of every photo of a training, as given, and its path into its run folder.

    `before` is the run whose weights it starts from: their photos count as well, and where that run did not keep
    them, nothing is written.
    """
    earlier = {} if before is None else trained_photos(before)
    if earlier is None:
        return
    paths = {sha256: str(path) for sha256, path in earlier.items()}
    paths |= {sha256: str(file.path.absolute()) for file, sha256 in photos.items()}
    write_json(run / _NAME, {"photos": paths})


def trained_photos(run: Path) -> Mapping[str, Path] | None:
    """Return the path of each training photo by the SHA-256 of its bytes; None where the run did not keep them."""
    if not (run / _NAME).is_file():
        return None
    found = read_as(_Kept, run / _NAME, "the photos of the training", "Train the network again.")
    return {sha256: Path(path) for sha256, path in found.photos.items()}


def check_untrained(
    trained: Mapping[str, Path], queries: Sequence[PhotoFile], cache: Cache, limits: PhotoLimits, progress: Progress
) -> TrainedCheck:
    """Look for queries that a network was trained on, by their bytes, their pixels and what they show.

    Names do not count. Copies in other bytes are found as `facematch leaks` finds them, which needs the training
    photos themselves.
    """
    with progress("photos of queries", len(queries)) as step:
        photos, bad = read_contents(queries, cache, limits, step)
    digests = {photo.file.name: photo.sha256 for photo in photos} | {each.name: each.sha256 or "" for each in bad}
    by_bytes = {name: trained[sha256] for name, sha256 in digests.items() if sha256 in trained}
    seen = {name: f"{name} = {path} (same bytes)" for name, path in by_bytes.items()}
    there = [PhotoFile(str(path), path) for path in trained.values() if path.is_file()]
    rest = [photo for photo in photos if photo.file.name not in by_bytes]
    if there and rest:
        with progress("photos of the training", len(there)) as step:
            known, _ = read_contents(there, cache, limits, step)
        for found in match(known, rest, cache, limits, progress, "training and queries: "):
            how = found.kind if found.near is None else f"{found.kind}, correlation {found.near.correlation:.3f}"
            for photo in found.right:
                name = photo.file.name
                seen.setdefault(name, f"{name} = {min(file.file.name for file in found.left)} ({how})")
    return TrainedCheck(tuple(seen[name] for name in sorted(seen)), len(trained), len(trained) - len(there))
