"""Steps that compare with training people, from the command line: whom they embed, whom they leave out, errors."""

import json
import shutil
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from command_helpers import TRUTH, Run
from facematch.pipeline.build import photo_embedder, trained_people
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.people import validation_people
from facematch.pipeline.system import build_system
from facematch.refine import bridge
from facematch.refine.known import KnownPeople
from facematch.tasks.competition.made_by import refine_words, system_of

VALIDATE = ("validate", "--config", "small.yaml")
FOLDERS = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery", "--truth", TRUTH)
REQUEST = ("request", "--config", "small.yaml", "--dry-run")
Used = list[set[str]]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    """The people of each bridge that is used."""
    found: Used = []

    @wraps(bridge.bridge)  # which is called by the names of its parameters
    def noted(known: KnownPeople, **more: Any) -> object:
        found.append(set(known.people))
        return plain(known=known, **more)

    plain = bridge.bridge
    monkeypatch.setattr(bridge, "bridge", noted)
    return found


def judged() -> set[str]:
    """The people who are validated on."""
    settings = settings_in_use(Path("small.yaml"))
    return set(validation_people(settings, trained_people(settings)).queries.people)


@pytest.mark.parametrize("step", ["bridge", "cohort"])
def test_a_step_stands_beside_what_it_refines(project: Path, run: Run, step: str) -> None:
    done = run(*VALIDATE, "--set", f"refine=[{step}]", "--json")
    assert done.code == 0, done.err
    (*_, plain), (*_, refined) = list(json.loads(done.out).items())[-2:]
    assert list(json.loads(done.out))[-2:] == ["trained", f"trained + {step}"]
    assert refined["queries"] == plain["queries"] == 8
    assert done.err.count("training people: ") == 1


def test_nobody_is_embedded_for_other_steps(project: Path, run: Run) -> None:
    assert "training people: " not in run(*VALIDATE, "--set", "refine=[flip, query-expansion]").err


def test_people_who_are_judged_are_no_bridge(project: Path, run: Run, used: Used) -> None:
    done = run(*VALIDATE, "--set", "refine=[bridge]")
    assert done.code == 0, done.err
    assert len(used) == 5  # folds
    assert len(judged()) == 2
    assert all(len(people) == 5 and not people & judged() for people in used)  # of one no face is found


def test_in_a_contest_all_training_people_are(project: Path, run: Run, used: Used) -> None:
    done = run(*VALIDATE, *FOLDERS, "--set", "refine=[flip, bridge]")
    assert done.code == 0, done.err
    assert [len(people) for people in used] == [7]
    assert used[0] > judged()
    used.clear()
    done = run(*REQUEST, "--set", "refine=[bridge]")
    assert done.code == 0, done.err
    assert used[0] > judged()
    assert used[1:]  # what is expected, by people who are left out
    assert not any(people & judged() for people in used[1:])


def test_a_query_is_led_to_its_own_person(project: Path, run: Run) -> None:
    for query, names in json.loads(Path(TRUTH).read_text()).items():
        own = Path("known", Path(query).stem)
        own.mkdir(parents=True)
        shutil.copy(f"data/test_data/query/{query}", own / "itself.jpg")
        for name in names:
            shutil.copy(f"data/test_data/gallery/{name}", own)
    step = "refine=[{step: bridge, people: known, weight: 1}]"
    table = json.loads(run(*VALIDATE, *FOLDERS, "--set", step, "--json").out)
    assert table["trained + bridge"]["top1"] == 1 > table["trained"]["top1"]


def test_what_made_a_submission_tells_of_another_training_folder(project: Path) -> None:
    def words() -> str:
        settings = settings_in_use(Path("small.yaml"), ["refine=[{step: bridge, power: -4}]"])
        system = build_system(settings)
        return refine_words(system_of(settings, system, photo_embedder(settings, system.embedder)))

    before = words()
    assert before.startswith("bridge (power=-4.0 known=")
    assert words() == before
    next(Path("data/faces").rglob("*.jpg")).unlink()
    assert words() != before


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["refine=[bridge]", "embedder.kind=pixels"], "are among those who are judged here"),
        (["refine=[{step: bridge, people: nowhere}]"], "refine step bridge needs training people: "),
        (["refine=[{step: cohort, people: empty}]"], "needs training people: empty has no folder of a person"),
        (["refine=[cohort, bridge]"], "bridge comes after cohort, which gives distances and no vectors"),
        (["refine=[bridge, flip]"], "make it last"),
        (["refine=[{step: bridge, weight: 2}]"], "less than or equal to 1"),
        (["refine=[{step: cohort, nearest: 1}]"], "greater than or equal to 2"),
        (["refine=[bridge]", "ranking.metric=hamming"], "bridge works on vectors"),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, sets: list[str], words: str) -> None:
    Path("empty").mkdir()
    done = run(*VALIDATE, *(part for each in sets for part in ("--set", each)))
    assert done.code == 1
    assert words in done.err
