"""Which sets are compared: those that a configuration names, or those named by the user."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.pipeline.people import training_and_validation
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.leaks.leaks import PhotoSet
from facematch.tasks.leaks.sets import configured_sets, named_sets


def people(folder: Path, names: str, photos: int = 2) -> Path:
    """A folder of people, each with photos of one colour of its own."""
    for person in names:
        (folder / person).mkdir(parents=True)
        for number in range(photos):
            colour = (ord(person), number, len(folder.name))
            PillowImage.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(folder / person / f"{number}.png")
    return folder


def flat(folder: Path, count: int = 2) -> Path:
    folder.mkdir()
    for number in range(count):
        PillowImage.fromarray(np.full((8, 8, 3), 200 + number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)
    people(tmp_path / "faces", "abcdefgh")

    def load(*overrides: str) -> Settings:
        return load_settings(None, ["identities.train=faces", "identities.validation_share=0.5", *overrides])

    return load


def summary(sets: list[PhotoSet]) -> dict[str, tuple[int, int]]:
    return {each.name: (len(each.files), len(each.people)) for each in sets}


def test_training_and_validation_are_those_of_a_run(settings: Callable[..., Settings]) -> None:
    chosen = settings()
    sets, absent = configured_sets(chosen)
    train, validation = training_and_validation(chosen)
    assert [each.files for each in sets] == [train.files, validation.queries.files]
    assert [each.identities for each in sets] == [train.identities, validation.queries.identities]
    assert {each.name: each.reason for each in absent} == {
        "distractors": "identities.distractors: no folder is set",
        "query": "paths.query: data/test_data/query does not exist",
        "gallery": "paths.gallery: data/test_data/gallery does not exist",
    }


def test_every_set_of_a_configuration_is_looked_at(settings: Callable[..., Settings], tmp_path: Path) -> None:
    people(tmp_path / "val", "xyz")
    people(tmp_path / "others", "pq", photos=1)
    flat(tmp_path / "q", 2)
    flat(tmp_path / "g", 3)
    sets, absent = configured_sets(
        settings(
            "identities.validation=val", "identities.distractors=others", "paths.query=q", "paths.gallery=g"
        )
    )  # fmt: skip
    assert summary(sets) == {
        "training": (16, 8), "validation": (6, 3), "distractors": (2, 2), "query": (2, 0), "gallery": (3, 0),
    }  # fmt: skip
    assert absent == []


def test_a_person_on_both_sides_is_no_error_here(settings: Callable[..., Settings], tmp_path: Path) -> None:
    people(tmp_path / "val", "ab")
    chosen = settings("identities.validation=val")
    with pytest.raises(FacematchError, match="in training and in validation"):
        training_and_validation(chosen)
    assert summary(configured_sets(chosen)[0]) == {"training": (16, 8), "validation": (4, 2)}


def test_what_a_run_leaves_out_is_counted_and_what_cannot_be_read_is_named(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    people(tmp_path / "val", "xy")
    people(tmp_path / "faces", "k", photos=1)
    (tmp_path / "faces" / "a" / "copy.png").write_bytes((tmp_path / "faces" / "a" / "0.png").read_bytes())
    (tmp_path / "faces" / "b" / "empty.jpg").write_bytes(b"")
    (tmp_path / "faces" / "b" / ".hidden").write_bytes(b"x")
    training = configured_sets(settings("identities.validation=val"))[0][0]
    assert (len(training.files), training.unused, training.unread) == (16, 2, ("b/empty.jpg (empty file)",))


def test_one_person_can_be_compared(settings: Callable[..., Settings], tmp_path: Path) -> None:
    one, other = people(tmp_path / "one", "a"), people(tmp_path / "other", "b", photos=1)
    sets, _ = configured_sets(settings(f"identities.train={one}", f"identities.validation={other}"))
    assert summary(sets) == {"training": (2, 1), "validation": (1, 1)}


def test_absent_sets_say_why(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "broken").symlink_to(tmp_path / "nowhere")
    sets, absent = configured_sets(
        settings("identities.train=[faces, gone]", "identities.distractors=lost", "paths.query=q")
    )
    assert sets == []
    reasons = {each.name: each.reason for each in absent}
    assert list(reasons) == ["training", "validation", "distractors", "query", "gallery"]
    assert reasons["training"] == "identities.train: gone does not exist"
    assert reasons["validation"] == "it would be split from training"
    assert reasons["distractors"] == "identities.distractors: lost does not exist"
    assert reasons["query"] == "paths.query: q holds no photos (1 file that is none)"
    assert configured_sets(settings("identities.validation=gone"))[1][0].reason == (
        "identities.validation: gone does not exist"
    )


def test_two_settings_that_name_one_folder_are_an_error(settings: Callable[..., Settings]) -> None:
    for overrides in (
        ["identities.validation=faces"],
        ["identities.distractors=./faces/../faces"],
        ["paths.query=faces"],
    ):
        with pytest.raises(FacematchError, match=r"training and \w+ are the same folder"):
            configured_sets(settings(*overrides))
    twice = settings("identities.train=[faces, faces]")  # as a run takes it
    assert len(configured_sets(twice)[0]) == 2


def test_folders_are_named_by_the_user(tmp_path: Path) -> None:
    one, other = people(tmp_path / "one", "ab"), flat(tmp_path / "two=2", 3)
    (other / ".DS_Store").write_bytes(b"x")
    (other / "broken").symlink_to(tmp_path / "nowhere")
    sets = named_sets([f"train={one}", f"test={other}"], people=False)
    assert summary(sets) == {"train": (4, 0), "test": (3, 0)}
    assert [each.unread for each in sets] == [(), ("broken (broken link)",)]
    assert [file.name for file in sets[0].files] == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_folders_of_people_and_lists_name_people(tmp_path: Path) -> None:
    one = people(tmp_path / "one", "ab")
    (tmp_path / "list.txt").write_text("one/b/0.png bob\none/b/1.png bob\n")
    sets = named_sets([f"train={one}", f"test={tmp_path / 'list.txt'}"], people=True)
    assert [each.people for each in sets] == [
        {"a": ("a/0.png", "a/1.png"), "b": ("b/0.png", "b/1.png")},
        {"bob": ("one/b/0.png", "one/b/1.png")},
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["one", "b=two"], "'one' is not NAME=FOLDER"),
        (["=one", "b=two"], "'=one' is not NAME=FOLDER"),
        (["a=", "b=two"], "'a=' is not NAME=FOLDER"),
        (["a=one", "a=two"], "two sets are named 'a'"),
        (["a=one", "b=one"], "a and b are the same folder"),
        (["a=one", "b=gone"], "it does not exist"),
        (["a=one", "b=none"], "none (b) holds no photos"),
    ],
)
def test_each_mistake_has_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    flat(tmp_path / "one")
    flat(tmp_path / "two")
    (tmp_path / "none").mkdir()
    with pytest.raises(FacematchError) as error:
        named_sets(given, people=False)
    assert words in error.value.message
