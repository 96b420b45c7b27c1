"""The photos a network was trained on, kept beside it by content, and whether others are among them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from facematch.core.cache import Cache
from facematch.core.files import write_json
from facematch.core.foreign import read_as
from facematch.near_duplicates.overlap import Leak, PhotoSet, Working, find_leaks
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, digest_of

_NAME = "photos.json"


class _Kept(BaseModel):
    photos: dict[str, str]


_KEPT = TypeAdapter(_Kept)


@dataclass(frozen=True)
class TrainedCheck:
    """Photos that a network was trained on: `seen` says `photo = training photo (how)`.

    Of `photos` training photos `gone` are no longer where they were: others were compared with these by their bytes
    only, and a copy in other bytes could not be found.
    """

    seen: tuple[str, ...]
    photos: int
    gone: int


def write_trained_photos(
    run: Path, files: Sequence[PhotoFile], limits: PhotoLimits, before: Path | None = None
) -> None:
    """Write the SHA-256 and the path of every photo of a training into its run folder.

    `before` is the run whose weights it starts from: their photos count as well, and where that run does not tell
    them, nothing is written.
    """
    earlier = {} if before is None else trained_photos(before)
    if earlier is None:
        return
    photos = {sha256: str(path) for sha256, path in earlier.items()}
    photos |= {sha256: str(file.path.absolute()) for file, sha256 in _digests(files, limits)}
    write_json(run / _NAME, {"photos": photos})


def trained_photos(run: Path) -> Mapping[str, Path] | None:
    """Return the path of each training photo by the SHA-256 of its bytes; None where the run does not tell."""
    if not (run / _NAME).is_file():
        return None
    found = read_as(_KEPT, run / _NAME, "the photos of the training", "Train the network again.")
    return {sha256: Path(path) for sha256, path in found.photos.items()}


def check_untrained(
    trained: Mapping[str, Path], asked: Sequence[PhotoFile], cache: Cache, limits: PhotoLimits, working: Working
) -> TrainedCheck:
    """Look for photos that a network was trained on, by their bytes, their pixels and what they show.

    Names do not count. Copies in other bytes are found as `facematch leaks` finds them, which needs the training
    photos themselves.
    """
    by_bytes = {file.name: trained[sha256] for file, sha256 in _digests(asked, limits) if sha256 in trained}
    seen = {name: f"{name} = {path} (same bytes)" for name, path in by_bytes.items()}
    there = tuple(PhotoFile(str(path), path) for path in trained.values() if path.is_file())
    rest = tuple(file for file in asked if file.name not in by_bytes)
    if there and rest:
        sides = (PhotoSet("training", "photos.json", there), PhotoSet("queries", "", rest))
        for leak in find_leaks(sides, cache, limits, working).leaks:
            seen |= {name: f"{name} = {leak.left[0]} ({_how(leak)})" for name in leak.right if name not in seen}
    return TrainedCheck(tuple(seen[name] for name in sorted(seen)), len(trained), len(trained) - len(there))


def _digests(files: Sequence[PhotoFile], limits: PhotoLimits) -> Iterator[tuple[PhotoFile, str]]:
    for file in files:
        digest = digest_of(file, limits)
        if not isinstance(digest, Unreadable):
            yield file, digest


def _how(leak: Leak) -> str:
    return leak.kind if leak.correlation is None else f"{leak.kind}, correlation {leak.correlation:.3f}"
