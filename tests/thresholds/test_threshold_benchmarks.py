"""The benchmarks of thresholds run on a few made-up people, and say what they should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty folders with two photos each: a pattern for each person, with noise."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for person in range(60):
        pattern = rng.integers(0, 200, (6, 6))
        for photo in range(2):
            noisy = np.kron(pattern + rng.normal(0, 55, pattern.shape), np.ones((8, 8)))
            (folder / f"p{person:02}").mkdir(exist_ok=True)
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"p{person:02}" / f"{photo}.png")
    return folder


def ran(name: str, people: Path, cache: Path, *options: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / name), "--people", str(people)]
    command += ["--set", "embedder.kind=pixels", "--set", "faces.detector=none", *options]
    environment = {**os.environ, "FACEMATCH_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_promise_is_kept_or_too_few_people_are_said(people: Path, tmp_path: Path) -> None:
    out = ran("false_accept_promise.py", people, tmp_path, "--splits", "60", "--alpha", "0.01", "0.2")
    assert "60 people, 120 photos" in out
    assert out.count("promising 1 % needs at least 99 unknown people; there are 20.") == 3
    kept = re.search(r"promised 0\.1905, false accepts (0\.\d+) .* known people found (0\.\d+) of (0\.\d+)", out)
    assert kept is not None
    false, found, top1 = (float(number) for number in kept.groups())
    assert 0 < false < 0.1905 + 0.06
    assert 0.5 < found <= top1


def test_every_reading_is_compared_with_the_static_threshold(people: Path, tmp_path: Path) -> None:
    out = ran("dynamic_thresholds.py", people, tmp_path, "--halvings", "1")
    for name in ("nobody", "gallery", "query", "gallery, squared", "query, squared"):
        assert re.search(rf"^{name} +F1 tuned on 0\.\d+, unseen 0\.\d+; difference [+-]0\.\d+ \[", out, re.MULTILINE)
    assert re.search(r"^static +F1 tuned on 0\.\d+, unseen 0\.\d+$", out, re.MULTILINE)
    cosine = ran("dynamic_thresholds.py", people, tmp_path, "--halvings", "1", "--set", "ranking.metric=cosine")
    assert "squared" not in cosine
