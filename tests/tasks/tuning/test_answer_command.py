"""`facematch answer`: names or nobody, with a threshold that belongs to what it is used on."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.tasks.tuning.command import tune_command

ANSWER = ("answer", "--config", "small.yaml")
TUNED = Path("checkpoints/small/tuned/tuned.json")
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")


@pytest.fixture
def tuned(project: Path) -> Path:
    tune_command(Path("small.yaml"), [], goal="score", as_json=False)
    return project


def keep(name: str, distance: float) -> None:
    values = json.loads(TUNED.read_text())
    values["thresholds"][name] = {
        "kind": "static", "distance": distance, "f1": 0.5, "basis": {"metric": "euclidean", "count": 8, "people": 2}
    }  # fmt: skip
    TUNED.write_text(json.dumps(values))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_photos_that_are_near_enough_are_named(tuned: Path, run: Run) -> None:
    keep("static", 0.4)
    done = run(*ANSWER)
    assert done.code == 0, done.err
    found = rows(done.out)
    assert {row["query"] for row in found} == {path.name for path in QUERY.iterdir()}
    for row in found:
        if row["gallery"] == "nobody":
            assert (row["place"], row["distance"]) == ("", "")
        else:
            assert float(row["distance"]) <= 0.4
            assert (GALLERY / row["gallery"]).is_file()
    as_json = json.loads(run(*ANSWER, "--json").out)
    for query, names in as_json.items():
        assert names == [row["gallery"] for row in found if row["query"] == query and row["gallery"] != "nobody"]


def test_nobody_and_everybody(tuned: Path, run: Run) -> None:
    keep("static", -1.0)
    done = run(*ANSWER)
    assert [row["gallery"] for row in rows(done.out)] == ["nobody"] * 3
    assert "3 queries, 3 of them answered by nobody" in done.err
    keep("static", 2.0)
    assert len(rows(run(*ANSWER).out)) == 3 * 12


def test_a_calibrated_threshold_gives_probabilities(tuned: Path, run: Run) -> None:
    values = json.loads(TUNED.read_text())
    model = {"slope": 8.0, "offset": -4.0, "base_rate": 0.2, "prior": 0.2}
    model["basis"] = {"metric": "euclidean", "count": 80, "people": 12}  # type: ignore[assignment]
    values["thresholds"]["platt"] = {"kind": "calibrated", "model": model, "probability": 0.5}
    TUNED.write_text(json.dumps(values))
    for wanted in (0.5, 0.9):
        done = run(*ANSWER, "--threshold", "platt", "--probability", wanted)
        assert done.code == 0, done.err
        for row in rows(done.out):
            if row["gallery"] != "nobody":
                exact = 1 / (1 + math.exp(8 * float(row["distance"]) - 4))
                assert float(row["probability"]) == pytest.approx(exact, abs=1e-4)
                assert exact >= wanted - 1e-4
    for wrong in ("0", "1", "2"):
        assert "lies between 0 and 1" in run(*ANSWER, "--threshold", "platt", "--probability", wrong).err


def test_a_dynamic_threshold_is_fitted_on_the_gallery_in_use(tuned: Path, run: Run) -> None:
    values = json.loads(TUNED.read_text())
    values["thresholds"]["dynamic"] = {
        "kind": "dynamic rule", "distance": 0.5, "weight": 0.5, "neighbours": 2, "of": "gallery", "squared": False,
        "f1": 0.5, "basis": {"metric": "euclidean", "count": 8, "people": 2},
    }  # fmt: skip
    TUNED.write_text(json.dumps(values))
    whole = json.loads(run(*ANSWER, "--threshold", "dynamic", "--json").out)
    first = min(QUERY.iterdir())
    for other in QUERY.iterdir():
        if other != first:
            other.unlink()
    alone = json.loads(run(*ANSWER, "--threshold", "dynamic", "--json").out)
    assert alone == {first.name: whole[first.name]}  # other queries do not matter


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--threshold", "platt"], "no platt threshold was kept"),
        (["--set", "refine=[flip]"], "tuned with the refine steps none, but the steps in use are flip"),
        (["--threshold", "conformal", "--false-accepts", "0.01"], "at least 99 unknown people; there are 2"),
        (["--threshold", "conformal", "--set", "refine=[k-reciprocal]"], "no rate of false accepts can be promised"),
        (["--threshold", "conformal", "--set", "refine=[bridge]"], "bridge compares with training people"),
        (["--threshold", "conformal", "--false-accepts", "1.5"], "lies between 0 and 1"),
        (["--set", "paths.query=nowhere"], "nowhere"),
    ],
)
def test_each_mistake_has_its_message(tuned: Path, run: Run, options: list[str], words: str) -> None:
    done = run(*ANSWER, *options)
    assert done.code == 1
    assert words in done.err
    assert done.out == ""


def test_without_tuning_it_says_so(project: Path, run: Run) -> None:
    done = run(*ANSWER)
    assert done.code == 1
    assert "nothing has been tuned" in done.err


def test_validation_people_in_the_gallery_are_not_unknown(project: Path, run: Run) -> None:
    unseen = json.loads(Path("checkpoints/small/identities.json").read_text())["validation"][0]
    photo = min((Path("data/faces") / unseen).iterdir())
    (GALLERY / "again.jpg").write_bytes(photo.read_bytes())
    done = run(*ANSWER, "--threshold", "conformal", "--false-accepts", "0.4")
    assert done.code == 1
    assert "stand in the gallery" in done.err
