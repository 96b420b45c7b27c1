"""What a system has to beat is asked about the same people, and where it loses, that is said with what to take."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from command_helpers import Run
from facematch.core.files import sha256_of_file
from facematch.evaluation.topk import Places
from facematch.pipeline import default_checkpoint
from facematch.pipeline.beside import Standing, rivals, say_where_worse
from facematch.pipeline.default_checkpoint import NAME, default_file
from facematch.settings.root import Settings

CROPS = {"faces": {"size": 32}, "network": {"backbone": "resnet18", "embedding": 16, "weights": "none"}}


def standing(name: str, places: Sequence[int], trained_on: Sequence[str] = (), each: int = 2) -> Standing:
    people = tuple(f"person {number // each}" for number in range(len(places)))
    queries = tuple(f"q{number}" for number in range(len(places)))
    found = Places(queries, np.array(places, dtype=np.int64), people, 100)
    return Standing(name, found, (600, 300, 100), (f"embedder.kind={name}",), frozenset(trained_on))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_the_mean_of_what_queries_add_is_the_score(places: list[int]) -> None:
    found = standing("pixels", places)
    assert np.mean(list(found.scores.values())) == pytest.approx(found.figures.score)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40))
def test_the_difference_is_that_of_the_scores_both_ways(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = (standing(name, [pair[side] for pair in pairs]) for side, name in enumerate("ab"))
    found, back = ours.against(theirs), theirs.against(ours)
    assert found is not None
    assert back is not None
    assert found.difference == pytest.approx(ours.figures.score - theirs.figures.score)
    assert back.difference == pytest.approx(-found.difference)


def warned(capsys: pytest.CaptureFixture[str], ours: Standing, *others: Standing) -> str:
    say_where_worse(ours, others, Path("my x.yaml"))
    return capsys.readouterr().err


def test_what_is_worse_is_said_with_both_figures_and_what_to_take(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad, good, best = standing("ours", [0] * 40), standing("pixels", [5] * 40), standing("network", [1] * 40)
    said = warned(capsys, bad, good, best)
    assert "! ours is worse than pixels: score 0 against 400 on the same 40 queries, −400 [" in said
    assert "! ours is worse than network: score 0 against 1000 on the same 40 queries" in said
    assert said.endswith(
        "the better one is taken by: facematch request --config 'my x.yaml' --set embedder.kind=network\n"
    )
    assert warned(capsys, best, good, bad) == ""
    assert warned(capsys, good, good) == ""


def test_what_may_be_luck_is_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    said = warned(capsys, standing("ours", [1, 0] * 20), standing("pixels", [1, 0] * 19 + [1, 1]))
    assert "which may be luck" in said
    assert not said.startswith("!")
    few = warned(capsys, standing("ours", [0] * 4), standing("pixels", [1] * 4))  # two people: no interval
    assert "score 0 against 1000 on the same 4 queries, −1000, which may be luck (p = 0.500)" in few


def test_people_that_were_seen_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    seen = ("person 0", "person 7", "somebody else")
    said = warned(capsys, standing("ours", [0] * 40), standing("network", [1] * 40, seen))
    assert "; network: flattered: it was trained on 2 of these 20 people" in said


def test_queries_that_one_has_not_are_left_out_of_both_figures(capsys: pytest.CaptureFixture[str]) -> None:
    said = warned(capsys, standing("ours", [1] * 20 + [0] * 20), standing("pixels", [1] * 19))
    assert said == ""
    said = warned(capsys, standing("ours", [0] * 20 + [1] * 20), standing("pixels", [1] * 20))
    assert "score 0 against 1000 on the same 20 queries" in said


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, ["grey pixels", "shipped network"]),
        ({"embedder": {"kind": "pixels"}}, ["shipped network"]),
        ({"embedder": {"kind": "onnx", "file": "a.onnx"}}, ["grey pixels", "shipped network"]),
        ({"ranking": {"metric": "hamming"}, "network": {"tanh": True, "normalise": False}}, ["grey pixels"]),
        ({"identities": {"split_by": "photo"}}, ["grey pixels"]),
        ({"paths": {"checkpoint": "default"}}, ["grey pixels"]),
        ({"ensemble": {"members": [{"config": "a.yaml"}, {"config": "b.yaml"}]}}, ["grey pixels", "shipped network"]),
    ],
)
def test_who_has_to_be_beaten(shipped: Path, changed: dict[str, object], names: list[str]) -> None:
    settings = Settings.model_validate(changed)
    if changed.get("paths"):
        settings = settings.model_copy(
            update={"paths": settings.paths.model_copy(update={"checkpoint": default_file()})}
        )
    found, alone = rivals(settings), ["ensemble=null"] * ("ensemble" in changed)
    assert [each.name for each in found] == names
    for each in found:
        if each.name == "shipped network":
            assert (each.settings.faces.size, each.settings.network.backbone) == (32, "resnet18")
            kind = [] if settings.embedder.kind == "network" else ["embedder.kind=network"]
            assert list(each.take) == ["paths.checkpoint=default", *kind, *alone]
        else:
            assert each.settings is settings
            assert list(each.take) == ["embedder.kind=pixels", *alone]


@pytest.fixture
def shipped(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small network as the one that comes with facematch, and a run called bad, split by another seed."""
    folder = project / "shipped"
    folder.mkdir()
    assert run("export", "checkpoints/small", "--half", "--out", folder / NAME).code == 0
    (folder / "settings.yaml").write_text(yaml.safe_dump(CROPS))
    monkeypatch.setattr(default_checkpoint, "_places", lambda: [folder / NAME])
    monkeypatch.setattr(default_checkpoint, "SHA256", sha256_of_file(folder / NAME))
    default_file.cache_clear()
    return folder


def test_before_sending_the_same_is_said_of_the_people_it_was_validated_on(shipped: Path, run: Run) -> None:
    done = run("request", "--config", "small.yaml", "--dry-run", "--json")
    assert done.code == 0, done.err
    beside = json.loads(done.out)["submission"]["beside"]
    assert beside["shipped network"]["difference"] == 0  # the same network
    told = json.loads(run("validate", "--config", "small.yaml", "--json").out)
    scores = {name: f"{told[name]['score']:.0f}" for name in ("trained", "grey pixels", "shipped network")}
    ours, pixels, default = scores.values()
    assert f"on these people: this system {ours}, grey pixels {pixels}, shipped network {default}\n" in done.err
    worse = f"this system is worse than grey pixels: score {ours} against {pixels} on the same 8 queries, "
    assert (worse in done.err) == (beside["grey pixels"]["difference"] < 0)
    assert "is worse than shipped network" not in done.err
    assert run("request", "--config", "small.yaml", "--dry-run", "--no-expect").err.count("grey pixels") == 0


BAD = ("--config", "small.yaml", "--set", "name=bad", "--set", "seed=5")


def test_training_ends_with_three_rows_that_validation_repeats(shipped: Path, run: Run) -> None:
    done = run("train", *BAD, "--set", "training.epochs=1", "--set", "identities.validation_share=0.5")
    assert done.code == 0, done.err
    people = json.loads(Path("checkpoints/bad/identities.json").read_text())
    seen = set(people["validation"]) & set(
        json.loads(Path("checkpoints/small/identities.json").read_text())["training"]
    )
    assert seen
    marked = f"* shipped network: flattered: it was trained on {len(seen)} of these 4 people"
    for finished in (done, run("validate", *BAD)):
        rows = re.findall(r"│ ([\w *]+?) +│ \d\.\d{3} ", finished.out)
        assert [row for row in rows if row != "before training"] == ["grey pixels", "shipped network *", "trained"]
        assert marked in finished.err
    told = json.loads(run("validate", *BAD, "--json").out)
    assert told["shipped network"]["people_trained_on"] == len(seen)
    against = told["trained"]["against"]
    for name in ("grey pixels", "shipped network"):
        below = told["trained"]["score"] - told[name]["score"]
        assert against[name]["difference"] == pytest.approx(below)
        said = f"trained is worse than {name}: score {told['trained']['score']:.0f} against {told[name]['score']:.0f}"
        assert (said in done.err) == (below < 0)


def test_a_training_that_cannot_be_shown_beside_others_is_no_error(shipped: Path, run: Run) -> None:
    (shipped / "settings.yaml").write_text("faces: {size: 64}\n")
    done = run("train", *BAD, "--set", "training.epochs=1")
    assert done.code == 0, done.err
    assert "the network that comes with facematch is not shown: " in done.err
    assert "grey pixels" in done.out
    shutil.rmtree(shipped)
    done = run("validate", *BAD)
    assert done.code == 0, done.err
    assert "the network that comes with facematch is not shown: " in done.err
