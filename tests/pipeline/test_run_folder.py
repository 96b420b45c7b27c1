"""A folder that holds a run is never overwritten, and one in which no training began stands in nobody's way."""

import errno
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.pipeline.run_folder import (
    RunFolder,
    check_run,
    finished,
    lengthen,
    read_log,
    settings_of,
    start_run,
    sweep_run,
)
from facematch.settings.embedding import ModelSettings
from facematch.settings.root import Settings

SETTINGS = Settings()


def lasting(epochs: int, patience: int | None = 8) -> Settings:
    training = SETTINGS.training.model_copy(update={"epochs": epochs, "patience": patience})
    return SETTINGS.model_copy(update={"training": training})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    start_run(made, SETTINGS, fresh=False)
    return made


def test_what_a_start_leaves_that_ended_before_the_first_step_is_begun_anew(folder: RunFolder) -> None:
    (folder.path / "identities.json").write_text("{}")
    (folder.path / "photos.json").write_text("{}")
    (folder.path / "tensorboard").mkdir()
    (folder.path / "tensorboard" / "events").write_text("")
    start_run(folder, lasting(3), fresh=False)
    assert [path.name for path in folder.path.iterdir()] == ["settings.yaml"]
    assert settings_of(folder) == lasting(3)


@pytest.mark.parametrize("name", ["state.pt", "best.safetensors", "last.safetensors", "log.jsonl", "notes.txt"])
def test_anything_else_stays_and_is_said(folder: RunFolder, name: str) -> None:
    (folder.path / name).write_text("")
    for start in (check_run, lambda *given, resume, fresh: start_run(*given, fresh=fresh)):
        with pytest.raises(FacematchError, match="already holds a run"):
            start(folder, SETTINGS, resume=False, fresh=False)  # type: ignore[operator]
    assert (folder.path / name).is_file()
    start_run(folder, SETTINGS, fresh=True)
    assert folder.path.with_name("run.1").joinpath(name).is_file()
    assert [path.name for path in folder.path.iterdir()] == ["settings.yaml"]


def test_a_run_goes_on_on_whatever_terms_models_are_fetched(folder: RunFolder) -> None:
    others = SETTINGS.model_copy(update={"models": ModelSettings(terms=("free", "research"))})
    check_run(folder, others, resume=True, fresh=False)
    with pytest.raises(FacematchError, match="started with seed: 1, but now it is 2"):
        check_run(folder, SETTINGS.model_copy(update={"seed": 2}), resume=True, fresh=False)


def test_an_earlier_run_that_cannot_be_moved_is_said(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(FacematchError, match=r"run cannot be moved aside to .*run\.1: Read-only file system") as caught:
        start_run(folder, SETTINGS, fresh=True)
    assert "--set name=NAME" in caught.value.hint


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(FacematchError, match="run is a file"):
        check_run(RunFolder(tmp_path / "run"), SETTINGS, resume=False, fresh=False)


def test_going_on_and_starting_anew_are_not_asked_for_together(folder: RunFolder) -> None:
    with pytest.raises(FacematchError, match="choose one"):
        check_run(folder, SETTINGS, resume=True, fresh=True)


def test_a_run_lasts_longer_where_its_settings_say_so(folder: RunFolder) -> None:
    assert finished(folder, SETTINGS) is None
    folder.finished.write_text('{"reason": "all 30 epochs done"}')
    assert finished(folder, SETTINGS) == "all 30 epochs done"
    other = SETTINGS.model_copy(update={"server": SETTINGS.server.model_copy(update={"group": "us"})})
    assert finished(folder, other) == "all 30 epochs done"
    lengthen(folder, other)
    assert settings_of(folder) == SETTINGS
    for longer in (lasting(40), lasting(30, None)):
        assert finished(folder, longer) is None
        check_run(folder, longer, resume=True, fresh=False)
    lengthen(folder, lasting(40))
    assert settings_of(folder) == lasting(40)
    assert not folder.finished.exists()


def test_leftovers_of_killed_processes_go_and_nothing_else(folder: RunFolder) -> None:
    gone = [
        ".state.pt.abcd_123.pt",
        ".best.safetensors.0a1b2c3d.safetensors",
        ".tmpA1b2C3",
        ".settings.yaml.aaaaaaaa.yaml",
    ]
    stays = [".gitignore", "state.pt", ".notes.txt", ".DS_Store", "best.safetensors", ".tmp"]
    for name in gone + stays:
        (folder.path / name).write_text("")
    (folder.path / ".state.pt.writing-00000000-1-abcdefgh").mkdir()
    sweep_run(folder)
    assert sorted(path.name for path in folder.path.iterdir()) == sorted([*stays, "settings.yaml"])
    sweep_run(RunFolder(folder.path / "none"))


def test_a_damaged_log_is_said(folder: RunFolder) -> None:
    folder.log.write_text('{"kind": "step"}\nhalf\n')
    with pytest.raises(FacematchError, match="the training log: "):
        read_log(folder)
