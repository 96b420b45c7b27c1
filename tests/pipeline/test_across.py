"""Photographs ask rendered pictures: whoever validates takes part by domain."""

import json
import shlex
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.core.errors import FacematchError
from facematch.pipeline.people import validation_people
from facematch.settings.file import load_settings

PIXELS = ("--set", "embedder.kind=pixels")
ACROSS = ("--set", "identities.domain={drawn: '*drawn*'}", "--set", "identities.across=[photo, drawn]")


@pytest.fixture
def drawn(project: Path) -> Path:
    """The project, half of each person's photos called drawn."""
    for number, path in enumerate(sorted((project / "data" / "faces").rglob("*.jpg"))):
        if number % 2:
            path.rename(path.with_name(f"drawn_{path.name}"))
    return project


def validation(project: Path, *sets: str):  # type: ignore[no-untyped-def]
    return validation_people(load_settings(project / "small.yaml", ["embedder.kind=pixels", *sets]), ())


def test_photos_ask_drawings(drawn: Path, run: Run) -> None:
    people = validation(drawn, "identities.domain={drawn: '*drawn*'}", "identities.across=[photo, drawn]")
    (division,) = people.task().divisions
    assert division.queries
    assert not any("drawn" in name for name in division.queries)
    assert all("drawn" in name for name in division.gallery)
    assert len(division.queries) + len(division.gallery) == len(people.files)
    shown = people.shown
    for name, relevant in zip(division.queries, division.relevant, strict=True):
        assert relevant == {each for each in division.gallery if shown[each] == shown[name]}
    done = run("validate", "--config", "small.yaml", *PIXELS, *ACROSS, "--json")
    assert done.code == 0, done.text
    assert json.loads(done.out)["grey pixels"]["queries"] == len(division.queries)


def test_one_domain_among_itself(drawn: Path) -> None:
    people = validation(drawn, "identities.domain={drawn: '*drawn*'}", "identities.across=[drawn, drawn]")
    for task in (people.task(), people.task(in_folds=True)):
        assert task.queries
        assert all("drawn" in name for name in (*task.queries, *task.gallery))


def test_a_domain_without_a_picture_is_named(drawn: Path, run: Run) -> None:
    done = run(
        "validate", "--config", "small.yaml", *PIXELS, *ACROSS[:2], "--set", "identities.across=[photo, rendered]"
    )
    assert done.code != 0
    assert "no validation picture is of the domain rendered; found: drawn" in " ".join(done.err.split())


def test_across_without_domains_is_refused() -> None:
    with pytest.raises(FacematchError, match=r"identities\.across says which domain asks which"):
        load_settings(None, ["identities.across=[photo, drawn]"])


def test_the_expected_score_is_of_the_domains(drawn: Path, run: Run) -> None:
    done = run("request", "--config", "small.yaml", *PIXELS, *ACROSS, "--dry-run")
    assert done.code == 0, done.text
    people = validation(drawn, "identities.domain={drawn: '*drawn*'}", "identities.across=[photo, drawn]")
    said = " ".join(done.text.split())
    assert f"from {len(people.task().queries)} queries of 8 unseen people, photo asks drawn" in said
    assert "all ask all" not in said


def test_a_request_says_where_domains_ask_each_other(drawn: Path, run: Run) -> None:
    asked = ("request", "--config", "small.yaml", *PIXELS, "--dry-run")
    hint = (
        "The validation photos are of 2 domains (photo 16, drawn 16), and all ask all. If the contest asks one against "
        """the other, the expected score is too high: --set 'identities.across=["photo", "drawn"]'"""
    )
    assert run(*asked, *ACROSS[:2]).err.splitlines().count(hint) == 1
    for without in (asked, (*asked, *ACROSS), (*asked, *ACROSS[:2], "--quiet"), (*asked, *ACROSS[:2], "--no-expect")):
        done = run(*without)
        assert done.code == 0, done.text
        assert "all ask all" not in done.text
    taken = run(*asked, *ACROSS[:2], *shlex.split(hint[hint.index("--set") :]))
    assert "photo asks drawn" in " ".join(taken.text.split())
