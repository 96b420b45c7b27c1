"""Whatever bytes a server sends, and wherever the line breaks: one of three fates, and a true one.

Answers are made of parts that servers and proxies send, rightly and wrongly; some are then damaged byte by byte.
FACEMATCH_FUZZ=N tries N times as many.
"""

import gzip
import json
import os
import random
import re
import socket
import threading
from contextlib import suppress

import pytest

from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import exchange
from net import FORM, SCORE, answering, once, without_proxies

TIMES = int(os.environ.get("FACEMATCH_FUZZ", "1"))
NOT_SCORED = {301, 307, 308, *range(400, 512)}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


STATUSES = (200, 200, 200, 201, 202, 204, 206, 101, 300, 301, 302, 303, 304, 307, 308, 400, 404, 408, 409, 429, 499)
STATUSES += (500, 502, 503, 504, 511, 512, 520, 599, 600, 999)  # fmt: skip
BODIES = (
    SCORE, b'{"results": [0.1, 0.2, 0.3]}', b"\xef\xbb\xbf" + SCORE, b'{"accuracy": 0, "more": [[[]]]}',
    b'{"accuracy": NaN}', b'{"accuracy": 1e999}', b'{"accuracy": 1001}', b'{"accuracy": true}', b'{"accuracy": "5"}',
    b'{"accuracy": ' + b"9" * 5_000 + b"}", b'{"accuracy": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", b"[" * 50_000,
    b'{"results": [1, 2]}', b'{"results": [0.1, 0.2, -0.3]}', b"", b"null", b"<html>" + b"<" * 5_000, b"\xff\xfe{\0",
    SCORE + SCORE, SCORE[:-1], bytes(range(256)), SCORE.decode().encode("utf-16"), b'{"accuracy": 5}\0',
)  # fmt: skip
SCORED = BODIES[:4]
HEADERS = (
    b"Retry-After: 0", b"Retry-After: " + b"9" * 5_000, b"Retry-After: Mon, 99 Foo 99999 99:99:99 +9999",
    b"Retry-After: Fri, 31 Dec 9999999999 23:59:59 GMT", b"Date: soon", b"Location: http://[", b"Location: \x1b[2J",
    b"Location: //a:b@c/?d=e", b"Content-Type: text/html; charset=utf-99", b"Set-Cookie: a=b; expires=never",
    b"Connection: keep-alive", b"X-Odd: \xff\xfe", b"Upgrade: h2c", b"WWW-Authenticate: Basic", b"Keep-Alive: x",
)  # fmt: skip
BROKEN_HEADERS = (
    b"no colon", b": no name", b"X" * 70_000 + b": y", b" folded: first", b"\0: \0", b"X: y\r\n" * 200, b"X: a\rb: c",
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: " + b"9" * 5_000,
    b"Content-Length: 17\r\nContent-Length: 18", b"Content-Length: 17, 17", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip", b"Content-Encoding: deflate, br, zstd, odd",
    b"Content-Encoding: " + b"gzip, " * 50,
)  # fmt: skip


class RawAnswer:
    """One answer by its seed: `data` as it is sent, `status` and `body` it was made of, `sound` if nothing is wrong."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.status, self.body = chance.choice(STATUSES), chance.choice(BODIES)
        self.sound = chance.random() < 0.5
        versions = (b"HTTP/1.1",) if self.sound else (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.7", b"HTTP/2", b"HTTQ")
        headers = chance.sample(HEADERS, chance.randrange(4))
        if not self.sound:
            headers += chance.sample(BROKEN_HEADERS, chance.randrange(3))
        framed, sent = self._framed(chance)
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * chance.choice((0, 0, 0, 1, 3))
        end = b"\r\n" if self.sound else chance.choice((b"\r\n", b"\r\n", b"\n", b"\r"))
        reason = chance.choice((b"OK", b"", b"\xff\x1b[2J", b"200 OK", b"x" * 5_000))
        line = b"%s %d %s" % (chance.choice(versions), self.status, reason)
        self.data = interim + end.join([line, *framed, *headers, b"", b""]) + sent
        self.reset = chance.random() < 0.1
        if not self.sound and chance.random() < 0.7:
            self.data = damaged(self.data, chance)

    def _framed(self, chance: random.Random) -> tuple[list[bytes], bytes]:
        # The headers that tell the body's length, and the body in their form.
        way = chance.choice(("length", "length", "chunks", "close", "gzip"))
        if way == "chunks":
            parts = [self.body[at : at + 7] for at in range(0, len(self.body), 7)]
            sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            return [b"Transfer-Encoding: chunked"], sent
        if way == "close":
            return [], self.body
        sent = gzip.compress(self.body) if way == "gzip" else self.body
        return [b"Content-Length: %d" % len(sent)] + [b"Content-Encoding: gzip"] * (way == "gzip"), sent

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self.data)
        if self.reset and not self.sound:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, a slice taken out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(min(len(changed), 300) or 1)
        kind = chance.randrange(5)
        if kind == 0:
            changed[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del changed[at : at + chance.randrange(1, 20)]
        elif kind == 2:
            changed[at:at] = changed[at : at + chance.randrange(1, 40)]
        elif kind == 3:
            changed[at:at] = chance.choice((b"\r\n", b"\r\n\r\n", b"\0", b"HTTP/1.1 200 OK\r\n", b":", b"\xff"))
        elif chance.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def require_true(outcome: Outcome, answer: RawAnswer) -> None:
    """The oracle: what a fate asserts of the bytes that came."""
    assert outcome.fate in ("scored", "not scored", "unknown")
    assert not (outcome.again and outcome.fate != "not scored")
    assert len(outcome.message + outcome.hint) < 900
    assert (outcome.message + outcome.hint).isprintable()
    if outcome.fate == "scored":
        assert outcome.answer is not None
        assert outcome.status is not None
        assert 200 <= outcome.status < 300
        value = json.loads(outcome.text)
        shares = value.get("results", [])
        expected = value["accuracy"] if not shares else 600 * shares[0] + 300 * shares[1] + 100 * shares[2]
        assert outcome.answer.score == pytest.approx(expected)
        assert 0 <= outcome.answer.score <= 1000
        assert re.search(rb"HTTP/1\S*\s+2\d\d", answer.data)
    elif outcome.fate == "not scored":  # the payload was read whole, so only a status can say so
        assert outcome.status in NOT_SCORED
        assert re.search(rb"HTTP/1\S*\s+%d" % outcome.status, answer.data)
    if answer.sound and answer.status != 101:
        right = 200 <= answer.status < 300 and answer.body in SCORED and answer.status != 204
        fate = "scored" if right else "not scored" if answer.status in NOT_SCORED else "unknown"
        assert (outcome.fate, outcome.status) == (fate, answer.status)


@pytest.mark.parametrize("part", range(10))
def test_whatever_comes_ends_as_one_of_three_fates_and_the_right_one(part: int) -> None:
    answers = [RawAnswer(1_000_000 * part + number) for number in range(60 * TIMES)]
    left = iter(answers)
    with answering(lambda connection: next(left)(connection)) as (url, requests):
        for number, answer in enumerate(answers):
            try:
                require_true(once(url, timeout=2), answer)
            except AssertionError as error:
                raise AssertionError(f"{answer.data[:2_000]!r} of part {part}, number {number}") from error
    assert len(requests) == len(answers)


def test_not_scored_means_that_no_byte_of_the_payload_was_seen() -> None:
    """The line breaks after any number of bytes of the request."""
    chance, seen = random.Random(1), []
    for _ in range(100 * TIMES):
        payload = b"\1" * chance.choice((1, 300, 70_000, 600_000))
        limit = chance.choice((1, 2, 100, 200, 300, 1_000, 100_000))

        def breaks(listening: socket.socket, limit: int = limit, payload: bytes = payload) -> None:
            connection, _ = listening.accept()
            data = b""
            with connection, suppress(OSError):
                connection.settimeout(1)
                while (
                    len(data) < limit and not data.endswith(payload) and (block := connection.recv(limit - len(data)))
                ):
                    data += block
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            seen.append(b"\1" in data)

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=breaks, args=(listening,), daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/results/"
            outcome = exchange(payload, Destination(url, FORM, "results"), timeout=2)
            thread.join(5)
        assert outcome.fate in ("not scored", "unknown")
        assert outcome.fate == "unknown" or not seen[-1]
    assert any(seen)
    assert not all(seen)
