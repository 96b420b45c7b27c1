"""`facematch leaks`: what it prints, what it writes, how it ends."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from command_helpers import Finished, run_command
from facematch.core.errors import USAGE, FacematchError
from facematch.tasks.leaks.command import leaks_command
from leak_photos import encoded, made_photo, mirrored, resized

Leaks = Callable[..., Finished]


def put(path: str, data: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)


def png(seed: int) -> bytes:
    return encoded(made_photo(seed), "PNG")


@pytest.fixture
def leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Leaks:
    """Run the command in an empty folder: `leaks("a=one", "b=two", as_json=True)`."""
    monkeypatch.chdir(tmp_path)

    def run(*sets: str, config: Path | None = None, overrides: tuple[str, ...] = (), **options: Any) -> Finished:
        capsys.readouterr()
        chosen = {"people": False, "page": None, "as_json": False} | options
        code, told = 0, ""
        try:
            leaks_command(sets, config, overrides, **chosen)
        except FacematchError as error:
            code, told = error.exit_code, f"{error}"
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err + told)

    return run


def planted() -> None:
    """A training set of two people, and a test set with a leak of every kind."""
    for number, name in enumerate(["ann/a", "ann/b", "bob/c", "bob/d"]):
        put(f"train/{name}.png", png(number))
    put("test/ann/new.png", png(10))
    put("test/eve/copy.png", png(0))
    put("test/eve/resaved.bmp", encoded(made_photo(1), "BMP"))
    put("test/eve/mirrored.jpg", encoded(mirrored(made_photo(2))))
    put("test/eve/own.png", png(11))


def test_each_kind_is_printed_with_both_names_and_what_to_do(leaks: Leaks) -> None:
    planted()
    done = leaks("train=train", "test=test", people=True)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[:2] == ["train: 2 people, 4 photos (train)", "test: 2 people, 5 photos (test)"]
    kinds = [line for line in lines[2:] if line and not line.startswith(" ")]
    assert kinds == [
        "1 person is in two sets: train and test",
        "1 photo is in two sets: train and test",
        "1 photo is in two sets, saved in two ways: train and test",
        "1 pair of photos is one photo, edited: train and test",
    ]
    assert "  ann: train/ann/a.png and 1 more, test/ann/new.png (by name)" in lines
    assert "  train/ann/a.png = test/eve/copy.png (certain)" in lines
    assert "  train/ann/b.png = test/eve/resaved.bmp (certain)" in lines
    (near,) = [line for line in lines if "mirrored.jpg" in line]
    assert near.startswith("  train/bob/c.png = test/eve/mirrored.jpg (almost certain: correlation ")
    assert near.endswith(", mirrored)")
    assert sum("what to do: " in line for line in lines) == 4
    assert "4 leaks between train, test.\nLook at the pairs: add --out results/leaks.html" in done.err


def test_people_are_compared_only_where_folders_are_people(leaks: Leaks) -> None:
    put("train/images/a.png", png(1))
    put("test/images/b.png", png(2))
    done = leaks("train=train", "test=test")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "no leaks between train, test"
    assert leaks("train=train", "test=test", people=True).code == 1


def test_json_is_all_that_stands_on_standard_output(leaks: Leaks) -> None:
    planted()
    put("test/eve/broken.jpg", b"\xff\xd8")
    done = leaks("train=train", "test=test", people=True, as_json=True)
    assert done.code == 1
    told = json.loads(done.out)
    assert told["sets"][0] == {
        "name": "train", "source": "train", "people": 2, "photos": 4,
        "left_out": 0, "without_detail": 0, "not_read": [],
    }  # fmt: skip
    assert len(told["sets"][1]["not_read"]) == 1
    assert told["counts"] == {"same person": 1, "same bytes": 1, "same pixels": 1, "near-duplicate": 1}
    assert [leak["kind"] for leak in told["leaks"]] == list(told["counts"])
    near = told["leaks"][-1]
    assert (near["left"], near["right"], near["mirrored"]) == (["bob/c.png"], ["eve/mirrored.jpg"], True)
    assert near["correlation"] > 0.97
    assert "test: 1 file was not read: eve/broken.jpg" in done.err


def test_no_leak_ends_well_as_json_too(leaks: Leaks) -> None:
    put("train/a.png", png(1))
    put("test/b.png", png(2))
    done = leaks("train=train", "test=test", as_json=True)
    assert done.code == 0
    assert json.loads(done.out)["leaks"] == []


def test_the_page_shows_the_pairs(leaks: Leaks) -> None:
    planted()
    done = leaks("train=train", "test=test", page=Path("out/leaks.html"))
    assert done.code == 1
    assert "to look at: out/leaks.html" in done.err
    assert "add --out" not in done.err
    page = Path("out/leaks.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 6


def test_a_configuration_names_its_sets_and_what_is_absent(leaks: Leaks) -> None:
    for person in "abcd":
        for number in range(2):
            put(f"faces/{person}/{number}.png", png(ord(person) * 2 + number))
    put("query/q.png", png(1))
    put("gallery/g.png", png(2))
    put("gallery/q-again.jpg", encoded(resized(made_photo(1), 0.5)))
    put("gallery/seen.png", Path("faces/a/0.png").read_bytes())
    Path("run.yaml").write_text("identities: {train: faces}\npaths: {query: query, gallery: gallery}\n")
    done = leaks(config=Path("run.yaml"))
    assert done.code == 1
    assert [line.split(":")[0] for line in done.out.splitlines()[:5]] == [
        "training", "validation", "query", "gallery", "distractors",
    ]  # fmt: skip
    assert "distractors: not looked at – identities.distractors: no folder is set" in done.out
    assert "query/q.png = gallery/q-again.jpg" in done.out
    assert "a/0.png = gallery/seen.png (certain)" in done.out
    told = json.loads(leaks(config=Path("run.yaml"), as_json=True).out)
    assert told["absent"] == [{"name": "distractors", "reason": "identities.distractors: no folder is set"}]
    only = leaks(config=Path("run.yaml"), overrides=("paths.gallery=faces/a", "paths.query=nowhere"))
    assert only.code == 1  # training and gallery


@pytest.mark.parametrize(
    ("sets", "options", "words"),
    [
        ((), {}, "data/test_data/gallery does not exist"),
        (("train=train",), {}, "a leak needs two sets, there is train"),
        (("train=train", "test=gone"), {}, "it does not exist"),
        (("train=train", "test"), {}, "'test' is not NAME=FOLDER"),
        (("train=train", "test=test"), {"overrides": ("paths.cach=x",)}, "paths.cach"),
        (("train=train", "test=test"), {"page": Path("train/a.png/leaks.html")}, "could not be written"),
        ((), {"config": Path("run.yaml")}, "a leak needs two sets, there is none"),
        ((), {"config": Path("run.yaml"), "people": True}, "--people says what NAME=FOLDER arguments hold"),
    ],
)
def test_bad_input_is_not_taken_for_a_leak(
    leaks: Leaks, sets: tuple[str, ...], options: dict[str, Any], words: str
) -> None:
    put("train/a.png", png(1))
    put("test/b.png", png(2))
    Path("run.yaml").write_text("name: run\n")
    done = leaks(*sets, **options)
    assert done.code == USAGE
    assert words in done.err


def test_a_long_list_is_cut_on_the_terminal_only(leaks: Leaks) -> None:
    for number in range(23):
        picture = PillowImage.new("RGB", (9, 9), (number, 0, 0))
        for side in ("train", "test"):
            Path(side).mkdir(exist_ok=True)
            picture.save(f"{side}/{number:02d}.png")
    done = leaks("train=train", "test=test")
    assert sum(" = " in line for line in done.out.splitlines()) == 20
    assert "… and 3 more: --json prints all" in done.out
    assert "without detail, compared by bytes and pixels only" in done.out
    assert len(json.loads(leaks("train=train", "test=test", as_json=True).out)["leaks"]) == 23


def test_a_cache_that_cannot_be_used_costs_time_only(leaks: Leaks, monkeypatch: pytest.MonkeyPatch) -> None:
    planted()
    Path("file").write_text("")
    monkeypatch.setenv("FACEMATCH_CACHE", "file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = leaks("train=train", "test=test")
    assert done.code == 1
    assert "mirrored.jpg" in done.out


def test_the_command_line_leaves_with_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    planted()
    arguments = ("leaks", "train=train", "test=test", "--people", "--out", "leaks.html", "--json")
    done = run_command(capsys, arguments)
    assert done.code == 1
    assert json.loads(done.out)["leaks"]
    assert Path("leaks.html").is_file()
    put("other/z.png", png(99))
    assert run_command(capsys, ("leaks", "train=train", "other=other")).code == 0
    assert run_command(capsys, ("leaks", "train=nowhere", "test=test")).code == 2
