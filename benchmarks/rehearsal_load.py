"""The rehearsal server under load: submissions from many clients at once; none lost, none scored twice.

    python benchmarks/rehearsal_load.py [--submissions 1000] [--clients 50] [--queries 100]

Runs `facematch serve` as a process of its own and posts over real sockets, each submission with a key; every
tenth is posted a second time with the same key, as a client does that lost the answer. Prints the times of the
answers and exits with 1 when the store's books do not match what was sent.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import requests


def start(folder: Path) -> tuple["subprocess.Popen[str]", str]:
    """Start the server and return it with its address."""
    command = [sys.executable, "-m", "facematch", "serve", "--truth", "truth.json", "--port", "0", "--rate", "1e9"]
    command += ["--store", "rehearsal.sqlite"]
    server = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert server.stderr is not None
    line = next(line for line in server.stderr if "http://" in line)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    return server, "http://" + line.split("http://")[1].split()[0]


def post_all(url: str, submissions: list[tuple[str, bytes]], clients: int) -> list[float]:
    """Post every (key, payload) from `clients` threads and return the seconds of each answer."""
    seconds: list[float] = []
    lock, left = threading.Lock(), list(reversed(submissions))

    def work() -> None:
        with requests.Session() as session:
            while True:
                with lock:
                    if not left:
                        return
                    key, payload = left.pop()
                began = time.monotonic()
                answer = session.post(f"{url}/results/", data=payload, headers={"Idempotency-Key": key}, timeout=60)
                answer.raise_for_status()
                with lock:
                    seconds.append(time.monotonic() - began)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def main() -> None:
    """Run, print, and exit with 1 when anything was lost or scored twice."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--submissions", type=int, default=1000)
    arguments.add_argument("--clients", type=int, default=50)
    arguments.add_argument("--queries", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    chance = random.Random(chosen.seed)
    queries, gallery = ([f"{side}{n}.jpg" for n in range(count)] for side, count in (("q", chosen.queries), ("g", 500)))
    sent = []
    for number in range(chosen.submissions):
        images = {query: chance.sample(gallery, 10) for query in queries}
        sent.append((f"key {number}", json.dumps({"groupname": f"group {number % 20}", "images": images}).encode()))
    repeated = sent[::10]
    everything = [*sent, *repeated]
    chance.shuffle(everything)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "truth.json").write_text(json.dumps({query: [chance.choice(gallery)] for query in queries}))
        server, url = start(folder)
        try:
            began = time.monotonic()
            seconds = post_all(url, everything, chosen.clients)
            took = time.monotonic() - began
        finally:
            server.terminate()
            server.wait(20)
        with sqlite3.connect(folder / "rehearsal.sqlite") as table:
            keys = [key for (key,) in table.execute("SELECT key FROM scored")]
    lost, twice = len({key for key, _ in sent} - set(keys)), len(keys) - len(set(keys))
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    print(
        f"{len(sent)} submissions of {chosen.queries} queries and {len(repeated)} repeated from {chosen.clients} "
        f"clients: lost {lost}, scored twice {twice}; "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(everything) / took:.0f} a second"
    )
    print(f"seed {chosen.seed}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    sys.exit(int(bool(lost or twice or len(keys) != len(sent) or len(seconds) != len(everything))))


if __name__ == "__main__":
    main()
