"""Augmented batches: the same pictures whoever prepares them and wherever a run begins."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.training.data import augmented_batches, picture_seed, reduced

IMAGES = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
BATCHES = [np.array([0, 1, 2]), np.array([3, 4, 5]), np.array([5, 5, 0])]


def noisy(image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, image.shape, dtype=np.uint8)
    return (image + noise).astype(np.uint8)[:, ::-1]  # a view with a negative stride


def drawn(*, first: int = 0, workers: int = 0, epoch: int = 1, seed: int = 7) -> list[NDArray[np.uint8]]:
    batches = augmented_batches(IMAGES, noisy, BATCHES, seed=seed, epoch=epoch, first=first, workers=workers)
    return [batch.numpy() for batch in batches]


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
    (batch,) = augmented_batches(IMAGES, noisy, BATCHES[:1], seed=7, epoch=1, first=0, workers=0, size=2)
    assert batch.shape == (3, 2, 2, 3)
    for place, index in enumerate(BATCHES[0]):
        augmented = noisy(IMAGES[index], picture_seed(7, 1, 0, place)).astype(float)
        means = augmented.reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(batch[place].numpy(), means, atol=0.51)
        np.testing.assert_array_equal(batch[place].numpy(), reduced(augmented.astype(np.uint8), 2))


def test_seeds_do_not_collide() -> None:
    seeds = {picture_seed(1, epoch, batch, place) for epoch in range(20) for batch in range(20) for place in range(20)}
    assert len(seeds) > 8000 - 20  # 8,000²/2³³ pairs are expected to meet by chance
