"""Candidates that may miss some of the nearest vectors, found without looking at all of them; by FAISS.

`hnsw`: along a graph of near vectors (Malkov & Yashunin, Efficient and robust approximate nearest neighbor search
using hierarchical navigable small world graphs, TPAMI 2018). It holds a copy of the vectors. With several threads
FAISS builds another graph each time.
`ivf-pq`: in the nearest of 2·√N cells, by vectors quantised to 64 bytes (Jégou, Douze & Schmid, Product quantization
for nearest neighbor search, TPAMI 2011). Ten times as many candidates as asked for make up for the quantisation.

Distances of the answer are right either way: `ranking.distance_estimator` computes those of the candidates again.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.flat import Floats, Positions

ApproximateKind = Literal["hnsw", "ivf-pq"]

LINKS = 32  # hnsw, M: links of a vector, or a code, in the graph
CONSTRUCTION = 40  # hnsw, efConstruction: how many are looked at to place one
BREADTH = 128  # hnsw, efSearch: how many are looked at to answer one query, at least
CODE_BYTES = 64  # ivf-pq, at most
PROBES = 64  # ivf-pq, nprobe: cells looked at
MORE = 10  # ivf-pq: candidates for each place of the answer


def near_by_index(query: Floats, gallery: Floats, width: int, kind: ApproximateKind) -> Positions:
    """Return the positions (Q×W) of about `width` gallery vectors near each query, −1 where fewer were found.

    `query` (Q×D) and `gallery` (N×D) are compared by Euclidean distance, which orders vectors of length 1 as the
    cosine does.
    """
    found: NDArray[Any]
    if kind == "hnsw":
        _, found = build_graph(gallery).search(query, min(width, len(gallery)))
    else:
        _, found = build_cells(gallery).search(query, min(MORE * width, len(gallery)))
    return found.astype(np.int64)


def build_graph(gallery: Floats) -> Any:
    """Return FAISS's HNSW graph of N×D vectors."""
    import faiss

    graph = faiss.IndexHNSWFlat(gallery.shape[1], LINKS)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = CONSTRUCTION, BREADTH
    graph.add(gallery)
    return graph


def build_cells(gallery: Floats) -> Any:
    """Return FAISS's IVF-PQ index of N×D vectors, N ≥ `choice.LEARNED_FROM`."""
    import faiss

    width = gallery.shape[1]
    count = round(2 * len(gallery) ** 0.5)
    parts = next(parts for parts in range(min(CODE_BYTES, width), 0, -1) if width % parts == 0)
    cells = faiss.IndexIVFPQ(faiss.IndexFlatL2(width), width, count, parts, 8)
    cells.cp.niter, cells.nprobe = 10, min(PROBES, count)
    cells.cp.min_points_per_centroid = 1  # small galleries are no reason for a warning
    cells.pq.cp.min_points_per_centroid = 1
    some = np.random.default_rng(0).permutation(len(gallery))[: 40 * count + 20_000]
    cells.train(gallery[np.sort(some)])
    cells.add(gallery)
    return cells
