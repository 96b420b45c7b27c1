"""`facematch figures` and `facematch revisited`: every figure is shown, and agrees with `validate`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import TRUTH, Run

FIGURES = ("figures", "--config", "small.yaml")
FIXED = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery", "--truth", TRUTH)


def by_name(table: list[dict[str, object]]) -> dict[object, object]:
    return {figure["name"]: figure["value"] for figure in table}


def test_figures_agree_with_validate(project: Path, run: Run) -> None:
    done = run(*FIGURES, "--json")
    assert done.code == 0, done.err
    tables = json.loads(done.out)
    trained = json.loads(run("validate", "--config", "small.yaml", "--json").out)["trained"]
    found = by_name(tables["retrieval"])
    assert [found[f"top-{k}"] for k in (1, 5, 10)] == [trained[f"top{k}"] for k in (1, 5, 10)]
    assert "verification, all pairs" in tables
    assert len(tables["by class, first 10"]) == 2
    ten = by_name(tables["first 10 accepted"])
    assert ten["recall (micro)"] == 1  # of a gallery of seven
    text = run(*FIGURES).out
    for words in ("mAP (trapezoid)", "TAR@FAR=0.01", "FNIR@FPIR=0.1", "precision A/B", "insufficient data"):
        assert words in text


def test_fixed_folders_have_their_figures(project: Path, run: Run) -> None:
    done = run(*FIGURES, *FIXED, "--json")
    assert done.code == 0, done.err
    validated = list(json.loads(run("validate", "--config", "small.yaml", *FIXED, "--json").out).values())[-1]
    assert by_name(json.loads(done.out)["retrieval"])["top-1"] == pytest.approx(validated["top1"])
    assert "verification, all pairs" not in json.loads(done.out)


def test_subgroups_come_from_a_csv(project: Path, run: Run) -> None:
    people = sorted(path.name for path in Path("data/faces").iterdir())
    Path("who.csv").write_text(
        "person,side\n" + "".join(f"{p},{'left' if i % 2 else 'right'}\n" for i, p in enumerate(people))
    )
    tables = json.loads(run(*FIGURES, "--attributes", "who.csv", "--json").out)
    names = [figure["name"] for figure in tables["subgroups by side"]]
    assert any(name.startswith("top-1, ") for name in names)
    assert "AP, largest gap" in names
    wrong = run(*FIGURES, "--attributes", "who.csv", "--column", "sied")
    assert wrong.code == 1
    assert "did you mean 'side'" in wrong.err
    assert "Add --attributes" in run(*FIGURES, "--column", "side").err


def test_two_configurations_are_compared_on_the_same_queries(project: Path, run: Run) -> None:
    text = Path("small.yaml").read_text()
    Path("grey.yaml").write_text(text.replace("name: small", "name: grey") + "embedder: {kind: pixels}\n")
    people = ("--set", "identities.validation=data/unseen")
    for person in json.loads(Path("checkpoints/small/identities.json").read_text())["validation"]:
        shutil.copytree(Path("data/faces") / person, Path("data/unseen") / person)
    done = run(*FIGURES, *people, "--against", "grey.yaml", "--json")
    assert done.code == 0, done.err
    tables = json.loads(done.out)
    grey = json.loads(run("figures", "--config", "grey.yaml", *people, "--json").out)
    for name in ("top-1", "mAP", "MRR"):
        found = tables["differences"][name]
        expected = by_name(tables["retrieval"])[name] - by_name(grey["retrieval"])[name]  # type: ignore[operator]
        assert found["difference"] == pytest.approx(expected)
        assert found["queries"] == 8
    same = json.loads(run(*FIGURES, *people, "--against", "small.yaml", "--json").out)["differences"]
    assert {each["p_value"] for each in same.values()} == {1.0}
    assert "small less grey.yaml, on the same queries" in run(*FIGURES, *people, "--against", "grey.yaml").out


def test_refined_figures_are_made_in_folds(project: Path, run: Run) -> None:
    done = run(*FIGURES, "--set", "refine=[query-expansion]", "--json")
    assert done.code == 0, done.err
    assert "in 5 folds" in done.err
    assert "verification, all pairs" not in json.loads(done.out)


@pytest.fixture
def landmarks(project: Path) -> Path:
    """Two landmarks, four gallery photos of each; queries show one on a part of the photo."""
    rng, folder = np.random.default_rng(0), project / "oxford"
    folder.mkdir()
    scenes = rng.integers(0, 255, (2, 8, 8, 3), dtype=np.uint8)
    big = [np.kron(scene, np.ones((12, 12, 1), np.uint8)) for scene in scenes]
    for number in range(8):
        PillowImage.fromarray(big[number // 4]).save(folder / f"g{number}.jpg")
    for number in range(2):
        photo = rng.integers(0, 255, (160, 200, 3), dtype=np.uint8)
        photo[30:126, 50:146] = big[number]
        PillowImage.fromarray(photo).save(folder / f"q{number}.png")
    gnd = [
        {"bbx": [50, 30, 146, 126], "easy": [4 * n, 4 * n + 1], "hard": [4 * n + 2], "junk": [4 * n + 3]}
        for n in (0, 1)
    ]
    truth = {"gnd": gnd, "imlist": [f"g{n}" for n in range(8)], "qimlist": ["q0", "q1"]}
    (project / "gnd.json").write_text(json.dumps(truth))
    return folder


REVISITED = ("revisited", "gnd.json", "oxford", "--config", "small.yaml")
GREY = ("--set", "embedder.kind=pixels", "--set", "faces.detector=none")


def test_queries_ask_with_their_box(landmarks: Path, run: Run) -> None:
    done = run(*REVISITED, *GREY, "--json")
    assert done.code == 0, done.err
    figures = by_name(json.loads(done.out))
    assert len(figures) == 12
    assert set(figures.values()) == {1.0}
    assert "landmarks" in run(*REVISITED, *GREY).err


def test_what_is_missing_is_named(landmarks: Path, run: Run) -> None:
    (landmarks / "g3.jpg").unlink()
    done = run(*REVISITED, *GREY)
    assert done.code == 1
    assert "1 of 10 photos of the ground truth are not in oxford, first g3" in done.err
    PillowImage.fromarray(np.zeros((20, 20, 3), np.uint8)).save(landmarks / "g3.jpg")
    PillowImage.fromarray(np.zeros((20, 20, 3), np.uint8)).save(landmarks / "q1.png")
    assert "lies outside its photo of 20×20 pixels" in run(*REVISITED, *GREY).err
