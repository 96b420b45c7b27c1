"""HEIC photos, read by pillow-heif where it is installed, and named with the remedy where it is not."""

import io
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.photos import heic
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, Unreadable, decode, read_photo
from facematch.photos.pixels import bytes_needed, memory_of

needs_heif = pytest.mark.skipif(find_spec("pillow_heif") is None, reason="pillow-heif is not installed")


def ftyp(*brands: bytes) -> bytes:
    """The first box of such a file: the major brand, a version, compatible brands."""
    listed = brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", 8 + len(listed)) + b"ftyp" + listed


def blocks() -> PillowImage.Image:
    """Red, green, blue and white quarters, 96×64."""
    quarters = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    return PillowImage.fromarray(np.kron(quarters, np.ones((32, 48, 1), np.uint8)))


def heic_bytes(picture: PillowImage.Image, orientation: int = 1) -> bytes:
    from pillow_heif import from_pillow

    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    made = from_pillow(picture)
    made.info["exif"] = exif.tobytes()
    made.save(stream, format="HEIF", quality=90)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("brands", "known"),
    [
        ((b"heic", b"mif1", b"heic"), True),
        ((b"mif1", b"heic"), True),
        ((b"hevc",), True),
        ((b"avif", b"mif1"), False),
        ((b"mif1", b"avif"), False),
        ((b"mp42", b"isom"), False),
    ],
)
def test_it_is_known_by_its_brands(brands: tuple[bytes, ...], known: bool) -> None:
    assert heic.is_heic(ftyp(*brands) + b"heic") == known  # what follows the first box names no brand


def test_without_its_reader_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "find_spec", lambda name: None)
    found = decode("a.heic", ftyp(b"heic", b"mif1", b"heic") + bytes(400), "s", PhotoLimits())
    assert isinstance(found, Unreadable)
    assert found.reason == "HEIC needs pillow-heif: pip install 'facematch[heic]', or convert it to JPEG"


def test_its_reader_is_not_imported_for_other_photos() -> None:
    program = (
        "import io, sys\nfrom PIL import Image\nfrom facematch.photos.photo import PhotoLimits, decode\n"
        "stream = io.BytesIO(); Image.new('RGB', (8, 8)).save(stream, 'PNG')\n"
        "decode('x', stream.getvalue(), 's', PhotoLimits()); print('pillow_heif' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@needs_heif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_of_a_phone_is_read_upright_as_its_jpeg_is(orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    blocks().save(stream, "JPEG", quality=95, subsampling=0, exif=exif)
    wanted = decode("x", stream.getvalue(), "s", PhotoLimits())
    found = decode("x", heic_bytes(blocks(), orientation), "s", PhotoLimits())
    assert isinstance(wanted, Photo)
    assert isinstance(found, Photo), found
    assert found.image.shape == wanted.image.shape
    assert np.abs(found.image.astype(int) - wanted.image).mean() < 6
    assert "HEIF" not in PillowImage.OPEN  # what this process opens otherwise is as it was


@needs_heif
def test_its_limits_are_those_of_others(tmp_path: Path) -> None:
    data = heic_bytes(blocks().resize((1500, 1000)))
    refused = {
        "1.5 MP is more than the limit of 1.0 MP": PhotoLimits(max_pixels=1_000_000),
        "1.5 MP of HEIF take much memory": PhotoLimits(max_memory=8_000_000),
    }
    for words, limits in refused.items():
        found = decode("x", data, "s", limits)
        assert isinstance(found, Unreadable)
        assert found.reason.startswith(words)
    (tmp_path / "a.heic").write_bytes(data)
    with heic.open_heic(io.BytesIO(data)) as picture:
        assert bytes_needed(picture, len(data)) <= memory_of(tmp_path / "a.heic", len(data)) + 2 * 1_500_000
    assert isinstance(read_photo(PhotoFile("a.heic", tmp_path / "a.heic")), Photo)


@needs_heif
@pytest.mark.parametrize("length", [40, 200, 600, -50])
def test_a_damaged_one_is_a_reason(length: int) -> None:
    data = heic_bytes(blocks())[:length]
    found = decode("x", data, "s", PhotoLimits())
    assert isinstance(found, Unreadable)
    assert found.reason.startswith(("damaged", "file is cut short"))


def test_the_largest_size_that_a_header_names() -> None:
    boxes = b"".join(b"\0\0\0\x14ispe" + bytes(4) + struct.pack(">II", *size) for size in ((512, 512), (4032, 3024)))
    assert heic.largest_area(ftyp(b"heic") + boxes + b"ispe\0") == 4032 * 3024
    assert heic.largest_area(b"") == 0
