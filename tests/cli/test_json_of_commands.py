"""Every command that prints a result prints it for programs with --json: one JSON value on standard output."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from command_helpers import TRUTH, Run
from every_command import commands
from facematch.tasks.sample import write
from facematch.tasks.sample.plan import Plan, make_plan

SMALL, PIXELS = ("--config", "small.yaml"), ("--set", "embedder.kind=pixels")
FOLDERS = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery")
PHOTOS, ONE = "data/test_data/gallery", "one.png"
WITHOUT = {
    "train": "its result is the run folder, with log.jsonl and finished.json",
    "demo": "it runs other commands, each with its own output",
    "serve": "it runs until it is stopped; programs ask /openapi.json",
}
LINES: dict[str, tuple[object, ...]] = {
    "answer": (*SMALL, *PIXELS, "--threshold", "conformal", "--false-accepts", "0.5"),
    "augment-preview": ("seen.png", *SMALL),
    "check": ("kept.json", *FOLDERS),
    "classes": ("data/faces", "--system", "phash"),
    "compare": ("--config", "compare.yaml"),
    "crop": (PHOTOS, "cropped"),
    "diff": (1, 1),
    "duplicates": (PHOTOS,),
    "embed": (PHOTOS, "more.safetensors", *SMALL, *PIXELS),
    "export": ("checkpoints/small", "--out", "half.safetensors", "--half"),
    "figures": (*SMALL, *PIXELS),
    "identities": SMALL,
    "init": ("begun",),
    "leaks": (f"a={PHOTOS}", "b=data/test_data/query"),
    "models check": (),
    "models list": (),
    "models path": ("sface",),
    "models show": ("sface",),
    "plugins": ("--all",),
    "push": ("checkpoints/small", "hf://me/small", "--licence", "mit", "--dry-run"),
    "rank": ("gallery.safetensors", "gallery.safetensors"),
    "report": (*SMALL, *PIXELS),
    "request": (*SMALL, *PIXELS, "--dry-run"),
    "rescore": ("--truth", TRUTH),
    "robustness": (PHOTOS, "--systems", "phash", "--changes", "jpeg-50", "--photos", "3"),
    "sample": ("--out", "made"),
    "search": (ONE, "--in", PHOTOS),
    "settings": (*SMALL, *PIXELS),
    "source": (ONE, "--in", PHOTOS),
    "submissions": (),
    "submissions drop": (1,),
    "submissions show": (1,),
    "tune": (*SMALL, *PIXELS, "--set", "ranking.metric=cosine"),
    "validate": (*SMALL, *PIXELS),
    "verify": ("pairs.csv", "--images", "data", *SMALL, *PIXELS),
}
ELSEWHERE = {
    "hash-report",
    "models pull",
    "resend",
    "revisited",
    "submit",
    "umap fit",
    "umap info",
    "umap query",
    "umap tune",
    "umap update",
}  # long, or with a server


def test_every_command_has_json_or_a_reason() -> None:
    without = {
        name for name, command in commands() if "--json" not in {each for p in command.params for each in p.opts}
    }
    assert without == set(WITHOUT)
    assert {name for name, _ in commands()} == {*WITHOUT, *LINES, *ELSEWHERE}


@pytest.fixture
def prepared(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copyfile(next(Path(PHOTOS).iterdir()), ONE)
    monkeypatch.setattr(write, "make_plan", lambda seed: Plan(make_plan(seed).photos[:4], {}))
    first, *others = [str(path.relative_to("data")) for path in sorted(Path("data/faces").rglob("*.jpg"))]
    rows = [f"{first},{other},{int(Path(first).parent == Path(other).parent)}\n" for other in others]
    Path("pairs.csv").write_text("a,b,same\n" + "".join(rows))
    assert run("request", *SMALL, *PIXELS, "--dry-run").code == 0
    assert run("embed", PHOTOS, "gallery.safetensors", *SMALL, *PIXELS).code == 0
    shutil.copyfile(next(Path("submissions").glob("*.json")), "kept.json")
    system = {"name": "pixels", "config": "small.yaml", "set": {"embedder.kind": "pixels"}}
    Path("compare.yaml").write_text(json.dumps({"photos": {"people": "data/faces"}, "systems": [system]}))
    return project


@pytest.mark.parametrize(("name", "line"), LINES.items())
def test_one_json_value_and_nothing_else(prepared: Path, run: Run, name: str, line: tuple[object, ...]) -> None:
    done = run(*name.split(), *line, "--json")
    assert done.code == 0, done.err
    value: Any = json.loads(done.out)
    assert value
