"""The command line: help at once, exit codes, messages a person can act on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "cv2", "faiss", "numpy", "pydantic", "PIL", "albumentations", "requests", "yaml")
MAIN = ("train", "validate", "request")
SUBMISSIONS = ("check", "submit", "resend", "submissions", "rescore", "diff")
PHOTOS = ("crop", "embed", "rank", "identities", "augment-preview")
COMMANDS = (*MAIN, *SUBMISSIONS, *PHOTOS, "hash-report", "sample", "serve", "demo")


def ended(*command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", **environment}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env=environ, cwd=cwd, timeout=120
    )


def test_help_answers_without_importing_anything_heavy() -> None:
    code = (
        "import sys; from facematch.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = ended("-c", code)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_describes_each_option(command: str) -> None:
    done = ended("-m", "facematch", command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_the_two_programs_at_the_top_have_help() -> None:
    for program, words in (("train.py", "--resume"), ("request_send.py", "--dry-run")):
        done = ended(str(ROOT / program), "--help")
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
        assert "--set" in done.stdout


def test_the_version() -> None:
    from facematch import __version__

    assert ended("-m", "facematch", "--version").stdout == f"facematch {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("trian",), 2, "No such command 'trian'"),
        (("crop",), 2, "Missing argument"),
        (("rank", "a", "b", "-k", "0"), 2, "Invalid value for '-k'"),
        (("serve", "--port", "99999"), 2, "Invalid value for '--port'"),
        (("request", "--config", "no.yaml"), 1, "no.yaml does not exist"),
        (("request",), 1, "config/triplet.yaml does not exist"),
        (("crop", "in", "out", "--set", "faces.size"), 1, "faces.size"),
    ],
)
def test_mistakes_end_with_a_message_and_a_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = ended("-m", "facematch", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_closed_pipe_is_no_error_message(tmp_path: Path) -> None:
    import numpy as np

    from facematch.embeddings import Embeddings
    from facematch.fingerprint import Fingerprint

    many = tuple(f"{number:05d}.jpg" for number in range(3000))
    vectors = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    Embeddings(many, vectors, "euclidean", Fingerprint()).save(tmp_path / "e.safetensors")
    command = f"{sys.executable} -m facematch rank e.safetensors e.safetensors | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "query,rank,gallery,distance\n1\n"
    assert done.stderr == "index exact: 3,000 photos are compared at once\n"
