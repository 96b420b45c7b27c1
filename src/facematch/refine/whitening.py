"""PCA whitening, fitted on the embeddings of training people."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, TypeAdapter

from facematch.core.errors import FacematchError, MissingError
from facematch.core.files import replacing, sha256_of
from facematch.core.fingerprint import Fingerprint, fingerprint_of, require_same
from facematch.core.foreign import as_kind, parse_json, reading
from facematch.core.tensor_file import read_tensor_header, read_tensors
from facematch.ranking.embeddings import Embeddings

_FORMAT = "facematch whitening 1"
_PHOTOS = TypeAdapter(NonNegativeInt)


@dataclass(frozen=True, eq=False)
class Whitening:
    """The mean (D), R principal directions (D×R, one a column, strongest first) and variances (R) of embeddings.

    `photos` is how many they were fitted on; `fingerprint` is that of the embeddings.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    photos: int
    fingerprint: Fingerprint

    def apply(self, embeddings: Embeddings, components: int | None = None, power: float = 0.5) -> Embeddings:
        """Return embeddings centred, turned to the principal directions, evened out and scaled to length 1.

        Each direction is divided by its variance to the `power`: at 0.5 all have the same spread, at 0 only
        the mean is taken off and weak directions are cut; `components` keeps that many of the strongest.
        (Jégou & Chum, Negative Evidences and Co-occurrences in Image Retrieval: the Benefit of PCA and
        Whitening, ECCV 2012.) It helps embeddings whose few strongest directions carry pose and light
        rather than identity; it hurts where the training photos are few (weak directions are then noise)
        or where the network was trained to use its directions evenly.

        Raises FacematchError for embeddings made in another way.
        """
        require_same(embeddings.fingerprint, "the embeddings", self.fingerprint, "the whitening")
        kept = min(components or len(self.variances), self.useful)
        spread = np.maximum(self.variances[:kept].astype(np.float64), 1e-12) ** power
        turned = (embeddings.vectors.astype(np.float64) - self.mean) @ self.directions[:, :kept] / spread
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        vectors = (turned / np.where(lengths == 0, 1, lengths)).astype(np.float32)
        made = Fingerprint({"refine.whiten": f"{self.digest[:16]} {kept} {power}"})
        return replace(embeddings, vectors=vectors, fingerprint=embeddings.fingerprint | made)

    @property
    def useful(self) -> int:
        """Return how many directions have any variance: at most one less than the photos."""
        floor = 1e-7 * float(self.variances[0]) if len(self.variances) else 0.0
        return max(1, int((self.variances > floor).sum()))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the fitted numbers."""
        return sha256_of(self.mean.tobytes() + self.directions.tobytes() + self.variances.tobytes())

    def save(self, path: Path) -> None:
        """Write a .safetensors file."""
        from safetensors.numpy import save_file

        header = {
            "format": _FORMAT,
            "photos": str(self.photos),
            "fingerprint": json.dumps(dict(self.fingerprint.settings)),
        }
        tensors = {"mean": self.mean, "directions": np.ascontiguousarray(self.directions), "variances": self.variances}
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata=header)


def fit_whitening(embeddings: Embeddings) -> Whitening:
    """Fit whitening to the embeddings of N training photos.

    Raises FacematchError for fewer than 2 photos.
    """
    if len(embeddings) < 2:
        raise FacematchError(
            f"whitening is fitted on the embeddings of training people; there are {len(embeddings)}.",
            "Name training people with identities.train, or leave refine step whiten out.",
        )
    vectors = embeddings.vectors.astype(np.float64)
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    if len(vectors) > vectors.shape[1]:
        values, directions = np.linalg.eigh(centred.T @ centred / (len(vectors) - 1))
        values, directions = np.maximum(values[::-1], 0), directions[:, ::-1]
    else:
        _, singular, rows = np.linalg.svd(centred, full_matrices=False)
        values, directions = singular**2 / (len(vectors) - 1), rows.T
    return Whitening(
        mean.astype(np.float32),
        np.ascontiguousarray(directions, dtype=np.float32),
        values.astype(np.float32),
        len(embeddings),
        embeddings.fingerprint,
    )


def load_whitening(path: Path) -> Whitening:
    """Read what `Whitening.save` wrote. Raises FacematchError for any other or a damaged file."""
    again = "Fit it on the training people: facematch tune"
    if not path.is_file():
        raise MissingError(f"refine step whiten needs {path}, which does not exist.", again)
    header = read_tensor_header(path, "whitening", again).metadata
    with reading(path, "whitening", again):
        if header["format"] != _FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
        tensors = read_tensors(path)
        mean, directions, variances = (tensors[name].astype(np.float32) for name in ("mean", "directions", "variances"))
        if mean.ndim != 1 or variances.ndim != 1 or directions.shape != (len(mean), len(variances)):
            raise ValueError("its parts do not belong together")
        if not all(np.isfinite(each).all() for each in (mean, directions, variances)):
            raise ValueError("it holds NaN or infinity")
        fingerprint = fingerprint_of(parse_json(header["fingerprint"], "header"))
        return Whitening(mean, directions, variances, as_kind(_PHOTOS, header["photos"]), fingerprint)
