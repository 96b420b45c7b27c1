"""`facematch hash-report` on small random networks: every number by plain loops, every mistake by its words."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_helpers import Run, run_command
from facematch.core.errors import FacematchError
from facematch.identities.sources import load_many
from facematch.identities.split import split_photos
from facematch.settings.root import Settings
from facematch.tasks.hashing.command import hash_report_command
from facematch.tasks.hashing.data import machine_words
from hash_project import BY_PERSON, CLASSES, EACH, embedded, expected_ap, write_photos, write_run

Report = Callable[..., Any]


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hashing")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_photos(Path("faces"), CLASSES, 1)
        write_photos(Path("others"), 3, 2)
        write_run("codes_16", 16)
        write_run("codes_8", 8)
        write_run("triplet", 16, tanh=False)
        write_run("unseen", 16, BY_PERSON, people=("class11",))
    yield folder
    shutil.rmtree(folder)  # 45 MB for each network


@pytest.fixture
def project(_made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The project as the current folder, to be read only; what a test writes goes to tmp_path."""
    monkeypatch.chdir(_made)
    monkeypatch.setenv("FACEMATCH_CACHE", str(_made / "cache"))
    monkeypatch.setattr("facematch.tasks.hashing.data._LONG", 0.0)
    return _made


@pytest.fixture
def report(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    """Run the command for its JSON: `report("codes_16", "codes_8", references=["triplet"])`."""

    def told(*runs: str, references: Sequence[str] = (), on: Any = None, overrides: Sequence[str] = ()) -> Any:
        capsys.readouterr()
        folders, others = ([Path("checkpoints") / name for name in each] for each in (runs, references))
        hash_report_command(folders, others, on, overrides, tmp_path / "page.html", as_json=True)
        return json.loads(capsys.readouterr().out)

    return told


def figures(side: Any) -> dict[str, Any]:
    return {figure["name"]: figure for figure in side["figures"]}


def test_every_number_is_that_of_plain_loops(report: Report) -> None:
    told = report("codes_16", "codes_8", references=["triplet"])
    everything = load_many((Path("faces"),), None)[0]
    train, test = split_photos(everything, 0.34, Settings().seed)
    assert told["comparable"] is True
    values = []
    for name, run in zip(("codes_16", "codes_8", "triplet"), told["runs"], strict=True):
        query, asked = embedded(name, test)
        gallery, shown = embedded(name, train)
        by_floats, by_codes, first, within, empty = [], [], [], [], []
        for vector, who in zip(query, asked, strict=True):
            right = [label == who for label in shown]
            by_floats.append(expected_ap([float(np.float32(np.linalg.norm(vector - each))) for each in gallery], right))
            bits = [int(((vector >= 0) != (each >= 0)).sum()) for each in gallery]
            by_codes.append(expected_ap(bits, right))
            nearest = [good for distance, good in zip(bits, right, strict=True) if distance == min(bits)]
            ball = [good for distance, good in zip(bits, right, strict=True) if distance <= 2]
            first.append(sum(nearest) / len(nearest))
            within.append(sum(ball) / max(1, len(ball)))
            empty.append(not ball)
        assert (run["name"], run["queries"], run["people"], run["gallery"]) == (name, len(query), 12, len(gallery))
        assert (run["epoch"], run["chosen_on"]) == (4, False)
        assert run["asked"].startswith("test: ")
        assert figures(run["floats"])["mAP"]["value"] == pytest.approx(np.mean(by_floats), abs=1e-6)
        assert run["speed"]["gallery"] == len(gallery)
        assert len(run["speed"]["floats"]) >= 5
        if name == "triplet":
            assert run["codes"] is None
            continue
        codes = figures(run["codes"])
        assert codes["mAP"]["value"] == pytest.approx(np.mean(by_codes), abs=1e-9)
        assert codes["mAP"]["interval"][0] < codes["mAP"]["value"] < codes["mAP"]["interval"][1]
        assert codes["top-1"]["value"] == pytest.approx(np.mean(first))
        assert codes["precision within radius 2"]["value"] == pytest.approx(np.mean(within))
        assert codes["nothing within radius 2"]["value"] == pytest.approx(np.mean(empty))
        cost = run["codes"]["codes less floats"]
        assert cost["difference"] == pytest.approx(np.mean(by_codes) - np.mean(by_floats), abs=1e-6)
        signs = np.where(gallery >= 0, 1.0, -1.0)
        assert run["codes"]["quality"]["balance"] == pytest.approx((signs > 0).mean(axis=0))
        assert run["codes"]["quality"]["quantisation_gap"] == pytest.approx(((gallery - signs) ** 2).mean(), rel=1e-5)
        assert run["bytes of a photo"] == {"codes": query.shape[1] // 8, "floats": query.shape[1] * 4}
        assert len(run["speed"]["codes"]) >= 5
        values.append(np.mean(by_codes))
    less = [run["codes less the best codes"] for run in told["runs"][:2]]
    worse = int(values[0] > values[1])
    assert less[1 - worse] is None
    assert less[worse]["difference"] == pytest.approx(values[worse] - values[1 - worse], abs=1e-9)


def test_validation_asks_the_training_photos_and_says_whom_it_flatters(report: Report) -> None:
    told = report("codes_16", on="validation")
    train, _ = split_photos(load_many((Path("faces"),), None)[0], 0.34, Settings().seed)
    database, asked = split_photos(train, 0.3, Settings().seed + 1)
    (run,) = told["runs"]
    assert (run["queries"], run["gallery"]) == (len(asked.files), len(database.files))
    assert (run["asked"].startswith("validation: held-out photos"), run["chosen_on"]) == (True, True)
    (warning,) = told["warnings"]
    assert warning.startswith("validation chose the network, so these figures flatter: codes_16.")


def test_unseen_people_ask_each_other(report: Report) -> None:
    (run,) = report("unseen")["runs"]
    assert (run["queries"], run["gallery"], run["people"]) == (3 * EACH, 3 * EACH, 3)
    query, who = embedded("unseen", load_many((Path("others"),), None)[0])
    naive = []
    for row, (vector, person) in enumerate(zip(query, who, strict=True)):
        others = [each for each in range(len(query)) if each != row]  # a photo is never its own answer
        bits = [int(((vector >= 0) != (query[each] >= 0)).sum()) for each in others]
        naive.append(expected_ap(bits, [who[each] == person for each in others]))
    assert figures(run["codes"])["mAP"]["value"] == pytest.approx(np.mean(naive), abs=1e-9)
    assert figures(run["codes"])["mAP"]["interval"] is None  # three people
    assert run["chosen_on"] is True  # class00 was validated on, and asks here
    elsewhere = report("unseen", overrides=["identities.validation=faces/../others"])["runs"][0]
    assert elsewhere["photos"] == run["photos"]


def test_people_that_no_validation_saw_flatter_nobody(report: Report, project: Path, tmp_path: Path) -> None:
    for folder in ("class01", "class02"):
        shutil.copytree(f"others/{folder}", tmp_path / "fresh" / folder)
    told = report("unseen", overrides=[f"identities.validation={tmp_path / 'fresh'}"])
    assert (told["runs"][0]["people"], told["runs"][0]["chosen_on"], told["warnings"]) == (2, False, [])


def test_other_photos_are_loudly_told_apart(report: Report, tmp_path: Path) -> None:
    told = report("codes_16", "unseen")
    assert told["comparable"] is False
    assert told["warnings"][0].startswith("the runs were asked about different photos")
    assert "unseen (18 and 18)" in told["warnings"][0]
    assert [run["codes less the best codes"] for run in told["runs"]] == [None, None]
    assert "No chart compares the runs" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_run_is_told_where_its_photos_may_be_known_to_it(report: Report) -> None:
    (warning,) = report("codes_16", overrides=["seed=5"])["warnings"]
    assert warning.startswith("codes_16: identities or seed are not those it was trained with")
    assert report("codes_16", overrides=["photos.max_bytes=1000000"])["warnings"] == []


def test_a_table_is_printed_and_a_page_written(project: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "codes.html"
    done = run(
        "hash-report", "checkpoints/codes_16", "checkpoints/codes_8", "--reference", "checkpoints/triplet",
        "--on", "test", "--out", page,
    )  # fmt: skip
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if "codes_16" in line]
    assert len(lines) == 5  # one row in each table
    assert [line.split()[1] for line in done.out.splitlines() if " triplet " in line] == ["triplet"] * 2  # has no codes
    assert "float reference, 16 numbers" in done.out
    assert "the best" in done.out
    assert machine_words() in done.out.replace("\n", " ")
    assert f"report: {page}" in done.out.replace("\n", "")
    assert "seconds: reading labels " in done.err
    written = page.read_text(encoding="utf-8")
    assert "codes_16, codes_8, triplet" in written
    assert "--on test" in written
    assert list(page.parent.iterdir()) == [page]


def test_too_few_classes_for_an_interval_are_said(project: Path, run: Run, tmp_path: Path) -> None:
    done = run("hash-report", "checkpoints/unseen", "--out", tmp_path / "page.html")
    assert done.err.count("insufficient data for an interval: 3 people, at least 10 are needed") == 1
    assert "! validation chose the network" in done.err


def test_json_is_all_that_stands_on_standard_output(project: Path, run: Run, tmp_path: Path) -> None:
    done = run("hash-report", "checkpoints/codes_8", "--json", "--out", tmp_path / "page.html")
    assert done.code == 0
    assert [each["name"] for each in json.loads(done.out)["runs"]] == ["codes_8"]
    assert "report: " in done.err
    assert (tmp_path / "page.html").is_file()


def test_runs_of_one_name_go_by_their_folders(report: Report, tmp_path: Path, project: Path) -> None:
    copy = tmp_path / "codes_8"
    copy.mkdir()
    for name in ("settings.yaml", "best.safetensors"):
        (copy / name).symlink_to(project / "checkpoints" / "codes_8" / name)
    told = report("codes_8", str(copy))
    assert [each["name"] for each in told["runs"]] == ["checkpoints/codes_8", str(copy)]
    assert told["warnings"] == [f"{copy} is not finished: its best weights so far are reported"]
    assert told["runs"][0]["codes"] == told["runs"][1]["codes"]


@pytest.mark.parametrize(
    ("runs", "options", "words"),
    [
        ([], {}, "there is no run to report"),
        (["gone"], {}, "checkpoints/gone does not exist"),
        (["codes_8", "codes_8"], {}, "checkpoints/codes_8 is given twice"),
        (["../faces"], {}, "holds no run: it has no settings.yaml"),
        (["triplet"], {}, r"checkpoints/triplet did not learn to hash.*--reference checkpoints/triplet"),
        (["codes_8"], {"references": ["codes_16"]}, "--reference checkpoints/codes_16 learned to hash"),
        (["codes_8"], {"references": ["codes_8"]}, "checkpoints/codes_8 is given twice"),
        (["unseen"], {"on": "test"}, "unseen: there is no test: identities.split_by is person"),
        (["codes_8"], {"on": "test", "overrides": ["identities.test_share=0"]}, "codes_8: there is no test"),
        (["codes_8"], {"overrides": ["paths.checkpoint=x"]}, "each run is reported with its own best weights"),
        (["codes_8"], {"overrides": ["network.embedding=24"]}, "network.embedding"),
        (["codes_8"], {"overrides": ["identities.train=[gone]"]}, "codes_8: .*gone"),
        (["unseen"], {"overrides": ["identities.validation=singles"]}, "unseen: none of 2 queries has a right photo"),
    ],
)
def test_mistakes_are_named(
    report: Report, runs: list[str], options: dict[str, Any], words: str, project: Path
) -> None:
    for number in range(2):  # two people of one photo each
        Path(f"singles/single{number}").mkdir(parents=True, exist_ok=True)
        shutil.copy(f"others/class0{number}/0.png", f"singles/single{number}/0.png")
    with pytest.raises(FacematchError, match=f"(?s){words}"):
        report(*runs, **options)


def test_a_run_without_weights_is_named(report: Report, tmp_path: Path, project: Path) -> None:
    (tmp_path / "young").mkdir()
    shutil.copy("checkpoints/codes_8/settings.yaml", tmp_path / "young" / "settings.yaml")
    with pytest.raises(FacematchError, match=r"young holds no best\.safetensors"):
        report(str(tmp_path / "young"))


def test_a_page_that_cannot_be_written_is_an_error_at_the_end(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = run_command(capsys, ("hash-report", "checkpoints/codes_8", "--out", tmp_path / "file" / "page.html"))
    assert done.code == 1
    assert "could not be written" in done.err
