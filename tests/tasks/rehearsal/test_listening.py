"""Connections over real sockets: silence and dripping end, work does not."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
import uvicorn

from facematch.core.errors import FacematchError
from facematch.tasks.rehearsal import limits
from facematch.tasks.rehearsal.server import create_app
from rehearsal_helpers import TRUTH, submission

GET = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /results/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(limits, "_LOOK", 0.1)
    with running() as port:
        yield port


@contextmanager
def running() -> Iterator[int]:
    with limits.listen("127.0.0.1", 0) as opened:
        config = limits.config_of(create_app(TRUTH))
        config.timeout_keep_alive = 60  # so that what ends here is not ended by uvicorn's own time-out
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        yield int(opened.getsockname()[1])
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def ended(client: socket.socket, drip: Callable[[], bytes]) -> bool:
    """Send a byte every now and then until the server ends the connection; False when it never does."""
    client.settimeout(0.02)
    for _ in range(500):
        try:
            if (data := drip()) != b"":
                client.sendall(data)
            if client.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_a_silent_connection_ends(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert ended(client, lambda: b"")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nX: ", GET + b"GET / HTTP/1.1\r\nX: "], ids=["first", "second"])
def test_headers_that_drip_end(port: int, first: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(first)
        assert ended(client, lambda: b"x")


def test_a_body_that_drips_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_BUSY", 4)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(POST)
        assert ended(client, lambda: b" ")


def test_a_client_that_asks_and_asks_is_never_cut(port: int) -> None:
    with requests.Session() as session:
        until = time.monotonic() + 1.5  # several times what silence is allowed
        answers = 0
        while time.monotonic() < until:
            payload = submission().payload()
            assert session.post(f"http://localhost:{port}/results/", data=payload, timeout=10).status_code == 200
            answers += 1
            time.sleep(0.03)
        assert answers > 3


def test_a_crowd_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_CONNECTIONS", 5)
    with running() as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        try:
            assert requests.get(f"http://127.0.0.1:{port}/version", timeout=10).status_code == 503
        finally:
            for each in silent:
                each.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no..host", "\u00fc" * 300])
def test_a_host_that_is_not_here_is_named(host: str) -> None:
    with pytest.raises(FacematchError, match="cannot listen on") as caught:
        limits.listen(host, 0)
    assert "--host" in caught.value.hint
