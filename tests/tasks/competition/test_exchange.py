"""One POST, against servers that misbehave: each end has its kind, its fate and its words."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from facematch.settings.competition import CompetitionForm, Dialect
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import Interrupted, exchange
from net import PAYLOAD, SCORE, answering, free_port, once, response, says, told


class TestRequest:
    def test_it_is_sent_as_the_official_example_sends_it(self) -> None:
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            outcome = once(url, "retrieval")
        assert (outcome.kind, outcome.fate, outcome.status) == ("scored", "scored", 200)
        assert outcome.answer is not None
        assert outcome.answer.score == 500
        assert outcome.text == SCORE.decode()
        head, _, body = requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /results/ HTTP/1.1\r\n")
        assert b"content-type" not in head.lower()
        assert b"transfer-encoding" not in head.lower()
        assert f"content-length: {len(PAYLOAD)}".encode() in head.lower()
        assert body == PAYLOAD
        assert len(requests) == 1

    def test_a_content_type_is_a_matter_of_the_form(self) -> None:
        form = CompetitionForm(dialects={"new": Dialect(path="/results/", content_type="application/json")})
        with answering(says(response("200 OK", b'{"results": [1, 1, 1]}'))) as (url, requests):
            exchange(PAYLOAD, Destination(url, form, "new", {"X-Token": "secret"}), timeout=5)
        assert b"content-type: application/json" in requests[0].lower()
        assert b"x-token: secret" in requests[0].lower()

    def test_a_large_payload_arrives_whole(self) -> None:
        large = b"x" * 3_000_000
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            assert once(url, payload=large).fate == "scored"
        assert requests[0].endswith(large)

    @pytest.mark.parametrize("body", [SCORE, b'{"results": [0.5, 0.6, 0.7]}', b"\xef\xbb\xbf" + SCORE])
    @pytest.mark.parametrize("dialect", ["results", "retrieval"])
    def test_both_dialects_are_understood(self, body: bytes, dialect: str) -> None:
        with answering(says(response("200 OK", body, "Content-Type: text/html"))) as (url, _):
            assert once(url, dialect).fate == "scored"

    def test_an_answer_in_pieces_of_unknown_length(self) -> None:
        chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"accurac\r\n8\r\ny": 500}\r\n0\r\n\r\n'
        until_closed = b"HTTP/1.0 200 OK\r\n\r\n" + SCORE
        for data in (chunked, until_closed):
            assert told(says(data)).fate == "scored"

    def test_a_proxy_is_used_but_never_for_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            monkeypatch.setenv("http_proxy", url.removesuffix("/results/"))
            assert once("http://competition.invalid/results/").fate == "scored"
        assert requests[0].startswith(b"POST http://competition.invalid/results/ HTTP/1.1\r\n")
        with answering(says(response("200 OK", SCORE))) as (url, requests):  # the proxy is gone now
            assert once(url).fate == "scored"
        assert requests[0].startswith(b"POST /results/ HTTP/1.1\r\n")


class TestNothingWasSent:
    """The server cannot have had the payload: not scored, and tried again where that may help."""

    def check(self, outcome: Outcome, kind: str, words: str, *, again: bool = True) -> None:
        assert (outcome.kind, outcome.fate, outcome.again) == (kind, "not scored", again)
        assert words in outcome.message
        assert outcome.hint

    def test_refused(self) -> None:
        outcome = once(f"http://127.0.0.1:{free_port()}/results/")
        self.check(outcome, "unreachable", "cannot be reached: Connection refused")
        assert "VPN" in outcome.hint

    def test_a_proxy_that_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        outcome = once("http://competition.invalid/results/")
        self.check(outcome, "proxy", "the proxy on the way to competition.invalid cannot be used: Connection refused")
        assert "http_proxy" in outcome.hint

    def test_dns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        words = "the name competition.invalid cannot be resolved (DNS): Name or service not known"
        self.check(once("http://competition.invalid/results/"), "dns", words)

    def test_unreachable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*_: object, **__: object) -> None:
            raise OSError(113, "No route to host")

        monkeypatch.setattr("urllib3.util.connection.create_connection", unreachable)
        self.check(once("http://10.9.8.7/results/"), "unreachable", "10.9.8.7 cannot be reached: No route to host")

    def test_connect_time_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow(*_: object, **__: object) -> None:
            raise TimeoutError("timed out")

        monkeypatch.setattr("urllib3.util.connection.create_connection", slow)
        self.check(once("http://10.9.8.7/results/"), "connect-time-out", "(connect time-out)")

    def test_a_name_server_that_never_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        sent = []

        def never(*_: object, **__: object) -> None:
            release.wait(20)
            sent.append("looked up")
            raise OSError("too late")

        monkeypatch.setattr(socket, "getaddrinfo", never)
        monkeypatch.setattr("facematch.tasks.competition.exchange._GRACE", 0.1)
        outcome = once("http://competition.invalid/results/", timeout=0.1)
        release.set()
        self.check(outcome, "hang", "neither answered nor closed the connection")

    def test_https_to_a_server_without(self) -> None:
        with _greeting_in_plain() as port:
            outcome = once(f"https://127.0.0.1:{port}/results/")
        self.check(outcome, "tls", "the secure connection to 127.0.0.1", again=False)
        assert "server.ca_bundle" in outcome.hint

    def test_a_ca_bundle_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
        self.check(once("https://127.0.0.1:1/results/"), "failed", "/nowhere/ca.pem", again=False)

    def test_a_connection_closed_before_the_payload(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The head goes out, the first byte of the payload does not.
        closed = threading.Event()

        def broken(*_: object) -> bytes:
            closed.wait(5)
            raise ConnectionResetError(104, "Connection reset by peer")

        def close(listening: socket.socket) -> None:
            listening.accept()[0].close()
            closed.set()

        monkeypatch.setattr("facematch.tasks.competition.line.Gate.read", broken)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=close, args=(listening,), daemon=True)
            thread.start()
            outcome = once(f"http://127.0.0.1:{listening.getsockname()[1]}/results/")
            thread.join(5)
        self.check(outcome, "reset-before", "broke before an answer came")


@contextmanager
def _greeting_in_plain() -> Iterator[int]:
    def greet(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.settimeout(5)
            connection.recv(65_536)
            connection.sendall(response("400 Bad Request", b"plain HTTP here"))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening,), daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


class TestAnErrorStatus:
    """The server's own word that it did not score."""

    @pytest.mark.parametrize("status", ["429 Too Many", "500 Error", "502 Bad", "503 Busy", "504 Late"])
    def test_tired_servers_are_asked_again(self, status: str) -> None:
        outcome = told(says(response(status, b"tired\nmore")))
        assert (outcome.kind, outcome.fate, outcome.again) == (f"status-{status[:3]}", "not scored", True)
        assert f"error status {status}: tired" in outcome.message
        assert outcome.text == "tired\nmore"

    @pytest.mark.parametrize("status", ["400 Bad Request", "401 No", "404 Not Found", "413 Large", "501 Never"])
    def test_a_refusal_is_final(self, status: str) -> None:
        outcome = told(says(response(status, b"images missing")))
        assert (outcome.fate, outcome.again, outcome.status) == ("not scored", False, int(status[:3]))
        assert f"error status {status}: images missing" in outcome.message

    def test_html_in_an_error_is_read_without_its_tags(self) -> None:
        outcome = told(says(response("500 Error", b"<html><h1>Server Error (500)</h1></html>")))
        assert "500 Error: Server Error (500)" in outcome.message
        assert "(no text)" in told(says(response("502 Bad Gateway"))).message

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (b"Bad Gateway", "502 Bad Gateway"),
            (b"bad gateway: nothing behind", "502 Bad Gateway: nothing behind"),
            (b"<title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><hr>nginx", "502 Bad Gateway: nginx"),
            (b"Bad Gateways", "502 Bad Gateway: Bad Gateways"),
            (b"", "502 Bad Gateway: (no text)"),
        ],
    )
    def test_the_status_is_said_once(self, text: bytes, shown: str) -> None:
        assert told(says(response("502 Bad Gateway", text))).message.endswith(f"error status {shown}")

    @pytest.mark.parametrize(
        ("header", "expected"),
        [("7", 7), ("0", 0), (" 3600 ", 3600), ("86400", 86_400), ("Fri, 31 Dec 1999 23:59:59 GMT", 0)],
    )
    def test_retry_after(self, header: str, expected: float) -> None:
        assert told(says(response("503 Busy", b"", f"Retry-After: {header}"))).retry_after == expected

    @pytest.mark.parametrize(
        "header",
        ["9" * 5_000, "86401", "-3", "1.5", "nan", "inf", "soon", "Fri, 31 Dec 2999 23:59:59 GMT"],
    )
    def test_an_absurd_retry_after_is_ignored_with_a_word(self, header: str) -> None:
        outcome = told(says(response("503 Busy", b"", f"Retry-After: {header}")))
        assert (outcome.kind, outcome.fate, outcome.again, outcome.retry_after) == (
            "status-503", "not scored", True, None,
        )  # fmt: skip
        assert f"its Retry-After, {header[:39]}" in outcome.message
        assert "try later" in outcome.hint
        assert len(outcome.message) < 300

    def test_a_date_is_read_by_the_servers_own_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "time", lambda: -1e9)
        headers = "Retry-After: Tue, 02 Jan 2035 10:00:07 GMT", "Date: Tue, 02 Jan 2035 10:00:00 GMT"
        assert told(says(response("503 Busy", b"", *headers))).retry_after == 7

    def test_an_early_refusal_of_a_large_payload(self) -> None:
        def refuses(connection: socket.socket) -> None:
            return

        def early(listening: socket.socket) -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(response("413 Too Large", b"too large"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=early, args=(listening,), daemon=True)
            thread.start()
            outcome = once(f"http://127.0.0.1:{listening.getsockname()[1]}/results/", payload=b"x" * 5_000_000)
            thread.join(5)
        assert outcome.kind == "status-413"


class TestNothingIsMisjudged:
    """No exception of a library, or of our own, ends a thread without an outcome."""

    @pytest.mark.parametrize("where", ["parse_answer", "read_body"])
    @pytest.mark.parametrize("error", [ValueError("odd"), RecursionError(), MemoryError(), KeyError("x")])
    def test_after_the_payload_it_is_unknown(
        self, where: str, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise error

        monkeypatch.setattr(f"facematch.tasks.competition.exchange.{where}", fails)
        outcome = told(says(response("200 OK", SCORE)))
        assert (outcome.kind, outcome.fate, outcome.answer) == ("failed", "unknown", None)
        assert "may have been scored" in outcome.hint

    def test_of_a_complete_error_status_it_stays_not_scored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: object, **__: object) -> bytes:
            raise MemoryError

        monkeypatch.setattr("urllib3.response.HTTPResponse.read1", fails)
        assert told(says(response("503 Busy", b"busy"))).kind == "status-503"
        assert told(says(response("200 OK", SCORE))).kind == "cut-short"

    def test_before_it_nothing_was_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with answering(says(response("200 OK", SCORE))) as (url, requests), monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none)
            outcome = once(url)
        assert (outcome.kind, outcome.fate) == ("failed", "not scored")
        assert "can't start new thread" in outcome.message
        assert requests == []


class TestTheAnswerIsLost:
    """The payload may have been scored: unknown, and never sent again by itself."""

    @pytest.mark.parametrize(
        ("data", "kind", "words"),
        [
            (
                response("200 OK", b"<html><title>Login</title></html>"),
                "html",
                "an HTML page instead of a score: Login",
            ),
            (response("200 OK", b'{"ok": true}'), "wrong-form", "has neither the key 'results' nor 'accuracy'"),
            (response("200 OK", b"[1, 2, 3]"), "wrong-form", "is not a JSON object"),
            (response("200 OK", b'{"accuracy": NaN}'), "not-finite", "not finite"),
            (response("200 OK", b'{"results": [2, 3, 4]}'), "out-of-range", "out of range"),
            (response("200 OK", b"thank you"), "not-json", "is not JSON: thank you"),
            (response("204 No Content"), "empty", "is empty"),
            (response("200 OK", SCORE, length=900), "cut-short", "was cut short after 17 bytes"),
            (response("200 OK", SCORE, length=9), "not-json", "is not JSON"),
            (
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"accurac\r\n',
                "cut-short",
                "was cut short after 9 bytes",
            ),
            (response("200 OK", b"not gzip", "Content-Encoding: gzip"), "cut-short", "was cut short after 0 bytes"),
            (response("200 OK", b" " * 1_000_001), "too-long", "is longer than 1000000 bytes"),
            (b"", "reset", "broke before an answer came"),
            (b"not HTTP at all\r\n\r\n", "reset", "broke before an answer came"),
            (b"HTTP/1.1 200 OK\r\nContent-", "empty", "is empty"),
        ],
    )
    def test_each_has_its_own_words(self, data: bytes, kind: str, words: str) -> None:
        outcome = told(says(data))
        assert (outcome.kind, outcome.fate, outcome.again) == (kind, "unknown", False)
        assert words in outcome.message
        assert len(outcome.message) < 500
        assert "scored" in outcome.hint
        assert outcome.answer is None

    def test_what_came_is_kept_verbatim_and_bounded(self) -> None:
        page = b"<html>" + b"x" * 50_000
        outcome = told(says(response("200 OK", page)))
        assert outcome.text == page[:10_000].decode()

    def test_a_reset_after_the_payload(self) -> None:
        def reset(connection: socket.socket) -> None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        outcome = told(reset)
        assert (outcome.kind, outcome.fate) == ("reset", "unknown")

    def test_no_answer_in_time(self) -> None:
        release = threading.Event()

        def silent(_: socket.socket) -> None:
            release.wait(5)

        with answering(silent) as (url, requests):
            outcome = once(url, timeout=0.2)
            release.set()
        assert (outcome.kind, outcome.fate) == ("read-time-out", "unknown")
        assert "gave no answer within 0.2 s (read time-out)" in outcome.message
        assert len(requests) == 1

    def test_an_answer_that_stops(self) -> None:
        release = threading.Event()

        def stops(connection: socket.socket) -> None:
            connection.sendall(response("200 OK", SCORE[:5], length=len(SCORE)))
            release.wait(5)

        with answering(stops) as (url, _):
            outcome = once(url, timeout=0.2)
            release.set()
        assert (outcome.kind, outcome.fate) == ("stopped", "unknown")

    @pytest.mark.parametrize("head", [True, False])
    def test_an_answer_that_drips(self, head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr("facematch.tasks.competition.exchange._CONNECT", 0.1)
        monkeypatch.setattr("facematch.tasks.competition.exchange._GRACE", 0.1)

        def drips(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" if head else response("200 OK", length=900))
            while not release.wait(0.02):
                connection.sendall(b"X: y\r\n" if head else b" ")

        started = time.monotonic()
        with answering(drips) as (url, _):
            outcome = once(url, timeout=0.3)
            release.set()
        assert time.monotonic() - started < 5
        assert (outcome.kind, outcome.fate) == ("hang" if head else "drip", "unknown")


class TestCtrlC:
    @pytest.mark.parametrize("sent", [True, False])
    def test_what_is_known_goes_along(self, monkeypatch: pytest.MonkeyPatch, sent: bool) -> None:
        release, here = threading.Event(), threading.Event()

        def silent(_: socket.socket) -> None:
            here.set()
            release.wait(5)

        def pressed(thread: threading.Thread, timeout: float | None = None) -> None:
            if sent:
                here.wait(5)
            raise KeyboardInterrupt

        with answering(silent) as (url, requests):
            if not sent:
                monkeypatch.setattr("urllib3.util.connection.create_connection", lambda *_, **__: release.wait(5))
            join = threading.Thread.join
            monkeypatch.setattr(threading.Thread, "join", pressed)
            with pytest.raises(Interrupted) as caught:
                once(url)
            monkeypatch.setattr(threading.Thread, "join", join)
            release.set()
        assert caught.value.outcome.fate == ("unknown" if sent else "not scored")
        assert len(requests) == int(sent)

    def test_an_answer_that_came_is_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        join = threading.Thread.join

        def late(thread: threading.Thread, timeout: float | None = None) -> None:
            join(thread, timeout)
            raise KeyboardInterrupt

        with answering(says(response("200 OK", SCORE))) as (url, _):
            monkeypatch.setattr(threading.Thread, "join", late)
            with pytest.raises(Interrupted) as caught:
                once(url)
            monkeypatch.setattr(threading.Thread, "join", join)
        assert caught.value.outcome.fate == "scored"

    def test_what_was_given_up_is_never_sent_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from urllib3.util import connection

        release, create = threading.Event(), connection.create_connection

        def late(*arguments: object, **options: object) -> socket.socket:
            release.wait(5)
            return create(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr("urllib3.util.connection.create_connection", late)
        monkeypatch.setattr("facematch.tasks.competition.exchange._CONNECT", 0.05)
        monkeypatch.setattr("facematch.tasks.competition.exchange._GRACE", 0.05)
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            outcome = once(url, timeout=0.05)
            release.set()
            for thread in threading.enumerate():
                if thread.name == "exchange":
                    thread.join(5)
        assert (outcome.kind, outcome.fate) == ("hang", "not scored")
        assert not any(PAYLOAD in request for request in requests)
