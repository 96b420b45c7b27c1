"""The sample never goes over files of others and is never left half written."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.sample import write as placing
from facematch.tasks.sample.write import write_sample
from sample_helpers import files, leftovers, small_plan


def test_another_seed_replaces_the_sample_and_nothing_else(tmp_path: Path, quick: None) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "rehearsal").mkdir()
    (tmp_path / "rehearsal" / "scores.db").write_bytes(b"scores")
    (tmp_path / "test_data").mkdir()
    (tmp_path / "test_data" / "notes.txt").write_text("mine too")
    write_sample(tmp_path, seed=3)
    write_sample(tmp_path, seed=4)
    expected = {photo.path for photo in small_plan(4).photos} | {"rehearsal/ground_truth.json", "sample.json"}
    assert set(files(tmp_path)) == expected | {"README.md", "rehearsal/scores.db", "test_data/notes.txt"}
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "faces/alice/1.jpg",
        "faces/loose.jpg",
        "faces/.hidden",
        "test_data/query/1.jpg",
        "test_data/gallery/deep/er/1.jpg",
        "rehearsal/ground_truth.json",
        "sample.json",
    ],
)
def test_files_of_others_are_never_touched(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"[1, 2]")
    with pytest.raises(FacematchError, match="nothing was touched") as caught:
        write_sample(tmp_path, seed=3)
    assert path in caught.value.message
    assert "--out" in caught.value.hint
    assert files(tmp_path) == {path: b"[1, 2]"}


def test_one_file_of_the_user_among_the_sample_stops_a_replacement(tmp_path: Path, quick: None) -> None:
    write_sample(tmp_path, seed=3)
    for name in ("me.jpg", "you.jpg"):
        (tmp_path / "faces" / "person_001" / name).write_bytes(b"mine")
    before = files(tmp_path)
    with pytest.raises(FacematchError, match=r"person_001/me\.jpg and 1 more"):
        write_sample(tmp_path, seed=4)
    assert files(tmp_path) == before


@pytest.mark.parametrize("place", ["faces", "faces/linked"])
def test_links_are_not_followed(tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / place).parent.mkdir(parents=True)
    (tmp_path / "out" / place).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(FacematchError, match=place):
        write_sample(tmp_path / "out", seed=3)
    assert (tmp_path / "out" / place).is_symlink()


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "faces").write_text("a list")
    with pytest.raises(FacematchError, match="holds faces,"):
        write_sample(tmp_path, seed=3)


def test_empty_folders_and_litter_of_the_desktop_are_no_obstacle(tmp_path: Path, quick: None) -> None:
    (tmp_path / "faces" / "empty").mkdir(parents=True)
    (tmp_path / "test_data" / "query").mkdir(parents=True)
    (tmp_path / "test_data" / "query" / ".DS_Store").write_bytes(b"")
    assert write_sample(tmp_path, seed=3)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_stopped_while_drawing_nothing_is_there(
    tmp_path: Path, quick: None, stop: BaseException | type[BaseException]
) -> None:
    write_sample(tmp_path, seed=3)
    before = files(tmp_path)

    def progress(done: int, total: int) -> None:
        if done == 5:
            raise stop

    expected = FacematchError if isinstance(stop, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_sample(tmp_path, seed=4, on_progress=progress)
    if isinstance(stop, OSError):
        assert "No space left on device" in str(caught.value)
    assert files(tmp_path) == before
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("moves", range(8))
def test_killed_between_two_renames_the_next_run_mends_it(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    # Three folders go out, three come in, then the truth and the manifest: eight renames.
    write_sample(tmp_path / "want", seed=4)
    out = tmp_path / "out"
    write_sample(out, seed=3)
    with monkeypatch.context() as patched:
        patched.setattr(placing, "_put_in_place", _stopping_after(moves, patched))
        with pytest.raises(KeyboardInterrupt):
            write_sample(out, seed=4)
    assert leftovers(out)
    write_sample(out, seed=4)
    assert files(out) == files(tmp_path / "want")
    assert not leftovers(out)


def _stopping_after(moves: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    put, replace = placing._put_in_place, Path.replace
    done: list[Path] = []

    def stop(self: Path, target: Path) -> Path:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    def put_in_place(staged: Path, out: Path) -> None:
        monkeypatch.setattr(Path, "replace", stop)  # here, so that files written before do not count
        put(staged, out)

    return put_in_place


def test_what_a_killed_run_left_is_cleaned(tmp_path: Path, quick: None) -> None:
    left = tmp_path / f"{placing.STAGING}abc" / "new" / "faces"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"half")
    write_sample(tmp_path, seed=3)
    assert not leftovers(tmp_path)
    left.mkdir(parents=True)
    assert not write_sample(tmp_path, seed=3)
    assert not leftovers(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacematchError, match="could not be written to") as caught:
        write_sample(tmp_path / "file" / "data", seed=3)
    assert "--out" in caught.value.hint


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FacematchError, match="could not be written to"):
        write_sample(tmp_path, seed=3)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": "other", "files": {}}', '{"kind": "facematch sample"}'])
def test_what_is_no_manifest_of_ours_is_not_read_as_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "sample.json").write_text(text)
    assert placing.read_manifest(tmp_path / "sample.json") is None


def test_a_manifest_with_an_impossible_path_is_not_complete(tmp_path: Path) -> None:
    assert not placing.is_complete(tmp_path, {"files": {"a\0b": "00"}})
