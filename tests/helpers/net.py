"""Servers on this machine that misbehave in every way one was seen to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import exchange

FORM = CompetitionForm()
PAYLOAD = b'{"groupname": "us", "images": {"q.jpg": ["g.jpg"]}}'
SCORE = b'{"accuracy": 500}'

Reply = Callable[[socket.socket], None]


def response(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def says(data: bytes) -> Reply:
    return lambda connection: connection.sendall(data)


@contextmanager
def answering(reply: Reply, port: int = 0) -> Iterator[tuple[str, list[bytes]]]:
    """A server on this machine: yields its address and the requests it read whole, head and body."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", port)) as listening:
        thread = threading.Thread(target=_answer_all, args=(listening, reply, requests), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/results/", requests
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        assert not thread.is_alive()


def _answer_all(listening: socket.socket, reply: Reply, requests: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            connection.settimeout(5)
            with connection, suppress(OSError):
                requests.append(_read_request(connection))
                reply(connection)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65_536)
        if not block:
            return data
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    while len(body) < length and (block := connection.recv(65_536)):
        body += block
    return head + b"\r\n\r\n" + body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def once(url: str, dialect: str = "results", timeout: float = 5, payload: bytes = PAYLOAD) -> Outcome:
    return exchange(payload, Destination(url, FORM, dialect), timeout=timeout)


def told(reply: Reply, timeout: float = 5) -> Outcome:
    with answering(reply) as (url, requests):
        outcome = once(url, timeout=timeout)
    assert len(requests) <= 1
    return outcome


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine stands between a test and its servers."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
