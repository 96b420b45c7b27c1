"""What a command ends with: every code of the table, in every way that it is promised for."""

import ast
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from command_helpers import Run
from facematch.core.errors import EXIT_CODES, FAILED, INTERRUPTED, TERMINATED, UNKNOWN, USAGE

SOURCE = Path(__file__).resolve().parents[2] / "src" / "facematch"


@pytest.fixture
def payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One query, ten gallery photos, a payload that names them, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["query/q.png", *(f"gallery/{each}.png" for each in range(10))]):
        path = tmp_path / "data/test_data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.effect_noise((32, 32), 40 + number).save(path)
    images = {"q.png": [f"{each}.png" for each in range(10)]}
    Path("payload.json").write_text(json.dumps({"groupname": "us", "images": images}))
    return Path("payload.json")


def test_nothing_found_something_found_and_bad_input(payload: Path, run: Run) -> None:
    query, gallery = Path("data/test_data/query"), Path("data/test_data/gallery")
    shutil.copy(gallery / "1.png", "copy.png")
    assert run("check", payload).code == run("source", "copy.png", "--in", gallery).code == 0
    assert run("leaks", f"a={query}", f"b={gallery}").code == 0
    payload.write_text("{}")
    assert run("check", payload).code == run("source", query / "q.png", "--in", gallery).code == FAILED
    assert run("leaks", f"a={gallery}", "b=data").code == FAILED
    assert run("leaks", "a=nowhere", "b=data").code == run("source", "nothing.png", "--in", gallery).code == USAGE
    assert run("check").code == run("chekc", payload).code == run("check", payload, "--no-such").code == USAGE


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("sent", "code"), [(None, UNKNOWN), (signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)]
)
def test_a_lost_answer_and_signals(payload: Path, sent: signal.Signals | None, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/results/"
        # Through a shell, which is what gives a process that a signal ended a code.
        command = 'trap "" INT TERM; (trap - INT TERM; exec "$@") & echo $!; wait $!; exit $?'
        submit = [sys.executable, "-m", "facematch", "submit", str(payload), "--set", f"server.url={url}"]
        environment = {**os.environ, "NO_COLOR": "1"}
        with subprocess.Popen(
            ["bash", "-c", command, "bash", *submit], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            number = int(process.stdout.readline())
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                if sent is not None:
                    os.kill(number, sent)
                    process.wait(timeout=60)  # with the connection open: its end would be an answer that is lost
                else:
                    while b"]}" not in connection.recv(65_536):
                        pass
            _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "Traceback" not in told


def test_no_code_stands_beside_the_table() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"(SystemExit|sys\.exit|typer\.Exit)$", ast.unparse(node.func)):
                found |= {int(each.value) for each in node.args if isinstance(each, ast.Constant)}
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "FacematchError" and len(node.args) > 2:
                words = [each.value for each in ast.walk(node.args[2]) if isinstance(each, ast.Constant)]
                found |= {each for each in words if isinstance(each, int)}
    assert found <= set(EXIT_CODES)
