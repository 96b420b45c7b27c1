"""Search for the packed codes nearest to each query's, exactly or approximately.

Answers stand by (distance, position): of photos at the same distance those first in the gallery.

`exact`: all distances, kept by counting (FAISS's `knn_hamming`).
`multi-index-hashing`: the answer of `exact`, found through hash tables of parts of the code. Of two codes that
differ in fewer than m·(r + 1) bits, one of m parts differs in at most r (Norouzi, Punjani & Fleet, Fast search in
Hamming space with multi-index hashing, CVPR 2012). A query without k photos that near is answered by `exact`,
so codes that lie far apart gain nothing.
`hnsw`: approximate, along a graph of near codes (Malkov & Yashunin, Efficient and robust approximate nearest
neighbor search using hierarchical navigable small world graphs, TPAMI 2018). Distances are right, but nearer
photos may be missing; `recall.measured_recall` says how many. With several threads FAISS builds another graph
each time.

An index is built for each ranking. Over a million codes the graph takes as long to build as `exact` takes for
some 90,000 queries, the hash tables as for 2,000 (benchmarks/hamming_search.py): with fewer, `exact` is faster.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.ranking.approximate import BREADTH, CONSTRUCTION, LINKS
from facematch.ranking.codes import Codes, hamming_distances
from facematch.ranking.flat import Positions
from facematch.settings.ranking import CODE_INDEXES, CodeIndexKind

FLIPS = 2  # multi-index-hashing: r goes up to this; beyond it more entries are looked up than a scan compares

CodeDistances = NDArray[np.int32]
Nearest = tuple[Positions, CodeDistances]

_CELLS = 4_000_000  # distances sorted at once
_COUNTED = 20_000_000  # places that FAISS's counting keeps at once: k for each query and each possible distance
_QUERIES = 1024  # hashed at once
_NONE = np.iinfo(np.int32).max  # the distance of a place without a photo


@dataclass(frozen=True, eq=False)
class BinaryIndex:
    """A gallery's codes (N×D/8) and what finds the nearest of them.

    `faiss` is FAISS's index over the U different codes; of code u the photos are
    `photos[starts[u]:starts[u + 1]]`, in rising order. With kind `exact` there is none of it.
    """

    kind: CodeIndexKind
    codes: Codes
    faiss: Any = None
    photos: Positions | None = None
    starts: Positions | None = None


def nearest_codes(query: Codes, gallery: Codes, k: int, index: CodeIndexKind = "exact") -> Nearest:
    """Return the positions (Q×k) of each query's `k` nearest gallery codes and their distances in bits (Q×k).

    A whole ranking, k = N, is always exact. Raises ValueError unless 1 ≤ k ≤ N.
    """
    return search(build_index(gallery, index if k < len(gallery) else "exact"), query, k)


def build_index(gallery: Codes, kind: CodeIndexKind) -> BinaryIndex:
    """Return an index over N×D/8 codes. Raises ValueError for an unknown kind and for an empty gallery."""
    if kind not in CODE_INDEXES or not len(gallery):
        raise ValueError(
            f"an index is one of {', '.join(CODE_INDEXES)} over at least 1 code; found {kind}, {len(gallery)}"
        )
    codes = np.ascontiguousarray(gallery)
    if kind == "exact":
        return BinaryIndex(kind, codes)
    # Each code once: photos of equal codes would link only to each other in a graph, and fill a hash table's lists.
    words = codes.view(np.uint64) if codes.shape[1] % 8 == 0 else codes
    photos = np.lexsort(words.T)
    ordered = codes[photos]
    starts = np.flatnonzero(np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1)))
    found = (_hash_tables if kind == "multi-index-hashing" else _graph)(ordered[starts])
    return BinaryIndex(kind, codes, found, photos, np.append(starts, len(codes)))


def search(index: BinaryIndex, query: Codes, k: int) -> Nearest:
    """Return positions and distances (Q×k) as `nearest_codes`."""
    if not 1 <= k <= len(index.codes):
        raise ValueError(f"k is {k}; a search among {len(index.codes)} codes finds 1 to {len(index.codes)}")
    if query.shape[1] != index.codes.shape[1]:
        raise ValueError(f"codes of {query.shape[1] * 8} and {index.codes.shape[1] * 8} bits cannot be compared")
    codes = np.ascontiguousarray(query)
    if index.kind == "exact":
        return _scanned(codes, index.codes, k)
    positions, distances = (_hashed if index.kind == "multi-index-hashing" else _linked)(index, codes, k)
    short = np.flatnonzero(positions[:, -1] < 0)
    positions[short], distances[short] = _scanned(codes[short], index.codes, k)
    return positions, distances


def _scanned(query: Codes, gallery: Codes, k: int) -> Nearest:
    import faiss

    positions, distances = np.empty((len(query), k), np.int64), np.empty((len(query), k), np.int32)
    if 10 * k > len(gallery):  # then sorting everything is faster than counting
        step = max(1, _CELLS // len(gallery))
        for start in range(0, len(query), step):
            rows = slice(start, start + step)
            everything = hamming_distances(query[rows], gallery)
            positions[rows] = np.argsort(everything, axis=1, kind="stable")[:, :k]
            distances[rows] = np.take_along_axis(everything, positions[rows], 1)
        return positions, distances
    # FAISS counts photos by distance in the order of the gallery and drops only what comes after k others, so the
    # first of equal distances stay. Its heap (variant "hc") makes no such promise.
    step = max(1, _COUNTED // (k * (8 * gallery.shape[1] + 1)))
    for start in range(0, len(query), step):
        rows = slice(start, start + step)
        distances[rows], positions[rows] = faiss.knn_hamming(query[rows], gallery, k, variant="mc")
    return positions, distances


def _hash_tables(codes: Codes) -> Any:
    # m parts of D/m bits, about as many bits as log2 N, as the paper advises, and at least 8.
    import faiss

    bits = 8 * codes.shape[1]
    parts = min(max(1, round(bits / max(1.0, np.log2(len(codes))))), bits // 8)
    tables = faiss.IndexBinaryMultiHash(bits, parts, bits // parts)
    tables.add(_with_room(codes))
    return tables


def _graph(codes: Codes) -> Any:
    import faiss

    graph = faiss.IndexBinaryHNSW(8 * codes.shape[1], LINKS)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = CONSTRUCTION, BREADTH
    graph.add(codes)
    return graph


def _hashed(index: BinaryIndex, query: Codes, k: int) -> Nearest:
    # A query is answered once k photos lie within the radius in which the tables miss none.
    positions, distances = _nothing(len(query), k)
    todo = np.arange(len(query))
    for flips in range(FLIPS + 1):
        index.faiss.nflip = flips
        beyond = index.faiss.nhash * (flips + 1)  # FAISS's range is strict
        still = []
        for rows in np.array_split(todo, 1 + len(todo) // _QUERIES):
            limits, near, codes = index.faiss.range_search(_with_room(query[rows]), beyond)
            row = np.repeat(np.arange(len(rows)), np.diff(limits.astype(np.int64)))
            found = _photos(index, row, codes, near, len(rows), k)
            there = found[0][:, -1] >= 0
            positions[rows[there]], distances[rows[there]] = found[0][there], found[1][there]
            still.append(rows[~there])
        todo = np.concatenate(still)
    return positions, distances


def _linked(index: BinaryIndex, query: Codes, k: int) -> Nearest:
    positions, distances = _nothing(len(query), k)
    width = min(k, index.faiss.ntotal)
    step = max(1, _CELLS // k**2)  # each of k codes may stand for k photos
    for start in range(0, len(query), step):
        rows = slice(start, start + step)
        near, codes = index.faiss.search(query[rows], width)
        row, column = np.nonzero(codes >= 0)
        positions[rows], distances[rows] = _photos(index, row, codes[row, column], near[row, column], len(codes), k)
    return positions, distances


def _photos(index: BinaryIndex, row: Positions, codes: Positions, near: ArrayLike, rows: int, k: int) -> Nearest:
    # The first k photos of each row by (distance, position); `codes` at the distances `near` were found for it.
    assert index.photos is not None
    assert index.starts is not None
    first = index.starts[codes]
    counts = np.minimum(index.starts[codes + 1] - first, k)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)  # of a photo in its code
    photo = index.photos[np.repeat(first, counts) + place]
    row, distance = np.repeat(row, counts), np.repeat(np.asarray(near, np.int32), counts)
    order = np.lexsort((photo, distance, row))
    sizes = np.bincount(row, minlength=rows)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = rank < k
    order, rank = order[kept], rank[kept]
    positions, distances = _nothing(rows, k)
    positions[row[order], rank], distances[row[order], rank] = photo[order], distance[order]
    return positions, distances


def _nothing(rows: int, k: int) -> Nearest:
    return np.full((rows, k), -1, np.int64), np.full((rows, k), _NONE, np.int32)


def _with_room(codes: Codes) -> Codes:
    # FAISS before 1.14 reads eight bytes where a part begins, so up to seven behind the last code.
    return np.concatenate([codes, np.zeros((8, codes.shape[1]), np.uint8)])[: len(codes)]
