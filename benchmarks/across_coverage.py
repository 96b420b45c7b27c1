"""How often the interval of the expected score holds the server's score where photographs ask drawings.

    python benchmarks/extra_photos.py data/train_extra all.txt --all
    python benchmarks/across_coverage.py all.txt --images data/train_extra --across photo caricature \\
        --config config/onnx.yaml --set embedder.file=MODEL.onnx [--trials 200] [--seed 1]

LIST has a line `photo person domain` for each picture. In each trial half of the people who have pictures of both
domains, drawn at random, are validated on; the others make the competition: one photograph of each asks the drawings of
all. Printed is how often the interval held the server's score, its mean width and bias, for what is expected across the
domains (`identities.across`), and for what photographs that ask photographs would say, which is what a program that
does not know of domains expects.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from expected_score_coverage import WEIGHTS, wilson

from facematch.evaluation.expectation import expect
from facematch.evaluation.outcomes import task_outcomes
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.task import RetrievalTask, across_domains, leave_one_out, two_sides
from facematch.evaluation.topk import first_places
from facematch.identities.domains import Domains
from facematch.identities.sources import load_identities
from facematch.pipeline.build import build_embedder, photo_embedder
from facematch.ranking.embeddings import Embeddings
from facematch.settings.file import load_settings


@dataclass(frozen=True, eq=False)
class Pictures:
    """Embedded pictures, whom each shows and of which domain it is, and the people who have both domains."""

    embeddings: Embeddings
    shown: dict[str, str]
    domain: dict[str, str]
    people: tuple[str, ...]

    def of(self, people: set[str]) -> dict[str, str]:
        """Return the pictures of some people."""
        return {name: who for name, who in self.shown.items() if who in people}


def embedded(options: argparse.Namespace) -> Pictures:
    """Embed the pictures of the people who have both domains, and another photograph."""
    labelled, _ = load_identities(options.list, options.images, Domains("column"))
    asking, asked = options.across
    has: dict[str, list[str]] = defaultdict(list)
    for file, who in labelled.pairs:
        has[who].append(file.domain)
    people = {who for who, domains in has.items() if domains.count(asking) > 0 and asked in domains}
    settings = load_settings(options.config, options.set)
    files = [file for file, who in labelled.pairs if who in people and file.domain in (asking, asked)]
    done = photo_embedder(settings, build_embedder(settings)).run(files)
    there = set(done.embeddings.names)
    shown = {file.name: who for file, who in labelled.pairs if file.name in there}
    domain = {file.name: file.domain for file in labelled.files if file.name in there}
    return Pictures(done.embeddings, shown, domain, tuple(sorted(set(shown.values()))))


def trial(pictures: Pictures, across: tuple[str, str], seed: int) -> list[tuple[float, float, float, float]]:
    """Return (server's score, expected, low, high), across the domains and blind to them."""
    rng = np.random.default_rng(seed)
    lot = rng.permutation(pictures.people).tolist()
    ours, theirs = (pictures.of(set(half)) for half in (lot[: len(lot) // 2], lot[len(lot) // 2 :]))
    gallery = [name for name in theirs if pictures.domain[name] == across[1]]
    photographs = defaultdict(list)
    for name, who in theirs.items():
        if pictures.domain[name] == across[0]:
            photographs[who].append(name)
    queries = [str(rng.choice(names)) for names in photographs.values()]
    asked = two_sides(queries, gallery, theirs)
    places = first_places(rank_task(asked, pictures.embeddings, k=10).judged)
    server = places.figures(WEIGHTS).score
    domains = {name: pictures.domain[name] for name in ours}
    blind = {name: who for name, who in ours.items() if domains[name] == across[0]}
    ways: list[tuple[RetrievalTask, float | None]] = [
        (across_domains(ours, list(ours), domains, across), 0.0),
        (leave_one_out(blind, list(blind)), None),
    ]
    told = []
    for task, share in ways:
        found = task_outcomes(task, pictures.embeddings)
        expected = expect(
            found, queries=len(queries), gallery=len(gallery), weights=WEIGHTS, share=share, rounds=500, seed=seed
        )
        assert expected is not None
        assert expected.interval is not None
        told.append((server, expected.score, *expected.interval))
    return told


def main() -> None:
    """Run the trials and print a line for each way to expect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--across", nargs=2, required=True, metavar=("ASKS", "ASKED"))
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pictures = embedded(options)
    asking, asked = options.across
    print(
        f"{len(pictures.people)} people, {len(pictures.shown)} pictures; {options.trials} trials, seed {options.seed}"
    )
    done = np.array([trial(pictures, (asking, asked), options.seed * 10_007 + each) for each in range(options.trials)])
    for name, rows in ((f"{asking} asks {asked}", done[:, 0]), (f"{asking} asks {asking}", done[:, 1])):
        server, score, low, high = rows.T
        held = int(((low <= server + 1e-6) & (server <= high + 1e-6)).sum())
        least, most = wilson(held, len(rows))
        share, width = 100 * held / len(rows), (high - low).mean()
        print(
            f"{name:24} server {server.mean():4.0f}  expected {score.mean():4.0f}  held {share:5.1f} % "
            f"({100 * least:.1f}–{100 * most:.1f})  width {width:4.0f}"
        )


if __name__ == "__main__":
    main()
