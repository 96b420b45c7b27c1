"""A temporary project folder in which commands run as a user runs them: each in a process of its own, on one thread."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
DATA, WEIGHTS = SHARED / "data", SHARED / "weights"
# Keys whose values are times, or tell of the machine or the version, wherever they are.
LEFT_OUT = frozenset(
    {
        "images_per_second", "seconds", "training seconds", "speed", "machine", "crop_ms", "embed_ms", "rank_ms",
        "photo_ms", "made", "made_by",
    }
)  # fmt: skip
_LINE = [sys.executable, "-m", "facematch"]


class CommandError(Exception):
    """A command that ended in another way than it should have."""


@dataclass(frozen=True)
class Project:
    """A folder with settings files and copies of some photos; what commands keep goes below it, their cache too."""

    folder: Path

    def run(self, *arguments: object, codes: Iterable[int] = (0,), script: str | None = None) -> str:
        """Run `facematch ARGUMENTS`, or a script of the repository; return its standard output.

        Raises CommandError where the exit code is none of `codes`.
        """
        line = _LINE if script is None else [sys.executable, str(REPOSITORY / script)]
        words = [str(each) for each in arguments]
        done = subprocess.run(
            [*line, *words], cwd=self.folder, env=_environment(self.folder), capture_output=True, text=True, check=False
        )
        if done.returncode not in codes:
            raise CommandError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def json(self, *arguments: object, codes: Iterable[int] = (0,)) -> Any:
        """Run a command with `--json` and return its value."""
        return json.loads(self.run(*arguments, "--json", codes=codes))

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start `facematch ARGUMENTS`, whose output nobody reads."""
        line, quiet = [*_LINE, *(str(each) for each in arguments)], subprocess.DEVNULL
        return subprocess.Popen(line, cwd=self.folder, env=_environment(self.folder), stdout=quiet, stderr=quiet)

    def killed_after(self, written: Path, *arguments: object) -> None:
        """Run a command and kill it once it has written a file. Raises CommandError where it ended before."""
        child = self.start(*arguments)
        while child.poll() is None and not (self.folder / written).is_file():
            time.sleep(0.005)
        child.kill()
        if child.wait() != -signal.SIGKILL:
            raise CommandError(f"{arguments[0]} ended with {child.returncode} before it could be killed")

    def write(self, name: str, value: object) -> Path:
        """Write a file: text as it is, anything else as JSON, which YAML files may be, too."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1), encoding="utf-8")
        return path

    def copy(self, source: Path, target: str, *, folders: int, each: int | None = None) -> None:
        """Copy the first `folders` folders of photos, by name, and of each the first `each` files; they name nobody."""
        for number, folder in enumerate(sorted(path for path in source.iterdir() if path.is_dir())[:folders]):
            name = f"{target}{number:02d}"
            (self.folder / target / name).mkdir(parents=True)
            for photo, file in enumerate(sorted(folder.iterdir())[:each]):
                shutil.copyfile(file, self.folder / target / name / f"{name}-{photo}{file.suffix}")

    def tensors_digest(self, name: str) -> str:
        """Return the SHA-256 of the tensors of a .safetensors file: their names, kinds, shapes and bytes."""
        data = (self.folder / name).read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        digest = hashlib.sha256()
        for tensor, about in sorted(header.items()):
            begin, end = about["data_offsets"]
            digest.update(f"{tensor} {about['dtype']} {about['shape']}".encode() + data[start + begin : start + end])
        return digest.hexdigest()


def without_times(value: Any, project: Path) -> Any:
    """Return a result without what differs between two runs of the same program: times, machine, absolute folders."""
    if isinstance(value, dict):
        return {key: without_times(each, project) for key, each in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [without_times(each, project) for each in value]
    if isinstance(value, str):
        for folder, name in ((project, "PROJECT"), (SHARED, "SHARED"), (REPOSITORY, "REPOSITORY")):
            value = value.replace(str(folder), name)
    return value


def _environment(folder: Path) -> dict[str, str]:
    # One thread: sums of a network are then added in one order, whatever else the machine does.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    own = {
        "PYTHONPATH": str(REPOSITORY / "src"),
        "FACEMATCH_CACHE": str(folder / "cache"),
        "PYTHONHASHSEED": "0",
        "COLUMNS": "200",
    }
    return {**os.environ, **threads, **own}
