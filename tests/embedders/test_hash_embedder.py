"""Perceptual hashes are those of ImageHash, bit for bit, and are packed as codes."""

import importlib.metadata

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.embedders.hashes import HashEmbedder, HashKind
from facematch.embedders.views import FlipEmbedder
from facematch.pipeline.build import build_embedder
from facematch.pipeline.system import with_views
from facematch.ranking.codes import hamming_distances, pack_codes, unpack_codes
from facematch.settings.embedding import EmbedderSettings
from facematch.settings.refine import FlipStep
from facematch.settings.root import Settings
from leak_photos import made_photo

KINDS: tuple[HashKind, ...] = ("phash", "dhash", "whash")


def crops(count: int, side: int = 64) -> NDArray[np.uint8]:
    return np.stack([made_photo(seed, side, side) for seed in range(count)])


@pytest.mark.parametrize("bits", [16, 64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hash_is_that_of_imagehash(kind: HashKind, bits: int) -> None:
    images = crops(4)
    vectors = HashEmbedder(kind, bits).embed(images)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, bits)
    for image, vector in zip(images, vectors, strict=True):
        theirs = getattr(imagehash, kind)(PillowImage.fromarray(image), hash_size=round(bits**0.5))
        np.testing.assert_array_equal(vector, np.where(theirs.hash.ravel(), 1, -1))


@pytest.mark.parametrize("kind", KINDS)
def test_the_distance_of_packed_hashes_is_that_of_imagehash(kind: HashKind) -> None:
    images = crops(5)
    vectors = HashEmbedder(kind).embed(images)
    codes = pack_codes(vectors)
    theirs = [getattr(imagehash, kind)(PillowImage.fromarray(image)) for image in images]
    np.testing.assert_array_equal(
        hamming_distances(codes, codes), [[one - other for other in theirs] for one in theirs]
    )
    np.testing.assert_array_equal(unpack_codes(codes), vectors)


def test_no_crops_have_no_hashes() -> None:
    assert HashEmbedder("phash").embed(np.empty((0, 32, 32, 3), np.uint8)).shape == (0, 64)


def test_the_fingerprint_holds_what_decides_a_hash() -> None:
    version = importlib.metadata.version("ImageHash")
    wanted = {"embedder.kind": "dhash", "embedder.bits": 256, "embedder.imagehash": version}
    assert HashEmbedder("dhash", 256).fingerprint.settings == wanted


@pytest.mark.parametrize(("kind", "bits"), [("phash", 0), ("phash", -64), ("dhash", 32), ("dhash", 36), ("whash", 144)])
def test_bits_that_a_hash_cannot_have_are_refused(kind: HashKind, bits: int) -> None:
    with pytest.raises(FacematchError, match=f"{kind} has no {bits} bits"):
        HashEmbedder(kind, bits)


def test_a_missing_imagehash_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("facematch.embedders.hashes.version", missing)
    with pytest.raises(FacematchError, match=r"pip install 'facematch\[hashes\]'"):
        HashEmbedder("phash")


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_build_a_hash_and_flip_it(kind: HashKind) -> None:
    settings = Settings(embedder=EmbedderSettings(kind=kind))
    built = build_embedder(settings)
    assert built == HashEmbedder(kind)
    flipped = with_views(settings, built, [FlipStep()])
    assert flipped == FlipEmbedder(built, normalise=False)
    images = crops(2)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    np.testing.assert_array_equal(flipped.embed(images), (built.embed(images) + built.embed(mirrored)) / 2)
