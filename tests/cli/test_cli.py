"""The command line: help at once, exit codes, messages a person can act on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from facematch.cli.app import app
from facematch.cli.program import PANELS
from facematch.core.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "cv2", "faiss", "numpy", "pydantic", "PIL", "albumentations", "requests", "yaml")
LISTED = {name for names in PANELS.values() for name in names}
COMMANDS = tuple(sorted(get_command(app).commands))  # type: ignore[attr-defined]


def ended(*command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", **environment}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env=environ, cwd=cwd, timeout=120
    )


def test_help_answers_without_importing_anything_heavy() -> None:
    code = (
        "import sys; from facematch.cli.app import main; sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = ended("-c", code)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    for command in COMMANDS:
        assert f" {command} " in done.stdout


def test_every_command_has_a_panel_and_a_place() -> None:
    assert set(COMMANDS) <= LISTED


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_describes_each_option(command: str) -> None:
    done = ended("-m", "facematch", command, "-h", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout
    assert not re.findall(r"\S*[a-z]…", done.stdout)  # nothing is cut
    described = get_command(app).commands[command]  # type: ignore[attr-defined]
    for each in getattr(described, "commands", {"": described}).values():
        assert {"--quiet", "-q"} <= {name for param in each.params for name in param.opts}
        for param in each.params:
            assert param.help or param.name == "help", (command, param.name)


def test_help_is_a_command_too() -> None:
    assert ended("-m", "facematch", "help").stdout == ended("-m", "facematch", "--help").stdout
    assert (
        ended("-m", "facematch", "help", "umap", "fit").stdout == ended("-m", "facematch", "umap", "fit", "-h").stdout
    )


def test_the_help_has_commands_to_begin_with_and_every_exit_code() -> None:
    shown = ended("-m", "facematch", "-h").stdout
    first = [line.split()[:2] for line in shown.splitlines() if line.startswith("   facematch ")]
    assert len(first) == 5
    assert {name for _, name in first} <= set(COMMANDS)
    for code, meaning in EXIT_CODES.items():
        assert f"   {code:<3}  {meaning}\n" in shown
    beneath = shown[shown.index("To begin with") :]
    assert max(map(len, beneath.splitlines())) <= 80


def test_the_shell_completes_commands_and_options() -> None:
    named = "import sys; from facematch.cli.app import main; sys.argv[:] = ['facematch']; main()"
    for words, at, found in (("facematch tr", "1", "train"), ("facematch train --res", "2", "--resume")):
        asked = {"_FACEMATCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": at}
        assert ended("-c", named, **asked).stdout.split() == [found]
    shown = ended("-m", "facematch", "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_FACEMATCH_COMPLETE=complete_bash" in shown.stdout, shown.stderr


def test_the_two_programs_at_the_top_have_help() -> None:
    for program, words in (("train.py", "--resume"), ("request_send.py", "--dry-run")):
        done = ended(str(ROOT / program), "-h")
        assert done.returncode == 0, done.stderr
        for each in (words, "--set", "--quiet", "-q", "--help"):
            assert each in done.stdout


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
        (("request", "--dry-run"), 1, "paths.gallery: data/test_data/gallery is not a folder (/"),
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

    from facematch.core.fingerprint import Fingerprint
    from facematch.ranking.embeddings import Embeddings

    many = tuple(f"{number:05d}.jpg" for number in range(3000))
    vectors = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    Embeddings(many, vectors, "euclidean", Fingerprint()).save(tmp_path / "e.safetensors")
    command = f"{sys.executable} -m facematch rank e.safetensors e.safetensors | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "query,rank,gallery,distance\n1\n"
    assert done.stderr == "index exact: 3,000 photos are compared at once\n"


def test_quiet_leaves_results_warnings_and_errors(tmp_path: Path) -> None:
    code = (
        "import sys; from facematch.cli.app import main; from facematch.core import console\n"
        "from facematch.tasks.sample import write as sample; from facematch.core.errors import FacematchError\n"
        "def said(*_, **__):\n"
        "    console.result('a result'); console.info('a note'); console.warn('a warning')\n"
        "    console.info('another warning', 'yellow')\n"
        "    with console.progress('progress', 2) as step, console.waiting('patience'): step(1)\n"
        "    raise FacematchError('wrong', 'mend it')\n"
        "sample.sample_command = said\n"
        "main()"
    )
    loud = ended("-c", code, "sample", cwd=tmp_path)
    assert "a note" in loud.stderr
    assert "patience" in loud.stderr
    for words in (("sample", "-q"), ("--quiet", "sample")):
        quiet = ended("-c", code, *words, cwd=tmp_path)
        assert (quiet.returncode, quiet.stdout) == (1, "a result\n")
        assert quiet.stderr == "! a warning\nanother warning\nerror: wrong\nmend it\n"
