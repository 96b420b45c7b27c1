"""docs/start.md is true: its commands are run in order, in an empty folder, and print what stands there."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import facematch
from page_commands import ROOT, lines_of

PAGE = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PORT = "8000"


def test_every_command_runs_and_prints_what_the_page_says(tmp_path: Path) -> None:
    cwd, printed, ran, port = tmp_path, "", 0, str(free_port())
    with serving() as servers:
        for language, block in BLOCKS:
            if language == "text":
                for line in block.replace(f":{PORT}/", f":{port}/").splitlines():
                    assert re.search(pattern(line), printed), f"{line}\nis not in\n{printed}"
                continue
            printed = ""
            for line in lines_of(block):
                words = shlex.split(line.replace(f":{PORT}/", f":{port}/"))
                if words[:4] == ["python", "-m", "pip", "install"]:
                    continue
                if words[0] == "cd":
                    cwd = cwd / words[1]
                elif words[:2] == ["facematch", "serve"]:
                    servers.append(serve([*words[1:], "--port", port], cwd, port))
                else:
                    printed += run(words, cwd)
                ran += 1
    assert ran == 10


def run(words: list[str], cwd: Path) -> str:
    """Run a command of ours in this environment; return what it prints."""
    assert words[0] == "facematch", words
    command = [sys.executable, "-m", "facematch", *words[1:]]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
    return done.stdout


def environment() -> dict[str, str]:
    """Return an environment in which tables are wide, and all that a command takes from beside it is in the page."""
    return {**os.environ, "COLUMNS": "200"}


def serve(words: list[str], cwd: Path, port: str) -> subprocess.Popen[bytes]:
    """Start the rehearsal server, and wait until it answers."""
    server = subprocess.Popen(
        [sys.executable, "-m", "facematch", *words], cwd=cwd, env=environment(), stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return server
        except OSError:
            assert server.poll() is None, "the rehearsal server ended"
            time.sleep(0.1)
    raise AssertionError("the rehearsal server does not answer")


@contextmanager
def serving() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield a list of servers that are stopped in the end."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        yield servers
    finally:
        for server in servers:
            server.terminate()
            server.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def pattern(line: str) -> str:
    """Return a printed line as a pattern: `…` is anything, and figures may differ where other processors round."""
    parts = re.split(r"(…|\b(?:score|between|and|top-\d+) [\d.]+|\[[\d.,]+\])", line)
    anything = {"…": r"\S*"}
    return "".join(anything.get(part, re.escape(part) if at % 2 == 0 else loose(part)) for at, part in enumerate(parts))


def loose(part: str) -> str:
    """Return the pattern of a word with a figure, or of the list of an answer."""
    return r"\[[\d.,]+\]" if part.startswith("[") else re.escape(part.split()[0]) + r" [\d.]+"


def test_the_page_names_the_wheel_of_this_version() -> None:
    assert set(re.findall(r"facematch-([\d.]+)-py3", PAGE)) == {facematch.__version__}
    install = (ROOT / "docs/guides/install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"facematch-([\d.]+)-py3", install)) == {facematch.__version__}


def test_a_line_is_read_loosely_in_its_figures_alone() -> None:
    assert re.search(
        pattern("expected: score 974 of 1000, between 9 and 10"), "expected: score 8 of 1000, between 1 and 2"
    )
    assert re.search(pattern('submission 2: a-….json {"r":[0.96,1.0]}'), 'submission 2: a-6f.json {"r":[1.0,0.2]}')
    assert not re.search(pattern("130 faces in 130 photos"), "129 faces in 130 photos")
