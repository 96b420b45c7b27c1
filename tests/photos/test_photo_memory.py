"""What decoding takes is known from the header: for every format that is read, and whatever a header claims."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from facematch.photos.heic import is_heic, open_heic
from facematch.photos.photo import Photo, PhotoLimits, Unreadable, decode
from facematch.photos.pixels import bytes_needed, icon_needs
from photo_formats import pictures, png

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks of memory as Linux has them")


def needed(data: bytes) -> int:
    opened = io.BytesIO(data)
    with open_heic(opened) if is_heic(data) else PillowImage.open(opened) as picture:
        return bytes_needed(picture, len(data))


_PEAKS = """
import sys
from pathlib import Path
from facematch.photos.heic import is_heic, open_heic
from facematch.photos.photo import Photo, PhotoLimits, decode

def now(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what)) * 1024

for path in map(Path, sys.argv[1:]):
    data = path.read_bytes()
    decode("small", (path.parent / "small").read_bytes(), "", PhotoLimits())  # libraries are loaded, threads started
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    before = now("VmRSS")
    assert isinstance(decode(path.name, data, "", PhotoLimits()), Photo), path
    print(path.name, now("VmHWM") - before)
"""


@LINUX
def test_no_format_takes_more_than_its_header_said(tmp_path: Path) -> None:
    made = pictures(1400, 1000)
    assert len(made) >= 15
    (tmp_path / "small").write_bytes(png(8, 8))
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS, *(str(tmp_path / name) for name in made)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},  # so that what is given back is seen to be
    )
    if "clear_refs" in done.stderr:
        pytest.skip("this system does not let a process forget its peak")
    assert done.returncode == 0, done.stderr
    peaks = {name: int(peak) for name, peak in (line.split() for line in done.stdout.splitlines())}
    assert peaks.keys() == made.keys()
    small = 8_000_000  # what is converted at once, and what libraries set up
    over = {name: (peak, needed(made[name])) for name, peak in peaks.items() if peak > needed(made[name]) + small}
    assert not over
    assert peaks["webp"] > 2 * peaks["png-palette"]  # something was measured


def test_a_photo_that_takes_more_than_the_limit_is_refused_in_plain_words() -> None:
    stream = io.BytesIO()
    PillowImage.new("RGB", (2000, 1500)).save(stream, "JPEG", progressive=True, subsampling=0)
    found = decode("x", stream.getvalue(), "s", PhotoLimits(max_memory=20_000_000))
    assert isinstance(found, Unreadable)
    assert (
        found.reason == "3.0 MP of JPEG take much memory: 30.1 MB is more than the limit of 20.0 MB (photos.max_memory)"
    )
    assert isinstance(decode("x", stream.getvalue(), "s", PhotoLimits(max_memory=31_000_000)), Photo)


def test_a_photo_of_millions_of_rows_takes_memory_for_each() -> None:
    found = decode("x", png(1, 2_000_000, 1), "s", PhotoLimits(max_memory=50_000_000))
    assert isinstance(found, Unreadable)
    assert (
        found.reason == "2.0 MP of PNG take much memory: 78.0 MB is more than the limit of 50.0 MB (photos.max_memory)"
    )


@pytest.mark.parametrize("width", [40_000, 65_536])
def test_a_tile_larger_than_its_picture_counts(width: int) -> None:
    tags = [
        (256, 64),
        (257, 64),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, width),
        (323, 30_000),
        (324, 8),
        (325, 9),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags)) + entries + bytes(4)
    found = decode("x", data, "s", PhotoLimits())
    assert isinstance(found, Unreadable)
    assert "more than the limit of 500.0 MB" in found.reason


@pytest.mark.parametrize("bitmap", [False, True])
def test_the_frame_of_an_icon_counts_and_not_what_its_list_says(bitmap: bool) -> None:
    inside = (
        struct.pack("<IiiHHIIiiII", 40, 12_000, 2 * 9_000, 1, 1, 0, 0, 0, 0, 2, 0) if bitmap else png(12_000, 9_000, 1)
    )
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(inside), 22) + inside
    assert icon_needs(icon)[0] == 108_000_000
    found = decode("x", icon, "s", PhotoLimits())
    assert isinstance(found, Unreadable)
    assert found.reason == "108.0 MP is more than the limit of 89.0 MP"
