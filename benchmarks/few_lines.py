"""How long it takes a stranger: from `pip install` of the wheel in an empty folder to what docs/few-lines.md shows.

    python benchmarks/few_lines.py [--base]

Builds the wheel, makes a new environment, installs the wheel with the extras `train` and `serve` (with `--base` first
without any, which is what ranking and submitting need), makes sample photographs, and runs each piece of the page as it
stands there, as a process of its own in a folder with an empty cache. Prints seconds, and MB of the environment. What
is downloaded comes from the package registry, or from pip's own cache: seconds of installing tell little elsewhere.
A piece that ends with another code than 0 ends this, too.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facematch.pipeline.timing import machine

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "few-lines.md"


def pieces() -> dict[str, tuple[str, str]]:
    """Return the page's pieces by what they come to: the language and the text of each."""
    shell, python, loop, project, embedder, plug_in = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    files = "mkdir mine\n" + "".join(
        f"cat > mine/{name} <<'END'\n{text}END\n"
        for name, (_, text) in (("pyproject.toml", project), ("mine.py", embedder))
    )
    return {
        "a ranking in the shell": shell,
        "a ranking in Python, embeddings kept": python,
        "a training loop of one's own": loop,
        "an embedder of one's own, installed and used": ("sh", files + plug_in[1]),
    }


def timed(name: str, command: list[str], folder: Path, environment: dict[str, str], note: str = "") -> None:
    """Run a command to its end and print its seconds; leave where it ends with another code than 0."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise SystemExit(f"{name} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    print(f"{name:48} {seconds:6.1f} s{note}", flush=True)


def size(folder: Path) -> str:
    """Return MB of all files below a folder, each once."""
    kept = {(s.st_dev, s.st_ino): s.st_blocks * 512 for s in (each.lstat() for each in folder.rglob("*"))}
    return f"{sum(kept.values()) / 1e6:,.0f} MB"


def installed(room: Path, extras: str) -> Path:
    """Return a new environment with the wheel of the room in it."""
    (wheel,) = room.glob("*.whl")
    venv = room / f"venv{extras.replace(',', '-')}"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    timed(f"pip install facematch{extras}", [*pip, f"{wheel}{extras}"], room, clean(venv, room))
    print(f"{'':48} {size(venv):>8}")
    return venv


def clean(venv: Path, room: Path) -> dict[str, str]:
    """Return the environment of a shell in which `venv` is active and nothing of this one is known."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = os.pathsep.join([str(venv / "bin"), kept.get("PATH", "")])
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(venv), "FACEMATCH_CACHE": str(room / "cache")}


def main() -> None:
    """Install, and run the pieces one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", action="store_true", help="install the wheel without extras first")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as made:
        room = Path(made)
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(room), str(ROOT)]
        subprocess.run(wheel, check=True)
        if given.base:
            venv = installed(room, "")
            timed("facematch --help", [str(venv / "bin/facematch"), "--help"], room, clean(venv, room))
            timed("import facematch", [str(venv / "bin/python"), "-c", "import facematch"], room, clean(venv, room))
        venv = installed(room, "[train,serve]")
        environment = clean(venv, room)
        folder = room / "empty"
        folder.mkdir()
        sample = "facematch sample && mkdir photos && mv data/test_data/* photos && mv data/faces photos/people"
        timed("sample photographs", ["bash", "-e", "-c", sample], folder, environment)
        for name, (language, text) in pieces().items():
            lines = len([line for line in text.splitlines() if line.strip()])
            command = ["bash", "-e", "-c"] if language == "sh" else [str(venv / "bin/python"), "-c"]
            timed(name, [*command, text], folder, environment, f"  ({lines} lines)")


if __name__ == "__main__":
    main()
