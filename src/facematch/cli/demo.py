"""`facematch demo`: the whole job once, by the same commands a user types, each shown before it runs."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from facematch.core.console import result
from facematch.core.errors import FacematchError, typed
from facematch.pipeline.build import run_folder
from facematch.settings.file import load_settings

_TRUTH = Path("data/rehearsal/ground_truth.json")


def demo_command(config: Path) -> None:
    """Make the sample, crop, train, validate, compare, rehearse; every step's output is shown as it comes."""
    settings = load_settings(config)
    group = settings.server.group or "demo"
    started = time.monotonic()
    chosen = ["--config", str(config)]
    _step("sample photographs: one real face of each person, varied", ["sample"])
    _step("what the cropper finds in the gallery", ["crop", str(settings.paths.gallery), "results/crops", *chosen])
    _step("training on people, measured on people it never sees", ["train", *chosen, "--fresh"])
    _step("the score to expect", ["validate", *chosen])
    _step("the network that comes with facematch and others, on the same people", ["compare"])
    with _server() as address:
        _step(
            "a submission to the rehearsal server",
            ["request", *chosen, "--set", f"server.url={address}/{settings.server.dialect}/",
             "--set", f"server.group={group}"],
        )  # fmt: skip
    result(f"\nThe whole job took {time.monotonic() - started:.0f} s. Where to look next:")
    result("  results/crops/crops.png and misses.png    what the cropper found and what it missed")
    result("  results/compare.html    every system side by side; your own systems: config/compare.yaml")
    result(f"  {run_folder(settings)}    weights, settings, log; curves: tensorboard --logdir checkpoints")
    result(f"  {settings.paths.submissions}    every submission; with their scores: facematch submissions")
    result(f"  facematch report {run_folder(settings)}    a page: worst queries first, curves, a map of the embeddings")
    result(f"  facematch serve --group {group}    the leaderboard, with the queries that missed")
    result("  facematch init    settings files to edit, and what to do with your own photos")


def _step(what: str, arguments: Sequence[str]) -> None:
    result(f"\n== {what}", "bold")
    result(f"$ {typed(arguments[0])} {shlex.join(arguments[1:])}".rstrip(), "cyan")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "facematch", *arguments], check=False)
    if done.returncode:
        raise FacematchError(f"the step “{what}” ended with exit code {done.returncode}; its message is above.")


@contextmanager
def _server() -> Iterator[str]:
    # A rehearsal server on a free port, as a process of its own.
    result("\n== a rehearsal server, in place of the competition's", "bold")
    command = [sys.executable, "-m", "facematch", "serve", "--port", "0", "--truth", str(_TRUTH)]
    result("$ facematch serve", "cyan")
    server = subprocess.Popen([*command], stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if "http://" in line:
                yield "http://" + line.split("http://")[1].split()[0].rstrip("/")
                break
        else:
            raise FacematchError("the rehearsal server did not start.", "Run it alone to see why: facematch serve")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)
