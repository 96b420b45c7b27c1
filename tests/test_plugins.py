"""The example plug-in, installed as a user installs it: each of its kinds at work, and its own tests."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facematch.plugins
from facematch.core.kinds import GROUPS, own_names

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "facematch-example"
OURS = ("embedder.kind=mean-colour", "faces.detector=middle", "faces.size=32")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the example is installed, beside nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    copied = tmp_path_factory.mktemp("source") / "example"
    subprocess.run(["cp", "-r", EXAMPLE, copied], check=True)  # building leaves files behind
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
         "--no-build-isolation", "--target", folder, copied],
        check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people of one colour each, four photos of each."""
    folder, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    for person in range(12):
        colour = rng.integers(20, 220, 3)
        for photo in range(4):
            pixels = np.clip(colour + rng.integers(0, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
            path = folder / f"person{person}" / f"{photo}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def run(installed: Path, cwd: Path, *given: str, settings: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run facematch in `cwd`, with the example installed; `settings` are overrides."""
    paths = os.pathsep.join([str(installed), str(ROOT / "src")])
    sets = [part for each in settings for part in ("--set", each)]
    return subprocess.run(
        [sys.executable, "-m", "facematch", *given, *sets], cwd=cwd, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True,
    )  # fmt: skip


def test_its_own_tests_pass(installed: Path) -> None:
    paths = os.pathsep.join([str(installed), str(ROOT / "src")])
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_they_are_listed(installed: Path, tmp_path: Path) -> None:
    ended = run(installed, tmp_path, "plugins", "--json")
    assert ended.returncode == 0, ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert {row["group"] for row in rows.values()} == set(GROUPS)
    assert rows["mean-colour"] == {
        "group": "embedders", "name": "mean-colour", "package": "facematch-example 0.1.0",
        "options": ["side=4", "batch=256"], "problem": None,
    }  # fmt: skip
    assert rows["centre"]["options"] == ["weight=1.0"]
    every = run(installed, tmp_path, "plugins", "--all")
    assert all(name in every.stdout for group in GROUPS for name in (*own_names(group), *rows))


def test_one_that_cannot_be_used_is_said_and_is_exit_code_1(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    info = broken / "bad-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[facematch.losses]\nmine = x:x\n[facematch.embedders]\npixels = json:loads\n"
    )
    ended = run(Path(os.pathsep.join([str(installed), str(broken)])), tmp_path, "plugins")
    assert ended.returncode == 1
    assert "cannot be loaded from x:x: ModuleNotFoundError" in ended.stdout
    assert "the name is one of facematch's own" in ended.stdout
    assert "2 plug-ins cannot be used" in ended.stderr


def test_embedder_detector_and_step_make_a_ranking(installed: Path, people: Path, tmp_path: Path) -> None:
    where = f"identities.validation={people}"
    steps = "refine=[{step: centre, weight: 0.5}]"
    ended = run(installed, tmp_path, "figures", "--json", settings=(*OURS, "embedder.options={side: 2}", steps, where))
    assert ended.returncode == 0, ended.stderr
    figures = {each["name"]: each["value"] for each in json.loads(ended.stdout)["retrieval"]}
    assert figures["top-1"] == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("embedder.options={sied: 2}", "embedder.options.sied is not an option of mean-colour (did you mean 'side'?)"),
        ("embedder.options={side: 99}", "embedder.options.side is 99; expected 1 to 16."),
        ("faces.options={shre: 0.3}", "faces.options.shre is not an option of middle (did you mean 'share'?)"),
        ("refine=[{step: centre, wieght: 1}]", "refine: centre.wieght is not an option of centre"),
        ("refine=[{step: cntre}]", "did you mean 'centre'?"),
        ("faces={detector: haar, second_look: middle}", "middle gives no five points"),
    ],
)
def test_a_mistake_is_named(installed: Path, people: Path, tmp_path: Path, wrong: str, said: str) -> None:
    ended = run(installed, tmp_path, "figures", settings=(*OURS, f"identities.validation={people}", wrong))
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_tune_tries_its_step_and_keeps_its_threshold_for_answer(installed: Path, people: Path, tmp_path: Path) -> None:
    sets = (*OURS, f"identities.validation={people}", "name=ours")
    tuned = run(installed, tmp_path, "tune", settings=sets)
    assert tuned.returncode == 0, tuned.stderr
    assert "centre" in tuned.stdout
    kept = json.loads((tmp_path / "checkpoints/ours/tuned/tuned.json").read_text())["thresholds"]
    assert kept["share"]["kind"] == "share"
    folders = {side: tmp_path / side for side in ("query", "gallery")}
    for side, folder in folders.items():
        folder.mkdir()
        for person in people.iterdir():
            name = "0.png" if side == "query" else "1.png"
            (folder / f"{person.name}.png").write_bytes((person / name).read_bytes())
    sides = tuple(f"paths.{side}={folder}" for side, folder in folders.items())
    steps = json.dumps(json.loads((tmp_path / "checkpoints/ours/tuned/tuned.json").read_text())["refine"])
    answer = run(installed, tmp_path, "answer", "--threshold", "share", settings=(*sets, *sides, f"refine={steps}"))
    assert answer.returncode == 0, answer.stderr
    rows = list(csv.DictReader(answer.stdout.splitlines()))
    assert all(row["query"] == row["gallery"] for row in rows if row["place"] == "1")
    assert all(float(row["distance"]) <= kept["share"]["distance"] + 1e-6 for row in rows if row["place"])
    unknown = run(installed, tmp_path, "answer", "--threshold", "shaer", settings=(*sets, *sides))
    assert unknown.returncode == 2
    assert "did you mean 'share'?" in unknown.stderr


def test_its_loss_trains(installed: Path, people: Path, tmp_path: Path) -> None:
    sets = (
        f"identities.train={people}", "faces.detector=middle", "faces.size=32", "network.backbone=resnet18",
        "network.weights=none",
        "loss.name=contrastive-example", "loss.options={margin: 0.8}", "training.epochs=1", "training.workers=0",
        "training.identities_per_batch=2", "training.photos_per_identity=2", "name=ours",
    )  # fmt: skip
    ended = run(installed, tmp_path, "train", settings=sets)
    assert ended.returncode == 0, ended.stderr
    steps = [json.loads(line) for line in (tmp_path / "checkpoints/ours/log.jsonl").read_text().splitlines()]
    assert any(step.get("loss", 0) > 0 for step in steps)
    wrong = run(installed, tmp_path, "train", settings=(*sets, "loss.options={margn: 0.8}", "name=other"))
    assert wrong.returncode == 1
    assert "loss.options.margn is not an option of contrastive-example (did you mean 'margin'?)" in wrong.stderr


def test_what_a_plug_in_is_written_against_is_there() -> None:
    assert all(hasattr(facematch.plugins, name) for name in facematch.plugins.__all__)
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [name for name in facematch.plugins.__all__ if f"`{name}`" not in text] == []
    for path in sorted((EXAMPLE / "src" / "facematch_example").glob("[a-z]*.py")):  # quoted as they are
        code = path.read_text(encoding="utf-8")
        body = code[code.index("@dataclass") if "@dataclass" in code else code.index("\n\n\n") + 3 :]
        assert body.strip() in text, path.name
