"""Commands with the network that comes with facematch: whoever has trained nothing searches and submits, too."""

import json
from pathlib import Path

import pytest
import yaml

from command_helpers import TRUTH, Run
from facematch.core.files import sha256_of_file
from facematch.pipeline import default_checkpoint
from facematch.pipeline.default_checkpoint import NAME, default_file

SAID = "checkpoints/small is not trained yet: the network that comes with facematch is used"


@pytest.fixture
def shipped(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small network, shipped: its run is gone."""
    folder = project / "shipped"
    folder.mkdir()
    assert run("export", "checkpoints/small", "--half", "--out", folder / NAME).code == 0
    crops = {"faces": {"size": 32}, "network": {"backbone": "resnet18", "embedding": 16, "weights": "none"}}
    (folder / "settings.yaml").write_text(yaml.safe_dump({**crops, "refine": ["flip"]}))
    monkeypatch.setattr(default_checkpoint, "_places", lambda: [folder / NAME])
    monkeypatch.setattr(default_checkpoint, "SHA256", sha256_of_file(folder / NAME))
    default_file.cache_clear()
    (project / "checkpoints/small").rename(project / "checkpoints/trained")
    return folder


def said(err: str) -> bool:
    return SAID in " ".join(err.split())


def test_a_submission_is_made_without_training(shipped: Path, run: Run) -> None:
    made = run("request", "--config", "small.yaml", "--dry-run")
    assert made.code == 0, made.err
    assert said(made.err)
    assert "submission 1" in made.out


def test_it_is_validated_beside_pixels_and_what_is_trained_goes_before_it(shipped: Path, run: Run) -> None:
    fixed = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery", "--truth", TRUTH, "--json")
    ours = run("validate", "--config", "small.yaml", *fixed)
    assert ours.code == 0, ours.err
    assert said(ours.err)
    assert list(json.loads(ours.out)) == ["grey pixels", "shipped", "shipped + flip"]
    Path("checkpoints/trained").rename("checkpoints/small")
    trained = run("validate", "--config", "small.yaml", *fixed)
    assert list(json.loads(trained.out)) == ["grey pixels", "shipped network", "before training", "trained"]
    assert not said(trained.err)


def test_it_is_compared_with_what_was_trained(shipped: Path, run: Run) -> None:
    Path("checkpoints/trained").rename("checkpoints/small")
    systems = [
        {"name": "ours", "config": "small.yaml"},
        {"name": "shipped", "set": {"paths.checkpoint": "default"}},
        {"name": "both", "fuse": ["ours", "shipped"]},
    ]
    fixed = {"query": "data/test_data/query", "gallery": "data/test_data/gallery", "truth": TRUTH}
    Path("compare.yaml").write_text(yaml.safe_dump({"photos": fixed, "systems": systems}))
    done = run("compare", "--config", "compare.yaml", "--json")
    assert done.code == 0, done.err
    ours, same, both = (each["figures"] for each in json.loads(done.out)["systems"])
    assert both["top-1"]["count"] == ours["top-1"]["count"] == same["top-1"]["count"] > 0


def test_people_are_searched_for_in_a_folder_of_photos(shipped: Path, run: Run) -> None:
    asked = sorted(Path("data/test_data/query").iterdir())[0]
    found = run("search", asked, "--in", "data/test_data/gallery", "--system", "network", "--json", "-k", "3")
    assert found.code == 0, found.err
    assert len(json.loads(found.out)["images"][0]["nearest"]) == 3


def test_training_goes_on_from_it(shipped: Path, run: Run) -> None:
    more = ("--set", "name=more", "--set", "training.epochs=1", "--set", "network.init_from=default")
    done = run("train", "--config", "small.yaml", *more)
    assert done.code == 0, done.err
    assert f"weights: backbone and head of {shipped / NAME}" in done.err.replace("\n", "")
