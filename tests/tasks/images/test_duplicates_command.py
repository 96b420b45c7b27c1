"""`facematch duplicates`: what it prints, what it writes, how it ends; and that the photos stay as they are."""

import csv
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_helpers import Finished, run_command
from facematch.tasks.images import duplicates_command as module
from image_folders import made_folder, saved
from leak_photos import encoded, made_photo, mirrored, resized


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two groups, two photos alone, a damaged file; the folder above is the current one."""
    monkeypatch.chdir(tmp_path)
    folder = made_folder(Path("in"), 2)
    saved(folder, "a/large.png", made_photo(10, 320, 240))
    saved(folder, "b/small.png", mirrored(resized(made_photo(10, 320, 240), 0.5)))
    for name in ("one.jpg", "two, the same.jpg"):
        (folder / name).write_bytes(encoded(made_photo(11)))
    (folder / "bad.jpg").write_bytes(b"\xff\xd8")
    return folder


def state(folder: Path) -> list[tuple[str, str, int]]:
    return sorted(
        (str(path), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "", path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Finished:
    return run_command(capsys, ("duplicates", *arguments))


def test_json_is_exactly_this_and_all_that_stands_on_standard_output(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(photos)
    done = run(capsys, photos, "--json")
    assert done.code == 0
    large, small = (photos / name for name in ("a/large.png", "b/small.png"))
    one, two = (photos / name for name in ("one.jpg", "two, the same.jpg"))
    near = [
        {
            "path": str(large), "width": 320, "height": 240, "bytes": large.stat().st_size,
            "largest": True, "change": None,
        },
        {
            "path": str(small), "width": 160, "height": 120, "bytes": small.stat().st_size,
            "largest": False, "change": "mirrored, reduced to 50%",
        },
    ]  # fmt: skip
    size = one.stat().st_size
    same = [
        {"path": str(one), "width": 240, "height": 200, "bytes": size, "largest": True, "change": None},
        {"path": str(two), "width": 240, "height": 200, "bytes": size, "largest": False, "change": "same bytes"},
    ]
    assert small.stat().st_size > size  # the group that takes the most room comes first
    assert json.loads(done.out) == {"groups": [{"files": near}, {"files": same}]}
    assert "1 file was not read: in/bad.jpg (" in done.err
    assert state(photos) == before


def test_csv_has_a_row_for_each_file(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(photos)
    done = run(capsys, photos, "--csv")
    assert done.code == 0
    rows = list(csv.reader(io.StringIO(done.out)))
    assert rows[0] == ["group", "path", "width", "height", "bytes", "largest", "change"]
    assert [(row[0], row[1], row[5], row[6]) for row in rows[1:]] == [
        ("1", "in/a/large.png", "true", ""),
        ("1", "in/b/small.png", "false", "mirrored, reduced to 50%"),
        ("2", "in/one.jpg", "true", ""),
        ("2", "in/two, the same.jpg", "false", "same bytes"),
    ]
    assert [row[2:4] for row in rows[1:3]] == [["320", "240"], ["160", "120"]]
    assert state(photos) == before


def test_a_person_sees_groups_and_what_could_be_freed(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(photos)
    done = run(capsys, photos, "--html", "out/copies.html")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("1: 2 files, ")
    assert lines[0].endswith(" kB could be freed")
    assert lines[1].startswith("  * 320×240 ")
    assert lines[1].endswith("in/a/large.png  the largest copy")
    assert lines[2].startswith("    160×120 ")
    assert lines[2].endswith("in/b/small.png  mirrored, reduced to 50%")
    assert any(
        line.startswith("2 groups of copies, 4 of 6 photos; all but the largest of each take ") for line in lines
    )
    assert "Nothing was deleted." in done.out
    assert "to look at: out/copies.html" in done.err
    assert Path("out/copies.html").read_text(encoding="utf-8").count("data:image/jpeg;base64,") == 4
    assert state(photos) == before


def test_without_copies_it_ends_well_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made_folder(Path("in"), 3)
    assert run(capsys, "in").out == "no copies among 3 photos\n"
    done = run(capsys, "in", "--json")
    assert (done.code, json.loads(done.out)) == (0, {"groups": []})
    assert run(capsys, "in", "--csv").out == "group,path,width,height,bytes,largest,change\n"
    assert run(capsys, "in/0.png").out == "no copies among 1 photo\n"


def test_folders_are_compared_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        made_folder(Path(name), 1)
    (group,) = json.loads(run(capsys, "one", "other", "one/0.png", "--json").out)["groups"]
    assert [(file["path"], file["change"]) for file in group["files"]] == [
        ("one/0.png", None), ("other/0.png", "same bytes"),
    ]  # fmt: skip


def test_a_long_result_is_cut_on_the_terminal_only(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GROUPS", 1)
    monkeypatch.setattr(module, "_FILES", 1)
    done = run(capsys, photos)
    assert "    … and 1 more\n" in done.out
    assert "… and 1 more groups: --csv prints all" in done.out
    assert len(json.loads(run(capsys, photos, "--json").out)["groups"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, ""),
        (("gone",), 1, "it does not exist"),
        (("in/bad.jpg",), 1, "in/bad.jpg holds no photo that can be read"),
        (("empty",), 1, "empty holds no photo that can be read"),
        (("in", "--json", "--csv"), 2, "two ways to print one result"),
        (("in", "--set", "paths.cach=x"), 1, "paths.cach"),
        (("in", "--config", "gone.yaml"), 1, "gone.yaml does not exist"),
        (("in", "--html", "in/one.jpg/page.html"), 1, "could not be written"),
    ],
)
def test_bad_input_is_told(
    photos: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    Path("empty").mkdir()
    done = run(capsys, *arguments)
    assert done.code == code
    assert done.out == ""
    assert words in done.err


def test_settings_hold_here_too(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, photos, "--json", "--set", "photos.max_pixels=20000", "--set", "paths.cache=kept")
    assert "in/a/large.png" in done.err
    assert json.loads(done.out) == {"groups": []}
    assert list(Path("kept").glob("thumbnails-*.sqlite"))


def test_stopped_work_goes_on_from_what_was_kept(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from facematch.near_duplicates import contents

    decoded: list[str] = []
    real = contents.decode

    def one_less(name: str, data: bytes, sha256: str, limits: object) -> object:
        decoded.append(name)
        if name.endswith("two, the same.jpg") and len(decoded) < 8:
            raise KeyboardInterrupt
        return real(name, data, sha256, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "decode", one_less)
    monkeypatch.setattr(contents.os, "cpu_count", lambda: 1)
    (photos / "two, the same.jpg").write_bytes(encoded(made_photo(11), quality=80))
    stopped = run(capsys, photos, "--json")
    assert (stopped.code, stopped.out) == (130, "")
    first = len(decoded)
    done = run(capsys, photos, "--json")
    assert len(json.loads(done.out)["groups"]) == 2
    # Again only what is no photo, and the one that was stopped at.
    assert sorted(decoded[first:]) == ["in/bad.jpg", "in/two, the same.jpg"]


def test_a_pipe_that_closes_is_no_error(photos: Path) -> None:
    for number in range(40):
        (photos / f"copy of one, a long name to fill the pipe {number}.jpg").write_bytes(encoded(made_photo(11)))
    code = (
        "import os, sys; os.close(0); from facematch.cli.app import main; "
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1); "
        f"sys.argv = ['facematch', 'duplicates', {str(photos)!r}, sys.argv[1]]; main()"
    )
    for way in ("--csv", "--json"):
        done = subprocess.run([sys.executable, "-c", code, way], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "Broken" not in done.stderr
