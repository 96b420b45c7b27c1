"""CONTRIBUTING.md is true: the files it names exist, and its first four recipes are followed and run together."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "facematch"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = sorted({each for each in re.findall(r"`([\w./]+)`", TEXT) if "." in each or each.endswith("/")})


def follow(recipe: str, root: Path) -> None:
    """Change the files below `root` as the blocks of a diff say: their context and removed lines occur once."""
    for part in recipe.split("+++ ")[1:]:
        name, *lines = part.rstrip("\n").split("\n")
        path = root / name
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        assert not before or text.count(before) == 1, f"{name} does not hold once:\n{before}"
        path.write_text(text.replace(before, after) if before else after, encoding="utf-8")


def people(folder: Path) -> Path:
    """Write five people of one colour each, three photos of each."""
    rng = np.random.default_rng(0)
    for person in range(5):
        for photo in range(3):
            pixels = np.full((40, 40, 3), 50 * person, dtype=np.uint8) + rng.integers(0, 9, (40, 40, 3), dtype=np.uint8)
            path = folder / f"person{person}" / f"{photo}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


def test_an_embedder_a_metric_a_step_and_a_figure_are_added_as_it_says(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "src/facematch", ignore=shutil.ignore_patterns("__pycache__"))
    recipes = re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL)
    assert len(recipes) == 4
    for recipe in recipes:
        follow(recipe, tmp_path)
    (tmp_path / "ours.yaml").write_text("name: ours\n")
    settings = {
        "identities.validation": people(tmp_path / "people"),
        "faces.detector": "none",
        "embedder.kind": "mean-colour",
        "ranking.metric": "chebyshev",
        "refine": "centre",
    }
    chosen = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    ended = subprocess.run(
        [sys.executable, "-m", "facematch", "figures", "--config", "ours.yaml", "--json", *chosen],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "src")}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    figures = {each["name"]: each["value"] for each in json.loads(ended.stdout)["retrieval"]}
    assert figures["top-1"] == figures["top-3"] == 1  # people of different colours


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_exists(name: str) -> None:
    if "/" in name:
        assert any((base / name).exists() for base in (ROOT, SOURCE)), name
        return
    if name.endswith((".yaml", ".yml", ".md", ".py", ".html")):
        assert any(ROOT.rglob(name)), name
        return
    *parts, last = name.removeprefix("facematch.").split(".")
    for room in ("", *(f"{each.name}." for each in SOURCE.iterdir() if each.is_dir())):
        module = SOURCE.joinpath(*room.split("."), *parts)
        if (module / f"{last}.py").exists():
            return
        if module.with_suffix(".py").exists() and re.search(
            rf"^(def |class )?{last}\b", module.with_suffix(".py").read_text(), re.M
        ):
            return
    pytest.fail(f"{name} does not exist")
