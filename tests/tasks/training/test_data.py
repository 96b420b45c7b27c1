"""Augmented batches: the same pictures whoever prepares them and wherever a run begins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.faces.templates import FIVE_POINTS
from facematch.tasks.training.augment import build_augmentation
from facematch.tasks.training.blending import SIDE, Blends, blended_face, face_frame
from facematch.tasks.training.data import BLEND, COPIES, augmented_batches, picture_seed, reduced, with_blends

IMAGES = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
BATCHES = [np.array([0, 1, 2]), np.array([3, 4, 5]), np.array([5, 5, 0])]


def noisy(image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, image.shape, dtype=np.uint8)
    return (image + noise).astype(np.uint8)[:, ::-1]  # a view with a negative stride


def drawn(*, first: int = 0, workers: int = 0, epoch: int = 1, seed: int = 7) -> list[NDArray[np.uint8]]:
    batches = augmented_batches(IMAGES, noisy, BATCHES, seed=seed, epoch=epoch, first=first, workers=workers)
    return [each.images.numpy() for each in batches]


def test_batches_are_the_pictures_asked_for() -> None:
    for number, (batch, indices) in enumerate(zip(drawn(), BATCHES, strict=True)):
        assert batch.dtype == np.uint8
        for place, index in enumerate(indices):
            np.testing.assert_array_equal(batch[place], noisy(IMAGES[index], picture_seed(7, 1, number, place)))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    for alone, shared in zip(drawn(), drawn(workers=workers), strict=True):
        np.testing.assert_array_equal(alone, shared)


def test_a_later_start_gives_the_rest_of_the_same_epoch() -> None:
    for whole, rest in zip(drawn()[1:], drawn(first=1), strict=True):
        np.testing.assert_array_equal(whole, rest)
    assert drawn(first=3) == []


def test_a_picture_is_varied_in_another_way_each_time() -> None:
    assert (drawn()[2][0] != drawn()[2][1]).any()  # the same crop twice in a batch
    assert (drawn()[0] != drawn(epoch=2)[0]).any()
    assert (drawn()[0] != drawn(seed=8)[0]).any()


def test_pictures_are_reduced_after_they_are_augmented() -> None:
    ((batch, asked, rendered),) = augmented_batches(
        IMAGES, noisy, BATCHES[:1], seed=7, epoch=1, first=0, workers=0, size=2
    )
    assert batch.shape == (3, 2, 2, 3)
    assert len(asked) == 0
    assert not rendered.any()
    for place, index in enumerate(BATCHES[0]):
        augmented = noisy(IMAGES[index], picture_seed(7, 1, 0, place)).astype(float)
        means = augmented.reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(batch[place].numpy(), means, atol=0.51)
        np.testing.assert_array_equal(batch[place].numpy(), reduced(augmented.astype(np.uint8), 2))


@pytest.mark.parametrize("workers", [0, 2])
def test_blends_come_twice_with_what_the_teacher_is_asked_once(workers: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    points = [(float(x), float(y)) for x, y in FIVE_POINTS]
    frames = [face_frame(picture, points, (10, 10, 90, 90), 0.1) for picture in pictures]
    blends = Blends(frames, 0.5, lambda images: images.reshape(len(images), -1).astype(np.float32))
    batches = with_blends(BATCHES[:2], 0.5)
    drawn = augmented_batches(IMAGES, noisy, batches, seed=7, epoch=1, first=0, workers=workers, blends=blends)
    for number, (batch, asked, _) in enumerate(drawn):
        assert (batch.shape, asked.shape) == ((6, 4, 4, 3), (2, SIDE, SIDE, 3))  # the third is one by itself
        for place, face in enumerate((0, 0, 1), start=3):
            crop, picture = blended_face(frames, 4, picture_seed(7, 1, number, 3 + face * COPIES))
            np.testing.assert_array_equal(batch[place].numpy(), noisy(crop, picture_seed(7, 1, number, place)))
            np.testing.assert_array_equal(asked[face], picture)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=5), st.floats(0, 0.95))
def test_blends_are_their_share_of_each_batch(sizes: list[int], share: float) -> None:
    batches = [np.arange(size) for size in sizes]
    for batch, whole in zip(batches, with_blends(batches, share), strict=True):
        np.testing.assert_array_equal(whole[: len(batch)], batch)
        assert (whole[len(batch) :] == BLEND).all()
        assert abs(len(whole) * share - (len(whole) - len(batch))) <= 0.5 + 1e-9


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_says_which_of_it_augmentation_rendered(workers: int) -> None:
    inner = {"name": "Rendering", "names": ["sepia"], "p": 0.5}
    images = np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    augment = build_augmentation([{"name": "Sequential", "transforms": [inner], "p": 1}], 16)
    (drawn,) = augmented_batches(images, augment, [np.arange(40)], seed=7, epoch=1, first=0, workers=workers)
    changed = (drawn.images.numpy() != images).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(drawn.rendered, changed)
    assert 5 < changed.sum() < 35


def test_seeds_do_not_collide() -> None:
    seeds = {picture_seed(1, epoch, batch, place) for epoch in range(20) for batch in range(20) for place in range(20)}
    assert len(seeds) > 8000 - 20  # 8,000²/2³³ pairs are expected to meet by chance
