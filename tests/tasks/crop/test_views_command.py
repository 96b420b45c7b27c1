"""Views of a crop in the commands: they validate, rank, and stay what `tune` tries everything on."""

import json
from pathlib import Path

from command_helpers import Run
from facematch.ranking.embeddings import load_embeddings

VIEWS = ("--set", "refine=[{step: views, margins: [0.1, 0.2], up: 0.05}]")
CONFIG = ("--config", "small.yaml")


def test_views_are_a_row_of_their_own_photo_by_photo(project: Path, run: Run) -> None:
    done = run("validate", *CONFIG, *VIEWS)
    assert done.code == 0, done.err
    assert "trained + views" in done.out
    assert "folds" not in done.err  # a photo asks all others: nothing looks at the gallery


def test_an_embedding_tells_its_views(project: Path, run: Run) -> None:
    for name, sets in (("plain", ()), ("views", VIEWS)):
        assert run("embed", "data/test_data/query", f"{name}.safetensors", *CONFIG, *sets).code == 0
    plain, views = (load_embeddings(Path(f"{name}.safetensors")) for name in ("plain", "views"))
    assert views.fingerprint.settings["refine.views"] == [[0.1, 0.0, -0.05, 0.0], [0.2, 0.0, -0.05, 0.0]]
    assert views.names == plain.names
    assert views.vectors.shape == plain.vectors.shape
    assert abs(views.vectors - plain.vectors).max() > 1e-3
    done = run("rank", "views.safetensors", "plain.safetensors")
    assert done.code == 1
    assert "were not made in the same way" in done.err


def test_tune_builds_on_the_views_and_keeps_them(project: Path, run: Run) -> None:
    done = run("tune", *CONFIG, *VIEWS, "--json")
    assert done.code == 0, done.err
    kept = Path("checkpoints/small/tuned/tuned.json")
    (step,) = json.loads(kept.read_text())["refine"]
    assert (step["step"], step["margins"], step["up"]) == ("views", [0.1, 0.2], 0.05)
    request = ("request", *CONFIG, "--dry-run", "--out", "mine.json")
    assert run(*request, *VIEWS).code == 0
    mine = Path("mine.json").read_text()
    done = run(*request, "--set", "refine=tuned")
    assert done.code == 0, done.err
    assert Path("mine.json").read_text() == mine
    values = json.loads(kept.read_text())
    values["refine"].append({"step": "whiten", "components": 8})
    kept.write_text(json.dumps(values))
    done = run(*request, "--set", "refine=tuned")  # whitening was fitted on views, too
    assert done.code == 0, done.err
