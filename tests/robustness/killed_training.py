"""Trainings that save their state after every step and are killed: at their N-th write, or after some seconds.

Each line of standard input asks for one, `{"arguments": [...], "write": N, "seconds": S}`, 0 for neither; the line that
answers tells its exit code, negative for a signal, and how many writes it had begun. Everything is imported once:
each training is a fork of this process, which computes nothing itself.
"""

import json
import mmap
import os
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import facematch.tasks.training.command as command
import facematch.tasks.training.loop as loop
from facematch.cli.app import main

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def watch_writes(last: int, told: mmap.mmap) -> None:
    """Count what this process is about to change under checkpoints/, and kill it at the `last`-th change."""
    number = count(1)

    def watch(event: str, given: tuple[Any, ...]) -> None:
        writes = event in _CHANGES or (event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and "checkpoints" in str(given[0]):
            told[:4] = (now := next(number)).to_bytes(4, "little")
            if now == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def train(arguments: list[str], write: int, told: mmap.mmap) -> None:
    """Become `facematch ARGUMENTS`, whose words go to words.txt."""
    words = os.open("words.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(words, 1)
    os.dup2(words, 2)
    loop._SAVE_EVERY_SECONDS = -1.0
    command.show_trained = lambda *_: None  # type: ignore[assignment]
    sys.argv = ["facematch", *arguments]
    watch_writes(write, told)
    main()


def ended(child: int, seconds: float) -> int:
    """Wait for a process, and kill it after so many seconds where they are not 0; return how it ended."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG if seconds else 0)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            seconds = 0
        time.sleep(0.002)


if __name__ == "__main__":
    os.chdir(Path(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        asked, told = json.loads(line), mmap.mmap(-1, 4)
        if not (child := os.fork()):
            try:
                train(asked["arguments"], asked["write"], told)
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else bool(end.code))
            os._exit(0)
        code = ended(child, asked["seconds"])
        print(json.dumps([code, int.from_bytes(told[:4], "little")]), flush=True)
