"""Methods to find the photo of a folder that a changed picture was made from: embeddings, hashes, near-duplicates."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.values import Crop
from facematch.near_duplicates.contents import Content, thumbnails
from facematch.near_duplicates.descriptors import describe
from facematch.near_duplicates.match import Progress, Views, by_pixels, near_duplicates, silent, views_of
from facematch.near_duplicates.pairs import NEIGHBOURS, SAME
from facematch.photos.photo import Photo, PhotoLimits
from facematch.photos.pixels import Rgb
from facematch.ranking.codes import hamming_distances
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.images.edits import UPRIGHT, Orientation, oriented

NEAR_DUPLICATES = "near-duplicates"
SAME_BITS = 10  # of 64: what imagededup calls a copy by default (`max_distance_threshold`)

Smalls = NDArray[np.uint8]  # all that a method uses of pictures
Copies = Mapping[str, AbstractSet[str]]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a method answers to Q pictures, each made from one photo of the folder.

    `first` says whether that photo ranks first. A method that also says whether two photos are one has
    `found`, whether that photo is called a copy, and `false`, how many other photos are; others have None.
    """

    first: NDArray[np.bool_]
    found: NDArray[np.bool_] | None = None
    false: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class EmbeddingMethod:
    """A system of `SYSTEMS` and the folder it embedded; a picture is a query in all of `orientations`.

    Photos at one distance rank by name. A hash calls photos copies that differ in at most 10 of 64 bits.
    `copies` are the photos of the folder that are one with a photo: they are neither right nor wrong.
    """

    name: str
    stage: PhotoEmbedder
    gallery: Embeddings
    copies: Copies
    orientations: tuple[Orientation, ...] = (UPRIGHT,)

    @property
    def rule(self) -> str:
        """Return what it calls a copy, in words; empty where it only ranks."""
        return f"at most {self.radius} of {self.gallery.dimensions} bits differ" if self.gallery.packed else ""

    @property
    def radius(self) -> int:
        """Return in how many bits copies differ at most: 10 of 64, and that share of longer codes."""
        return SAME_BITS * self.gallery.dimensions // 64

    def reduce(self, image: Rgb) -> Smalls:
        """Return the picture (H×W×3) as the crop (S×S×3) that is embedded."""
        crop = self.stage.cropper.crop(Photo("", "", image))
        assert isinstance(crop, Crop)  # nobody looks for faces
        return crop.image

    def embed(self, smalls: Smalls) -> NDArray[np.float32]:
        """Return the embeddings of N crops, N×D."""
        step = self.stage.embedder.batch
        return np.concatenate([self.stage.embedder.embed(smalls[i : i + step]) for i in range(0, len(smalls), step)])

    def answers(self, smalls: Smalls, names: Sequence[str], wanted: Sequence[str]) -> Answers:
        """Rank the folder for Q reduced pictures; the distance of a photo is the least over the orientations.

        `names` are unlike, `wanted` are the photos that the pictures were made from.
        """
        known = [self.copies.get(name, frozenset()) for name in wanted]
        width = 1 + max(map(len, known), default=0)
        queries = [self._queries(smalls, names, orientation) for orientation in self.orientations]
        best = [(math.inf, "")] * len(wanted)
        for ranking in (distance_estimator(each, self.gallery, width) for each in queries):
            for row, distances in enumerate(ranking.distances.tolist()):
                others = zip(distances, ranking.names(row), strict=True)
                best[row] = min(best[row], next((each for each in others if each[1] not in known[row]), best[row]))
        first = np.array([name == right for (_, name), right in zip(best, wanted, strict=True)], dtype=np.bool_)
        if not self.gallery.packed:
            return Answers(first)
        apart = np.minimum.reduce([hamming_distances(each.vectors, self.gallery.vectors) for each in queries])
        return Answers(first, *self._within(apart <= self.radius, known, wanted))

    def _queries(self, smalls: Smalls, names: Sequence[str], orientation: Orientation) -> Embeddings:
        vectors = self.embed(np.stack([oriented(small, orientation) for small in smalls]))
        coded = self.gallery.packed
        queries = Embeddings(
            tuple(names), vectors, "euclidean" if coded else self.gallery.metric, self.gallery.fingerprint
        )
        return queries.as_codes() if coded else queries

    def _within(
        self, near: NDArray[np.bool_], known: Sequence[AbstractSet[str]], wanted: Sequence[str]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        # Whether the photo wanted is near each picture, and how many that are no copies of it.
        place = {name: number for number, name in enumerate(self.gallery.names)}
        found = near[np.arange(len(wanted)), [place[name] for name in wanted]]
        spared = [sum(int(near[row, place[name]]) for name in names) for row, names in enumerate(known)]
        return found, near.sum(axis=1) - found - np.array(spared, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a folder, each once: the names of the files that show each, and its views."""

    names: tuple[tuple[str, ...], ...]
    views: Views


def pictures_of(contents: Sequence[Content], cache: Cache, limits: PhotoLimits) -> Pictures:
    """Return the pictures of a folder's photos."""
    groups = list(by_pixels(contents).values())
    names = tuple(tuple(each.file.name for each in same) for same in groups)
    return Pictures(names, views_of([same[0] for same in groups], cache, limits))


def copies_within(pictures: Pictures, progress: Progress = silent) -> dict[str, set[str]]:
    """Return for each photo that has copies their names: photos of equal pixels, and near-duplicates."""
    copies = [set(names) for names in pictures.names]
    for pair in near_duplicates(pictures.views, progress=progress, what="copies within the folder: "):
        copies[pair.left].update(pictures.names[pair.right])
        copies[pair.right].update(pictures.names[pair.left])
    found = zip(pictures.names, copies, strict=True)
    return {name: every - {name} for names, every in found for name in names if len(every) > 1}


@dataclass(frozen=True, eq=False)
class NearDuplicateMethod:
    """Near-duplicates as `facematch source` finds them: mirrored, turned by quarters, with and without borders.

    The best correlation ranks first. Pictures are compared in small groups, in which each finds just what it
    would find alone.
    """

    pictures: Pictures
    copies: Copies
    name: str = NEAR_DUPLICATES
    rule: str = f"one lies on the other and their detail correlates by {SAME} or more"

    def reduce(self, image: Rgb) -> Smalls:
        """Return two thumbnails: of the picture, and of what its border surrounds, or black."""
        whole, *inner = thumbnails(image)[1]
        return np.stack([whole, *inner] if inner else [whole, np.zeros_like(whole)])

    def embed(self, smalls: Smalls) -> NDArray[np.float32]:
        """Return the descriptors of N×2 thumbnails, N×2×3×64; those of black ones are zeros, which nothing finds."""
        return np.stack([[describe(small) for small in pair] for pair in smalls])

    def answers(self, smalls: Smalls, names: Sequence[str], wanted: Sequence[str]) -> Answers:
        """Look for Q reduced pictures in the folder; `names` are unlike, `wanted` the photos they were made from."""
        first, found = np.zeros((2, len(wanted)), np.bool_)
        false = np.zeros(len(wanted), np.int64)
        step = NEIGHBOURS // 2  # two views of each: the 20 nearest of a photo of the folder are all that are alike
        for start in range(0, len(smalls), step):
            for row, pairs in enumerate(self._pairs(smalls[start : start + step]), start):
                others = {name: at for name, at in pairs.items() if name not in self.copies.get(wanted[row], ())}
                best = min(others, key=lambda name: (-others[name], name), default=None)
                first[row], found[row] = best == wanted[row], wanted[row] in others
                false[row] = len(others) - found[row]
        return Answers(first, found, false)

    def _pairs(self, smalls: Smalls) -> list[dict[str, float]]:
        # For each picture the photos that are one with it, and the best correlation of any two views.
        both = smalls.reshape(-1, *smalls.shape[2:])
        vectors = self.embed(smalls).reshape(len(both), 3, 64)
        queries = Views(np.arange(len(both)) // 2, np.arange(len(both)) % 2 > 0, vectors, both.__getitem__)
        best: list[dict[str, float]] = [{} for _ in smalls]
        for pair in near_duplicates(queries, self.pictures.views):
            for name in self.pictures.names[pair.right]:
                best[pair.left][name] = max(best[pair.left].get(name, -1.0), pair.correlation)
        return best


Method = EmbeddingMethod | NearDuplicateMethod  # a way to find the photo that a picture was made from
