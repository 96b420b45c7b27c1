"""Batches of P identities with K photos each, as a batch sampler of PyTorch."""

from collections.abc import Hashable, Iterator, Sequence

from torch.utils.data import Sampler

from facematch.evaluation.bootstrap import codes_of
from facematch.tasks.training.batches import pk_batches


class PKSampler(Sampler[list[int]]):
    """Batches of rows of N `labels`, P·K each: P different identities with K photos of each.

    Every photo appears at least once an epoch, and there are no more batches than that takes; an identity with fewer
    than K photos shows some of them again (`facematch.tasks.training.batches.pk_batches`). Each iteration is a new
    epoch, and `seed` and the epoch's number decide its batches: `set_epoch` goes back or on. For a DataLoader it is
    `batch_sampler`. Raises FacematchError for fewer than two identities.

    >>> sampler = PKSampler(["ann", "ann", "bob", "bob", "cy"], identities_per_batch=2, photos_per_identity=2)
    >>> [len(batch) for batch in sampler]
    [4, 4]
    """

    def __init__(
        self,
        labels: Sequence[Hashable],
        identities_per_batch: int = 16,
        photos_per_identity: int = 4,
        *,
        seed: int = 0,
    ) -> None:
        self._labels = codes_of(labels)
        self._size = identities_per_batch, photos_per_identity
        self._seed, self._epoch = seed, 1
        self._length = len(self._batches())

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._batches()
        self._epoch += 1
        return iter(batches)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is, from 1."""
        self._epoch = epoch

    def _batches(self) -> list[list[int]]:
        batches = pk_batches(self._labels, *self._size, seed=self._seed, epoch=self._epoch)
        return [batch.tolist() for batch in batches]
