"""Labelled photos as embeddings, for benchmarks that divide people themselves."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.faces.values import coverage_of
from facematch.identities.check import check_identities
from facematch.identities.sources import load_many
from facematch.pipeline.build import build_embedder, photo_embedder, photo_limits
from facematch.ranking.embeddings import Embeddings
from facematch.settings.file import load_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `embed_people` reads."""
    parser.add_argument("--people", type=Path, action="append", required=True, help="folder <person>/*; repeatable")
    parser.add_argument("--config", type=Path, help="YAML file; its embedder, faces and ranking.metric are used")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")


def embed_people(wanted: argparse.Namespace) -> tuple[Embeddings, NDArray[np.str_]]:
    """Return the embeddings of all photos, and whom each shows; what cannot be read is left out."""
    settings = load_settings(wanted.config, wanted.set)
    labelled = check_identities(load_many(wanted.people)[0], photo_limits(settings.photos), min_photos=1).labelled
    done = photo_embedder(settings, build_embedder(settings)).run(labelled.files)
    shown = {file.name: person for file, person in labelled.pairs}
    people = np.array([shown[name] for name in done.embeddings.names])
    kind = f"{settings.embedder.kind}, {settings.ranking.metric}"
    print(f"{len(np.unique(people))} people, {len(people)} photos; {kind}; {coverage_of(done.records)}", flush=True)
    return done.embeddings, people


def only(embeddings: Embeddings, rows: NDArray[np.int64]) -> Embeddings:
    """Return the embeddings of some photos."""
    return embeddings.at(rows.tolist())
