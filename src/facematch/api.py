"""What `import facematch` promises: photos to embeddings, rankings, figures; a training.

Nothing is printed. What a command would warn of is a Python warning, what it would say a record of the logger
`facematch`; what goes wrong is a FacematchError. Settings are the keys of `config/triplet.yaml`, as keywords with two
underscores for the dot: `faces__size=112`.
"""

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.console import unheard
from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.bootstrap import Estimate, codes_of
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.retrieval import retrieval_figures
from facematch.evaluation.task import RetrievalTask, by_truth, leave_one_out, two_sides
from facematch.evaluation.verification import Pairs, verification_figures
from facematch.faces.values import Outcome
from facematch.photos.encoded import png_bytes
from facematch.photos.photo import PhotoFile, Unreadable, find_photos
from facematch.pipeline.build import build_embedder, crops_of, photo_embedder, run_folder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.named_models import config_of
from facematch.pipeline.system import refine_steps, with_views
from facematch.ranking.embeddings import Embeddings, joined
from facematch.ranking.ranking import Ranking, distance_estimator, pair_distances
from facematch.settings.file import load_settings, overrides_of
from facematch.settings.ranking import IndexKind, Metric

Picture = Any  # a path, an H×W×3 uint8 RGB array or a PIL image
Photos = Picture | Sequence[Picture] | Mapping[str, Picture]


def load_embedder(
    source: str | Path = "default", *, config: str | Path | None = None, **settings: object
) -> PhotoEmbedder:
    """Return what turns photos into embeddings: which faces it takes, how it crops them, its network.

    `source` is `default` (the network that comes with facematch), a run folder or a checkpoint (`.safetensors`) with
    its own settings beside it, the name of a published model that is here (`facematch models list`), or an ONNX model,
    which `config/onnx.yaml` describes unless `config` names another file. Its weights are loaded when the first photo
    is embedded. Raises FacematchError where it is missing, and for settings it was not trained with.

    >>> load_embedder("default").fingerprint.settings["network.backbone"]
    'resnet50'
    """
    with unheard():
        if Path(source).suffix == ".onnx":
            model = {"embedder__kind": "onnx", "embedder__file": source}
            chosen = load_settings(config or "config/onnx.yaml", overrides_of(model | settings))
        elif (own := config_of(source)) is not None:
            chosen = settings_in_use(config or own, overrides_of({"embedder__file": source} | settings))
        else:
            chosen = settings_in_use(config, overrides_of({"paths__checkpoint": source} | settings))
        plain = build_embedder(chosen)
        return photo_embedder(chosen, with_views(chosen, plain, refine_steps(chosen, plain)))


def embed(
    photos: Photos,
    embedder: PhotoEmbedder | str | Path = "default",
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Embeddings:
    """Return N×D embeddings of photos, through the cache: what was embedded before is read.

    `photos` is a folder with all below it, a file, an H×W×3 `uint8` RGB array, a PIL image, several of these, or a
    mapping from names to them. Files of a folder are called by their path in it, files of a list by the path that was
    given, pictures by their number. `embedder` is what `load_embedder` returns or takes. A photo that cannot be read
    or, where `faces.miss` says so, shows no face has no embedding: a Python warning names it. `on_progress` gets the
    number of photos done. Raises FacematchError for a missing folder, for no photo at all, and for an array of another
    kind.

    >>> embed("photos/ann").vectors.shape
    (3, 128)
    """
    stage = embedder if isinstance(embedder, PhotoEmbedder) else load_embedder(embedder)
    with tempfile.TemporaryDirectory() as folder, unheard():
        files, unread = _files(photos, Path(folder))
        found = stage.run(files, on_progress)
    there = set(found.embeddings.names)
    lost = [*map(str, unread), *(f"{row.name} ({row.reason})" for row in found.records if row.name not in there)]
    if lost:
        warnings.warn(f"{len(lost)} photos have no embedding, first {lost[0]}", stacklevel=2)
    return found.embeddings


def crop(photos: Photos, *, config: str | Path | None = None, **settings: object) -> list[Outcome]:
    """Return how each photo ends: a `Crop` (`.image` is S×S×3 `uint8` RGB, with `.box` and `.score`), a `Miss` or an
    `Unreadable`, each with its `.name`, the last two with their `.reason`; what is no photo in a folder comes last.

    `photos` is as in `embed`; `faces__detector`, `faces__size`, `faces__margin`, `faces__miss` and the other keys of
    `faces:` say how. Raises FacematchError as `embed`, and for a setting that is not known.

    >>> [type(each).__name__ for each in crop("photos/ann", faces__size=112, faces__miss="skip")]
    ['Crop', 'Crop', 'Crop']
    """
    with tempfile.TemporaryDirectory() as folder, unheard():
        chosen = load_settings(config, overrides_of(settings))
        files, unread = _files(photos, Path(folder))
        return [*crops_of(chosen, files, chosen.faces.miss), *unread]


def rank(
    query: Embeddings | ArrayLike,
    gallery: Embeddings | ArrayLike,
    k: int = 10,
    *,
    metric: Metric | None = None,
    index: IndexKind = "exact",
) -> Ranking:
    """Return the `k` nearest gallery photos of each query, best first, exactly, ties by name.

    Both sides are embeddings of one embedder, or Q×D and N×D arrays, whose rows are called by their numbers; these are
    compared by `euclidean` distance unless `metric` says `cosine`, `manhattan` or `jaccard`. `index` is exact, or a
    FAISS index that may miss some (`hnsw`, `ivf-pq`). It is `facematch.ranking.ranking.distance_estimator`. Raises
    FacematchError where the two sides cannot be compared.

    >>> rank([[0.0, 1.0]], [[1.0, 0.0], [0.0, 0.9]], k=2).names(0)
    ('1', '0')
    """
    return distance_estimator(_embeddings(query), _embeddings(gallery), k, metric, index=index)


def evaluate(
    query: Embeddings | ArrayLike,
    truth: RetrievalTask | Mapping[str, object] | Sequence[object],
    gallery: Embeddings | ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Return top-1, top-5, top-10, mAP and the other retrieval figures, each with its 95 % interval over people.

    Without a `gallery` each photo asks all others; `truth` holds a label for each row, or by name. With one, `truth`
    is a ground truth (`{query: [right gallery photos]}`), the labels of both sides by name, or a pair of sequences,
    a label for each row of the two. Or it is a RetrievalTask among the names of both. Raises FacematchError where a
    photo has no label, and where no query has a right photo.

    >>> figures = evaluate([[0.0], [0.1], [1.0], [1.1]], ["ann", "ann", "bob", "bob"])
    >>> figures["top-1"].value
    1.0
    """
    asked = _embeddings(query)
    if isinstance(truth, RetrievalTask):
        task, photos = truth, asked if gallery is None else joined([asked, _embeddings(gallery)])
    elif gallery is None:
        task, photos = leave_one_out(_labels(asked, truth), asked.names), asked
    else:
        task, photos = _two_sides(asked, _embeddings(gallery), truth)
    return {figure.name: figure for figure in retrieval_figures(rank_task(task, photos).judged)}


def verify(
    embeddings: Embeddings | ArrayLike,
    labels: Mapping[str, object] | Sequence[object],
    pairs: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Return ROC AUC, EER and TAR at each FAR of pairs of photos, each with its 95 % interval over people.

    `labels` are as in `evaluate`. `pairs` are P×2 row numbers; None takes all pairs of two photos. Raises
    FacematchError for numbers that are no rows.

    >>> verify([[0.0], [0.1], [1.0], [1.1]], ["ann", "ann", "bob", "bob"])["EER"].value
    0.0
    """
    photos = _embeddings(embeddings)
    shown = codes_of(list(_labels(photos, labels).values()))
    rows = np.stack(np.triu_indices(len(photos), 1), axis=1) if pairs is None else np.asarray(pairs)
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu":
        raise FacematchError(f"pairs are {rows.dtype} of shape {rows.shape}; P×2 row numbers are needed.")
    if rows.size and not 0 <= rows.min() <= rows.max() < len(photos):
        raise FacematchError(f"pairs hold row {rows.max()}; there are {len(photos)} photos, from 0.")
    first, second = rows[:, 0], rows[:, 1]
    distances = pair_distances(photos, first, second)
    found = Pairs(distances, shown[first] == shown[second], shown[first], shown[second])
    return {figure.name: figure for figure in verification_figures(found)}


def train(
    config: str | Path = "config/triplet.yaml", *, resume: bool = False, fresh: bool = False, **settings: object
) -> Path:
    """Train as a settings file says; return the run folder, which `load_embedder` takes.

    With `resume` it goes on with the run of this name, with `fresh` an earlier one is moved aside. Ctrl-C saves the run
    and raises KeyboardInterrupt. Raises FacematchError for settings, folders of people and runs that do not do.

    >>> train("config/triplet.yaml", name="nobody", identities__train=["no such folder"])
    Traceback (most recent call last):
        ...
    facematch.core.errors.MissingError: ...
    """
    from facematch.tasks.training.start import train_command

    overrides = overrides_of(settings)
    with unheard():
        try:
            train_command(Path(config), overrides, resume=resume, fresh=fresh)
        except SystemExit as end:  # 128 and the signal
            raise KeyboardInterrupt(f"stopped and saved (exit code {end.code}); train again with resume") from end
        return run_folder(load_settings(config, overrides))


def _files(photos: Photos, scratch: Path) -> tuple[list[PhotoFile], tuple[Unreadable, ...]]:
    # What is no file yet is written as PNG, so that it ends exactly as a file of the same pixels would.
    if isinstance(photos, str | Path):
        found = find_photos(Path(photos))
        return list(found.files), found.unreadable
    if not isinstance(photos, Mapping):
        several = [photos] if _is_picture(photos) else list(photos)
        photos = {str(each if isinstance(each, str | Path) else row): each for row, each in enumerate(several)}
        if len(photos) < len(several):
            raise FacematchError(f"{len(several) - len(photos)} photos are given twice.", "Give each photo once.")
    if not photos:
        raise FacematchError("there are no photos to embed.", "Give a folder, files, arrays or PIL images.")
    return [_file(str(name), each, scratch / f"{row}.png") for row, (name, each) in enumerate(photos.items())], ()


def _file(name: str, picture: Picture, path: Path) -> PhotoFile:
    if isinstance(picture, str | Path):
        return PhotoFile(name, picture)
    array = np.asarray(picture.convert("RGB") if hasattr(picture, "convert") else picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise FacematchError(f"photo {name} is {array.dtype} of shape {array.shape}; H×W×3 uint8 RGB is needed.")
    path.write_bytes(png_bytes(np.ascontiguousarray(array), quick=True))
    return PhotoFile(name, path)


def _is_picture(photos: object) -> bool:
    return hasattr(photos, "convert") or (isinstance(photos, np.ndarray) and photos.ndim == 3)


def _embeddings(side: Embeddings | ArrayLike) -> Embeddings:
    if isinstance(side, Embeddings):
        return side
    vectors = np.ascontiguousarray(side, dtype=np.float32)
    return Embeddings(tuple(map(str, range(len(vectors)))), vectors, "euclidean", Fingerprint({}))


def _labels(photos: Embeddings, truth: Any) -> dict[str, str]:
    if isinstance(truth, Mapping):
        if missing := [name for name in photos.names if name not in truth]:
            raise FacematchError(f"{len(missing)} of {len(photos)} photos have no label, first {missing[0]}.")
        return {name: str(truth[name]) for name in photos.names}
    labels = list(truth)
    if len(labels) != len(photos):
        raise FacematchError(f"{len(labels)} labels for {len(photos)} photos; one for each is needed.")
    return dict(zip(photos.names, map(str, labels), strict=True))


def _two_sides(query: Embeddings, gallery: Embeddings, truth: Any) -> tuple[RetrievalTask, Embeddings]:
    # A photo may be called the same on both sides, so that names begin with the side.
    asks, asked = (
        replace(side, names=tuple(f"{of}/{name}" for name in side.names))
        for side, of in ((query, "query"), (gallery, "gallery"))
    )
    photos = joined([asks, asked])
    if isinstance(truth, Mapping) and all(isinstance(each, AbstractSet | list | tuple) for each in truth.values()):
        if missing := [name for name in query.names if name not in truth]:
            raise FacematchError(f"the ground truth lacks {len(missing)} queries, first {missing[0]}.")
        right = {f"query/{name}": frozenset(f"gallery/{each}" for each in found) for name, found in truth.items()}
        return by_truth(right, asks.names, asked.names), photos
    if not isinstance(truth, Mapping) and len(truth) != 2:
        raise FacematchError(f"{len(truth)} sequences of labels; a pair is needed, for queries and gallery.")
    of_query, of_gallery = (truth, truth) if isinstance(truth, Mapping) else truth
    shown = {f"query/{name}": who for name, who in _labels(query, of_query).items()}
    shown |= {f"gallery/{name}": who for name, who in _labels(gallery, of_gallery).items()}
    return two_sides(asks.names, asked.names, shown), photos
