"""What is one photo and what is not: made edits, real edits, real photos of one person."""

from collections.abc import Callable, Sequence
from itertools import combinations

import cv2
import numpy as np
import pytest

from facematch.near_duplicates.descriptors import describe, thumbnail, without_border
from facematch.near_duplicates.pairs import CANDIDATE, NearDuplicate, candidates, confirm, confirmed
from facematch.photos.photo import Photo, PhotoFile, find_photos, read_photo
from leak_photos import Rgb, brighter, cropped, grey, made_photo, mirrored, recompressed, resized
from shared import shared


def pairs_of(left: Sequence[Rgb], right: Sequence[Rgb] | None = None, turned: bool = False) -> list[NearDuplicate]:
    small = [thumbnail(image) for image in left]
    others = small if right is None else [thumbnail(image) for image in right]
    one = np.stack([describe(each) for each in small])
    two = None if right is None else np.stack([describe(each) for each in others])
    found = candidates(one, two, turned=turned)
    return list(confirmed(found, small.__getitem__, others.__getitem__))


EDITS: dict[str, tuple[Callable[[Rgb], Rgb], bool, float]] = {
    "recompressed": (lambda image: recompressed(image, 30), False, 1),
    "half the size": (lambda image: recompressed(resized(image, 0.5)), False, 1),
    "twice the size": (lambda image: recompressed(resized(image, 2)), False, 1),
    "cropped evenly": (lambda image: recompressed(cropped(image, 0.05, 0.05, 0.05, 0.05)), False, 0.81),
    "cropped much": (lambda image: recompressed(cropped(image, 0.09, 0.09, 0.09, 0.09)), False, 0.6724),
    "cropped at one side": (lambda image: recompressed(cropped(image, 0.05, 0, 0, 0)), False, 0.95),
    "cropped at random": (lambda image: recompressed(cropped(image, 0.02, 0.05, 0.03, 0)), False, 0.9025),
    "lighter": (lambda image: recompressed(brighter(image, 1.2)), False, 1),
    "darker": (lambda image: recompressed(brighter(image, 0.8)), False, 1),
    "grey": (grey, False, 1),
    "mirrored": (mirrored, True, 1),
    "much at once": (
        lambda image: recompressed(resized(mirrored(cropped(image, 0.03, 0.03, 0, 0)), 0.7), 60),
        True,
        0.9409,
    ),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("turned", [False, True])
def test_an_edited_photo_is_found_among_others(name: str, turned: bool) -> None:
    edit, flipped, area = EDITS[name]
    photos = [made_photo(seed) for seed in range(12)]
    edited = [edit(photos[5])]
    (pair,) = pairs_of(photos, edited) if turned else pairs_of(edited, photos)
    assert (pair.left, pair.right) == ((5, 0) if turned else (0, 5))
    assert pair.mirrored == flipped
    assert pair.correlation > 0.93
    assert pair.area == pytest.approx(1 / area if turned else area, abs=0.02)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_quarter_turn_is_found_where_it_is_asked_for(turned: int, flipped: bool) -> None:
    photos = [made_photo(seed) for seed in range(6)]

    def edited(image: Rgb) -> Rgb:
        return np.ascontiguousarray(np.rot90(mirrored(image) if flipped else image, -(turned // 90)))

    # The left one is the right one mirrored and then turned, also where the right one was cropped.
    (pair,) = pairs_of([recompressed(resized(edited(photos[2]), 0.6), 70)], photos, turned=True)
    assert (pair.right, pair.mirrored, pair.turned) == (2, flipped, turned)
    assert pair.area == pytest.approx(1, abs=0.02)
    larger = [edited(image) for image in photos]
    (pair,) = pairs_of(larger, [cropped(photos[2], 0.05, 0.05, 0.05, 0.05)], turned=True)
    assert (pair.left, pair.mirrored, pair.turned) == (2, flipped, turned)
    assert pair.area == pytest.approx(1 / 0.81, abs=0.02)
    (pair,) = pairs_of([edited(photos[2]), photos[0], photos[2]], turned=True)
    assert (pair.left, pair.right, pair.mirrored, pair.turned) == (0, 2, flipped, turned)
    unasked = pairs_of([edited(photos[2])], photos)
    assert [each.turned for each in unasked] == [0] * (turned == 0)


def test_within_one_set_each_pair_is_told_once() -> None:
    first, second = made_photo(1), made_photo(2)
    found = pairs_of([first, second, mirrored(first), resized(first, 0.5), first])
    assert {(pair.left, pair.right) for pair in found} == {(0, 2), (0, 3), (0, 4), (2, 3), (2, 4), (3, 4)}
    assert len(found) == 6


def candidate(cut: float = 0.0, flip: bool = False) -> np.void:
    made: np.void = np.array([(0, 0, flip, cut, 1.0, 0)], CANDIDATE)[0]
    return made


def moved(image: Rgb, share: float) -> Rgb:
    """The same scene with the camera turned a little: something new at one side."""
    width = round(share * image.shape[1])
    return np.ascontiguousarray(np.hstack([image[:, width:], made_photo(99)[: image.shape[0], :width]]))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: made_photo(8),
        lambda image: moved(image, 0.05),
        lambda image: np.asarray(
            cv2.warpAffine(image, cv2.getRotationMatrix2D((120, 100), 3, 1), (240, 200), borderMode=cv2.BORDER_REFLECT)
        ),
        lambda image: np.rot90(image).copy(),
        lambda image: np.full_like(image, 128),
    ],
    ids=["another photo", "a moved camera", "turned by 3 degrees", "a quarter turn", "blank"],
)
def test_what_is_not_the_same_photo_is_refused(change: Callable[[Rgb], Rgb]) -> None:
    image = made_photo(7)
    assert confirm(candidate(), thumbnail(image), thumbnail(image.copy())) is not None
    assert confirm(candidate(), thumbnail(image), thumbnail(change(image))) is None


def framed(seed: int) -> Rgb:
    """A faint picture in a frame that all photos of one studio have."""
    image = np.clip(128 + (made_photo(seed).astype(np.float32) - 128) / 5, 0, 255).astype(np.uint8)
    for edge, shade in ((14, 255), (10, 0), (5, 255)):
        image[:edge], image[-edge:], image[:, :edge], image[:, -edge:] = shade, shade, shade, shade
    return image


def test_a_common_frame_does_not_make_two_photos_one() -> None:
    one, other = thumbnail(framed(1)), thumbnail(framed(2))
    detail = [each - cv2.GaussianBlur(each, (0, 0), 3) for each in (one.astype(np.float32), other.astype(np.float32))]
    assert np.corrcoef(detail[0].ravel(), detail[1].ravel())[0, 1] > 0.93  # the frame outweighs the pictures
    assert confirm(candidate(), one, other) is None
    assert confirm(candidate(), one, thumbnail(recompressed(framed(1), 60))) is not None


def test_another_face_in_the_same_picture_is_another_photo() -> None:
    image = made_photo(1)
    other = image.copy()
    other[50:150, 70:170] = made_photo(2)[50:150, 70:170]
    assert confirm(candidate(), thumbnail(image), thumbnail(other)) is None


def test_a_symmetric_picture_is_told_once() -> None:
    half = made_photo(1)
    image = np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))
    small = thumbnail(image)
    vectors = np.stack([describe(small)])
    found = candidates(vectors, vectors)
    assert sorted(found["mirrored"].tolist()) == [False, True]
    (pair,) = confirmed(found, lambda index: small, lambda index: small)
    assert not pair.mirrored


def test_how_many_work_and_where_thumbnails_come_from_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [made_photo(seed) for seed in range(6)]
    edited = [resized(image, 0.6) for image in photos]
    expected = pairs_of(photos, edited)
    for workers in (1, 5):
        monkeypatch.setattr("os.cpu_count", lambda workers=workers: workers)
        assert pairs_of(photos, edited) == expected
    done: list[int] = []
    small = [thumbnail(image) for image in photos]
    found = candidates(np.stack([describe(each) for each in small]))
    assert list(confirmed(found, small.__getitem__, small.__getitem__, done.append)) == []
    assert not done or done[-1] == len(found)


# --- real photographs -----------------------------------------------------------------------------


def read(file: PhotoFile) -> Rgb:
    photo = read_photo(file)
    assert isinstance(photo, Photo)
    return photo.image


def test_real_edits_are_found_and_a_rotation_is_not() -> None:
    folder = shared("data/near_dup")
    files = [file for file in find_photos(folder).files if file.name.endswith(".jpg")]
    names = [file.name.removesuffix(".jpg").removeprefix("ukbench") for file in files]
    found = pairs_of([read(file) for file in files])
    told = {frozenset((names[pair.left], names[pair.right])): pair.mirrored for pair in found}
    edits = ("00120", "00120_gray", "00120_hflip", "00120_resize")
    assert told == {frozenset(pair): ("00120_hflip" in pair) for pair in combinations(edits, 2)}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Emmy_Rossum/Emmy_Rossum_0001", "Eva_Amurri/Eva_Amurri_0001"),
        ("Bart_Hendricks/Bart_Hendricks_0001", "Ricky_Ray/Ricky_Ray_0001"),
        ("Gabrielle_Rose/Gabrielle_Rose_0001", "Martha_Bowen/Martha_Bowen_0002"),
    ],
)
def test_known_copies_under_two_names_are_found(left: str, right: str) -> None:
    folder = shared("data/lfw/more")
    images = [read(PhotoFile(name, folder / f"{name}.jpg")) for name in (left, right)]
    assert len(pairs_of(images[:1], images[1:])) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_two_photos_of_one_person_in_one_studio_are_two_photos(turned: bool) -> None:
    files = find_photos(shared("data/london")).files[:40]
    images = [read(file) for file in files]
    assert pairs_of(images, turned=turned) == []
    assert [without_border(image) for image in images] == [None] * 40  # a wall behind a head is no border


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("turned_round", [False, True])
def test_the_line_that_is_left_of_a_border_hides_no_photo(level: int, turned_round: bool) -> None:
    # Compression leaves a hairline where a border was cut; laid on the photo that has none it has no counterpart.
    photos = [made_photo(seed, 480, 400) for seed in range(4)]
    lined = [recompressed(np.pad(photo, ((2, 2), (2, 2), (0, 0)), constant_values=level), 90) for photo in photos]
    left, right = (photos, lined) if turned_round else (lined, photos)
    found = {(pair.left, pair.right): pair.area for pair in pairs_of(left, right)}
    assert found.keys() == {(number, number) for number in range(4)}
    assert all(abs(area - 1) < 0.05 for area in found.values())
