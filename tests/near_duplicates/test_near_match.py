"""What two sets share, and what is one within a set, against loops over every two photos."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.cache import Cache
from facematch.near_duplicates.contents import Content, read_contents, thumbnail_of
from facematch.near_duplicates.match import by_pixels, match, near_duplicates, plainest, views_of
from facematch.near_duplicates.pairs import NearDuplicate, candidates, confirmed
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from image_folders import Rgb, saved
from leak_photos import grey, made_photo, mirrored, resized

LIMITS = PhotoLimits()
CONTENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=6)  # pixels, way of saving


def contents_of(drawn: list[tuple[int, int]]) -> list[Content]:
    plain = np.zeros((1, 3, 64), np.float32)
    return [
        Content(PhotoFile(f"{at}", Path(f"{at}")), f"{pixels}-{way}", f"{pixels}", 1, 1, 1, False, None, plain)
        for at, (pixels, way) in enumerate(drawn)
    ]


@settings(max_examples=200, deadline=None)
@given(left=CONTENTS, right=CONTENTS)
def test_every_two_photos_with_the_same_pixels_are_matched(
    tmp_path_factory: pytest.TempPathFactory, left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    one, other = contents_of(left), contents_of(right)
    with Cache(tmp_path_factory.getbasetemp() / "empty.sqlite") as cache:
        matches = match(one, other, cache, LIMITS)
    kinds = [each.kind for each in matches]
    assert kinds == sorted(kinds)  # same bytes, same pixels
    named = {(each.kind, i.file.name, j.file.name) for each in matches for i in each.left for j in each.right}
    for i, first in enumerate(one):
        for j, second in enumerate(other):
            pair = (str(i), str(j))
            assert (("same bytes", *pair) in named) == (first.sha256 == second.sha256)
            if first.pixels != second.pixels:
                assert not any(each[1:] == pair for each in named)
    # Whoever has its pixels on the other side is named, at least once.
    shared = {content.pixels for content in one} & {content.pixels for content in other}
    assert {i for _, i, _ in named} == {str(i) for i, content in enumerate(one) if content.pixels in shared}
    assert {j for _, _, j in named} == {str(j) for j, content in enumerate(other) if content.pixels in shared}


def framed(image: Rgb) -> Rgb:
    return np.pad(image, ((24, 24), (30, 30), (0, 0)), constant_values=255)


def written(folder: Path, shift: int) -> list[Rgb]:
    """Save three photos in one way each, another photo, and a copy in other bytes of the first."""
    ways = (lambda image: resized(image, 0.6), mirrored, lambda image: framed(grey(image)), np.rot90, np.array)
    images = [np.ascontiguousarray(ways[(seed + shift) % 5](made_photo(seed, 320, 240))) for seed in range(3)]
    for seed, image in enumerate(images):
        saved(folder, f"{seed}.png", image)
    saved(folder, "copy.bmp", images[0])
    saved(folder, "other.png", made_photo(50 + shift, 320, 240))
    return images


def naive(left: list[Content], right: list[Content], cache: Cache, borders: bool) -> dict[tuple[str, str], float]:
    """The correlation of the plainest two views of every two photos, each compared alone."""
    found: dict[tuple[str, str], float] = {}
    for one, other in product(left, right):
        best: list[tuple[bool, bool, float]] = []
        ends = range(len(one.vectors) if borders else 1), range(len(other.vectors) if borders else 1)
        for i, j in product(*ends):
            small = [thumbnail_of(each, cache, LIMITS, inner=bool(at)) for each, at in ((one, i), (other, j))]
            pairs = candidates(one.vectors[i : i + 1], other.vectors[j : j + 1], turned=borders)
            for pair in confirmed(pairs, lambda _, small=small: small[0], lambda _, small=small: small[1]):
                best.append((i != j, bool(i), -pair.correlation))
        if best and one.pixels != other.pixels:
            found[one.file.name, other.file.name] = -min(best)[2]
    return found


@pytest.mark.parametrize("edited", [False, True])
def test_near_duplicates_of_two_sets_are_those_of_every_two_photos(tmp_path: Path, cache: Cache, edited: bool) -> None:
    written(tmp_path / "left", 0)
    written(tmp_path / "right", 2)
    left, right = (read_contents(find_photos(tmp_path / side).files, cache, LIMITS)[0] for side in ("left", "right"))
    found = {
        (one.file.name, other.file.name): each.near.correlation
        for each in match(left, right, cache, LIMITS, edited=edited)
        if each.near is not None
        for one in each.left
        for other in each.right
    }
    assert found == naive(left, right, cache, edited)
    assert len(found) >= (6 if edited else 1)


def test_within_a_set_each_pair_of_pictures_is_one_and_a_picture_is_not_its_own_duplicate(
    tmp_path: Path, cache: Cache
) -> None:
    photo = made_photo(1, 320, 240)
    for name, image in {"a": photo, "b": framed(photo), "c": resized(photo, 0.5), "d": made_photo(2, 320, 240)}.items():
        saved(tmp_path / "in", f"{name}.png", image)
    saved(tmp_path / "in", "e.bmp", photo)
    pictures = list(by_pixels(read_contents(find_photos(tmp_path / "in").files, cache, LIMITS)[0]).values())
    assert [[each.file.name for each in same] for same in pictures] == [
        ["a.png", "e.bmp"], ["b.png"], ["c.png"], ["d.png"],
    ]  # fmt: skip
    views = views_of([same[0] for same in pictures], cache, LIMITS)
    assert views.pictures.tolist() == [0, 1, 1, 2, 3]
    assert views.inner.tolist() == [False, False, True, False, False]
    found = plainest(near_duplicates(views))
    assert set(found) == set(combinations(range(3), 2))
    assert [found[key].inner for key in ((0, 1), (0, 2), (1, 2))] == [(False, True), (False, False), (True, False)]
    some = views.of([1, 2])
    assert some.pictures.tolist() == [1, 1, 2]
    for view in range(3):
        np.testing.assert_array_equal(some.thumbnail(view), views.thumbnail(view + 1))
    assert set(plainest(near_duplicates(some, views.of([0])))) == {(1, 0), (2, 0)}


def test_the_plainest_pair_has_no_border_cut_before_the_best_has() -> None:
    def pair(correlation: float, *inner: bool) -> NearDuplicate:
        return NearDuplicate(0, 1, correlation, mirrored=False, area=1, inner=(inner[0], inner[1]))

    whole, both, one = pair(0.94, False, False), pair(0.99, True, True), pair(0.999, True, False)
    for order in ([one, both, whole], [whole, both, one]):
        assert plainest(order) == {(0, 1): whole}
    assert plainest([one, both]) == {(0, 1): both}
    better = pair(0.95, False, False)
    assert plainest([whole, better]) == plainest([better, whole]) == {(0, 1): better}


def test_nothing_is_shared_with_an_empty_set(cache: Cache) -> None:
    assert match([], contents_of([(0, 0)]), cache, LIMITS) == match([], [], cache, LIMITS) == []
