"""`facematch embed` and `facematch rank`: embeddings as files, rankings as CSV that pipes."""

import csv
import json
from pathlib import Path

import pytest

from command_helpers import Run, names
from facematch.ranking.embeddings import load_embeddings

QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")


def _embed(run: Run, *options: str) -> None:
    for folder, out in ((QUERY, "q.safetensors"), (GALLERY, "g.safetensors")):
        done = run("embed", folder, out, "--config", "small.yaml", *options)
        assert done.code == 0, done.err
        assert f"{len(names(folder))} embeddings: {out}" in done.out


def test_files_rank_as_a_submission_does(project: Path, run: Run) -> None:
    _embed(run)
    done = run("rank", "q.safetensors", "g.safetensors", "-k", "10")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(done.out.splitlines()))
    assert len(rows) == 30
    run("request", "--config", "small.yaml", "--dry-run", "--out", "mine.json")
    images = json.loads(Path("mine.json").read_text())["images"]
    for query in names(QUERY):
        mine = [row for row in rows if row["query"] == query]
        assert [row["gallery"] for row in mine] == images[query]
        assert [int(row["rank"]) for row in mine] == list(range(1, 11))
        distances = [float(row["distance"]) for row in mine]
        assert distances == sorted(distances)


def test_files_of_numpy_rank_alike_and_json_tells_the_same(project: Path, run: Run) -> None:
    _embed(run)
    for side in ("query", "gallery"):
        done = run("embed", f"data/test_data/{side}", f"{side}.npz", "--config", "small.yaml", "--json")
        told = json.loads(done.out)
        count = len(names(Path("data/test_data", side)))
        assert (told["out"], told["embeddings"], told["files"]) == (f"{side}.npz", count, count)
    rows = list(csv.DictReader(run("rank", "q.safetensors", "g.safetensors").out.splitlines()))
    told = json.loads(run("rank", "query.npz", "gallery.npz", "--json").out)
    flat = [(name, each["photo"]) for name, answers in told["answers"].items() for each in answers]
    assert flat == [(row["query"], row["gallery"]) for row in rows]


def test_k_beyond_the_gallery_gives_all_of_it(project: Path, run: Run) -> None:
    _embed(run)
    assert len(run("rank", "q.safetensors", "g.safetensors", "-k", "99").out.splitlines()) == 1 + 3 * 12


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "jaccard", "manhattan"])
def test_every_metric_ranks(project: Path, run: Run, metric: str) -> None:
    _embed(run)
    done = run("rank", "q.safetensors", "g.safetensors", "--metric", metric)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 31


def test_grey_pixels_are_an_embedder_too(project: Path, run: Run) -> None:
    _embed(run, "--set", "embedder.kind=pixels")
    assert load_embeddings(Path("q.safetensors")).vectors.shape[0] == 3
    assert run("rank", "q.safetensors", "g.safetensors").code == 0


def test_embeddings_made_in_two_ways_never_meet(project: Path, run: Run) -> None:
    _embed(run)
    run("embed", GALLERY, "g.safetensors", "--config", "small.yaml", "--set", "embedder.kind=pixels")
    done = run("rank", "q.safetensors", "g.safetensors")
    assert done.code == 1
    assert "the query embeddings and the gallery embeddings were not made in the same way" in done.err


def _cut() -> None:
    path = Path("g.safetensors")
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rank", "no.safetensors", "g.safetensors"), "no.safetensors"),
        (("rank", "small.yaml", "g.safetensors"), "small.yaml"),
        (("rank", "q.safetensors", "g.safetensors", "--metric", "euclidian"), "did you mean 'euclidean'?"),
        (("embed", "nowhere", "x.safetensors", "--config", "small.yaml"), "nowhere cannot be searched"),
        (("embed", "data", "x.txt", "--config", "no.yaml"), "written as .safetensors, .npz, .csv, .parquet"),
        (("embed", "empty", "x.safetensors", "--config", "small.yaml"), "empty holds no photos"),
        (("embed", "data", "x.safetensors", "--config", "no.yaml"), "no.yaml does not exist"),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, arguments: tuple[str, ...], words: str) -> None:
    Path("empty").mkdir()
    _embed(run)
    done = run(*arguments)
    assert done.code == 1, done.text
    assert words in done.err
    assert not Path("x.safetensors").exists()


def test_a_file_cut_short_is_refused(project: Path, run: Run) -> None:
    _embed(run)
    _cut()
    done = run("rank", "q.safetensors", "g.safetensors")
    assert done.code == 1
    assert "g.safetensors" in done.err
