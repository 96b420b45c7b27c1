"""`facematch tune` on the small project, and what it keeps for `refine: tuned`."""

import json
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.refine.whitening import load_whitening

TUNE = ("tune", "--config", "small.yaml")
TUNED = Path("checkpoints/small/tuned/tuned.json")
REQUEST = ("request", "--config", "small.yaml", "--dry-run", "--out", "mine.json")


def test_every_step_has_its_row(project: Path, run: Run) -> None:
    done = run(*TUNE)
    assert done.code == 0, done.err
    vectors = ("flip", "whiten", "templates", "database-augmentation", "query-expansion", "blend")
    for step in (*vectors, "bridge", "cohort", "k-reciprocal"):
        assert step in done.out
    assert "8 queries of 2 people" in done.out
    assert "half of each one's photos are, 4 of the others ask each other" in " ".join(done.out.split())
    assert "judged on people it does not know" in done.err
    assert "insufficient data: 2 people" in done.err
    assert "chosen: none; no step gains what could not be luck" in done.out
    assert json.loads(TUNED.read_text())["refine"] == []
    values = json.loads(run(*TUNE, "--json").out)
    assert (values["queries"], values["chosen"]) == (8, [])
    assert len(values["rounds"][0]) == 9
    assert [each["name"] for each in values["known"]] == ["bridge"]


def test_it_tells_how_far_it_has_come_where_no_bar_is_drawn(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.core.console._SECONDS_BETWEEN_LINES", 0.0)
    told = [line for line in run(*TUNE).err.splitlines() if line.startswith("trying refine steps: ")]
    assert len(told) > 10
    assert told[1].startswith("trying refine steps: flip, ")


def test_what_was_tuned_is_used(project: Path, run: Run) -> None:
    run(*TUNE)
    plain = run(*REQUEST)
    assert plain.code == 0, plain.err
    before = json.loads(Path("mine.json").read_text())
    values = json.loads(TUNED.read_text())
    values["refine"] = [{"step": "flip"}, {"step": "query-expansion", "n": 3, "alpha": 0}]
    TUNED.write_text(json.dumps(values))
    done = run(*REQUEST, "--set", "refine=tuned")
    assert done.code == 0, done.err
    by_hand = run(*REQUEST, "--set", "refine=[flip, {step: query-expansion, n: 3, alpha: 0}]")
    assert by_hand.code == 0, by_hand.err
    assert json.loads(Path("mine.json").read_text()) != before
    shown = [line for line in done.out.splitlines() if line.startswith("expected")]
    assert shown == [line for line in by_hand.out.splitlines() if line.startswith("expected")]


def test_whitening_is_fitted_by_tune(project: Path, run: Run) -> None:
    refused = run(*REQUEST, "--set", "refine=[whiten]")
    assert refused.code == 1
    assert "whitening.safetensors, which does not exist" in refused.err
    assert "facematch tune" in refused.err
    assert not Path("mine.json").exists()
    run(*TUNE)
    whitening = load_whitening(Path("checkpoints/small/tuned/whitening.safetensors"))
    assert whitening.photos == 20  # of the people it was trained on, photos without a face left out
    done = run(*REQUEST, "--set", "refine=[{step: whiten, components: 8}]")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["refine=tuned"], "nothing has been tuned"),
        (["refine=[templates]"], "12 of 12 are not named"),
        (["refine=[flp]"], "did you mean 'flip'"),
        (["refine=[k-reciprocal]", "ranking.metric=manhattan"], "not for manhattan"),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, sets: list[str], words: str) -> None:
    done = run(*REQUEST, *(part for each in sets for part in ("--set", each)))
    assert done.code == 1
    assert words in done.err
    assert not Path("submissions").exists() or not list(Path("submissions").glob("*.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "manhattan"}, "was tuned for ranking.metric manhattan"),
        ({"format": "other"}, "Input should be 'facematch tuned 1' (found 'other')"),
        ({"fingerprint": {"faces.detector": "none"}}, "faces.detector is 'haar' in the settings and 'none' in"),
        ({"refine": [{"step": "dance"}]}, "expected one of flip, views, whiten"),
        ({"more": 1}, "more: Unexpected keyword argument"),
    ],
)
def test_what_was_tuned_for_something_else_is_refused(
    project: Path, run: Run, change: dict[str, object], words: str
) -> None:
    run(*TUNE)
    TUNED.write_text(json.dumps({**json.loads(TUNED.read_text()), **change}))
    done = run(*REQUEST, "--set", "refine=tuned")
    assert done.code == 1
    assert words in done.err


def test_a_list_names_the_people_of_a_gallery(project: Path, run: Run) -> None:
    names = sorted(path.name for path in Path("data/test_data/gallery").iterdir())
    Path("who.txt").write_text("".join(f"{name} id{i // 3}\n" for i, name in enumerate(names)))
    done = run(*REQUEST, "--set", "refine=[{step: templates, people: who.txt}]")
    assert done.code == 0, done.err
    Path("who.txt").write_text("".join(f"{name} id{i // 3}\n" for i, name in enumerate(names[1:])))
    done = run(*REQUEST, "--set", "refine=[{step: templates, people: who.txt}]")
    assert f"1 of 12 are not named, first {names[0]}" in done.err
