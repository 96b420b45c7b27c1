"""How soon `facematch --help` answers, as a whole process, beside `python -c "import torch"`.

    python benchmarks/start_up.py [--rounds 5]

First the help has to end with code 0 and to list every command that the program has, and the help of `rank` to name
its arguments. Then the whole processes are started in turn, and medians are printed. The reach is a quarter of
torch's import, which every command that computes has to wait for; help, and a misspelt command, must not.
"""

import argparse
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

from side_by_side import Times, in_turn, shown

from facematch.cli.app import app
from facematch.pipeline.timing import machine

REACH = 0.25
WIDTH = "120"  # columns, so that no name is cut
IMPORT = (sys.executable, "-c", "import torch")

Process = tuple[str, ...]


def program() -> Process:
    """Return the installed command `facematch` of this Python, or the module where there is none."""
    script = Path(sys.executable).with_name("facematch.exe" if os.name == "nt" else "facematch")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "facematch")


def printed(process: Process) -> str:
    """Run a process to its end and return what it printed; leave unless it ends with code 0."""
    environment = {**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(process, capture_output=True, encoding="utf-8", env=environment, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(process)} ended with code {done.returncode}: {done.stderr}")
    return done.stdout


def commands() -> list[str]:
    """Return the names of all commands and groups of commands of the program."""
    names = [each.name or str(getattr(each.callback, "__name__", "")) for each in app.registered_commands]
    groups = [str(group.name) for group in app.registered_groups]
    return sorted(name.replace("_", "-").strip("-") for name in (*names, *groups))


def check(facematch: Process) -> None:
    """Leave unless both helps are whole."""
    listed = {words[1] for line in printed((*facematch, "--help")).splitlines() if len(words := line.split()) > 2}
    missing = [name for name in commands() if name not in listed]
    if missing or not commands():
        raise SystemExit(f"the help does not list {', '.join(missing) or 'any command'}")
    of_rank = printed((*facematch, "rank", "--help")).lower()
    if any(name not in of_rank for name in ("query", "gallery", "--metric")):
        raise SystemExit("the help of rank does not name its arguments")
    print(f"the help ends with code 0 and lists all {len(commands())} commands; that of rank names its arguments")


def share(times: Times) -> str:
    """Return the median share of torch's import that a help takes."""
    shares = [ours / peer for ours, peer in zip(times.ours, times.peer, strict=True)]
    return (
        f"{shown(times.ours)} of {shown(times.peer)}, a share of {median(shares):.3f} "
        f"[{min(shares):.3f}–{max(shares):.3f}]"
    )


def main() -> int:
    """Check, time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    facematch = program()
    print(f"{machine()}; whole processes, medians of {options.rounds}; the peer is `python -c 'import torch'`")
    check(facematch)
    for asked in (("--help",), ("rank", "--help")):
        times = in_turn(partial(printed, (*facematch, *asked)), partial(printed, IMPORT), options.rounds)
        print(f"facematch {' '.join(asked)}: {share(times)}; reach: at most {REACH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
