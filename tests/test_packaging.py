"""What is declared in several files says the same: ranges and pins, extras, versions, and what workflows run."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import facematch
from facematch.core.errors import FacematchError
from facematch.core.extras import EXTRAS, missing, require

ROOT = Path(__file__).resolve().parents[1]
TWO_OF_A_KIND = ("torch", "torchvision")  # ranges in both files, so that both come from one registry
BROUGHT = {"starlette": "fastapi", "skimage": "scikit-image"}  # libraries by another package's name


def project() -> dict[str, Any]:
    if sys.version_info < (3, 11):
        pytest.skip("tomllib came with Python 3.11")
    import tomllib

    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_each_range_that_both_programs_need_has_its_pins_within_it() -> None:
    found = project()
    ranges = [
        *found["dependencies"],
        *found["optional-dependencies"]["train"],
        *found["optional-dependencies"]["serve"],
    ]
    wanted = {canonicalize_name(each.name): each for each in map(Requirement, ranges)}
    pinned = {canonicalize_name(each.name) for each in pins()}
    assert {*wanted, "opencv-python"} == pinned
    wanted["opencv-python"] = wanted["opencv-python-headless"]
    for each in pins():
        name = canonicalize_name(each.name)
        if name in TWO_OF_A_KIND:
            assert str(each.specifier) == str(wanted[name].specifier)
            continue
        (specifier,) = each.specifier
        assert specifier.operator == "=="
        assert specifier.version in wanted[name].specifier, f"{each} is outside of {wanted[name]}"


def test_pins_cover_every_python_once() -> None:
    for version in ("3.10", "3.11", "3.14"):
        chosen = [
            each.name for each in pins() if each.marker is None or each.marker.evaluate({"python_version": version})
        ]
        assert sorted(chosen) == sorted({each.name for each in pins()})


def test_the_base_needs_no_library_of_an_extra() -> None:
    base = {Requirement(each).name for each in project()["dependencies"]}
    assert not base & {*EXTRAS, "scikit-image"}


def test_each_extra_that_an_error_names_brings_what_is_missing() -> None:
    extras = project()["optional-dependencies"]
    for library, extra in EXTRAS.items():
        assert BROUGHT.get(library, library) in {Requirement(each).name for each in extras[extra]}


def test_every_extra_that_the_source_names_is_there() -> None:
    named = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"facematch\[(\w+)\]'", path.read_text(encoding="utf-8"))
    }
    assert named <= set(project()["optional-dependencies"])
    assert {"train", "heic", "clip"} <= named


def test_a_library_that_is_missing_is_one_sentence() -> None:
    require("json")
    with pytest.raises(FacematchError, match="this needs no_such_library, which is not installed"):
        require("no_such_library")
    told = missing(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert told is not None
    assert (told.message, told.hint) == (
        "this needs torch, which is not installed.",
        "Run: pip install 'facematch[train]'",
    )
    assert missing(ModuleNotFoundError("x", name="facematch.typo")) is None  # a mistake of ours stays one


def test_actions_are_those_of_one_commit_and_versions_agree() -> None:
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used), path
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == facematch.__version__
    lowest = project()["requires-python"].removeprefix(">=")
    tested = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["tests"]
    assert tested["strategy"]["matrix"]["python"][0] == lowest
