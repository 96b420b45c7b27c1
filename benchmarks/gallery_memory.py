"""Memory of a large gallery: embedded, saved, read back and ranked, against the size of its vectors.

    python benchmarks/gallery_memory.py [--photos 1000000] [--numbers 512] [--queries 1000]

Real files go through `PhotoEmbedder` (found, read, decoded, cropped, cached, embedded), a few hundred pictures under a
million names, and a stand-in for the network, which would add its own memory once. Two processes, whose peaks (maximum
resident set) are printed: one embeds and saves, one reads and ranks. First it is checked that each photo has its
vector, in the order given, that what is read equals what was written, and that each query, a photo of the gallery,
finds itself.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.embedders.embed import PhotoEmbedder
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.pipeline.build import build_cropper
from facematch.pipeline.timing import machine
from facematch.ranking.embeddings import load_embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.settings.file import load_settings

PICTURES = 256


class Numbers:
    """In place of a network: numbers that tell the pictures apart."""

    batch = 64
    fingerprint = Fingerprint({"embedder": "numbers"})

    def __init__(self, numbers: int) -> None:
        self.table = np.random.default_rng(0).standard_normal((PICTURES, numbers), dtype=np.float32)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a row of the table for each picture."""
        return self.table[images[:, 0, 0, 0]]


def embed(folder: Path, photos: int, numbers: int) -> None:
    """Embed and save."""
    for number in range(PICTURES):
        (folder / f"{number}.ppm").write_bytes(b"P6 4 4 255\n" + bytes([number]) * 48)
    gallery = folder / "gallery"
    gallery.mkdir()
    for number in range(photos):
        os.link(folder / f"{number % PICTURES}.ppm", gallery / f"{number:07d}.ppm")
    files = find_photos(gallery).files
    settings = load_settings(None, ["faces.detector=none", "faces.size=16"])
    embedder = Numbers(numbers)
    stage = PhotoEmbedder(
        build_cropper(settings.faces), embedder, "euclidean", "whole", PhotoLimits(), folder / "cache"
    )
    found = stage.run(files).embeddings
    for start in range(0, photos, 10_000):
        right = embedder.table[np.arange(start, min(start + 10_000, photos)) % PICTURES]
        if not np.array_equal(found.vectors[start : start + 10_000], right):
            raise SystemExit("a photo has another one's vector")
    found.save(folder / "gallery.safetensors")


def rank(folder: Path, queries: int) -> None:
    """Read and rank; before that noise makes the vectors of the same picture different."""
    gallery = load_embeddings(folder / "gallery.safetensors")
    noise = np.random.default_rng(1)
    for row in gallery.vectors:
        row += noise.normal(size=len(row)).astype(np.float32)
    query = gallery.at(range(min(queries, len(gallery))))
    ranking = distance_estimator(query, gallery, 10)
    if ranking.distances[:, 0].any():
        raise SystemExit("a photo is not its own nearest")


def main() -> None:
    """Run both parts in processes of their own; print their peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--numbers", type=int, default=512)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--part", choices=("embed", "rank"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part == "embed":
        embed(chosen.folder, chosen.photos, chosen.numbers)
    elif chosen.part == "rank":
        rank(chosen.folder, chosen.queries)
    if chosen.part:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        vectors = chosen.photos * chosen.numbers * 4
        print(f"{chosen.part}: {peak / 1e9:.2f} GB at its peak, {peak / vectors:.2f} times the vectors", flush=True)
        return
    size = chosen.photos * chosen.numbers * 4 / 1e9
    print(f"{machine()}; {chosen.photos:,} photos, {chosen.numbers} numbers: {size:.2f} GB of vectors", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for part in ("embed", "rank"):
            command = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--folder", folder]
            if subprocess.run(command, check=False).returncode:
                raise SystemExit(f"{part} failed")


if __name__ == "__main__":
    main()
