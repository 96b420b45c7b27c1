"""`facematch embed` and `facematch rank`: embeddings as files, so that ranking never recomputes them."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from facematch.core.console import info, progress, result, show_json
from facematch.core.errors import FacematchError, nearest_name
from facematch.faces.values import coverage_of, record_of
from facematch.photos.photo import find_photos
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.system import build_system, compare_and_note
from facematch.ranking.embedding_files import read_embeddings, require_ending, write_embeddings
from facematch.ranking.metrics import METRICS
from facematch.ranking.ranking import chosen_metric
from facematch.refine.chain import Ranker
from facematch.settings.ranking import INDEXES, IndexKind


def embed_command(photos: Path, out: Path, config: Path, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Embed a folder and write its embeddings to a file as which its name ends."""
    require_ending(out)
    settings = settings_in_use(config, overrides)
    stage = photo_embedder(settings, build_system(settings).embedder)
    found = find_photos(photos)
    if not found.files:
        raise FacematchError(f"{photos} holds no photos; {len(found.unreadable)} files cannot be used.")
    with progress("embedding", len(found.files)) as step:
        embedded = stage.run(found.files, step)
    embeddings = embedded.embeddings
    write_embeddings(out, embeddings)
    records = [*embedded.records, *(record_of(bad) for bad in found.unreadable)]
    left_out = [record for record in records if record.status in ("miss", "unreadable")]
    coverage = coverage_of(records)
    if as_json:
        size = {"embeddings": len(embeddings), "dimensions": embeddings.dimensions, "metric": embeddings.metric}
        left = [{"photo": each.name, "status": each.status, "reason": each.reason} for each in left_out]
        show_json({"out": str(out), **size, **asdict(coverage), "left_out": left})
        return
    for record in left_out:
        info(f"{record.name}: {record.reason}")
    result(f"{coverage}")
    result(f"{len(embeddings)} embeddings: {out}")


def rank_command(query: Path, gallery: Path, k: int, metric: str | None, index: str, *, as_json: bool = False) -> None:
    """Print the ranking of saved embeddings as CSV, or as JSON."""
    for option, value, known in (("metric", metric, METRICS), ("index", index, INDEXES)):
        if value is not None and value not in known:
            raise FacematchError(f"--{option} {value} is not known{nearest_name(value, known)}.", ", ".join(known))
    asking, answering = read_embeddings(query), read_embeddings(gallery)
    compared = chosen_metric(asking, metric)
    ranking = compare_and_note(Ranker((), compared, index=cast("IndexKind", index)), asking, answering, k)
    if as_json:
        found = ranking.distances.tolist()
        answers = {
            name: [
                {"photo": photo, "distance": far} for photo, far in zip(ranking.names(row), found[row], strict=False)
            ]
            for row, name in enumerate(ranking.queries)
        }
        show_json({"metric": compared, "answers": answers})
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["query", "rank", "gallery", "distance"])
    for number, name in enumerate(ranking.queries):
        for place, answer in enumerate(ranking.names(number), start=1):
            table.writerow([name, place, answer, f"{ranking.distances[number, place - 1]:.6f}"])
