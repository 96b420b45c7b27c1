"""Every command that takes a network takes a run by its name, and says what to do where it has no weights yet."""

import json
import shutil
from itertools import cycle, pairwise
from pathlib import Path

import pytest

from command_helpers import TRUTH, Run
from facematch.core.files import sha256_of_file
from facematch.pipeline import default_checkpoint
from facematch.pipeline.default_checkpoint import NAME, default_file

FIXED = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery", "--truth", TRUTH)
NETWORK = "network: {backbone: resnet18, weights: none, embedding: 16}\n"
WAYS = ("paths.checkpoint=small", "paths.checkpoint=default", "name=small")
COMMANDS = {  # those that take a configuration, each with one of the ways to name a run
    "request": ("--dry-run",),
    "validate": FIXED,
    "figures": FIXED,
    "report": (*FIXED, "--out", "report.html"),
    "embed": ("data/test_data/query", "out.safetensors"),
    "export": ("--out", "out.onnx.safetensors"),
    "verify": ("pairs.csv",),
    "answer": ("--threshold", "conformal", "--false-accepts", "0.5"),
    "revisited": ("revisited.json", "data/test_data"),
    "search": ("{query}", "--in", "data/test_data/gallery", "--system", "network"),
    "robustness": ("data/test_data/query", "--systems", "network", "--changes", "jpeg-50"),
    "classes": ("data/test_classes", "--system", "network"),
    "tune": (),
}
NAMED = {"report": (*FIXED, "--out", "report.html"), "export": ("--out", "out.safetensors")}  # RUN is an argument


@pytest.fixture
def elsewhere(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project with a configuration that says otherwise, and its own network as the shipped one."""
    Path("other.yaml").write_text("name: other\nloss: {name: ArcFaceLoss}\n")
    queries, gallery = ([str(path) for path in Path("data/test_data", side).iterdir()] for side in ("query", "gallery"))
    pairs = [f"{a},{b},{number % 2}\n" for number, (a, b) in enumerate(pairwise(gallery))]
    Path("pairs.csv").write_text("a,b,same\n" + "".join(pairs))
    asked, known = ([Path(path).stem for path in side] for side in (queries, gallery))
    right = {"easy": [0, 1], "hard": [2], "junk": [], "bbx": None}
    Path("revisited.json").write_text(json.dumps({"qimlist": asked, "imlist": known, "gnd": [right for _ in asked]}))
    for number, path in enumerate(gallery):
        Path(f"data/test_classes/{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, f"data/test_classes/{number % 2}")
    shipped = project / "checkpoints/default"
    assert run("export", "small", "--out", shipped / NAME, "--half").code == 0
    shutil.copy("checkpoints/small/settings.yaml", shipped)
    monkeypatch.setattr(default_checkpoint, "_places", lambda: [shipped / NAME])
    monkeypatch.setattr(default_checkpoint, "SHA256", sha256_of_file(shipped / NAME))
    default_file.cache_clear()
    return Path(queries[0])


@pytest.mark.parametrize(("command", "way"), list(zip(COMMANDS, cycle(WAYS), strict=False)))
def test_a_run_is_taken_with_its_own_settings(elsewhere: Path, run: Run, command: str, way: str) -> None:
    arguments = [each.replace("{query}", str(elsewhere)) for each in COMMANDS[command]]
    done = run(command, *arguments, "--config", "other.yaml", "--set", way)
    assert done.code == 0, done.err
    taken = "the network that comes with facematch" if way.endswith("default") else "checkpoints/small"
    assert f"{taken}: used with its own faces, network, ranking, refine" in " ".join(done.err.split())


@pytest.mark.parametrize("named", ["small", "checkpoints/small/last.safetensors", "default"])
@pytest.mark.parametrize("command", NAMED)
def test_a_run_that_is_an_argument_is_found_likewise(elsewhere: Path, run: Run, command: str, named: str) -> None:
    done = run(command, named, *NAMED[command])
    assert done.code == 0, done.err


def test_the_report_of_the_shipped_network_has_its_name(elsewhere: Path, run: Run) -> None:
    (Path("checkpoints/default/settings.yaml")).write_text("faces: {size: 32}\n" + NETWORK)
    assert run("report", "default", *FIXED).code == 0
    assert Path("results/report-default.html").is_file()


def test_a_run_without_weights_yet_says_so_everywhere_and_what_to_do(elsewhere: Path, run: Run) -> None:
    Path("checkpoints/small/best.safetensors").unlink()
    every = [(name, *arguments, "--config", "other.yaml", "--set", way)
             for name, arguments in COMMANDS.items() for way in WAYS if not way.endswith("default")]  # fmt: skip
    every += [(name, "small", *arguments) for name, arguments in NAMED.items()]
    every += [
        ("hash-report", "small", "--set", "network.tanh=true", "--set", "network.normalise=false"),
        ("request", "--config", "small.yaml", "--dry-run"),
    ]
    for command in every:
        done = run(*(each.replace("{query}", str(elsewhere)) for each in command))
        said = " ".join(done.err.split())
        assert (done.code, "Traceback" in said) == (1, False), (command, said)
        assert "checkpoints/small holds no best.safetensors yet" in said, (command, said)
        assert "facematch train --config checkpoints/small/settings.yaml --resume" in said
        assert "--set paths.checkpoint=checkpoints/small/last.safetensors" in said


def test_training_starts_from_a_run_by_its_name(elsewhere: Path, run: Run) -> None:
    more = ("--config", "small.yaml", "--set", "name=more", "--set", "training.epochs=1")
    done = run("train", *more, "--set", "network.init_from=small")
    assert done.code == 0, done.err
    assert "weights: backbone and head of checkpoints/small/best.safetensors" in done.err.replace("\n", "")
    gone = run("train", *more, "--set", "network.init_from=smal")
    assert gone.code == 1
    assert "network.init_from: smal does not exist (did you mean 'small'?)" in gone.err.replace("\n", " ")
