"""Are submissions ever lost, sent twice without being asked, or hanging? Thousands of randomised exchanges.

    python benchmarks/lost_submissions.py [--exchanges 10000] [--seed 1]

A server on this machine misbehaves at random: it refuses, resets before or after the payload, loses the
answer after scoring, drips, answers 429, 500 or 503, with an absurd Retry-After, HTML, cut or wrong JSON, a wrong
length, redirects, those that follow a scored form among them, interim answers (1xx) before the answer or without one.
A `.netrc` has a password for every host, half of the clients send a token of their own, and for a third the wall clock
goes backwards at every look. Half of the clients reach the server through a relay that cuts the line after a random
number of bytes in either direction. Every client is a process of its own, and a third of them are killed (SIGKILL) at
a random moment. Then the server recovers, everything pending is sent again, and the books are compared:

- lost: a submission that was kept is not in the journal, or its payload is not whole
- twice: the server scored a payload more often than once without being asked to
- lies: the journal says `not scored` of what was scored, or `scored` of what was not
- hangs: a client was still running long after its deadline
- passwords: the server was sent one of `.netrc`, which nobody asked for, or not the token that belongs to the payload

Exits with 1 when any of them is not 0. An error status is taken as the server's word that it did not score.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import datetime, tzinfo
from multiprocessing.synchronize import Event
from pathlib import Path

from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition import journal as journal_module
from facematch.tasks.competition.address import Destination, RetryPolicy
from facematch.tasks.competition.journal import Journal
from facematch.tasks.competition.sending import send

FORM = CompetitionForm()
RETRY = RetryPolicy(timeout=0.4, deadline=2.0, attempts=3, backoff=0.01)
HANG = 30.0  # seconds after which a client counts as hanging
AT_ONCE = 8
BAD = ("lost", "twice", "lies", "hangs", "passwords", "errors", "not recovered")
GOOD = b'{"results": [0.5, 0.6, 0.7]}'
FAULTS = {  # what the server does: (weight, whether it scores the payload)
    "good": (6, True), "refuse": (1, False), "reset before": (1, False), "reset after": (1, False),
    "lost after scoring": (2, True), "closed after scoring": (1, True), "drip": (1, True), "silent": (1, True),
    "429": (1, False), "500": (1, False), "503": (1, False), "400": (1, False), "html": (1, True),
    "html unscored": (1, False), "cut json": (1, True), "wrong json": (1, True), "nan": (1, True),
    "wrong length": (1, True), "moved": (1, False), "found": (1, False), "see other": (1, False),
    "found after scoring": (1, True), "see other after scoring": (1, True), "103 and good": (2, True),
    "102 and 503": (1, False), "102 and no more": (1, True), "100 without end": (1, True), "101": (1, True),
    "503 for ever": (1, False), "503 until 2999": (1, False),
}  # fmt: skip


def serve(port: "multiprocessing.Queue[int]", well: Event, log: Path, seed: int) -> None:
    """Answer connections, each in a thread, misbehaving at random until `well`; scored payloads go to `log`."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    port.put(listening.getsockname()[1])
    chance, lock = random.Random(seed), threading.Lock()
    names, weights = list(FAULTS), [weight for weight, _ in FAULTS.values()]
    with log.open("ab", buffering=0) as book:
        while True:
            connection, _ = listening.accept()
            fault = "good" if well.is_set() else chance.choices(names, weights)[0]
            threading.Thread(target=_answer, args=(connection, fault, book, lock), daemon=True).start()


def _answer(connection: socket.socket, fault: str, book: object, lock: threading.Lock) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        if fault == "refuse":
            return _reset(connection)
        request = _read(connection, head_only=fault == "reset before")
        if fault == "reset before" or request is None:
            return _reset(connection)
        sent, payload = request
        with lock:
            if FAULTS[fault][1]:
                book.write(hashlib.sha256(payload).hexdigest().encode() + b"\n")  # type: ignore[attr-defined]
            if sent != [f"{name}: {value}".encode() for name, value in token(payload).items()]:
                book.write(b"password\n")  # type: ignore[attr-defined]
        if fault in ("reset after", "lost after scoring"):
            return _reset(connection)
        _reply(connection, fault)
    return None


def _reply(connection: socket.socket, fault: str) -> None:
    if fault == "silent":
        time.sleep(1)
    elif fault == "drip":
        for byte in _http("200 OK", GOOD):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
    else:
        connection.sendall(REPLIES[fault])


def _http(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def _interim(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nLink: </style.css>\r\n\r\n".encode()


def _replies() -> dict[str, bytes]:
    return {
        "good": _http("200 OK", GOOD),
        "closed after scoring": b"",
        "html": _http("200 OK", b"<html><h1>tired</h1></html>"),
        "html unscored": _http("200 OK", b"<html><h1>log in</h1></html>"),
        "cut json": _http("200 OK", GOOD[:15]),
        "wrong json": _http("200 OK", b'{"ok": true}'),
        "nan": _http("200 OK", b'{"accuracy": NaN}'),
        "wrong length": _http("200 OK", GOOD, length=900),
        "moved": _http("308 Permanent Redirect", b"", "Location: /results/"),
        "found": _http("302 Found", b"", "Location: /login/"),
        "found after scoring": _http("302 Found", b"", "Location: /thanks/"),
        "see other": _http("303 See Other", b"", "Location: /login/"),
        "see other after scoring": _http("303 See Other", GOOD, "Location: /thanks/"),
        "103 and good": _interim("103 Early Hints") * 3 + _http("200 OK", GOOD),
        "102 and 503": _interim("102 Processing") + _http("503 Service Unavailable", b"busy"),
        "102 and no more": _interim("102 Processing"),
        "100 without end": _interim("100 Continue") * 200_000,
        "101": _interim("101 Switching Protocols") + _http("200 OK", GOOD),
        "503 for ever": _http("503 Service Unavailable", b"busy", f"Retry-After: {'9' * 5_000}"),
        "503 until 2999": _http("503 Service Unavailable", b"busy", "Retry-After: Tue, 31 Dec 2999 23:59:59 GMT"),
        "400": _http("400 Bad Request", b"no"),
        "429": _http("429 Too Many Requests", b"slow", "Retry-After: 0"),
        "500": _http("500 Internal Server Error", b"oops"),
        "503": _http("503 Service Unavailable", b"busy", "Retry-After: 0"),
    }


REPLIES = _replies()


def _read(connection: socket.socket, *, head_only: bool) -> tuple[list[bytes], bytes] | None:
    # The lines of a request that hold a password, and its whole body; None when it did not arrive whole.
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65_536)
        if not block:
            return None
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    while not head_only and len(body) < length:
        block = connection.recv(65_536)
        if not block:
            return None
        body += block
    return [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")], body


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def relay(port: "multiprocessing.Queue[int]", target: int, well: Event, seed: int) -> None:
    """Pass connections on to the server and cut them after a random number of bytes: a VPN that drops."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    port.put(listening.getsockname()[1])
    chance = random.Random(seed)
    while True:
        client, _ = listening.accept()
        whole = well.is_set() or chance.random() < 0.5
        limit = 1 << 30 if whole else chance.randrange(0, 3_000)
        threading.Thread(target=_pass_on, args=(client, target, limit), daemon=True).start()


def _pass_on(client: socket.socket, target: int, limit: int) -> None:
    left, lock = [limit], threading.Lock()

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(512):
                with lock:
                    block, left[0] = block[: max(0, left[0])], left[0] - len(block)
                sink.sendall(block)
                if left[0] <= 0:
                    break
            if left[0] > 0:
                return sink.shutdown(socket.SHUT_WR)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                _reset(each)
        return None

    with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", target)) as server:
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join()


def token(payload: bytes) -> dict[str, str]:
    """Return the header that goes with a payload: every second group has a token."""
    return {"Authorization": "Bearer token"} if b'"groupname": "token"' in payload else {}


def client(folder: Path, number: int, url: str, kept: int) -> None:
    """Keep a submission, say so, and send it."""
    if number % 3 == 0:
        _turn_back_the_clock()
    names = [f"{number:06d}-{name}.jpg" for name in range(10)]
    group = "us" if number % 2 else "token"
    payload = json.dumps({"groupname": group, "images": {f"{number:06d}.jpg": names}}).encode()
    with Journal(folder) as journal:
        submission = journal.keep(payload, "results", to_send=True)
        os.write(kept, struct.pack("i", number))
        send(journal, submission, Destination(url, FORM, "results", token(payload), retry=RETRY))


def _turn_back_the_clock() -> None:
    # Each look finds it 1,000 seconds earlier; both ways of looking, in this process alone.
    looks, now = itertools.count(), time.time()
    time.time = lambda: now - 1_000 * next(looks)  # type: ignore[assignment]

    class Back(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(time.time(), tz)

    journal_module.datetime = Back  # type: ignore[misc]


def run(exchanges: int, seed: int, folder: Path) -> dict[str, int]:
    """Run all exchanges and return the counts; `folder` takes the journal and the server's book."""
    context, chance = multiprocessing.get_context("fork"), random.Random(seed)
    well, ports = context.Event(), context.Queue()
    book, netrc = folder / "scored", folder / "netrc"
    book.touch()
    netrc.write_text("machine 127.0.0.1 login somebody password never\ndefault login somebody password never\n")
    netrc.chmod(0o600)
    os.environ["NETRC"] = str(netrc)
    helpers = [context.Process(target=serve, args=(ports, well, book, seed + 1), daemon=True)]
    helpers[0].start()
    target = ports.get(timeout=30)
    helpers.append(context.Process(target=relay, args=(ports, target, well, seed + 2), daemon=True))
    helpers[1].start()
    urls = [f"http://127.0.0.1:{port}/results/" for port in (target, ports.get(timeout=30))]
    counts: Counter[str] = Counter()
    try:
        kept = _exchanges(exchanges, chance, folder, urls, counts)
        well.set()
        time.sleep(1.5)  # what still hangs in the server ends
        _compare(folder, book, kept, counts)
        _recover(folder, book, urls[0], counts)
    finally:
        for helper in helpers:
            helper.terminate()
    return dict(counts)


def _exchanges(exchanges: int, chance: random.Random, folder: Path, urls: list[str], counts: Counter[str]) -> set[int]:
    # The numbers of all submissions that clients said they had kept.
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    running: dict[int, tuple[float, float]] = {}  # process: started, to be killed
    data, number = b"", 0
    with Journal(folder / "submissions"):
        pass
    while number < exchanges or running:
        while number < exchanges and len(running) < AT_ONCE:
            number += 1
            url = chance.choice(urls)
            kill = time.monotonic() + chance.expovariate(1 / 0.06) if chance.random() < 1 / 3 else float("inf")
            process = os.fork()
            if process == 0:
                _in_child(folder / "submissions", number, url, writing)
            running[process] = (time.monotonic(), kill)
        _reap(running, counts)
        with contextlib.suppress(BlockingIOError):
            data += os.read(reading, 1 << 16)
        time.sleep(0.002)
        if sys.stderr.isatty() and number % 100 == 0:
            print(f"\r{number} of {exchanges}", end="", file=sys.stderr)
    with contextlib.suppress(BlockingIOError):
        while block := os.read(reading, 1 << 16):
            data += block
    os.close(reading)
    os.close(writing)
    counts["exchanges"] = number
    return {value for (value,) in struct.iter_unpack("i", data)}


def _in_child(folder: Path, number: int, url: str, kept: int) -> None:
    try:
        client(folder, number, url, kept)
        os._exit(0)
    except BaseException as error:
        print(f"client {number}: {error!r}", file=sys.stderr)
        os._exit(1)


def _reap(running: dict[int, tuple[float, float]], counts: Counter[str]) -> None:
    now = time.monotonic()
    for process, (started, kill) in list(running.items()):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            del running[process]
            counts["killed" if os.WIFSIGNALED(status) else "ended"] += 1
            counts["errors"] += os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        elif now > kill or now - started > HANG:
            counts["hangs"] += now <= kill
            os.kill(process, signal.SIGKILL)
            running[process] = (started, float("inf"))


def _compare(folder: Path, book: Path, kept: set[int], counts: Counter[str]) -> None:
    scored = _book(book)[0]
    with Journal(folder / "submissions") as journal:
        journal.unfinished()  # what killed clients left behind becomes unknown
        found = {}
        for submission in journal.submissions():
            (query,) = json.loads(journal.payload(submission))["images"]
            found[int(query.partition(".")[0])] = submission
        fates: dict[int, set[str]] = {submission.id: set() for submission in found.values()}
        for attempt in journal.attempts():
            fates[attempt.submission].add(attempt.fate)
    counts["lost"] = len(kept - found.keys())
    for submission in found.values():
        fate, times = fates[submission.id], scored[submission.sha256]
        counts["twice"] += times > 1
        counts["lies"] += (times > 0 and not fate & {"scored", "unknown"}) or (times == 0 and "scored" in fate)
        counts["scored"] += "scored" in fate
        counts["unknown"] += "scored" not in fate and "unknown" in fate
        counts["not scored"] += not fate & {"scored", "unknown"}
    counts["kept"] = len(found)


def _recover(folder: Path, book: Path, url: str, counts: Counter[str]) -> None:
    # The server is well again: everything pending is sent; the unknown is left alone.
    with Journal(folder / "submissions") as journal:
        pending = [kept for kept, attempt in journal.unfinished() if attempt is None or attempt.fate == "not scored"]
        for submission in pending:
            headers = token(journal.payload(submission))
            to = Destination(url, FORM, "results", headers, retry=RetryPolicy(timeout=5, backoff=0.01))
            counts["recovered"] += send(journal, submission, to).fate == "scored"
    counts["not recovered"] = len(pending) - counts["recovered"]
    scored, counts["passwords"] = _book(book)
    counts["twice"] = sum(times > 1 for times in scored.values())


def _book(book: Path) -> tuple[Counter[str], int]:
    # How often each payload was scored, and how many requests came with a wrong password.
    lines = Counter(book.read_text().split())
    return lines, lines.pop("password", 0)


def main() -> None:
    """Run, print, and exit with 1 when anything was lost, doubled, told wrongly or hung."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--exchanges", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="facematch-"))
    started = time.monotonic()
    try:
        counts = run(chosen.exchanges, chosen.seed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"seed {chosen.seed}, {time.monotonic() - started:.0f} s, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {platform.system()}"
    )
    for name in ("exchanges", "ended", "killed", "kept", "scored", "unknown", "not scored", "recovered"):
        print(f"{name:>14}: {counts.get(name, 0)}")
    bad = {name: counts.get(name, 0) for name in BAD}
    print("  ".join(f"{name}: {count}" for name, count in bad.items()))
    sys.exit(int(any(bad.values())))


if __name__ == "__main__":
    main()
