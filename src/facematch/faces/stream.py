"""Crops of many photos: read, looked up by content, detected on all cores, in the order given."""

import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, FiniteFloat

from facematch.core.cache import Cache
from facematch.core.cores import photo_turn, single_threaded_opencv
from facematch.core.errors import FacematchError
from facematch.core.foreign import as_kind
from facematch.faces.cropper import Cropper
from facematch.faces.values import Box, Crop, Miss, Outcome
from facematch.photos.encoded import png_bytes, rgb_pixels
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, decode, made_of, read_bytes
from facematch.settings.embedding import MissChoice

T = TypeVar("T")


class _Note(BaseModel):
    # What the cache holds beside a crop's picture, or the reason why there is none.
    box: Box = (0, 0, 0, 0)
    detector: str = ""
    score: FiniteFloat = 0.0
    reason: str = ""
    miss: str | None = None


def crop_cache(folder: Path, cropper: Cropper) -> Cache:
    """Open the cache of crops that this cropper makes."""
    return Cache(folder / f"crops-{cropper.fingerprint.digest[:16]}.sqlite")


def crop_photos(
    files: Sequence[PhotoFile],
    cropper: Cropper,
    cache: Cache,
    *,
    miss: MissChoice,
    limits: PhotoLimits,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Outcome]:
    """Yield a `Crop`, a `Miss` or an `Unreadable` for every file, in order.

    Threads do the work: decoding and detection release Python's lock. Each has one photo at a time, in the memory that
    `facematch.core.cores` gives it; crops are a few dozen ahead. What a library raises for one photo is its own row.
    `miss` says what a photo without a face becomes; with `error` the first one raises FacematchError. `on_progress`
    gets the number of files done.
    """

    def one(file: PhotoFile) -> Outcome:
        read = read_bytes(file, limits)
        return read if isinstance(read, Unreadable) else crop_bytes(file.name, *read, cropper, cache, miss, limits)

    for done, outcome in enumerate(in_order(one, files, workers or os.cpu_count() or 1), start=1):
        if on_progress is not None:
            on_progress(done)
        yield outcome


def crop_bytes(
    name: str, data: bytes, sha256: str, cropper: Cropper, cache: Cache, miss: MissChoice, limits: PhotoLimits
) -> Outcome:
    """Return how one photo ends, from the cache where its bytes were seen before."""
    photo, found = None, _lookup(cache, sha256, name, sha256, cropper.size)
    if found is None:
        photo = decode(name, data, sha256, limits)
        if isinstance(photo, Unreadable):
            return photo
        cropped = made_of(photo, cropper.crop)
        if isinstance(cropped, Unreadable):  # not kept: another version of a library may find a face
            found = Miss(name, sha256, cropped.reason)
        else:
            found = cropped
            _keep(cache, sha256, found)
    if isinstance(found, Crop) or miss == "skip":
        return found
    if miss == "error":
        raise FacematchError(
            f"{name}: {found.reason}, and faces.miss is error.",
            "Look at the photo, try other faces.* parameters, or set faces.miss to whole, centre or skip.",
        )
    reason, key = found.reason, f"{sha256}:{miss}"
    replacement = _lookup(cache, key, name, sha256, cropper.size)
    if replacement is not None:
        return replacement
    photo = photo or decode(name, data, sha256, limits)
    if isinstance(photo, Unreadable):
        return photo
    made = made_of(photo, lambda whole: cropper.stand_in(whole, miss, reason))
    if not isinstance(made, Unreadable):
        _keep(cache, key, made)
    return made


def in_order(work: Callable[[PhotoFile], T], files: Sequence[PhotoFile], workers: int) -> Generator[T, None, None]:
    """Yield `work(file)` for each file in order, on `workers` threads, a bounded number ahead.

    No file is worked on while a network loads or computes on every core. Of many files a thread takes a few at a time:
    handing over a photo that is in the cache takes longer than looking it up.
    """
    stopped = False

    def in_turn(some: Sequence[PhotoFile]) -> list[T]:
        done: list[T] = []
        for file in some:
            if stopped:
                break
            with photo_turn():
                done.append(work(file))
        return done

    ahead = 16 * workers
    few = max(1, min(8, len(files) // ahead))
    waiting: deque[Future[list[T]]] = deque()
    with single_threaded_opencv(), ThreadPoolExecutor(workers, thread_name_prefix="crop") as pool:
        try:
            for start in range(0, len(files), few):
                waiting.append(pool.submit(in_turn, files[start : start + few]))
                if len(waiting) * few >= ahead:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:  # an error or Ctrl-C: what has not begun is dropped
            stopped = True
            pool.shutdown(wait=True, cancel_futures=True)


def _keep(cache: Cache, key: str, outcome: Crop | Miss) -> None:
    if isinstance(outcome, Miss):
        cache.put(key, json.dumps({"miss": outcome.reason}), b"")
        return
    note = {key: getattr(outcome, key) for key in ("box", "detector", "score", "reason")}
    cache.put(key, json.dumps(note), png_bytes(outcome.image, quick=True))


def _lookup(cache: Cache, key: str, name: str, sha256: str, size: int) -> Crop | Miss | None:
    def decoded(note: str, data: bytes) -> Crop | Miss:
        row = as_kind(_Note, json.loads(note))
        if row.miss is not None:
            return Miss(name, sha256, row.miss)
        image = rgb_pixels(data)
        if image is None or len(image) != size or not row.detector:
            raise ValueError("its picture is damaged")
        return Crop(name, sha256, image, row.box, row.detector, row.score, row.reason)

    return cache.read(key, decoded)
