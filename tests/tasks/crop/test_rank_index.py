"""`facematch rank --index` and `gallery.index`: what finds the nearest codes, and what is said of it."""

import csv
import json
from pathlib import Path

import pytest

from command_helpers import Run, names
from facematch.ranking import binary

QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
CODES = ("--config", "small.yaml", "--set", "ranking.metric=hamming")


def _embed(run: Run, *options: str) -> None:
    for folder, out in ((QUERY, "q.safetensors"), (GALLERY, "g.safetensors")):
        assert run("embed", folder, out, *options).code == 0


@pytest.mark.parametrize("index", ["multi-index-hashing", "hnsw"])
def test_codes_rank_through_an_index_and_its_recall_is_told(project: Path, run: Run, index: str) -> None:
    _embed(run, *CODES)
    exact, found = (
        run("rank", "q.safetensors", "g.safetensors"),
        run("rank", "q.safetensors", "g.safetensors", "--index", index),
    )
    assert found.code == 0, found.err
    assert "recall" not in exact.text
    kind = "approximate index" if index == "hnsw" else "index"
    assert found.err.splitlines() == [f"{kind} {index}: recall@10 1.000 on 3 of 3 queries"]
    there, here = ([row["distance"] for row in csv.DictReader(done.out.splitlines())] for done in (exact, found))
    assert here == there
    whole = run("rank", "q.safetensors", "g.safetensors", "--index", index, "-k", "99")
    assert whole.err == ""
    assert whole.out == run("rank", "q.safetensors", "g.safetensors", "-k", "99").out


def test_a_submission_through_an_index_tells_its_recall(project: Path, run: Run) -> None:
    request = ("request", *CODES, "--dry-run", "--out", "mine.json")
    assert "recall" not in run(*request).text
    exact = json.loads(Path("mine.json").read_text())["images"]
    done = run(*request, "--set", "gallery.index=multi-index-hashing")
    assert done.code == 0, done.err
    assert "index multi-index-hashing: recall@10 1.000 on 3 of 3 queries" in done.err
    assert json.loads(Path("mine.json").read_text())["images"] == exact
    done = run(*request, "--set", "gallery.index=hnsw")
    assert "approximate index hnsw: recall@10 1.000 on 3 of 3 queries" in done.err
    found = json.loads(Path("mine.json").read_text())["images"]
    assert {query: len(set(answer)) for query, answer in found.items()} == dict.fromkeys(names(QUERY), 10)


def test_a_promised_rate_is_never_fitted_on_an_approximate_ranking(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(binary, "_graph", built.append)
    done = run("answer", *CODES, "--set", "gallery.index=hnsw", "--threshold", "conformal", "--false-accepts", "0.5")
    assert done.code == 0, done.err
    assert not built


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("rank", "q.safetensors", "g.safetensors", "--index", "hnws"),
            "--index hnws is not known (did you mean 'hnsw'?)",
        ),
        (
            ("rank", "q.safetensors", "g.safetensors", "--index", "multi-index-hashing"),
            "index multi-index-hashing does not search by the metric euclidean",
        ),
        (
            ("request", "--config", "small.yaml", "--set", "gallery.index=multi-index-hashing", "--dry-run"),
            "gallery.index: multi-index-hashing does not search by euclidean",
        ),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, arguments: tuple[str, ...], words: str) -> None:
    _embed(run, "--config", "small.yaml")
    done = run(*arguments)
    assert done.code == 1, done.text
    assert words in done.err
