"""Batches of augmented crops, the same in every run: each picture's randomness has its own seed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facematch.core.cores import single_threaded_opencv
from facematch.faces.values import Image
from facematch.tasks.training.blending import Blends, blended_face

Augment = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]

BLEND = -1  # in place of a photo's index: a new face
COPIES = 2  # of each blend in its batch, augmented differently: the teacher takes as long as a step

RENDERED = -1  # the domain of a crop that augmentation rendered, beside those of the photos

Item = tuple[Tensor, NDArray[np.uint8] | None, bool]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Crops (N×S×S×3 `uint8`), the number of each one's person, and how many people there are.

    With a teacher, its embeddings of the photos (N×E, a row of NaN where there is none), and perhaps blends. `domains`
    numbers the domain of each crop (N, from 0).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: int
    targets: NDArray[np.float32] | None = None
    blends: Blends | None = None
    domains: NDArray[np.int64] | None = None


class Drawn(NamedTuple):
    """A batch of B faces: pictures B×S×S×3 `uint8`, the frames a teacher has to embed, which ones are rendered (B)."""

    images: Tensor
    asked: NDArray[np.uint8]
    rendered: NDArray[np.bool_]


class AugmentedCrops(Dataset[Item]):
    """Crops (N×S×S×3 `uint8`); item (index, face, seed) is crop `index` augmented with `seed`, reduced to `size`.

    At index BLEND it is a new face, drawn with the seed `face`; with its first copy, whose seeds are the same, comes
    what the teacher is shown of it.
    """

    def __init__(self, images: NDArray[np.uint8], augment: Augment, size: int | None, blends: Blends | None) -> None:
        self.images, self.augment, self.size, self.blends = images, augment, size, blends
        self._blended: tuple[int, Image, Image] | None = None  # the last one, whose copies come next

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: Any) -> Item:
        index, face, seed = item
        image, new_face = (self.images[index], None) if index != BLEND else self._blend(face)
        image = self.augment(image, seed)
        rendered = getattr(self.augment, "rendered", False)
        image = image if self.size is None else reduced(image, self.size)
        return torch.from_numpy(np.ascontiguousarray(image)), new_face if face == seed else None, rendered

    def _blend(self, face: int) -> tuple[Image, Image]:
        if self._blended is None or self._blended[0] != face:
            assert self.blends is not None
            blended = blended_face(self.blends.frames, self.images.shape[1], face)
            self._blended = (face, *blended)
        return self._blended[1:]


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
    blends: Blends | None = None,
) -> Iterator[Drawn]:
    """Yield the batches of one epoch from number `first` on, as B×S×S×3 `uint8`, or reduced to `size` pixels a side.

    With each come the pictures of frames that a teacher has to embed, one for every COPIES times that BLEND is
    among the batch's indices, and which pictures the augmentation rendered.
    A picture's augmentation depends on (seed, epoch, batch, place) alone, so it is the same whatever
    the number of workers and wherever a run was resumed.
    """
    items = [_items(batch, partial(picture_seed, seed, epoch, number)) for number, batch in enumerate(batches)]
    loader = DataLoader(
        AugmentedCrops(images, augment, size, blends),
        batch_sampler=items[first:],
        num_workers=workers,
        worker_init_fn=_one_thread,
        collate_fn=_together,
        prefetch_factor=4 if workers else None,
    )
    with single_threaded_opencv():  # a process that begins now would wait for this one's other threads, and has none
        return cast(Iterator[Drawn], iter(loader))


def with_blends(batches: Sequence[NDArray[np.int64]], share: float) -> list[NDArray[np.int64]]:
    """Return the batches (B×S×S×3) with blends behind their photos, so that they are this share of each."""
    return [np.append(batch, np.full(round(len(batch) * share / (1 - share)), BLEND)) for batch in batches]


def _items(batch: NDArray[np.int64], seed_at: Callable[[int], int]) -> list[tuple[int, int, int]]:
    # (index, the seed of its face, that of its augmentation); a blend's copies follow one another.
    seeds = [seed_at(place) for place in range(len(batch))]
    first = int((batch != BLEND).sum())
    return [
        (int(index), seeds[place - (place - first) % COPIES if index == BLEND else place], seeds[place])
        for place, index in enumerate(batch)
    ]


def _together(items: Sequence[Item]) -> Drawn:
    images, faces, rendered = zip(*items, strict=True)
    asked = [face for face in faces if face is not None]
    return Drawn(
        torch.stack(images), np.stack(asked) if asked else np.empty((0, 0, 0, 3), np.uint8), np.array(rendered)
    )


def reduced(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return an S×S×3 picture in fewer pixels, `size` a side, each the mean of those it covers."""
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def picture_seed(seed: int, epoch: int, batch: int, place: int) -> int:
    """Return the 32-bit seed of one picture of one batch."""
    return int(np.random.SeedSequence((seed, epoch, batch, place)).generate_state(1)[0])


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
