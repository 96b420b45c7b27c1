"""What half precision and int8 cost: accuracy on people, and photos a second, all files side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.console import show_table
from facematch.embedders.onnx import OnnxEmbedder
from facematch.evaluation.bootstrap import Estimate, mean_figure
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.retrieval import hit_at
from facematch.evaluation.topk import KS
from facematch.networks.onnx_metadata import Precision, read_onnx_metadata
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.evaluated import embed_named
from facematch.pipeline.people import ValidationPeople
from facematch.pipeline.timing import in_turn
from facematch.settings.root import Settings

_ROUNDS = 3  # that are timed, in turns, after one that is not


@dataclass(frozen=True)
class Agreement:
    """How far N embeddings are from those they should be: largest difference, least cosine."""

    largest: float
    cosine: float
    count: int

    def __str__(self) -> str:
        return f"largest difference {self.largest:.1e}, least cosine {self.cosine:.6f}, {self.count} crops"


@dataclass(frozen=True)
class Cost:
    """What one file is worth: bytes, top-1/5/10, top-1 less that of float32, least cosine to it, crops a second."""

    precision: Precision
    size: int
    figures: tuple[Estimate, ...]
    difference: Comparison
    cosine: float
    rate: float


def agreement(found: NDArray[np.float32], expected: NDArray[np.float32]) -> Agreement:
    """Return how far N×D embeddings are from the N×D expected; two zero vectors have cosine 1."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    dots = (found.astype(np.float64) * expected).sum(axis=1)
    cosines = np.where(lengths > 0, dots / np.where(lengths > 0, lengths, 1), (found == expected).all(axis=1))
    return Agreement(float(np.abs(found - expected).max()), float(cosines.min()), len(found))


def costs(
    settings: Settings, files: Mapping[Precision, Path], people: ValidationPeople, images: NDArray[np.uint8]
) -> list[Cost]:
    """Evaluate every file on the same people and time it on the same N×S×S×3 crops; float32 is the first.

    Embeddings are compared as floats, also those whose signs are codes.
    """
    embedders = {each: exported_embedder(file, settings.embedder.batch) for each, file in files.items()}
    embedded = {}
    for each, embedder in embedders.items():
        stage = photo_embedder(settings, embedder)
        floats = replace(stage, metric="euclidean") if stage.metric == "hamming" else stage
        embedded[each] = embed_named(floats, people.files, each).embeddings
    task = people.task()
    judged = {each: rank_task(task, found).judged for each, found in embedded.items()}
    seconds = in_turn({each: partial(embedder.embed, images) for each, embedder in embedders.items()}, _ROUNDS)
    return [
        Cost(
            each,
            file.stat().st_size,
            tuple(mean_figure(f"top-{k}", hit_at(judged[each], k), judged[each].groups) for k in KS),
            paired_values(hit_at(judged[each], 1), hit_at(judged["float32"], 1), judged[each].groups),
            agreement(embedded[each].vectors, embedded["float32"].vectors).cosine,
            len(images) / min(seconds[each]),  # the best round counts
        )
        for each, file in files.items()
    ]


def costs_as_dict(found: Sequence[Cost]) -> dict[str, Any]:
    """Return plain JSON values by precision."""
    return {
        each.precision: {
            "bytes": each.size,
            "figures": [figure.as_dict() for figure in each.figures],
            "top-1 less float32": each.difference.as_dict(),
            "least_cosine": each.cosine,
            "crops_a_second": each.rate,
        }
        for each in found
    }


def show_costs(found: list[Cost]) -> None:
    """Print the table."""
    first = found[0].figures[0]
    rows = [
        ["megabytes", *(f"{each.size / 1e6:.1f}" for each in found)],
        *([f"top-{k}", *(str(each.figures[place]) for each in found)] for place, k in enumerate(KS)),
        ["top-1 less float32", "", *(f"{each.difference:+.3f}" for each in found[1:])],
        ["least cosine to float32", *(f"{each.cosine:.5f}" for each in found)],
        ["crops a second, here", *(f"{each.rate:.0f}" for each in found)],
    ]
    show_table(
        f"{first.count} queries of {first.people} people [95 % interval over people]",
        ["", *(each.precision for each in found)],
        rows,
    )


def exported_embedder(file: Path, batch: int) -> OnnxEmbedder:
    """Return the embedder of a file that this command has written."""
    written = read_onnx_metadata(file)
    assert written is not None
    return OnnxEmbedder(file, batch=batch, device="cpu", **written.settings)
