"""A model of UMAP brought up to date with its folder: new photos are placed, deleted ones forgotten."""

from dataclasses import dataclass, replace

import numpy as np

from facematch.tasks.umap.fit import place
from facematch.tasks.umap.grey_pixels import GreyPixels, distinct
from facematch.tasks.umap.model import UmapModel

REFIT_SHARE = 0.2


@dataclass(frozen=True)
class Changes:
    """What a folder holds against a model, by name: new files, files with other bytes, files that are gone."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)


def compare(model: UmapModel, now: GreyPixels) -> Changes:
    """Return what changed; a file is the same when its name and its bytes are."""
    before = dict(zip(model.photos.names, model.photos.sha256, strict=True))
    after = dict(zip(now.names, now.sha256, strict=True))
    both = [name for name in after if name in before]
    changed = tuple(name for name in both if before[name] != after[name])
    new = tuple(name for name in after if name not in before)
    deleted = tuple(name for name in before if name not in after)
    return Changes(new, changed, deleted, len(both) - len(changed))


def update_model(model: UmapModel, now: GreyPixels) -> UmapModel:
    """Return the model with the photos of `now`.

    Pixels that the model knows stay where they are, under whatever name. The others are placed among all that the
    model had, before those that are gone are forgotten.
    """
    known = model.photos.pixels
    together, places = distinct(np.concatenate([known, now.pixels]))
    rows, added = places[len(known) :], together[len(known) :]
    embedding, fitted = model.embedding, model.fitted
    if len(added):
        embedding = np.concatenate([embedding, place(added, known, embedding, model.settings, model.curve)])
        fitted = np.concatenate([fitted, np.zeros(len(added), np.bool_)])
    return replace(model, photos=replace(now, pixels=together[rows]), embedding=embedding[rows], fitted=fitted[rows])
