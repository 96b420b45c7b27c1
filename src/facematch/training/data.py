"""Batches of augmented crops, the same in every run: each picture's randomness has its own seed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Augment = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]


class AugmentedCrops(Dataset[Tensor]):
    """Crops (N×S×S×3 `uint8`); item (index, seed) is crop `index` augmented with `seed`, then reduced to `size`."""

    def __init__(self, images: NDArray[np.uint8], augment: Augment, size: int | None) -> None:
        self.images, self.augment, self.size = images, augment, size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: Any) -> Tensor:
        index, seed = item
        image = self.augment(self.images[index], seed)
        return torch.from_numpy(np.ascontiguousarray(image if self.size is None else reduced(image, self.size)))


def augmented_batches(
    images: NDArray[np.uint8],
    augment: Augment,
    batches: Sequence[NDArray[np.int64]],
    *,
    seed: int,
    epoch: int,
    first: int,
    workers: int,
    size: int | None = None,
) -> Iterator[Tensor]:
    """Yield the batches of one epoch from number `first` on, as B×S×S×3 `uint8`, or reduced to `size` pixels a side.

    A picture's augmentation depends on (seed, epoch, batch, place) alone, so it is the same whatever
    the number of workers and wherever a run was resumed.
    """
    items = [
        [(int(index), picture_seed(seed, epoch, number, place)) for place, index in enumerate(batch)]
        for number, batch in enumerate(batches)
    ]
    loader = DataLoader(
        AugmentedCrops(images, augment, size),
        batch_sampler=items[first:],
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )
    return cast(Iterator[Tensor], iter(loader))


def reduced(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a square picture in fewer pixels, `size` a side, each the mean of those it covers."""
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def picture_seed(seed: int, epoch: int, batch: int, place: int) -> int:
    """Return the 32-bit seed of one picture of one batch."""
    return int(np.random.SeedSequence((seed, epoch, batch, place)).generate_state(1)[0])


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
