"""The wheel as somebody has it who installs it: every command runs from an empty folder, with nothing of the clone.

It takes half a minute, so it is asked for: FACEMATCH_WHEEL_TESTS=1, as the continuous integration does.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from facematch.tasks.sample.plan import GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo

ROOT = Path(__file__).resolve().parents[1]
Installed = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif("FACEMATCH_WHEEL_TESTS" not in os.environ, reason="FACEMATCH_WHEEL_TESTS is not set")

# What each command that needs a settings file says in an empty folder: it is the photos that are missing.
FACES = "data/faces does not exist ({here}/data/faces)"
SAID = {
    ("train",): FACES,
    ("train", "--dataset_name", "cars"): "data/cars does not exist ({here}/data/cars)",
    ("validate",): FACES,
    ("request", "--dry-run"): "data/test_data/gallery is not a folder ({here}/data/test_data/gallery)",
    ("request", "--dry-run", "--config", "config/ensemble.yaml"): "({here}/data/test_data/query)",
    ("identities",): FACES,
    ("augment-preview",): FACES,
    ("compare",): FACES,
    ("tune",): FACES,
    ("figures",): FACES,
    ("report", "--config", "config/triplet.yaml"): FACES,
    ("embed", "photos", "out.safetensors"): "{here}/photos",
    ("leaks",): "(relative ones start at {here})",
    ("answer", "--threshold", "conformal"): "{here}/data/test_data/query",
    ("verify", "pairs.csv"): "pairs.csv does not exist",
    ("revisited", "truth.json", "photos"): "truth.json",
    ("export", "--out", "out.safetensors"): None,
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel of what git tracks, install it beside the libraries of this environment; return what runs it."""
    room = tmp_path_factory.mktemp("wheel")
    clone, venv = room / "clone", room / "venv"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(room), str(clone)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    # A line of a .pth file brings the libraries, and not the editable facematch among them.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    (wheel,) = room.glob("*.whl")
    subprocess.run([*pip, "--python", str(venv / "bin/python"), "install", "--no-deps", str(wheel)], check=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ = {**kept, "HOME": str(room), "FACEMATCH_CACHE": str(room / "cache"), "COLUMNS": "200"}

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [str(venv / "bin/facematch"), *arguments]
        return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.mark.parametrize("arguments", SAID, ids=" ".join)
def test_it_gets_as_far_as_the_photos_from_an_empty_folder(
    tmp_path: Path, installed: Installed, arguments: tuple[str, ...]
) -> None:
    done = installed(*arguments, cwd=tmp_path)
    words = SAID[arguments]
    assert (done.returncode != 0, "Traceback" in done.stderr) == (words is not None, False), done.stderr
    assert (words or "").replace("{here}", str(tmp_path)) in done.stderr
    assert str(ROOT) not in done.stdout + done.stderr
    assert "share/facematch/config" in done.stderr


def test_from_init_to_a_submission(tmp_path: Path, installed: Installed) -> None:
    assert installed("--help", cwd=tmp_path).returncode == 0
    assert installed("init", cwd=tmp_path).returncode == 0
    assert (tmp_path / "config/triplet.yaml").read_bytes() == (ROOT / "config/triplet.yaml").read_bytes()
    plan = make_plan(2026)
    for kind, most in ((QUERY, 3), (GALLERY, 12)):
        for photo in [each for each in plan.photos if each.path.startswith(kind)][:most]:
            (tmp_path / "data" / photo.path).write_bytes(render_photo(photo, 2026))
    done = installed("request", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "submission 1" in done.stdout
    assert "not here, taken from" not in done.stderr  # the settings that init wrote
