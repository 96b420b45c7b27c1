"""Several photos of one person as one template."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from facematch.core.errors import FacematchError
from facematch.ranking.embeddings import Embeddings


def average_templates(gallery: Embeddings, people: Mapping[str, str], weight: float = 1.0) -> Embeddings:
    """Return each gallery vector moved towards the mean of its person's photos.

    `people` maps gallery names to identities; `weight` (0–1) is the mean's share, 1 makes all photos of
    a person equal, so that they stand side by side in a ranking, by name. The mean of unit vectors is
    scaled to the mean length of the person's own (template averaging as in IJB-C, Maze et al. 2018).
    It helps where the gallery knows its people and each has photos of unlike quality; it hurts top-5 and
    top-10, whose places one person's photos then fill, and where labels are wrong.

    Raises FacematchError for a gallery photo that `people` does not name.
    """
    unnamed = [name for name in gallery.names if name not in people]
    if unnamed:
        raise FacematchError(
            f"refine step templates needs to know whom each gallery photo shows; {len(unnamed)} of {len(gallery)} "
            f"are not named, first {unnamed[0]}.",
            "Give a list with a line `name label` for each gallery photo: {step: templates, people: LIST.txt}; "
            "where nobody knows, leave the step out.",
        )
    identities, codes = np.unique([people[name] for name in gallery.names], return_inverse=True)
    vectors = gallery.vectors.astype(np.float64)
    sums = np.zeros((len(identities), vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    lengths = np.bincount(codes, weights=np.linalg.norm(vectors, axis=1)) / np.bincount(codes)
    norms = np.linalg.norm(sums, axis=1)
    means = sums * (lengths / np.where(norms == 0, 1, norms))[:, None]
    mixed = (1 - weight) * vectors + weight * means[codes]
    return replace(gallery, vectors=mixed.astype(np.float32))
