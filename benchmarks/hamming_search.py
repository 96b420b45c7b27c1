"""Search among 64-bit codes beside FAISS's flat search among the floats they came from.

    python benchmarks/hamming_search.py [--gallery 1000000] [--queries 1000] [--noise 0.25] [--rounds 5]

First the answers are checked. Where a query's code is that of exactly one gallery photo, every exact search has to
name that photo, and where the query is that very photo, so has the search among floats; hash tables have to
answer just as exact search. Then each way answers the queries once a round, in turn, and medians are printed:
the ranking that is shipped (`distance_estimator`), which sorts names and builds its index in each call, beside
FAISS alone, and the two indexes once built. A float search answers a fifth of the queries.
"""

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.binary import BinaryIndex, CodeIndexKind, build_index, nearest_codes, search
from facematch.ranking.choice import measured_recall
from facematch.ranking.codes import Codes, pack_codes
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator

BITS, K, PHOTOS = 64, 10, 20  # PHOTOS of each person in the gallery
FLOATS = 4  # ways that search floats; they come first

Answer = NDArray[np.int64]


@dataclass
class Way:
    """One way to find the nearest: its index's seconds to build, its size in MB, and a function of the queries."""

    name: str
    find: Callable[[slice], Answer]  # positions in the gallery of some queries' nearest
    asked: slice
    built: float | None = None
    size: float = 0.0
    grown: float = 0.0
    recall: str = ""


def photos(count: int, width: int, people: int, noise: float, seed: int) -> NDArray[np.float32]:
    """Vectors of photos of `people`, in turn."""
    centres = np.random.default_rng(0).standard_normal((people, width), dtype=np.float32)
    vectors = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    vectors *= noise
    for start in range(0, count, people):
        vectors[start : start + people] += centres[: count - start]
    return vectors


def embeddings(codes: Codes, prefix: str) -> Embeddings:
    """Codes with names."""
    return Embeddings(tuple(f"{prefix}{i:08d}.jpg" for i in range(len(codes))), codes, "hamming", Fingerprint())


def resident() -> float:
    """MB of memory in use; where the system does not tell, the most so far."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def float_ways(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> list[Way]:
    """FAISS's IndexFlatL2, without BLAS, as newer FAISS searches, and through BLAS, as older."""
    before, began = resident(), time.perf_counter()
    flat = faiss.IndexFlatL2(vectors.shape[1])
    flat.add(vectors)
    built, grown = time.perf_counter() - began, resident() - before

    def find(rows: slice, blas_from: int) -> Answer:
        faiss.cvar.distance_compute_blas_threshold = blas_from
        return np.asarray(flat.search(queries[rows], K)[1])

    name, asked = f"float {vectors.shape[1]}, IndexFlatL2", slice(0, max(1, len(queries) // 5))
    return [
        Way(name, lambda rows: find(rows, 2**30), asked, built, vectors.nbytes / 2**20, grown),
        Way(f"{name}, BLAS", lambda rows: find(rows, 1), asked, built, vectors.nbytes / 2**20, grown),
    ]


def index_way(kind: CodeIndexKind, codes: Codes, queries: Codes) -> Way:
    """An index of `facematch.ranking.binary`, built once."""
    before, began = resident(), time.perf_counter()
    index = build_index(codes, kind)
    built, grown = time.perf_counter() - began, resident() - before
    distances = search(index, queries, K)[1]
    exact = nearest_codes(queries, codes, K)[1]
    recall = f"{measured_recall(distances, lambda rows: exact[rows], sample=len(queries)).value:.3f}"
    everything = slice(0, len(queries))
    return Way(
        f"codes, {kind}", lambda rows: search(index, queries[rows], K)[0], everything, built, held(index), grown, recall
    )


def held(index: BinaryIndex) -> float:
    """MB of an index as it would be written, and of what goes with it."""
    assert index.photos is not None
    assert index.starts is not None
    parts = (index.codes, index.photos, index.starts, faiss.serialize_index_binary(index.faiss))
    return sum(part.nbytes for part in parts) / 2**20


def code_ways(codes: Codes, queries: Codes) -> list[Way]:
    """FAISS alone, what is shipped, and the two indexes."""
    gallery, query = embeddings(codes, "g"), embeddings(queries, "q")
    everything, size = slice(0, len(queries)), codes.nbytes / 2**20
    return [
        Way(
            "codes, knn_hamming",
            lambda rows: np.asarray(faiss.knn_hamming(queries[rows], codes, K, variant="mc")[1]),
            everything, size=size, recall="1.000",
        ),
        Way(
            "codes, distance_estimator",
            lambda rows: distance_estimator(query, gallery, K).indices,
            everything, size=size, recall="1.000",
        ),
        index_way("multi-index-hashing", codes, queries),
        index_way("hnsw", codes, queries),
    ]  # fmt: skip


def agree(ways: list[Way], codes: Codes, queries: Codes, own: NDArray[np.int64]) -> bool:
    """Print and return whether all name the only photo with a query's code; `own` is the photo a query is, or −1."""
    different, first, counts = np.unique(codes.view(np.uint64).ravel(), return_index=True, return_counts=True)
    words = queries.view(np.uint64).ravel()
    at = np.minimum(np.searchsorted(different, words), len(different) - 1)
    only = np.where((different[at] == words) & (counts[at] == 1), first[at], -1)
    right, exact = True, ways[FLOATS].find(slice(0, len(queries)))
    for number, way in enumerate(ways):
        floats = number < FLOATS
        rows = np.flatnonzero((only >= 0) & ((own >= 0) | (not floats)))
        rows = rows[rows < way.asked.stop]
        answer = way.find(way.asked)
        named = int((answer[rows, 0] == only[rows]).sum())
        print(f"{way.name:30s} names the only photo with a query's code: {named} of {len(rows)}")
        right &= named == len(rows) or way.name.endswith("hnsw")
        right &= floats or way.name.endswith("hnsw") or bool((answer == exact).all())
    return right


def show(ways: list[Way], seconds: dict[str, list[float]]) -> None:
    """Print the table."""
    rates = {way.name: sorted(len(range(*way.asked.indices(10**9))) / s for s in seconds[way.name]) for way in ways}
    reference = max(np.median(rates[way.name]) for way in ways[:2])
    print(f"{'':30s} build s  index MB  RSS MB  recall@{K}  queries a second (least–most)  × float {BITS}")
    for way in ways:
        rate, built = rates[way.name], "–" if way.built is None else f"{way.built:.1f}"
        print(
            f"{way.name:30s} {built:>7s} {way.size:9.1f} {way.grown:7.0f} {way.recall or '–':>10s} "
            f"{np.median(rate):12,.0f} {f'({rate[0]:,.0f}–{rate[-1]:,.0f})':17s} {np.median(rate) / reference:9.1f}"
        )
    alone, ours, _, graph = ways[FLOATS:]
    ratios = [b / a for a, b in zip(seconds[alone.name], seconds[ours.name], strict=True)]
    print(f"distance_estimator takes {np.median(ratios):.2f}× the time of knn_hamming alone")
    saved = 1 / np.median(rates[ours.name]) - 1 / np.median(rates[graph.name])
    if saved > 0 and graph.built is not None:
        print(f"building the hnsw index takes as long as exact search takes for {graph.built / saved:,.0f} queries")


def main() -> int:
    """Compare and print; 1 when answers disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.25, help="of a photo, beside 1 for a person")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    people = max(1, options.gallery // PHOTOS)
    own = np.where(np.arange(options.queries) % 10 == 0, np.arange(options.queries) * 7919 % options.gallery, -1)
    ways: list[Way] = []
    for width in (BITS, 256):
        vectors = photos(options.gallery, width, people, options.noise, 1)
        queries = photos(options.queries, width, people, options.noise, 2)
        queries[own >= 0] = vectors[own[own >= 0]]
        if width == BITS:
            codes, asked = pack_codes(vectors), pack_codes(queries)
        ways += float_ways(vectors, queries)
    del vectors
    ways += code_ways(codes, asked)
    apart = np.bitwise_count(codes[:people] ^ codes[people : 2 * people]).sum(axis=1) if PHOTOS > 1 else [0]
    print(
        f"{options.gallery:,} gallery photos of {people:,} people, {options.queries:,} queries; "
        f"two photos of a person differ in {np.median(apart):.0f} of {BITS} bits"
    )
    if not agree(ways, codes, asked, own):
        print("the answers disagree", file=sys.stderr)
        return 1
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(options.rounds):
        for way in ways:
            began = time.perf_counter()
            way.find(way.asked)
            seconds[way.name].append(time.perf_counter() - began)
    show(ways, seconds)
    print(
        f"medians of {options.rounds}; {platform.machine()}, {os.cpu_count()} cores, "
        f"threads: {faiss.omp_get_max_threads()}, Python {platform.python_version()}, FAISS {faiss.__version__}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
