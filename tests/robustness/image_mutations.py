"""Photos as a broken disk, an odd program or an enemy leaves them: mutated, thin, huge; the same for the same seed."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from photo_formats import pictures, png

_LONGEST = 300_000  # pixels of a thin photo's long side
_HUGE = (20_000_000, 120_000_000)  # pixels of a huge one: some are within the limits, some are not
Draw = np.random.Generator


def write_hostile_photos(folder: Path, seed: int, count: int) -> list[str]:
    """Write `count` different files into a new folder and return their names; none is empty."""
    folder.mkdir(parents=True)
    names = []
    for number, (kind, data) in enumerate(hostile_photos(seed, count)):
        names.append(f"{number:05}-{kind}.jpg")  # photos by their names, whatever they hold
        (folder / names[-1]).write_bytes(data)
    return names


def hostile_photos(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield what each is, a name without slashes, and its bytes; no two are the same."""
    whole = list(pictures(72, 56).items())
    seen: set[bytes] = set()
    number = 0
    while len(seen) < count:
        rng = np.random.default_rng((seed, number))
        number += 1
        drawn = rng.random()
        if drawn < 0.02:
            kind, data = "huge", huge(rng)
        elif drawn < 0.12:
            kind, data = thin(rng)
        else:
            kind, data = whole[int(rng.integers(len(whole)))]
            data = resized(data, rng) if drawn < 0.24 else mutated(data, rng)
        if data and data not in seen:
            seen.add(data)
            yield kind, data


def huge(rng: Draw) -> bytes:
    """Return a PNG of a few kilobytes that holds as many pixels as a photo may, or more."""
    pixels, proportion = int(rng.integers(*_HUGE)), float(np.exp(rng.uniform(-2, 2)))
    width = max(1, int((pixels * proportion) ** 0.5))
    return png(width, pixels // width, int(rng.choice([1, 3, 3])))


def thin(rng: Draw) -> tuple[str, bytes]:
    """Return a photo that is hundreds of thousands of pixels long and a few wide, and its format."""
    form, most = [("PNG", _LONGEST), ("BMP", _LONGEST), ("TIFF", _LONGEST), ("JPEG", 65_500), ("WEBP", 16_383)][
        int(rng.integers(5))
    ]
    sides = int(np.exp(rng.uniform(np.log(2000), np.log(most)))), int(rng.integers(1, 4))
    width, height = sides if rng.random() < 0.5 else sides[::-1]
    picture = PillowImage.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    stream = io.BytesIO()
    picture.save(stream, form)
    return f"thin-{form.lower()}", stream.getvalue()


def mutated(data: bytes, rng: Draw) -> bytes:
    """Return a file with one to eight changes: bits, bytes, numbers, parts missing, doubled, moved or cut off."""
    body = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if body:
            _CHANGES[int(rng.integers(len(_CHANGES)))](body, rng)
    return bytes(body)


def resized(data: bytes, rng: Draw) -> bytes:
    """Return a file whose header claims other sides than its pixels have, up to 2^31."""
    sides = [int(np.exp(rng.uniform(0, np.log(2.0**31)))) for _ in range(2)]
    if rng.random() < 0.3:
        sides[int(rng.integers(2))] = 1
    body = bytearray(data)
    if data.startswith(b"\x89PNG"):
        struct.pack_into(">II", body, 16, *sides)
        struct.pack_into(">I", body, 29, zlib.crc32(body[12:29]))
    elif data.startswith(b"GIF8"):
        struct.pack_into("<HH", body, 6, *(side % 65_536 for side in sides))
    elif data.startswith(b"BM"):
        struct.pack_into("<ii", body, 18, *(side % 2**31 for side in sides))
    elif data.startswith(b"\xff\xd8"):
        found = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        struct.pack_into(">HH", body, found + 5, *(side % 65_536 for side in sides))
    elif data.startswith(b"II*\0"):
        _in_tags(body, sides)
    else:
        return mutated(data, rng)
    return bytes(body)


def _in_tags(body: bytearray, sides: list[int]) -> None:
    # Width and height are the tags 256 and 257 of a TIFF's first list.
    (start,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", body, at)
        if tag in (256, 257):
            struct.pack_into("<HHII", body, at, tag, 4, 1, sides[tag - 256] % 2**32)


def _flip(body: bytearray, rng: Draw) -> None:
    body[int(rng.integers(len(body)))] ^= 1 << int(rng.integers(8))


def _set(body: bytearray, rng: Draw) -> None:
    body[int(rng.integers(len(body)))] = int(rng.choice([0, 1, 127, 128, 255]))


def _number(body: bytearray, rng: Draw) -> None:
    form = str(rng.choice(["<H", ">H", "<I", ">I"]))
    width = struct.calcsize(form)
    # Headers come first: half of the numbers are written there.
    last = min(len(body), 200) if rng.random() < 0.5 else len(body)
    if last > width:
        value = int(rng.choice([0, 1, 2, 255, 256, 32_767, 65_535, 2**31 - 1, 2**31, 2**32 - 1]))
        struct.pack_into(form, body, int(rng.integers(last - width)), value % 256**width)


def _part(body: bytearray, rng: Draw) -> slice:
    start = int(rng.integers(len(body)))
    return slice(start, start + 1 + int(rng.integers(1 + len(body) // 8)))


def _drop(body: bytearray, rng: Draw) -> None:
    del body[_part(body, rng)]


def _double(body: bytearray, rng: Draw) -> None:
    at = int(rng.integers(len(body)))
    body[at:at] = body[_part(body, rng)]


def _noise(body: bytearray, rng: Draw) -> None:
    part = _part(body, rng)
    body[part] = rng.bytes(len(body[part]))


def _cut(body: bytearray, rng: Draw) -> None:
    del body[1 + int(rng.integers(len(body))) :]


_CHANGES: tuple[Callable[[bytearray, Draw], None], ...] = (_flip, _flip, _set, _number, _drop, _double, _noise, _cut)
