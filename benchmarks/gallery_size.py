"""Ranking against gallery size: ours beside FAISS's flat search, exact and approximate, with recall.

    python benchmarks/gallery_size.py [--galleries 1000,10000,100000,1000000] [--queries 1000] [--numbers 512]
        [--indexes hnsw,ivf-pq] [--index-up-to 100000] [--breadths 512,2048] [--rounds 5]
        [--out gallery_size.svg]

Vectors of people, 20 photos of each, of length 1. First the answers are checked: where FAISS orders two photos
otherwise than `distance_estimator`, their distances, computed from differences in float64, must lie within float32's
rounding of each other, and ours must be in order. Then both rank all queries in turn, the first ten, and medians are
printed, with `q·gᵀ` by NumPy's BLAS, which no exact search can do without, as the limit. `distance_estimator` takes
`Embeddings` and gives a `Ranking`; FAISS's `IndexFlatL2.search` takes bare matrices, its index is built beforehand.

Each approximate index is built once: seconds to build, the queries from which on building and asking it takes less than
exact search, milliseconds a query, recall@10 against exact search, and memory. `--breadths` asks it once more with each
number of vectors (hnsw) or cells (ivf-pq) looked at. `auto` is what `gallery.index: auto` takes.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from hamming_search import photos as vectors_of
from numpy.typing import NDArray
from side_by_side import in_turn

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.draw import chart_file
from facematch.core.files import write_bytes
from facematch.core.fingerprint import Fingerprint
from facematch.pipeline.timing import machine, median_seconds, seconds_of
from facematch.ranking import approximate
from facematch.ranking.approximate import ApproximateKind
from facematch.ranking.choice import choose_index, measured_recall
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import between
from facematch.ranking.ranking import Ranking, distance_estimator

K, PHOTOS, CLOSE = 10, 20, 1e-5


def photos(count: int, people: int, numbers: int, seed: int, name: str) -> Embeddings:
    """Vectors of length 1 of photos of `people`, in turn."""
    vectors = vectors_of(count, numbers, people, 1.0, seed)
    for start in range(0, count, 10_000):
        some = vectors[start : start + 10_000]
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return Embeddings(tuple(f"{name}{number:07d}" for number in range(count)), vectors, "euclidean", Fingerprint())


def check(ours: Ranking, theirs: NDArray[np.int64], query: Embeddings, gallery: Embeddings) -> str:
    """Return how many places both name alike; SystemExit where another one is not as near."""
    places = np.argwhere(ours.indices != theirs)
    for row, place in places.tolist():
        one, other = (
            float(np.linalg.norm(query.vectors[row].astype(np.float64) - gallery.vectors[each[row, place]]))
            for each in (ours.indices, theirs)
        )
        if one > other + CLOSE or abs(one - other) > CLOSE:
            raise SystemExit(f"query {row}, place {place + 1}: ours is at {one}, FAISS's at {other}")
    return f"{1 - len(places) / ours.indices.size:.4%} of places named alike, the rest as near to {CLOSE:g}"


def exact(query: Embeddings, gallery: Embeddings, rounds: int) -> tuple[Ranking, float, float]:
    """Check and time exact search; print, and return the ranking, our milliseconds a query and FAISS's."""
    flat = faiss.IndexFlatL2(gallery.dimensions)
    flat.add(gallery.vectors)
    ranking = distance_estimator(query, gallery, K)
    alike = check(ranking, flat.search(query.vectors, K)[1], query, gallery)

    def product() -> None:
        for start in range(0, len(gallery), 4096):
            query.vectors @ gallery.vectors[start : start + 4096].T

    times = in_turn(lambda: distance_estimator(query, gallery, K), lambda: flat.search(query.vectors, K), rounds)
    limit = median_seconds(product, rounds)
    ours = statistics.median(times.ours)
    print(f"  exact: {alike}")
    print(f"  exact: {times}; {ours / limit:.2f} times the bare product of matrices", flush=True)
    return ranking, ours / len(query) * 1000, statistics.median(times.peer) / len(query) * 1000


def indexed(
    query: Embeddings, gallery: Embeddings, kind: ApproximateKind, right: Ranking, scan: float, breadths: Sequence[int]
) -> float:
    """Build an index once, ask it, print; return milliseconds a query.

    `right` is what exact search answers, `scan` the milliseconds a query it takes.
    """
    build = approximate.build_graph if kind == "hnsw" else approximate.build_cells
    made: list[Any] = []
    built = seconds_of(lambda: made.append(build(gallery.vectors)))
    index = made[0]
    size = len(faiss.serialize_index(index)) / 2**20
    width = (K + 9) * (1 if kind == "hnsw" else approximate.MORE)  # as `distance_estimator` asks

    def asked() -> tuple[float, str]:
        took = median_seconds(lambda: index.search(query.vectors, width), 5) / len(query) * 1000
        found = index.search(query.vectors, width)[1]
        nearest = [distances(each, gallery, places) for each, places in zip(query.vectors, found, strict=True)]
        recall = measured_recall(nearest, lambda rows: right.distances[rows], sample=len(query))
        return took, f"{took:.3f} ms a query; {recall}"

    took, answer = asked()
    pays = f"{built * 1000 / (scan - took):,.0f}" if took < scan else "no number of"
    print(f"  {kind}: built in {built:.1f} s, which pays from {pays} queries on; {answer}; {size:,.0f} MB", flush=True)
    for breadth in breadths:
        if kind == "hnsw":
            index.hnsw.efSearch = breadth
        else:
            index.nprobe = breadth
        print(f"  {kind}, {breadth} looked at: {asked()[1]}", flush=True)
    return took


def distances(query: NDArray[np.float32], gallery: Embeddings, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the K smallest distances of a query to the candidates of an index, −1 where it found none."""
    candidates = gallery.vectors[places[places >= 0]]
    nearest = np.sort(between(query[None], candidates, "euclidean").astype(np.float32))[:K]
    return np.pad(nearest, (0, K - len(nearest)), constant_values=np.inf)


def write_curve(path: Path, lines: dict[str, list[tuple[int, float]]]) -> None:
    """Draw milliseconds a query against the size of the gallery."""
    sizes, times = (np.concatenate([np.array(line)[:, at] for line in lines.values()]) for at in (0, 1))
    chart = Chart(
        "gallery",
        "Milliseconds a query against photos in the gallery",
        f"Both axes are logarithmic; {', '.join(lines)}.",
        Axis("photos in the gallery", sizes.min() / 1.1, sizes.max() * 1.1, log=True),
        Axis("ms a query", times.min() / 1.2, times.max() * 1.2, log=True),
        [Series(name, *np.array(line).T) for name, line in lines.items()],
    )
    write_bytes(path, chart_file(chart))


def main() -> None:
    """Check, time, print, for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galleries", default="1000,10000,100000,1000000")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--numbers", type=int, default=512)
    parser.add_argument("--indexes", default="hnsw,ivf-pq")
    parser.add_argument("--index-up-to", type=int, default=100_000, help="a graph of a million takes many minutes")
    parser.add_argument(
        "--breadths", default="", help="vectors (hnsw) or cells (ivf-pq) looked at, besides the default"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="an .svg file for the curve")
    chosen = parser.parse_args()
    print(f"{machine()}; {chosen.queries:,} queries, {chosen.numbers} numbers, FAISS {faiss.__version__}")
    breadths = [int(each) for each in chosen.breadths.split(",") if each]
    lines: dict[str, list[tuple[int, float]]] = {}
    for count in map(int, chosen.galleries.split(",")):
        people = max(1, count // PHOTOS)
        gallery = photos(count, people, chosen.numbers, 1, "g")
        query = photos(chosen.queries, people, chosen.numbers, 2, "q")
        choice = choose_index("auto", len(query), count, K, 4 * chosen.numbers, "euclidean")
        print(f"{count:,} photos, {gallery.vectors.nbytes / 2**20:,.0f} MB; auto: {choice.kind}, {choice.reason}")
        right, ours, flat = exact(query, gallery, chosen.rounds)
        took = {"exact": ours, "FAISS flat": flat}
        for kind in filter(None, chosen.indexes.split(",")):
            if 1000 <= count <= chosen.index_up_to:
                took[kind] = indexed(query, gallery, kind, right, ours, breadths)
        for name, milliseconds in took.items():
            lines.setdefault(name, []).append((count, milliseconds))
    if chosen.out is not None:
        write_curve(chosen.out, lines)


if __name__ == "__main__":
    main()
