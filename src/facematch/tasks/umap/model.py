"""A folder's UMAP on disk: one .safetensors file, of plain numbers and JSON. Loading it runs nothing.

It holds the grey pixels of every distinct photo (4 kB each), their embedding, and which file shows which of them, so
that a new image is placed among its exact neighbours.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, FiniteFloat, PositiveInt, TypeAdapter

from facematch.core.errors import FacematchError
from facematch.core.files import replacing
from facematch.core.foreign import as_kind, parse_json, quoted, reading
from facematch.core.tensor_file import read_tensor_header, read_tensors
from facematch.tasks.umap.fit import Embedding, UmapSettings, place
from facematch.tasks.umap.grey_pixels import SIDE, GreyPixels, Pixels, distinct

FILE = "umap.safetensors"
_FORMAT = "facematch umap 1"
REFIT_SHARE = 0.2


class _Header(BaseModel):
    # What a file holds beside its numbers, of the type it has to have.
    settings: UmapSettings
    curve: tuple[FiniteFloat, FiniteFloat]
    k: PositiveInt
    trust: dict[int, float]
    fitted_rows: PositiveInt


_HEADER = TypeAdapter(_Header)
_FILES = TypeAdapter(dict[str, tuple[str, ...]])


@dataclass(frozen=True, eq=False)
class UmapModel:
    """Photos in an embedding.

    `photos` are the files with the U distinct pixels they show; `embedding` is U×C `float32`; `fitted` (U `bool`)
    says which rows the fit saw, the others were placed later; `fitted_rows` how many it saw, some of which may have
    been forgotten. `curve` is UMAP's a and b, `trust` the fit's trustworthiness by its k; `k` is the one that
    n_neighbors were compared at.
    """

    settings: UmapSettings
    photos: GreyPixels
    embedding: Embedding
    fitted: NDArray[np.bool_]
    fitted_rows: int
    curve: tuple[float, float]
    trust: dict[int, float]
    k: int

    def __post_init__(self) -> None:
        rows, files = len(self.photos.pixels), len(self.photos.names)
        if self.embedding.shape != (rows, self.settings.n_components) or self.fitted.shape != (rows,):
            raise ValueError(f"{rows} photos, an embedding of shape {self.embedding.shape}, {len(self.fitted)} marks")
        if len(self.photos.sha256) != files or self.photos.rows.shape != (files,) or not np.isfinite(self.curve).all():
            raise ValueError(f"{files} names, {len(self.photos.sha256)} digests, {len(self.photos.rows)} rows")
        if files and not 0 <= self.photos.rows.min() <= self.photos.rows.max() < rows:
            raise ValueError("a file shows pixels that are not there")
        if self.photos.pixels.shape != (rows, SIDE * SIDE) or not np.isfinite(self.embedding).all():
            raise ValueError(f"pixels of shape {self.photos.pixels.shape}, or an embedding that is not finite")

    @property
    def drift(self) -> float:
        """Return how far the photos have left the fit: rows placed since and rows forgotten, by the rows it saw."""
        kept = int(self.fitted.sum())
        return (len(self.fitted) - kept + self.fitted_rows - kept) / self.fitted_rows


@dataclass(frozen=True)
class Hit:
    """A photo found, and its distance from the query in the embedding."""

    name: str
    distance: float


def query_model(model: UmapModel, pixels: Pixels, sha256: str, k: int) -> list[Hit]:
    """Return the k photos nearest to one image (4096 `uint8`) in the embedding, by (distance, name).

    Photos with the pixels of the image are at distance 0; the image itself, known by its bytes, is the first of them.
    """
    photos = model.photos
    at = place(pixels[None], photos.pixels, model.embedding, model.settings, model.curve)
    distances = np.sqrt(((model.embedding.astype(np.float64) - at) ** 2).sum(axis=1))[photos.rows]
    others = np.array([each != sha256 for each in photos.sha256])
    order = np.lexsort((np.array(photos.names), others, distances))[:k]
    return [Hit(photos.names[row], float(distances[row])) for row in order]


def save_model(folder: Path, model: UmapModel) -> None:
    """Write a model into its folder, whole or not at all."""
    from safetensors.numpy import save_file

    photos = model.photos
    listing = json.dumps({"names": photos.names, "sha256": photos.sha256}).encode()
    tensors: dict[str, NDArray[Any]] = {
        "pixels": photos.pixels,
        "embedding": model.embedding,
        "rows": photos.rows,
        "fitted": model.fitted.astype(np.uint8),
        "files": np.frombuffer(listing, np.uint8),
    }
    tensors = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
    header = {
        "format": _FORMAT,
        "settings": asdict(model.settings),
        "curve": model.curve,
        "k": model.k,
        "trust": {str(k): value for k, value in model.trust.items()},
        "fitted_rows": model.fitted_rows,
        "digest": _digest(tensors),
    }
    with replacing(folder / FILE) as temporary:
        # One entry: safetensors writes several in any order, and the same model is to be the same bytes.
        save_file(tensors, temporary, metadata={"umap": json.dumps(header)})


def load_model(folder: Path) -> UmapModel:
    """Read a model. Raises FacematchError when it is missing, cut short, changed, or of another version."""
    path = folder / FILE
    again = f"Make it again: facematch umap fit PHOTOS --model {folder}"
    if not path.is_file():
        raise FacematchError(f"{folder} holds no model of UMAP: there is no {FILE} in it.", again.replace(" again", ""))
    text = read_tensor_header(path, "model", again).metadata.get("umap", "{}")
    with reading(path, "model", again):
        header = parse_json(text, "header")
        if header.get("format") != _FORMAT:
            version = quoted(header.get("format", "nothing"))
            raise FacematchError(f"{path}: this version reads {_FORMAT!r}; the file says {version}.", again)
        tensors = read_tensors(path)
        if _digest(tensors) != header["digest"]:
            raise ValueError("its numbers are not those that were written")
        facts = as_kind(_HEADER, header)
        listing = as_kind(_FILES, parse_json(tensors["files"].tobytes(), "header"))
        photos = GreyPixels(listing["names"], listing["sha256"], tensors["rows"], tensors["pixels"])
        return UmapModel(
            photos=photos, embedding=tensors["embedding"], fitted=tensors["fitted"].astype(np.bool_), **dict(facts)
        )


def _digest(tensors: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape};".encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Changes:
    """What a folder holds against a model, by name: new files, files with other bytes, files that are gone."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)


def compare(model: UmapModel, now: GreyPixels) -> Changes:
    """Return what changed; a file is the same when its name and its bytes are."""
    before = dict(zip(model.photos.names, model.photos.sha256, strict=True))
    after = dict(zip(now.names, now.sha256, strict=True))
    both = [name for name in after if name in before]
    changed = tuple(name for name in both if before[name] != after[name])
    new = tuple(name for name in after if name not in before)
    deleted = tuple(name for name in before if name not in after)
    return Changes(new, changed, deleted, len(both) - len(changed))


def update_model(model: UmapModel, now: GreyPixels) -> UmapModel:
    """Return the model with the photos of `now`.

    Pixels that the model knows stay where they are, under whatever name. The others are placed among all that the
    model had, before those that are gone are forgotten.
    """
    known = model.photos.pixels
    together, places = distinct(np.concatenate([known, now.pixels]))
    rows, added = places[len(known) :], together[len(known) :]
    embedding, fitted = model.embedding, model.fitted
    if len(added):
        embedding = np.concatenate([embedding, place(added, known, embedding, model.settings, model.curve)])
        fitted = np.concatenate([fitted, np.zeros(len(added), np.bool_)])
    return replace(model, photos=replace(now, pixels=together[rows]), embedding=embedding[rows], fitted=fitted[rows])
