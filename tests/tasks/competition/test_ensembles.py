"""Ensembles that are submitted: members fused as probabilities, and members that are not there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from command_helpers import Run
from facematch.evaluation.outcomes import outcomes_of
from facematch.evaluation.rank_task import judge_task, rank_divisions
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.ranking.fusion import fuse
from facematch.tasks.competition import ensembles
from facematch.tasks.competition.journal import Journal
from facematch.thresholds.probability import fit_probabilities, halves_of
from tiny_project import write_people

PEOPLE = 24
ALIKE = {"ranking.metric": "manhattan"}
GONE = {"embedder.kind": "onnx", "embedder.file": "gone.onnx"}


@pytest.fixture
def both(tiny: Path) -> Path:
    """The tiny project with more people to fit on, and an ensemble of two members."""
    write_people(tiny, range(6, PEOPLE), photos=3)
    write(tiny, [{"config": "tiny.yaml"}, {"config": "tiny.yaml", "set": ALIKE}])
    return tiny


def write(folder: Path, members: list[dict[str, Any]], **more: Any) -> None:
    settings = yaml.safe_load((folder / "tiny.yaml").read_text())
    how = {"members": members, "method": "probability", **more}
    shared = {key: settings[key] for key in ("identities", "server")}
    (folder / "both.yaml").write_text(yaml.safe_dump({"name": "both", **shared, "ensemble": how}))


def request(run: Run, *more: str) -> Any:
    return run("request", "--config", "both.yaml", "--dry-run", *more)


def test_probabilities_are_submitted_expected_and_told(both: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded, embed = [], ensembles.embed_task
    monkeypatch.setattr(ensembles, "embed_task", lambda *given: embedded.append(given[-1]) or embed(*given))
    done = request(run, "--json")
    assert done.code == 0, done.err
    assert len(embedded) == 2  # once for each member, for the fits and for the score to expect
    row = json.loads(done.out)["submission"]
    assert row["expected"] > 900
    system = row["system"]
    pairs = (4 * 6 + 3 * 18) * (4 * 6 + 3 * 18 - 1)
    assert (system["method"], system["weights"]) == ("probability", "equal")
    assert system["fitted_on"] == [{"people": PEOPLE, "pairs": pairs}] * 2
    told = run("submissions", "show", "1").out
    assert f"  fused      probability, weights equal, fitted on {PEOPLE} people, {pairs} / {pairs} pairs\n" in told
    with Journal(Path("submissions")) as journal:
        stored = json.loads(journal.file(journal.submission(1)).read_text())
    assert sorted(stored["images"]["q0.png"][:4]) == ["g00.png", "g03.png", "g06.png", "g09.png"]
    plain = request(run, "--json", "--no-expect", "--set", "ensemble.method=z-score")
    assert "fitted_on" not in json.loads(plain.out)["submission"]["system"]


def test_what_is_expected_is_fitted_on_the_other_half(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = ensembles.build_submitted(settings_in_use(Path("both.yaml"), ensembles=True))
    photos, embedded, _ = submitted.validation(1)
    rng = np.random.default_rng(0)  # made hard, so that a fit matters
    embedded = [
        replace(
            each, vectors=each.vectors + rng.normal(0, 0.7 * each.vectors.std(), each.vectors.shape).astype(np.float32)
        )
        for each in embedded
    ]
    fitted: list[frozenset[str]] = []
    judged: list[frozenset[str]] = []

    def fit(task: Any, systems: Any, names: Any, people: Any) -> Any:
        fitted.append(people)
        return fit_probabilities(task, systems, names, people)

    def judge(task: Any, rankings: Any) -> Any:
        judged.append(frozenset(task.identities))
        return judge_task(task, rankings)

    monkeypatch.setattr(ensembles, "fit_probabilities", fit)
    monkeypatch.setattr(ensembles, "judge_task", judge)
    found = submitted.outcomes(photos.task, embedded)
    assert len(fitted) == len(judged) == 2
    assert all(not seen & asked for seen, asked in zip(fitted, judged, strict=True))
    assert judged[0] | judged[1] == frozenset(photos.task.identities)
    # By hand, one half at a time.
    rankings = [rank_divisions(photos.task, each) for each in embedded]
    halves = halves_of(photos.task)
    places = dict(zip(found.queries, found.closer, strict=True))
    for judged_half, seen in (halves, halves[::-1]):
        fits = fit_probabilities(photos.task, rankings, ["a", "b"], seen)
        fused = fuse([each[0] for each in rankings], None, "probability", [each.of for each in fits])
        expected = outcomes_of(judge_task(photos.task, [fused]))
        for query, who, closer in zip(expected.queries, expected.identities, expected.closer, strict=True):
            if who in judged_half:
                assert places[query] == closer


def test_without_people_to_fit_on_it_says_what_needs_none(
    both: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = tuple(f"person {number}" for number in range(PEOPLE))
    monkeypatch.setattr(ensembles, "trained_people", lambda _: everyone)
    done = request(run)
    assert done.code == 1
    assert "ensemble.method is probability, which is fitted on validation people: every person of" in done.err
    assert "--set ensemble.method=z-score" in done.err


def test_too_few_people_for_two_halves_are_enough_to_submit(both: Path, run: Run) -> None:
    for person in range(12, PEOPLE):
        for file in (both / "people" / f"person {person}").iterdir():
            file.unlink()
        (both / "people" / f"person {person}").rmdir()
    done = request(run)
    assert done.code == 0, done.err
    assert "expected: unknown: the distances of tiny cannot be made probabilities: insufficient data" in done.out


@pytest.mark.parametrize("weights", ["equal", [1, 2, 3]])
def test_a_missing_member_is_named_and_left_out_with_its_weight(both: Path, run: Run, weights: Any) -> None:
    members = [{"config": "tiny.yaml"}, {"set": GONE}, {"config": "tiny.yaml", "set": ALIKE}]
    write(both, members, weights=weights)
    done = request(run, "--no-expect")
    assert (done.code, done.err.count("member 2 of the ensemble: ")) == (1, 1)
    write(both, members, weights=weights, missing="leave-out")
    done = request(run, "--no-expect", "--json")
    assert done.code == 0, done.err
    assert done.err.count("! member 2 of the ensemble is left out: ") == 1
    assert "gone.onnx" in done.err
    system = json.loads(done.out)["submission"]["system"]
    assert [each["metric"] for each in system["members"]] == ["euclidean", "manhattan"]
    assert system["weights"] == ("equal" if weights == "equal" else [1, 3])


def test_one_that_is_left_is_enough_and_none_is_not(both: Path, run: Run) -> None:
    write(both, [{"set": GONE}, {"config": "gone.yaml"}, {"config": "tiny.yaml"}], missing="leave-out")
    done = request(run, "--no-expect")
    assert done.code == 0, done.err
    assert "! member 2 of the ensemble (gone.yaml) is left out: " in done.err
    write(both, [{"set": GONE}, {"config": "gone.yaml"}], missing="leave-out")
    done = request(run, "--no-expect")
    assert done.code == 1
    assert "error: member 2 of the ensemble (gone.yaml): " in done.err


@pytest.mark.parametrize("wrong", [{"faces.size": "large"}, {"faces.sise": 32}])
def test_a_mistake_in_a_members_settings_is_no_missing_member(both: Path, run: Run, wrong: dict[str, Any]) -> None:
    write(both, [{"config": "tiny.yaml"}, {"config": "tiny.yaml", "set": wrong}], missing="leave-out")
    done = request(run, "--no-expect")
    assert done.code == 1
    assert "error: member 2 of the ensemble (tiny.yaml): tiny.yaml with --set: faces.si" in done.err
