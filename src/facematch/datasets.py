"""Labelled photos as a data set of PyTorch: the crop of each photo's face, and whom it shows."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from facematch.core.cache import Cache, cache_folder
from facematch.core.console import unheard
from facematch.core.errors import FacematchError
from facematch.faces.stream import crop_bytes, crop_cache
from facematch.faces.values import Crop
from facematch.identities.sources import load_identities
from facematch.photos.photo import Unreadable, read_bytes
from facematch.pipeline.build import build_cropper, crops_of, photo_limits
from facematch.settings.file import load_settings, overrides_of


def as_tensor(crop: NDArray[np.uint8]) -> torch.Tensor:
    """Return an S×S×3 `uint8` crop as 3×S×S `float32` from 0 to 1."""
    return torch.from_numpy(crop).permute(2, 0, 1).float() / 255


class FaceFolder(Dataset[tuple[Any, int]]):
    """A folder `<person>/*`, or a list `photo person`, as (crop, label) pairs.

    All photos are cropped once, through the cache, when it is made; those without a face are left out unless
    `faces__miss_training` says `whole` or `centre`, and a Python warning counts them. `transform` gets an S×S×3 `uint8`
    RGB crop; None makes a 3×S×S `float32` tensor from 0 to 1. Settings are keywords, as in `facematch.crop`.
    `classes` are the people in order, `labels` the number of the person of each photo, `names` the photos. Raises
    FacematchError where no photo is left.

    >>> faces = FaceFolder("photos", faces__size=64)
    >>> faces.classes, faces[0][0].shape
    (('ann', 'bob'), torch.Size([3, 64, 64]))
    """

    def __init__(
        self,
        root: str | Path,
        *,
        transform: Callable[[NDArray[np.uint8]], Any] | None = None,
        config: str | Path | None = None,
        **settings: object,
    ) -> None:
        chosen = load_settings(config, overrides_of(settings))
        self.transform = transform or as_tensor
        self._miss, self._limits = chosen.faces.miss_training, photo_limits(chosen.photos)
        self._cropper, self._folder = build_cropper(chosen.faces), cache_folder(chosen.paths.cache)
        self._opened: tuple[int, Cache] | None = None
        with unheard():
            labelled, _ = load_identities(Path(root))
            outcomes = crops_of(chosen, labelled.files, self._miss)
            found = [pair for pair, outcome in zip(labelled.pairs, outcomes, strict=True) if isinstance(outcome, Crop)]
        if lost := len(labelled.files) - len(found):
            warnings.warn(f"{lost} of {len(labelled.files)} photos show no face or cannot be read", stacklevel=2)
        if not found:
            raise FacematchError(f"no photo of {root} shows a face.", "Look at them: facematch crop PHOTOS OUT")
        self.classes = tuple(sorted({who for _, who in found}))
        number = {who: place for place, who in enumerate(self.classes)}
        self._files = [file for file, _ in found]
        self.labels = [number[who] for _, who in found]
        self.names = [file.name for file in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        file = self._files[row]
        read = read_bytes(file, self._limits)
        if not isinstance(read, Unreadable):
            outcome = crop_bytes(file.name, *read, self._cropper, self._cache(), self._miss, self._limits)
            if isinstance(outcome, Crop):
                return self.transform(outcome.image), self.labels[row]
        raise FacematchError(f"{file.path} is no longer the photo it was.", "Make the data set again.")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}  # each worker opens the cache itself

    def _cache(self) -> Cache:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), crop_cache(self._folder, self._cropper)
        return self._opened[1]
