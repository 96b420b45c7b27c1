"""Hundreds of mutated, thin and huge photos: each is a row, nothing ends a run, and memory stays below 1.5 GB.

FACEMATCH_FUZZ=N tries N times as many.
"""

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from image_mutations import hostile_photos, write_hostile_photos
from PIL import Image as PillowImage

from facematch.charts.jpeg import SmallPhoto, read_small
from facematch.core.cache import Cache
from facematch.near_duplicates.contents import Content, read_contents
from facematch.photos.photo import PhotoLimits, Unreadable, find_photos
from facematch.tasks.umap.grey_pixels import grey_pixels
from photo_formats import png

TIMES = int(os.environ.get("FACEMATCH_FUZZ", "1"))
SEED = 18
MOST = 1_500_000_000  # bytes
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks of memory as Linux has them")


@dataclass(frozen=True)
class Measured:
    """How a command ended: its exit code, what it printed, and the most memory it had, in bytes."""

    code: int
    text: str
    peak: int


# Linux starts a process with the peak of the one that forked it, which may have had gigabytes; VmHWM is its own.
_PROGRAM = """
import atexit, sys
from pathlib import Path

def tell():
    lines = Path("/proc/self/status").read_text().splitlines()
    Path("peak.txt").write_text(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

if sys.platform == "linux":
    atexit.register(tell)
from facematch.cli.app import main
main()
"""


def measured(folder: Path, *arguments: object) -> Measured:
    """Run `facematch ARGUMENTS` in `folder` as a process of its own; its memory is measured on Linux, 0 elsewhere."""
    with (folder / "printed.txt").open("wb") as printed:
        command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT, check=False)
    text = (folder / "printed.txt").read_text(errors="replace")
    peak = folder / "peak.txt"
    return Measured(done.returncode, text, int(peak.read_text()) * 1024 if peak.is_file() else 0)


def test_the_same_seed_makes_the_same_photos() -> None:
    one, other = (list(hostile_photos(SEED, 40)) for _ in range(2))
    assert one == other
    assert len({data for _, data in one}) == 40
    assert one != list(hostile_photos(SEED + 1, 40))


def test_crop_gives_every_photo_a_row_in_its_memory(tmp_path: Path) -> None:
    names = write_hostile_photos(tmp_path / "photos", SEED, 200 * TIMES)
    done = measured(tmp_path, "crop", "photos", "out")
    assert (done.code, "Traceback" in done.text) == (0, False), done.text[-2000:]
    with (tmp_path / "out" / "crops.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert sorted(row["photo"] for row in rows) == sorted(names)
    assert all(row["reason"] for row in rows if row["status"] != "found")
    assert {row["status"] for row in rows} >= {"whole", "unreadable"}
    for row in rows:
        assert (row["crop"] == "") == (row["status"] == "unreadable")
    assert done.peak < MOST


def test_a_request_is_made_of_whatever_lies_in_the_folders(tmp_path: Path) -> None:
    names = write_hostile_photos(tmp_path / "gallery", SEED + 1, 120 * TIMES)
    queries = names[::3]
    (tmp_path / "query").mkdir()
    for name in queries:
        (tmp_path / "gallery" / name).rename(tmp_path / "query" / name)
    settings = "paths: {query: query, gallery: gallery}\nserver: {group: g}\nembedder: {kind: pixels}\n"
    (tmp_path / "day.yaml").write_text(settings)
    done = measured(tmp_path, "request", "--dry-run", "--config", "day.yaml", "--out", "payload.json")
    assert (done.code, "Traceback" in done.text) == (0, False), done.text[-2000:]
    payload = (tmp_path / "payload.json").read_text()
    assert all(f'"{name}"' in payload for name in queries)
    assert done.peak < MOST


def test_everything_else_that_reads_photos_ends_with_values(tmp_path: Path) -> None:
    names = set(write_hostile_photos(tmp_path / "photos", SEED + 3, 60 * TIMES))
    files, limits = find_photos(tmp_path / "photos").files, PhotoLimits()
    with Cache(tmp_path / "contents.sqlite") as cache:
        contents, bad = read_contents(files, cache, limits)
    assert ({type(each) for each in contents}, {type(each) for each in bad}) == ({Content}, {Unreadable})
    assert len(contents) + len(bad) == len(files)
    with Cache(tmp_path / "grey.sqlite") as cache:
        grey = grey_pixels(tmp_path / "photos", cache, limits)
    assert len(grey.names) + len(grey.unread) == len(names)
    assert {type(read_small(file, 64, limits)) for file in files} == {SmallPhoto, Unreadable}


# --- with less memory than they want --------------------------------------------------------------

_LIMITED = """
import os, resource, sys
os.cpu_count = lambda: 1
from pathlib import Path
from facematch.core.cache import Cache
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import HaarDetector
from facematch.faces.stream import crop_photos
from facematch.faces.values import record_of
from facematch.photos.photo import PhotoLimits, find_photos

folder, room, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cropper = Cropper(HaarDetector(("haarcascade_frontalface_default.xml",)))

def crop(below):
    with Cache(folder / f"{below}.sqlite") as cache:
        files = find_photos(folder / below).files
        limits = PhotoLimits(max_memory=limit)
        return [record_of(each) for each in crop_photos(files, cropper, cache, miss="whole", limits=limits, workers=4)]

crop("first")  # libraries are loaded, threads have their stacks
line = next(line for line in open("/proc/self/status") if line.startswith("VmSize"))
now = int(line.split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))
for record in crop("photos"):
    print(record.name, record.status, record.reason, sep="|")
"""


def limited(folder: Path, room: int, limit: int) -> dict[str, tuple[str, str]]:
    """Crop folder/photos on four threads in `room` bytes; return status and reason of each photo."""
    (folder / "first").mkdir()
    for number in range(8):
        PillowImage.fromarray(np.full((64, 64, 3), number, np.uint8)).save(folder / "first" / f"{number}.png")
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, folder, str(room), str(limit)],
        capture_output=True,
        text=True,
        check=False,
        # One arena for all threads, and what is given back goes back: the limit is on addresses, not on memory in use.
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"},
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return {name: (status, reason) for name, status, reason in rows}


@LINUX
def test_photos_that_fit_one_by_one_take_turns_in_the_memory_there_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(6):  # 13 megapixels, which take 91 MB each
        (tmp_path / "photos" / f"large{number}.png").write_bytes(png(4000 + number, 3250))
    for width in (25_000, 60_000, 200_000):
        (tmp_path / "photos" / f"thin{width}.png").write_bytes(png(width, 1))
    rows = limited(tmp_path, 130_000_000, 100_000_000)
    assert {name: status for name, (status, _) in rows.items()} == dict.fromkeys(rows, "whole")
    assert len(rows) == 9
    assert all(reason.startswith("no face found") for _, reason in rows.values())


@LINUX
def test_a_photo_that_the_system_has_no_memory_for_is_its_row(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "large.png").write_bytes(png(6000, 5000))
    (tmp_path / "photos" / "small.png").write_bytes(png(60, 50))
    rows = limited(tmp_path, 60_000_000, 500_000_000)
    assert rows["large.png"] == ("unreadable", "too large for this machine's memory")
    assert rows["small.png"][0] == "whole"
