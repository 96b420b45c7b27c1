"""Posting, against servers on this machine that misbehave in every way one was seen to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from facematch.competition.client import post, submission_url
from facematch.competition.submission import Submission
from facematch.errors import FacematchError

SUBMISSION = Submission("us", {"q.jpg": tuple(f"g{n}.jpg" for n in range(10))})
SCORE = b'{"accuracy": 500}'

Reply = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


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
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def failure(url: str, timeout: float = 5, retries: int = 0) -> FacematchError:
    with pytest.raises(FacematchError) as caught:
        post(SUBMISSION, url, "results", timeout=timeout, retries=retries, backoff=0.01)
    return caught.value


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "dialect", "expected"),
        [
            ("http://host", "results", "http://host/results/"),
            ("http://host:8000/", "retrieval", "http://host:8000/retrieval/"),
            (" https://host/results\n", "results", "https://host/results/"),
            ("http://host/results/", "results", "http://host/results/"),
            ("http://host/retrieval", "retrieval", "http://host/retrieval/"),
            ("http://host/2026/submit", "results", "http://host/2026/submit"),
            ("http://host/api/retrieval/", "results", "http://host/api/retrieval/"),
            ("HTTP://[::1]:8000?key=1#top", "results", "http://[::1]:8000/results/?key=1"),
        ],
    )
    def test_the_path_of_the_dialect(self, url: str, dialect: str, expected: str) -> None:
        assert submission_url(url, dialect) == expected  # type: ignore[arg-type]
        assert submission_url(expected, dialect) == expected  # type: ignore[arg-type]

    @pytest.mark.parametrize("url", ["host:8000/results/", "10.0.0.1", "ftp://host/", "", "//host/results/"])
    def test_no_scheme(self, url: str) -> None:
        with pytest.raises(FacematchError) as caught:
            submission_url(url, "retrieval")
        assert "no http:// or https://" in caught.value.message
        assert "http://HOST:PORT/retrieval/" in caught.value.hint

    @pytest.mark.parametrize("url", ["http://", "http:///results/", "http://[::1", "http://host:port/", "http://a b/"])
    def test_no_address(self, url: str) -> None:
        with pytest.raises(FacematchError, match="is not an address"):
            submission_url(url, "results")

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_a_path_against_the_dialect(self, slash: str) -> None:
        with pytest.raises(FacematchError) as caught:
            submission_url(f"http://host/results{slash}", "retrieval")
        assert "the path of the dialect results, but server.dialect is retrieval" in caught.value.message
        assert "server.dialect=results" in caught.value.hint


class TestRequest:
    def test_it_is_sent_as_the_official_example_sends_it(self) -> None:
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            answer = post(SUBMISSION, url, "retrieval", timeout=5)
        assert answer.score == 500
        head, _, body = requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /results/ HTTP/1.1\r\n")
        assert b"content-type" not in head.lower()
        assert body == SUBMISSION.payload()
        assert len(requests) == 1

    def test_an_answer_in_pieces_of_unknown_length(self) -> None:
        chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"accurac\r\n8\r\ny": 500}\r\n0\r\n\r\n'
        until_closed = b"HTTP/1.0 200 OK\r\n\r\n" + SCORE
        for data in (chunked, until_closed):
            with answering(says(data)) as (url, _):
                assert post(SUBMISSION, url, "results", timeout=5).score == 500

    def test_a_proxy_is_used_but_never_for_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            monkeypatch.setenv("http_proxy", url.removesuffix("/results/"))
            post(SUBMISSION, "http://competition.invalid/results/", "results", timeout=5)
        assert requests[0].startswith(b"POST http://competition.invalid/results/ HTTP/1.1\r\n")
        with answering(says(response("200 OK", SCORE))) as (url, requests):  # the proxy is gone now
            post(SUBMISSION, url, "results", timeout=5)
        assert requests[0].startswith(b"POST /results/ HTTP/1.1\r\n")

    def test_a_proxy_that_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        error = failure("http://competition.invalid/results/")
        assert "the proxy on the way to competition.invalid cannot be used: Connection refused" in error.message
        assert "http_proxy" in error.hint


class TestRetry:
    def test_a_retry_really_happens(self) -> None:
        port = free_port()
        attempts: list[tuple[int, str]] = []
        servers = []

        def on_attempt(number: int, reason: str) -> None:
            attempts.append((number, reason))
            if number == 3:
                server = answering(says(response("200 OK", SCORE)), port)
                servers.append((server, server.__enter__()))

        try:
            answer = post(
                SUBMISSION, f"http://127.0.0.1:{port}/results/", "results",
                timeout=5, backoff=0.01, on_attempt=on_attempt,
            )  # fmt: skip
        finally:
            for server, _ in servers:
                server.__exit__(None, None, None)
        assert answer.score == 500
        assert attempts == [(1, ""), (2, "Connection refused"), (3, "Connection refused")]
        assert len(servers[0][1][1]) == 1

    def test_waiting_grows_and_varies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []
        monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
        url = f"http://127.0.0.1:{free_port()}/results/"
        for _ in range(2):
            with pytest.raises(FacematchError):
                post(SUBMISSION, url, "results", timeout=5, retries=4)
        first, second = waits[:3], waits[3:]
        assert [1 <= first[0] <= 1.5, 2 <= first[1] <= 2.5, 4 <= first[2] <= 4.5] == [True] * 3
        assert first != second

    def test_it_ends(self) -> None:
        attempts: list[int] = []
        url = f"http://127.0.0.1:{free_port()}/results/"
        with pytest.raises(FacematchError) as caught:
            post(
                SUBMISSION, url, "results", timeout=5, retries=2, backoff=0.01,
                on_attempt=lambda number, reason: attempts.append(number),
            )  # fmt: skip
        assert attempts == [1, 2, 3]
        assert "cannot be reached (3 attempts): Connection refused" in caught.value.message
        assert "Nothing was sent" in caught.value.hint

    @pytest.mark.parametrize(
        "reply",
        [
            says(b""),  # closed without an answer
            says(response("503 Service Unavailable", b"busy", "Retry-After: 0")),
            says(response("429 Too Many Requests", b"slow down", "Retry-After: 0")),
            says(response("500 Internal Server Error", b"oops")),
            says(response("200 OK", SCORE, length=len(SCORE) + 1)),
            says(response("307 Temporary Redirect", b"", "Location: /results/")),
            says(b"not HTTP at all\r\n\r\n"),
        ],
    )
    def test_what_may_have_been_scored_is_never_sent_twice(self, reply: Reply) -> None:
        with answering(reply) as (url, requests):
            failure(url, retries=3)
        assert len(requests) == 1

    def test_a_broken_connection_says_so(self) -> None:
        with answering(says(b"")) as (url, _):
            error = failure(url, retries=3)
        assert "broke before an answer came" in error.message
        assert "may have been scored" in error.hint


class TestNoConnection:
    def test_dns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        error = failure("http://competition.invalid/results/", retries=1)
        assert "the name competition.invalid cannot be resolved (DNS) (2 attempts)" in error.message
        assert "Name or service not known" in error.message
        assert "VPN" in error.hint

    def test_unreachable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*_: object, **__: object) -> None:
            raise OSError(113, "No route to host")

        monkeypatch.setattr("urllib3.util.connection.create_connection", unreachable)
        assert "10.9.8.7 cannot be reached: No route to host" in failure("http://10.9.8.7/results/").message

    def test_connect_time_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits = []

        def slow(*_: object, **__: object) -> None:
            waits.append(1)
            raise TimeoutError("timed out")

        monkeypatch.setattr("urllib3.util.connection.create_connection", slow)
        error = failure("http://10.9.8.7/results/", retries=2)
        assert "did not take the connection in time (connect time-out) (3 attempts)" in error.message
        assert "Nothing was sent" in error.hint
        assert len(waits) == 3

    def test_https_to_a_server_without(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=_greet_in_plain, args=(listening,), daemon=True)
            thread.start()
            error = failure(f"https://127.0.0.1:{listening.getsockname()[1]}/results/", retries=2)
            thread.join(5)
        assert "the secure connection to 127.0.0.1" in error.message
        assert "REQUESTS_CA_BUNDLE" in error.hint

    def test_a_ca_bundle_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
        assert "/nowhere/ca.pem" in failure("https://127.0.0.1:1/results/").message


def _greet_in_plain(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        connection.settimeout(5)
        connection.recv(65_536)
        connection.sendall(response("400 Bad Request", b"plain HTTP here"))


class TestBadAnswers:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (response("200 OK", b"<html><title>Login</title></html>"), "an HTML page instead of a score: Login"),
            (response("200 OK", b'{"ok": true}'), "has neither the key 'results' nor 'accuracy'"),
            (response("200 OK", b'{"accuracy": NaN}'), "not finite"),
            (response("200 OK", b'{"results": [2, 3, 4]}'), "out of range"),
            (response("200 OK", b"thank you"), "is not JSON: thank you"),
            (response("204 No Content"), "is empty"),
            (response("200 OK", SCORE, length=900), "was cut short after 17 bytes"),
            (
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"accurac\r\n',
                "was cut short after 9 bytes",
            ),
            (response("200 OK", b"not gzip", "Content-Encoding: gzip"), "was cut short after 0 bytes"),
            (response("200 OK", b" " * 1_000_001), "is longer than 1000000 bytes"),
            (response("500 Internal Server Error", b"no such file\nmore"), "500 Internal Server Error: no such file"),
            (
                response("500 Internal Server Error", b"<html><h1>Server Error (500)</h1></html>"),
                "500 Internal Server Error: Server Error (500)",
            ),
            (response("502 Bad Gateway"), "502 Bad Gateway: (no text)"),
        ],
    )
    def test_each_has_its_own_words_and_may_have_been_scored(self, data: bytes, words: str) -> None:
        with answering(says(data)) as (url, _):
            error = failure(url)
        assert words in error.message
        assert len(error.message) < 500
        assert "may have" in error.hint

    def test_a_refusal_is_not_a_maybe(self) -> None:
        with answering(says(response("400 Bad Request", b"images missing"))) as (url, _):
            error = failure(url)
        assert "error status 400 Bad Request: images missing" in error.message
        assert "server.dialect" in error.hint
        assert "may have" not in error.hint

    @pytest.mark.parametrize("target", ["https://elsewhere.invalid/results/", ""])
    def test_a_redirect_is_not_followed(self, target: str) -> None:
        with answering(says(response("302 Found", SCORE, f"Location: {target}"))) as (url, requests):
            error = failure(url)
        assert f"a redirect (302) to {target or 'nowhere'}" in error.message
        assert "server.url" in error.hint
        assert len(requests) == 1

    def test_an_endless_redirect_is_not_read(self) -> None:
        def endless(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
            for _ in range(100_000):
                connection.sendall(b"x" * 65_536)

        with answering(endless) as (url, _):
            assert "is longer than 1000000 bytes" in failure(url).message

    def test_no_answer_in_time(self) -> None:
        release = threading.Event()

        def silent(_: socket.socket) -> None:
            release.wait(5)

        with answering(silent) as (url, requests):
            error = failure(url, timeout=0.2, retries=3)
            release.set()
        assert "gave no answer within 0.2 s (read time-out)" in error.message
        assert "may have been scored: do not send again blindly" in error.hint
        assert len(requests) == 1

    def test_an_answer_that_stops(self) -> None:
        release = threading.Event()

        def stops(connection: socket.socket) -> None:
            connection.sendall(response("200 OK", SCORE[:5], length=len(SCORE)))
            release.wait(5)

        with answering(stops) as (url, _):
            error = failure(url, timeout=0.2)
            release.set()
        assert "stopped for 0.2 s" in error.message

    def test_an_answer_that_drips(self) -> None:
        release = threading.Event()

        def drips(connection: socket.socket) -> None:
            connection.sendall(response("200 OK", length=900))
            while not release.wait(0.02):
                connection.sendall(b" ")

        with answering(drips) as (url, _):
            error = failure(url, timeout=0.3)
            release.set()
        assert "did not end within 0.3 s" in error.message
