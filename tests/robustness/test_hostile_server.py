"""Servers that mean no good: every exchange ends in time and in little memory, and follows nobody anywhere.

FACEMATCH_FUZZ=N sends N times as much of what has no end.
"""

import gzip
import os
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from facematch.tasks.competition.address import Destination, RetryPolicy
from facematch.tasks.competition.journal import Journal
from facematch.tasks.competition.sending import send
from net import FORM, PAYLOAD, SCORE, Reply, answering, once, response, says, without_proxies

TIMES = int(os.environ.get("FACEMATCH_FUZZ", "1"))
LONG = 30 * TIMES * 1_000_000  # bytes of what is sent without end
IN_TIME = 20.0  # seconds; each exchange below has time-outs of 0.3 s
IN_MEMORY = 40_000_000  # bytes, the server's own among them


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.tasks.competition.exchange._GRACE", 0.2)
    without_proxies(monkeypatch)


def endless(head: bytes, block: bytes) -> Reply:
    """Sends a head and then a block again and again, to LONG bytes and a close."""

    def sends(connection: socket.socket) -> None:
        connection.sendall(head)
        block_of = block * max(1, 65_536 // len(block))
        for _ in range(LONG // len(block_of)):
            connection.sendall(block_of)

    return sends


def drips(head: bytes, block: bytes) -> Reply:
    """Sends a head and then a block every now and then, until nobody is there any more or ten seconds are over."""

    def sends(connection: socket.socket) -> None:
        connection.sendall(head)
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            connection.sendall(block)
            time.sleep(0.02)

    return sends


def silent(connection: socket.socket, head: bytes = b"") -> None:
    connection.sendall(head)
    connection.settimeout(10)
    while connection.recv(65_536):  # until the client goes
        pass


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ZEROS = b"\0" * 100_000_000
GZIPPED = gzip.compress(ZEROS, 9)
WITHOUT_END: dict[str, Reply] = {
    "silence": silent,
    "silence after the status": lambda connection: silent(connection, OK),
    "a body": endless(OK + b"\r\n", b" "),
    "a body of 10 GB": endless(response("200 OK", length=10_000_000_000), b"x"),
    "a body in chunks": endless(CHUNKED, b"4\r\nabcd\r\n"),
    "one chunk": endless(CHUNKED + b"ffffffffff\r\n", b"x"),
    "the size of a chunk": endless(CHUNKED, b"0"),
    "trailers": endless(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "a status line": endless(b"HTTP/1.1 200 ", b"K"),
    "a header": endless(OK + b"X: ", b"y"),
    "headers": endless(OK, b"X: y\r\n"),
    "folded headers": endless(OK + b"X: y\r\n", b" y\r\n"),
    "interim answers": endless(b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
    "100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "what is no HTTP": endless(b"", b"SSH-2.0 "),
    "a drip of the status": drips(b"", b"H"),
    "a drip of headers": drips(OK, b"X: y\r\n"),
    "a drip of a body": drips(OK + b"\r\n", b" "),
    "a drip of chunks": drips(CHUNKED, b"1\r\n \r\n"),
    "a drip of trailers": drips(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "a drip of interim answers": drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a gzip bomb": says(response("200 OK", GZIPPED, "Content-Encoding: gzip")),
    "a deflate bomb": says(response("200 OK", zlib.compress(ZEROS, 9), "Content-Encoding: deflate")),
    "a bomb in a bomb": says(response("200 OK", gzip.compress(GZIPPED * 9, 9), "Content-Encoding: gzip, gzip")),
}


@contextmanager
def within_bounds() -> Iterator[None]:
    started = time.monotonic()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < IN_MEMORY
    assert time.monotonic() - started < IN_TIME


@pytest.mark.parametrize("name", WITHOUT_END)
def test_what_has_no_end_is_given_up(name: str) -> None:
    with answering(WITHOUT_END[name]) as (url, requests), within_bounds():
        outcome = once(url, timeout=0.3)
    assert (outcome.fate, outcome.again, outcome.answer) == ("unknown", False, None)
    assert len(outcome.message) < 500
    assert len(outcome.text) <= 10_000
    assert len(requests) == 1


@pytest.mark.parametrize("name", [name for name in WITHOUT_END if "body" in name or "bomb" in name])
def test_of_an_error_the_status_counts(name: str) -> None:
    def error(connection: socket.socket) -> None:
        WITHOUT_END[name](Reworded(connection))  # type: ignore[arg-type]

    with answering(error) as (url, _), within_bounds():
        outcome = once(url, timeout=0.3)
    assert (outcome.kind, outcome.fate) == ("status-503", "not scored")


class Reworded:
    """A connection on which 200 OK becomes 503 Busy."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def sendall(self, data: bytes) -> None:
        self.connection.sendall(data.replace(b"200 OK", b"503 Busy", 1) if data.startswith(b"HTTP") else data)


def test_a_payload_that_nobody_reads() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, within_bounds():
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/results/"
        outcome = once(url, timeout=0.3, payload=b"x" * 10_000_000)
    assert (outcome.fate, outcome.again) == ("unknown", False)


def test_no_redirect_leads_anywhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"accuracy": 1000}')
    with answering(says(response("200 OK", SCORE))) as (other, seen):
        for status in ("301 A", "302 A", "303 A", "307 A", "308 A"):
            for target in (other, secret.as_uri(), f"//{other.partition('//')[2]}", "gopher://127.0.0.1/"):
                with answering(says(response(status, SCORE, f"Location: {target}"))) as (url, _):
                    outcome = once(url)
                assert (outcome.kind, outcome.answer) == ("redirect", None)
    assert seen == []


class TestTheWallClock:
    """Deadlines and waits are measured by a clock that nobody sets."""

    @pytest.mark.parametrize("step", [-86_400.0, 86_400.0, -1e9])
    def test_it_may_go_anywhere(self, step: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [time.time()]

        def jumps() -> float:
            now[0] += step
            return now[0]

        busy = response(
            "503 Busy", b"", "Retry-After: Tue, 02 Jan 2035 10:00:00 GMT", "Date: Tue, 02 Jan 2035 10:00:00 GMT"
        )
        replies = cycle([says(busy), says(busy), says(response("200 OK", SCORE))])
        monkeypatch.setattr(time, "time", jumps)
        with answering(lambda connection: next(replies)(connection)) as (url, requests), Journal(tmp_path) as journal:
            kept = journal.keep(PAYLOAD, "results", to_send=True)
            sent = send(journal, kept, Destination(url, FORM, "results", retry=RetryPolicy(2, 10, 4, 0.01)))
            assert sent.fate == "scored"
            assert [attempt.fate for attempt in journal.attempts()] == ["not scored", "not scored", "scored"]
            assert all(0 <= (attempt.seconds or -1) < IN_TIME for attempt in journal.attempts())
        assert len(requests) == 3

    def test_a_silent_server_does_not_outlast_the_deadline(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: -1e9)
        with answering(silent) as (url, _), Journal(tmp_path) as journal, within_bounds():
            kept = journal.keep(PAYLOAD, "results", to_send=True)
            sent = send(journal, kept, Destination(url, FORM, "results", retry=RetryPolicy(timeout=60, deadline=0.6)))
        assert sent.fate == "unknown"
