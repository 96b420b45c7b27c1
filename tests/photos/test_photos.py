"""Photos: every file met ends as a photo with the right pixels, or as a named reason."""

import hashlib
import io
import os
import socket
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.photos.photo import (
    Photo,
    PhotoFile,
    PhotoLimits,
    Unreadable,
    decode,
    digests_of,
    find_photos,
    read_bytes,
    read_photo,
)
from shared import shared

LIMITS = PhotoLimits()
SMALL = PhotoLimits(max_pixels=1_000_000)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and modes of POSIX")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are not UTF-8")


def scene(height: int = 24, width: int = 36) -> NDArray[np.uint8]:
    """A smooth picture without symmetry, so that JPEG keeps it and no turn of it equals another."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 250 // height, columns * 250 // width, (rows + 2 * columns) * 80 // width]
    return np.stack(planes, axis=2).astype(np.uint8)


def encoded(image: PillowImage.Image | NDArray[Any], form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture = image if isinstance(image, PillowImage.Image) else PillowImage.fromarray(image)
    picture.save(stream, format=form, **options)
    return stream.getvalue()


def pixels(data: bytes) -> NDArray[np.int64]:
    photo = decode("x", data, "digest", LIMITS)
    assert isinstance(photo, Photo), photo
    assert (photo.name, photo.sha256) == ("x", "digest")
    assert photo.image.flags.c_contiguous
    assert not photo.image.flags.writeable
    return photo.image.astype(np.int64)


def reason(data: bytes, limits: PhotoLimits = LIMITS) -> str:
    found = decode("x", data, "digest", limits)
    assert isinstance(found, Unreadable), found
    assert (found.name, found.sha256) == ("x", "digest")
    return found.reason


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 8, 3), np.uint8)[:, ::2],
    ],
)
def test_a_photo_checks_itself(image: Any) -> None:
    with pytest.raises(ValueError, match=r"a photo is .*; ann/1\.jpg is"):
        Photo("ann/1.jpg", "0" * 64, image)


# --- finding --------------------------------------------------------------------------------------


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def names(folder: Path) -> list[str]:
    return [file.name for file in find_photos(folder).files]


def reasons(folder: Path) -> dict[str, str]:
    return {bad.name: bad.reason for bad in find_photos(folder).unreadable}


def test_files_of_any_name_are_found_below_the_folder_in_order(tmp_path: Path) -> None:
    put(tmp_path, "b.jpg", "ann/2.JPG", "ann/1", "ann/old/notes.txt", "日本/é.png", "a b.jpg")
    found = find_photos(tmp_path)
    assert [file.name for file in found.files] == [
        "a b.jpg",
        "ann/1",
        "ann/2.JPG",
        "ann/old/notes.txt",
        "b.jpg",
        "日本/é.png",
    ]
    assert all(file.path == tmp_path / file.name for file in found.files)
    assert found.unreadable == ()


def test_hidden_and_system_files_are_named_and_not_entered(tmp_path: Path) -> None:
    put(tmp_path, ".DS_Store", "ann/._1.jpg", "ann/Thumbs.db", "desktop.ini", ".git/a.jpg", "ann/1.jpg")
    assert names(tmp_path) == ["ann/1.jpg"]
    assert reasons(tmp_path) == {
        ".DS_Store": "hidden file",
        ".git": "hidden folder",
        "ann/._1.jpg": "hidden file",
        "ann/Thumbs.db": "hidden system file",
        "desktop.ini": "hidden system file",
    }


def test_an_empty_folder_and_a_very_long_name(tmp_path: Path) -> None:
    assert find_photos(tmp_path).files == ()
    long = "é" * 125 + ".jpg"
    put(tmp_path, long)
    assert names(tmp_path) == [long]
    assert read_bytes(find_photos(tmp_path).files[0], LIMITS) == (b"x", hashlib.sha256(b"x").hexdigest())


def test_a_tree_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 600)
    deep.mkdir(parents=True)
    put(deep, "1.jpg")
    assert names(tmp_path) == ["d/" * 600 + "1.jpg"]


def test_a_single_file_is_a_set_of_one(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    assert find_photos(tmp_path / "1.jpg").files == (PhotoFile("1.jpg", tmp_path / "1.jpg"),)


@POSIX
def test_links_are_followed_and_broken_ones_named(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "1.jpg")
    photos = put(tmp_path / "photos", "2.jpg")
    (photos / "people").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (photos / "copy.jpg").symlink_to("2.jpg")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    (photos / "me.jpg").symlink_to("me.jpg")
    assert names(photos) == ["2.jpg", "copy.jpg", "people/1.jpg"]
    assert reasons(photos) == {"gone.jpg": "broken link", "me.jpg": "link that leads to itself"}


@POSIX
def test_each_real_folder_is_searched_once_under_its_own_name(tmp_path: Path) -> None:
    put(tmp_path, "zoe/old/1.jpg")
    (tmp_path / "a link").symlink_to("zoe", target_is_directory=True)
    (tmp_path / "zoe" / "old" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "zoe" / "old" / "up").symlink_to(tmp_path / "zoe", target_is_directory=True)
    assert names(tmp_path) == ["zoe/old/1.jpg"]
    assert reasons(tmp_path) == {
        "a link": "the same folder as zoe, which was searched already",
        "zoe/old/loop": "link that loops back to the folder searched",
        "zoe/old/up": "link that loops back to zoe",
    }


@POSIX
def test_pipes_sockets_and_devices_are_named_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        assert find_photos(tmp_path).files == ()
        expected = {"null.jpg": "a device, not a file", "pipe.jpg": "a pipe, not a file"}
        assert reasons(tmp_path) == {**expected, "socket.jpg": "a socket, not a file"}
    for name, why in expected.items():
        assert read_bytes(PhotoFile(name, tmp_path / name), LIMITS) == Unreadable(name, why)
    with pytest.raises(FacematchError, match="is a pipe, not a folder of photos"):
        find_photos(tmp_path / "pipe.jpg")


@LINUX
def test_names_that_are_not_utf8_never_leak(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"b\xe9a.jpg"), os.fsdecode(b"b\xe9a") + "/1.jpg")
    assert reasons(tmp_path) == {"b\\xe9a.jpg": "its name is not valid UTF-8: rename it"}
    assert names(tmp_path) == ["b\\xe9a/1.jpg"]
    assert isinstance(read_bytes(find_photos(tmp_path).files[0], LIMITS), tuple)
    with pytest.raises(FacematchError) as caught:
        find_photos(tmp_path / os.fsdecode(b"\xff"))
    assert "\\xff cannot be searched for photos: it does not exist" in str(caught.value).encode().decode()


def refuse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make listing one folder fail as it does without permission; root may list everything."""
    listed = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder) == path:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "ann/1.jpg", "locked/2.jpg")
    refuse(tmp_path / "locked", monkeypatch)
    assert names(tmp_path) == ["ann/1.jpg"]
    assert reasons(tmp_path) == {"locked": "folder cannot be listed: permission denied"}


def test_a_top_folder_that_cannot_be_searched_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FacematchError, match="nowhere cannot be searched for photos: it does not exist"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(FacematchError, match="its name cannot be opened"):
        find_photos(tmp_path / "a\0b")
    refuse(tmp_path, monkeypatch)
    with pytest.raises(FacematchError, match="permission denied"):
        find_photos(tmp_path)


# --- reading --------------------------------------------------------------------------------------


def test_read_bytes_names_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "large.jpg").write_bytes(bytes(1200))
    file = PhotoFile("ann/1.jpg", tmp_path / "gone.jpg")
    assert read_bytes(file, LIMITS) == Unreadable("ann/1.jpg", "it does not exist")
    assert read_bytes(PhotoFile("e", tmp_path / "empty.jpg"), LIMITS) == Unreadable("e", "empty file")
    assert read_bytes(PhotoFile("d", tmp_path), LIMITS) == Unreadable("d", "a folder, not a file")
    assert read_bytes(PhotoFile("n", Path("a\0b")), LIMITS) == Unreadable("n", "its name cannot be opened")
    large = PhotoFile("l", tmp_path / "large.jpg")
    why = "0.0012 MB is more than the limit of 0.0010 MB"
    assert read_bytes(large, PhotoLimits(max_bytes=1000)) == Unreadable("l", why)
    assert read_bytes(large, PhotoLimits(max_bytes=1200)) == (bytes(1200), hashlib.sha256(bytes(1200)).hexdigest())


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "1.jpg")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert read_photo(PhotoFile("1.jpg", tmp_path / "1.jpg")) == Unreadable("1.jpg", "permission denied")


def test_read_photo_carries_name_and_digest(tmp_path: Path) -> None:
    data = encoded(scene(), "PNG")
    (tmp_path / "1.png").write_bytes(data)
    photo = read_photo(PhotoFile("ann/1.png", tmp_path / "1.png"))
    assert isinstance(photo, Photo)
    assert (photo.name, photo.sha256) == ("ann/1.png", hashlib.sha256(data).hexdigest())
    np.testing.assert_array_equal(photo.image, scene())


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "BMP", "DIB", "TIFF", "PPM", "TGA", "JPEG2000", "WEBP"])
def test_lossless_formats_keep_every_pixel(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    np.testing.assert_array_equal(pixels(encoded(scene(), form, **options)), scene())


@pytest.mark.parametrize(("form", "within"), [("JPEG", 6), ("GIF", 20), ("MPO", 6)])
def test_lossy_formats_stay_close(form: str, within: int) -> None:
    assert np.abs(pixels(encoded(scene(), form)) - scene()).mean() < within


def test_icon() -> None:
    square = scene(32, 32)
    np.testing.assert_array_equal(pixels(encoded(square, "ICO", sizes=[(32, 32)])), square)


TURNED = {  # what a camera stores for an upright picture, by EXIF orientation
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_orientation_is_applied(form: str, orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(TURNED[orientation](scene()))
    upright = pixels(encoded(stored, form, exif=exif, **({"lossless": True} if form == "WEBP" else {})))
    assert upright.shape == scene().shape
    assert np.abs(upright - scene()).mean() < (4 if form == "JPEG" else 0.01)


@pytest.mark.parametrize("orientation", [0, 9, 6000])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(pixels(encoded(scene(), "PNG", exif=exif)), scene())


@pytest.mark.parametrize(
    "block", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_a_damaged_exif_block_is_ignored(block: bytes) -> None:
    assert np.abs(pixels(encoded(scene(), "JPEG", exif=block)) - scene()).mean() < 6


def test_grey_and_bilevel_fill_three_equal_channels() -> None:
    grey = scene()[..., 1]
    np.testing.assert_array_equal(pixels(encoded(grey, "PNG")), np.repeat(grey[..., None], 3, axis=2))
    bits = grey > 100
    np.testing.assert_array_equal(pixels(encoded(bits, "PNG")), np.repeat(bits[..., None] * 255, 3, axis=2))


def over_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return np.asarray(colour * share + 255 * (1 - share), dtype=np.float64)


def test_alpha_is_laid_over_white() -> None:
    alpha = np.linspace(0, 255, 24 * 36).round().astype(np.uint8).reshape(24, 36)
    rgba = np.dstack([scene(), alpha])
    assert np.abs(pixels(encoded(rgba, "PNG")) - over_white(scene(), alpha)).max() <= 1
    grey = scene()[..., 1]
    both = PillowImage.merge("LA", [PillowImage.fromarray(grey), PillowImage.fromarray(alpha)])
    expected = over_white(np.repeat(grey[..., None], 3, axis=2), alpha)
    assert np.abs(pixels(encoded(both, "PNG")) - expected).max() <= 1


def test_palette_with_and_without_transparency() -> None:
    picture = PillowImage.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([0, 1, 2])
    colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    assert pixels(encoded(picture, "PNG"))[0].tolist() == colours
    for form in ("PNG", "GIF"):
        white = [*colours[:1], [255, 255, 255], *colours[2:]]
        assert pixels(encoded(picture, form, transparency=1))[0].tolist() == white
    half = encoded(picture, "PNG", transparency=bytes([255, 0, 128]))
    assert np.abs(pixels(half)[0] - [[10, 20, 30], [255, 255, 255], [162, 167, 172]]).max() <= 1


def test_a_colour_declared_transparent() -> None:
    image = np.array([[[1, 2, 3], [200, 100, 50]]], np.uint8)
    assert pixels(encoded(image, "PNG", transparency=(1, 2, 3))).tolist() == [[[255] * 3, [200, 100, 50]]]


def test_cmyk_is_neither_inverted_nor_lost() -> None:
    picture = PillowImage.fromarray(scene()).convert("CMYK")
    assert np.abs(pixels(encoded(picture, "JPEG", quality=95)) - scene()).mean() < 6  # Adobe stores it inverted
    assert np.abs(pixels(encoded(picture, "TIFF")) - scene()).max() <= 1


def test_lab_and_ycbcr() -> None:
    planes = [PillowImage.new("L", (2, 1), value) for value in (255, 128, 128)]
    assert np.abs(pixels(encoded(PillowImage.merge("LAB", planes), "TIFF")) - 255).max() <= 2
    red = [PillowImage.new("L", (2, 1), value) for value in (136, 208, 195)]  # Lab 53, 80, 67
    assert np.abs(pixels(encoded(PillowImage.merge("LAB", red), "TIFF")) - [255, 0, 0]).max() <= 12
    stored = PillowImage.fromarray(scene()).convert("YCbCr")
    jpeg = encoded(stored, "TIFF", compression="jpeg", quality=95)  # uncompressed, Pillow before 13 misreads it
    assert np.abs(pixels(jpeg) - scene()).max() <= 12


def grey_of(data: bytes) -> list[int]:
    rgb = pixels(data)
    assert (rgb == rgb[..., :1]).all()
    return [int(value) for value in rgb[0, :, 0]]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_grey_keeps_its_upper_eight_bits(form: str, dtype: str) -> None:
    if (form, dtype) == ("PPM", ">u2"):
        pytest.skip("Pillow does not write it")
    grey = scene()[..., 1]
    stored = PillowImage.fromarray((grey.astype(np.uint16) * 257).astype(dtype))
    assert (pixels(encoded(stored, form))[..., 0] == grey).all()


def test_deep_grey_is_scaled_to_the_range_it_uses() -> None:
    def row(values: list[float], dtype: type) -> bytes:
        return encoded(np.array([values], dtype), "TIFF")

    assert grey_of(row([0, 4096, 65535], np.uint16)) == [0, 16, 255]
    assert grey_of(row([0, 16, 2048, 4095], np.uint16)) == [0, 1, 128, 255]  # 12 bits, as cameras store them
    assert grey_of(row([0, 100, 255], np.uint16)) == [0, 100, 255]
    assert grey_of(row([0, 100, 255], np.int32)) == [0, 100, 255]
    assert grey_of(row([0, 257, 65535], np.int32)) == [0, 1, 255]
    assert grey_of(row([-100, 0, 100], np.int32)) == [0, 128, 255]
    assert grey_of(row([0, 1_000_000, 2_000_000], np.int32)) == [0, 128, 255]
    assert grey_of(row([7_000_000, 7_000_000], np.int32)) == [0, 0]
    assert grey_of(row([0, 0.5, 1], np.float32)) == [0, 128, 255]
    assert grey_of(row([0, 100, 255], np.float32)) == [0, 100, 255]
    assert grey_of(row([-1, 0, 1], np.float32)) == [0, 128, 255]
    assert grey_of(row([0, 500, 1000], np.float32)) == [0, 128, 255]
    assert grey_of(row([float("nan"), float("inf"), 1], np.float32)) == [0, 0, 255]


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_16_bit_colour_keeps_its_upper_eight_bits() -> None:
    image = scene()
    rows = b"".join(b"\0" + (row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in image)
    np.testing.assert_array_equal(pixels(png(36, 24, 16, 2, rows)), image)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_or_page_counts(form: str) -> None:
    frames = [PillowImage.new("RGB", (8, 6), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    options = {"lossless": True} if form == "WEBP" else {}
    several = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert len(several) > len(encoded(frames[0], form, **options))
    assert (pixels(several) == [255, 0, 0]).all()


def test_many_threads_read_the_same_as_one() -> None:
    images = [scene(20 + number, 30) for number in range(8)]
    files = [encoded(image, "PNG") for image in images] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda data: decode("x", data, "s", LIMITS), files))
    for number, photo in enumerate(found):
        assert isinstance(photo, Photo)
        np.testing.assert_array_equal(photo.image, images[number % 8])


# --- limits and damage ----------------------------------------------------------------------------


def test_pixels_are_counted_before_decoding() -> None:
    data = encoded(scene(), "PNG")
    assert reason(data, PhotoLimits(max_pixels=863)) == "0.000864 MP is more than the limit of 0.000863 MP"
    assert isinstance(decode("x", data, "s", PhotoLimits(max_pixels=864)), Photo)
    assert reason(png(12_500, 10_000, 8, 0, b"")) == "125.0 MP is more than the limit of 89.0 MP"
    assert reason(png(65_535, 65_535, 8, 0, b"")) == "4,294.8 MP is more than the limit of 89.0 MP"


def test_a_bomb_inside_an_icon_is_found() -> None:
    inside = png(60_000, 60_000, 8, 0, b"")
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(inside), 22) + inside
    assert reason(icon) == "3,600.0 MP is more than the limit of 89.0 MP"


def test_a_limit_above_that_of_pillow_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    assert isinstance(decode("x", encoded(scene(), "PNG"), "s", PhotoLimits(max_pixels=900)), Photo)
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", None)
    assert isinstance(decode("x", encoded(scene(), "PNG"), "s", PhotoLimits(max_pixels=900)), Photo)
    assert reason(encoded(scene(), "PNG"), PhotoLimits(max_pixels=800)).endswith("limit of 0.0008 MP")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA"])
def test_a_file_cut_in_half_is_named(form: str) -> None:
    data = encoded(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8), form)
    assert reason(data[: len(data) // 2]) == "file is cut short"


def test_programs_are_never_run_for_a_document() -> None:
    data = encoded(scene(), "EPS")
    assert reason(data) == "a PostScript document, not a photo"


def test_whatever_a_reader_raises_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (MemoryError(), RecursionError("too deep"), struct.error("odd"), OverflowError()):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(PillowImage, "open", fail)
        words = {"MemoryError": "too large for this machine's memory", "OverflowError": "damaged (OverflowError)"}
        assert reason(b"data") == words.get(type(error).__name__, f"damaged ({error})")


FORMS = {
    form: encoded(scene(12, 16), form, **options)
    for form, options in {
        "JPEG": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
        "PNG": {},
        "GIF": {},
        "WEBP": {},
        "TIFF": {},
        "BMP": {},
        "ICO": {"bitmap_format": "bmp"},
        "TGA": {"compression": "tga_rle"},
    }.items()
}


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_random_bytes_never_raise(data: bytes) -> None:
    assert isinstance(decode("x", data, "s", SMALL), Photo | Unreadable)


@settings(max_examples=400, deadline=None)
@given(
    form=st.sampled_from(sorted(FORMS)),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    kept=st.floats(0, 1),
)
def test_cut_and_flipped_files_never_raise(form: str, flips: list[tuple[int, int]], kept: float) -> None:
    data = bytearray(FORMS[form])
    for place, value in flips:
        data[place % len(data)] = value
    found = decode("x", bytes(data[: round(kept * len(data))]), "s", SMALL)
    assert isinstance(found, Photo) or found.reason


def test_nothing_is_printed_for_damaged_files(capfd: pytest.CaptureFixture[str], recwarn: Any) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03"  # ends within its first entry: Pillow warns
    assert isinstance(decode("x", encoded(scene(), "JPEG", exif=exif), "s", LIMITS), Photo)
    for data in FORMS.values():
        decode("x", data[: len(data) * 2 // 3], "s", LIMITS)
    assert capfd.readouterr() == ("", "")


# --- real files, where they are -------------------------------------------------------------------


def test_every_odd_file_ends_as_a_photo_or_a_reason() -> None:
    found = find_photos(shared("data/bad"))
    ended = [read_photo(file) for file in found.files]
    assert [outcome.name for outcome in ended] == [file.name for file in found.files]
    bad = {outcome.name: outcome.reason for outcome in ended if isinstance(outcome, Unreadable)}
    assert bad["synth_london/empty.jpg"] == "empty file"
    assert bad["synth_london/face001_truncated_half.jpg"] == "file is cut short"
    assert bad["pillow/zero_width.gif"] == "zero width"
    assert bad["sharp/check.svg"] == "SVG is a drawing, not a photo"
    assert bad["sharp/65536-uint32-limit.png"] == "4,295.0 MP is more than the limit of 89.0 MP"
    assert len(bad) == 18
    assert found.unreadable == ()


def test_real_variants_of_one_photo_agree() -> None:
    folder = shared("data/bad")

    def one(name: str) -> NDArray[np.int64]:
        return pixels((folder / name).read_bytes())

    face = one("synth_london/face001_progressive.jpg")
    for number in (2, 5, 6):
        assert np.abs(one(f"synth_london/face001_exif{number}.jpg") - face).mean() < 2
    np.testing.assert_array_equal(one("synth_london/face001_16bit.png"), one("synth_london/face001_gray.png"))
    for number in (1, 2, 6, 7):  # each has its number printed on it
        other = one(f"exiforient/Portrait_{number}.jpg")
        assert np.abs(other - one("exiforient/Portrait_0.jpg")).mean() < 3
    hopper = one("pillow/hopper.png")
    for number in (2, 5, 6, 7):
        assert np.abs(one(f"pillow/hopper_orientation_{number}.jpg") - hopper).mean() < 8


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("1.jpg", "a/1.jpg"),
        ("ann/1.jpg", "/top/ann/1.jpg"),
        ("ann/1.jpg", "elsewhere/2.jpg"),
        ("1.jpg", "1.jpg"),
        ("1.jpg", "/1.jpg"),
        ("x.jpg", "ax.jpg"),
        ("", "folder"),
    ],
)
def test_a_file_tells_the_path_it_was_given(name: str, path: str) -> None:
    file = PhotoFile(name, Path(path))
    assert (file.name, file.path) == (name, Path(path))
    assert file == PhotoFile(name, Path(path))
    assert file != PhotoFile(name, Path(path + "x"))


def test_files_of_a_folder_share_its_path_and_hold_their_name_once(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    one, other = find_photos(tmp_path).files
    assert one._folder is other._folder
    assert one._below is one.name


def test_digests_are_those_of_the_files_that_can_be_read(tmp_path: Path) -> None:
    for name, data in {"a": b"x", "b": b"", "c": b"yy", "d": bytes(20)}.items():
        (tmp_path / name).write_bytes(data)
    files = [PhotoFile(name, tmp_path / name) for name in "abcde"]
    digests = list(digests_of(files, PhotoLimits(max_bytes=10)))  # b is empty, d too long, e not there
    assert digests == [(files[0], hashlib.sha256(b"x").hexdigest()), (files[2], hashlib.sha256(b"yy").hexdigest())]


def test_a_file_that_is_no_photo_is_its_name_with_the_reason() -> None:
    assert str(Unreadable("a.jpg", "empty file")) == "a.jpg (empty file)"
