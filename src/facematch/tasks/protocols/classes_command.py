"""`facematch classes`: precision and recall of each class, and how long it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.console import info, result, show_json, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.text import evenly
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.classes import SetScores, pooled_figures, set_scores, top_k_accepted
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.task import two_sides
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile
from facematch.pipeline.evaluated import embed_files
from facematch.pipeline.images import image_settings, image_stage, load_image_settings
from facematch.pipeline.timing import machine, median_seconds, seconds_of, timed
from facematch.ranking.embeddings import Embeddings, joined
from facematch.ranking.metrics import ROWS, Metric
from facematch.ranking.ranking import chosen_metric, prepared
from facematch.tasks.protocols.class_photos import EACH_OTHER, ClassPhotos, class_photos, require_untrained
from facematch.thresholds.static import fit_static

OVERALL = "all classes"
_TUNED_ON = 1000  # photos of the database, at most, that the threshold is chosen on
_ROUNDS = 5  # of search that are timed


@dataclass(frozen=True, eq=False)
class Side:
    """Photos that were embedded, with the class of each and the SHA-256 of its bytes, by name."""

    embeddings: Embeddings
    classes: Mapping[str, str]
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class ClassRow:
    """One class: A relevant and retrieved, B retrieved, C relevant, added up over its queries; A/B and A/C."""

    name: str
    queries: int
    a: int
    b: int
    c: int
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class Seconds:
    """How long each part took: features of the database and of the queries, the index, all queries of the index.

    `warm_up` is the first batch, with the loading of the model, in none of the others. Features that were read from
    the cache have no time.
    """

    warm_up: float | None
    database: float | None
    queries: float | None
    index: float
    search: float


def classes_command(
    database: Path,
    queries: Path | None,
    system: str | None,
    k: int,
    threshold: float | None,
    config: Path | None,
    overrides: Sequence[str],
    *,
    query_count: int | None,
    database_count: int | None,
    cached: bool,
    as_json: bool,
) -> None:
    """Print precision A/B and recall A/C at `k` and at a distance threshold, and the seconds of each part.

    Without `threshold` it is the one with the best macro-F1 among photos of the database, no query. With `cached`
    features are read from the cache, and their extraction is not timed.
    """
    settings = load_image_settings(config, overrides)
    chosen = system or settings.embedder.kind
    settings = image_settings(settings, chosen)
    photos = class_photos(database, queries, query_count, database_count, settings.seed)
    if chosen == "network":
        require_untrained(settings, photos.queries)
    answering, asking, extraction = _embedded(image_stage(settings, chosen), photos, cached=cached)
    limit = _chosen_threshold(answering) if threshold is None else threshold
    if threshold is None and photos.protocol == EACH_OTHER:
        warn("the threshold is chosen on the photos that ask, so its figures flatter; name one: --threshold")
    judged = judged_classes(asking.embeddings.names, asking, answering)
    at_k = class_rows(judged, top_k_accepted(judged, min(k, judged.right.shape[1])))
    at_threshold = class_rows(judged, judged.distances <= limit)
    seconds = Seconds(*extraction, *search_seconds(asking.embeddings, answering.embeddings, k))
    sizes = {"queries": len(asking.embeddings), "database": len(answering.embeddings)}
    by = "the best macro-F1 among photos of the database" if threshold is None else "as given"
    metric = answering.embeddings.metric
    if as_json:
        found = {
            "system": chosen, "protocol": photos.protocol, **sizes, "metric": metric, "k": k, "at_k": _plain(at_k),
            "threshold": limit, "threshold_chosen": by, "at_threshold": _plain(at_threshold),
            "seconds": asdict(seconds), "machine": machine(),
        }  # fmt: skip
        show_json(found)
        return
    result(f"{chosen}: {sizes['queries']} queries, {sizes['database']} photos in the database ({photos.protocol})")
    _show(f"the first {k} by {metric} distance", at_k)
    _show(f"all at {metric} distance {limit:.4g} or less, {by}", at_threshold)
    _show_seconds(seconds, sizes["database"], sizes["queries"], k)


def judged_classes(queries: Sequence[str], asking: Side, answering: Side) -> RelevanceMatrix:
    """Return the whole ranking of the database for some of the photos that ask; a photo of the same class is right.

    What has the bytes of the query is the query: it is neither a hit nor counted as relevant.
    """
    by_content: dict[str, set[str]] = {}
    for name, sha256 in answering.sha256.items():
        by_content.setdefault(sha256, set()).add(name)
    itself = tuple(frozenset(by_content.get(asking.sha256[name], ())) for name in queries)
    task = two_sides(queries, answering.embeddings.names, {**answering.classes, **asking.classes}, ignored=itself)
    everything = [answering.embeddings] if asking is answering else [asking.embeddings, answering.embeddings]
    return rank_task(task, joined(everything)).judged


def class_rows(judged: RelevanceMatrix, accepted: NDArray[np.bool_]) -> list[ClassRow]:
    """Return each class, and last all together, with 95 % intervals over the queries: classes are given."""
    scores, classes = set_scores(judged, accepted), np.array(judged.groups, dtype=object)
    masks = {name: classes == name for name in sorted(map(str, set(judged.groups)))}
    masks[OVERALL] = np.ones(len(classes), dtype=bool)
    rows = []
    for name, mask in masks.items():
        some = SetScores(scores.tp[mask], scores.fp[mask], scores.fn[mask])
        _, precision, recall = pooled_figures(some, range(len(some)))
        a = int(some.tp.sum())
        rows.append(ClassRow(name, len(some), a, a + int(some.fp.sum()), a + int(some.fn.sum()), precision, recall))
    return rows


def _embedded(
    stage: PhotoEmbedder, photos: ClassPhotos, *, cached: bool
) -> tuple[Side, Side, tuple[float | None, float | None, float | None]]:
    sides = {"database photos": photos.database, "queries": photos.queries}
    if cached:
        found = [_side(embed_files(stage, side.files, what), side, what) for what, side in sides.items()]
        return found[0], found[1], (None, None, None)
    warm = warm_up(stage)
    timed = [extract_anew(stage, side.files, what) for what, side in sides.items()]
    (first, first_seconds), (second, second_seconds) = timed
    database, queries = _side(first, photos.database, "database photos"), _side(second, photos.queries, "queries")
    return database, queries, (warm, first_seconds, second_seconds)


def _side(embedded: EmbeddedPhotos, labelled: LabelledPhotos, what: str) -> Side:
    names = embedded.embeddings.names
    if not names:
        raise FacematchError(f"none of the {len(labelled.files)} {what} can be read.", "Look at the folder.")
    classes = {file.name: shown for file, shown in labelled.pairs}
    digests = {record.name: record.sha256 for record in embedded.records}
    return Side(embedded.embeddings, {n: classes[n] for n in names}, {n: digests[n] for n in names})


def _chosen_threshold(database: Side) -> float:
    some = evenly(database.embeddings.names, _TUNED_ON)
    return fit_static(judged_classes(some, database, database), database.embeddings.metric).distance


def _show(title: str, rows: Sequence[ClassRow]) -> None:
    show_table(
        f"{title} [95 % interval over queries]",
        ["class", "queries", "A", "B", "C", "precision A/B", "recall A/C"],
        [[r.name, str(r.queries), str(r.a), str(r.b), str(r.c), str(r.precision), str(r.recall)] for r in rows],
    )


def _plain(rows: Sequence[ClassRow]) -> list[dict[str, object]]:
    def value(figure: Estimate) -> dict[str, object]:
        return {"value": figure.value, "interval": None if figure.interval is None else list(figure.interval)}

    return [{**asdict(r), "precision": value(r.precision), "recall": value(r.recall)} for r in rows]


def _show_seconds(seconds: Seconds, database: int, queries: int, k: int) -> None:
    rows = []
    for what, took, photos in (("database", seconds.database, database), ("queries", seconds.queries, queries)):
        if took is not None:
            rows.append([f"features of the {what}", f"{took:.2f}", f"{photos / took:.1f} photos a second"])
    rows.append(["index (FAISS, exact)", f"{seconds.index:.4f}", ""])
    each = 1000 * seconds.search / queries
    rows.append([f"the {k} nearest of all queries", f"{seconds.search:.4f}", f"{each:.3f} ms a query"])
    show_table("time", ["", "seconds", ""], rows)
    warm = "features were read from the cache"
    if seconds.warm_up is not None:
        warm = f"the first batch, with the model's loading, is left out: {seconds.warm_up:.1f} s"
    info(f"{warm}; {machine()}")


def warm_up(stage: PhotoEmbedder) -> float:
    """Embed one batch of blank crops, which loads the model; return its seconds."""
    size = stage.cropper.size
    blank = np.zeros((stage.embedder.batch, size, size, 3), dtype=np.uint8)
    return seconds_of(lambda: stage.embedder.embed(blank))


def extract_anew(stage: PhotoEmbedder, files: tuple[PhotoFile, ...], what: str) -> tuple[EmbeddedPhotos, float]:
    """Embed photos from their files, without any cache, and return the seconds it took: read, decoded, embedded."""
    with TemporaryDirectory() as empty:
        seconds, embedded = timed(lambda: embed_files(replace(stage, cache=Path(empty)), files, what))
    return embedded, seconds


def search_seconds(query: Embeddings, database: Embeddings, k: int) -> tuple[float, float]:
    """Return the seconds of making FAISS's exact index of the database, and of its `k` nearest of all queries.

    Medians of 5 rounds after one that does not count, each from raw vectors.
    """
    metric = chosen_metric(database, None)
    index = _index(database, metric)
    wanted = min(k, len(database))
    made = median_seconds(lambda: _index(database, metric), _ROUNDS)
    return made, median_seconds(lambda: index.search(prepared(query, metric), wanted), _ROUNDS)


def _index(database: Embeddings, metric: Metric) -> Any:
    import faiss

    vectors = prepared(database, metric)
    width = vectors.shape[1]
    if metric == "hamming":
        index: Any = faiss.IndexBinaryFlat(8 * width)
    else:
        index = faiss.IndexFlat(width, getattr(faiss, ROWS[metric].faiss))
    index.add(vectors)
    return index
