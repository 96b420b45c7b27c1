"""Sending: again where it is safe, never twice by accident, every attempt in the journal."""

import re
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.competition import sending
from facematch.tasks.competition.address import Destination, RetryPolicy, kept_url
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import Interrupted
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission
from facematch.tasks.competition.sending import send
from net import FORM, PAYLOAD, SCORE, Reply, answering, free_port, response, says

QUICK = RetryPolicy(timeout=5, deadline=30, attempts=5, backoff=0.01)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "submissions") as opened:
        yield opened


@pytest.fixture
def kept(journal: Journal) -> StoredSubmission:
    return journal.keep(PAYLOAD, "results", to_send=True)


def to(url: str, *, headers: dict[str, str] | None = None, retry: RetryPolicy = QUICK) -> Destination:
    return Destination(url, FORM, "results", headers or {}, retry=retry)


def in_turn(*replies: Reply) -> Reply:
    left = list(replies)
    return lambda connection: (left.pop(0) if len(left) > 1 else left[0])(connection)


GOOD = says(response("200 OK", SCORE))
BUSY = says(response("503 Busy", b"busy", "Retry-After: 0"))


def test_a_submission_is_scored_and_written_down(journal: Journal, kept: StoredSubmission) -> None:
    with answering(GOOD) as (url, requests):
        sent = send(journal, kept, to(url))
    assert isinstance(sent, Outcome)
    assert sent.answer is not None
    assert sent.answer.score == 500
    (attempt,) = journal.attempts(kept)
    assert (attempt.fate, attempt.score, attempt.url, attempt.status) == ("scored", 500, url, 200)
    assert attempt.seconds is not None
    assert attempt.seconds >= 0
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert body == PAYLOAD
    assert f"Idempotency-Key: {kept.sha256}".encode() in head


def test_the_attempt_is_on_the_disk_before_the_first_byte(journal: Journal, kept: StoredSubmission) -> None:
    seen = []

    def look(connection: socket.socket) -> None:
        with Journal(journal.path.parent) as other:
            seen.extend((other.payload(kept), attempt.fate) for attempt in other.attempts())
        GOOD(connection)

    with answering(look) as (url, _):
        send(journal, kept, to(url))
    assert seen == [(PAYLOAD, "sending")]


@pytest.mark.parametrize("status", ["429 Slow", "500 Oops", "502 Bad", "503 Busy", "504 Late"])
def test_a_tired_server_is_asked_again(journal: Journal, kept: StoredSubmission, status: str) -> None:
    with answering(in_turn(says(response(status)), says(response(status)), GOOD)) as (url, requests):
        sent = send(journal, kept, to(url))
    assert isinstance(sent, Outcome)
    assert sent.fate == "scored"
    assert len(requests) == 3
    assert [attempt.fate for attempt in journal.attempts()] == ["not scored", "not scored", "scored"]


def test_a_server_that_comes_up_is_found(journal: Journal, kept: StoredSubmission) -> None:
    port, told = free_port(), []
    servers = []

    def report(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            server = answering(GOOD, port)
            servers.append((server, server.__enter__()))

    try:
        sent = send(journal, kept, to(f"http://127.0.0.1:{port}/results/"), report=report)
    finally:
        for server, _ in servers:
            server.__exit__(None, None, None)
    assert isinstance(sent, Outcome)
    assert sent.fate == "scored"
    assert "Connection refused; attempt 2 of 5 in 0.0 s" in told[0]
    assert len(servers[0][1][1]) == 1


@pytest.mark.parametrize(
    "reply",
    [
        says(b""),
        says(response("200 OK", SCORE, length=len(SCORE) + 1)),
        says(response("200 OK", b"<html>tired</html>")),
        says(response("200 OK", b'{"accuracy": NaN}')),
        says(b"not HTTP at all\r\n\r\n"),
        says(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        says(response("302 Found", b"", "Location: /thanks/")),
        says(response("303 See Other", b"", "Location: /thanks/")),
    ],
)
def test_a_lost_answer_is_never_followed_by_another_attempt(
    journal: Journal, kept: StoredSubmission, reply: Reply
) -> None:
    with answering(reply) as (url, requests):
        first = send(journal, kept, to(url))
        second = send(journal, kept, to(url))
        assert isinstance(first, Outcome)
        assert first.fate == "unknown"
        assert isinstance(second, Attempt)
        assert second.fate == "unknown"
        assert len(requests) == 1
        send(journal, kept, to(url), again=True)
        assert len(requests) == 2
    keys = {line for request in requests for line in request.split(b"\r\n") if line.startswith(b"Idempotency-Key")}
    assert len(keys) == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "413 Too Large", "308 Moved"])
def test_a_refusal_is_not_repeated_but_may_be_sent_again(journal: Journal, kept: StoredSubmission, status: str) -> None:
    with answering(in_turn(says(response(status, b"no", "Location: /x")), GOOD)) as (url, requests):
        assert send(journal, kept, to(url)).fate == "not scored"
        assert len(requests) == 1
        assert send(journal, kept, to(url)).fate == "scored"


def test_what_was_scored_is_not_sent_again(journal: Journal, kept: StoredSubmission) -> None:
    with answering(GOOD) as (url, requests):
        send(journal, kept, to(url))
        sent = send(journal, kept, to(url))
    assert isinstance(sent, Attempt)
    assert sent.score == 500
    assert len(requests) == 1


class TestWaiting:
    @pytest.fixture(autouse=True)
    def _no_sleep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[float] = []
        monkeypatch.setattr(sending.time, "sleep", self.waits.append)

    def refused(self, journal: Journal, kept: StoredSubmission, retry: RetryPolicy) -> list[str]:
        told: list[str] = []
        url = f"http://127.0.0.1:{free_port()}/results/"
        send(journal, kept, to(url, retry=retry), report=told.append)
        return told

    def test_it_grows_and_varies(self, journal: Journal, kept: StoredSubmission) -> None:
        self.refused(journal, kept, RetryPolicy(attempts=6, backoff=1))
        first = list(self.waits)
        self.waits.clear()
        self.refused(journal, kept, RetryPolicy(attempts=6, backoff=1))
        for wait, base in zip(first, (0, 2, 4, 8, 16), strict=True):
            assert base <= wait <= base + 1
        assert first != self.waits

    def test_it_has_a_longest(self, journal: Journal, kept: StoredSubmission) -> None:
        self.refused(journal, kept, RetryPolicy(attempts=12, backoff=5, deadline=1e6))
        assert max(self.waits) == 60

    def test_attempts_end(self, journal: Journal, kept: StoredSubmission) -> None:
        self.refused(journal, kept, RetryPolicy(attempts=3))
        assert len(journal.attempts()) == 3
        assert len(self.waits) == 2

    def test_the_deadline_ends(self, journal: Journal, kept: StoredSubmission) -> None:
        told = self.refused(journal, kept, RetryPolicy(attempts=100, backoff=4, deadline=3))
        assert len(journal.attempts()) == 2
        assert "; no time for another attempt within 3 s" in told[-1]

    def test_a_server_may_ask_for_more(self, journal: Journal, kept: StoredSubmission) -> None:
        with answering(in_turn(says(response("429 Slow", b"", "Retry-After: 17")), GOOD)) as (url, _):
            send(journal, kept, to(url))
        assert self.waits == [17]

    def test_a_server_that_asks_for_too_much_is_left(self, journal: Journal, kept: StoredSubmission) -> None:
        told: list[str] = []
        with answering(says(response("503 Busy", b"", "Retry-After: 9999"))) as (url, requests):
            sent = send(journal, kept, to(url), report=told.append)
        assert isinstance(sent, Outcome)
        assert sent.kind == "status-503"
        assert (len(requests), self.waits) == (1, [])
        assert "no time for another attempt" in told[0]


def test_one_silent_server_does_not_outlast_the_deadline(journal: Journal, kept: StoredSubmission) -> None:
    release = threading.Event()

    def silent(_: socket.socket) -> None:
        release.wait(10)

    with answering(silent) as (url, _):
        sent = send(journal, kept, to(url, retry=RetryPolicy(timeout=60, deadline=0.6, attempts=5)))
        release.set()
    assert isinstance(sent, Outcome)
    assert sent.kind == "read-time-out"
    waited = re.search(r"within ([\d.]+) s", sent.message)
    assert waited is not None
    assert 0.1 <= float(waited[1]) <= 0.3


def test_a_secret_is_sent_and_kept_nowhere(journal: Journal, kept: StoredSubmission) -> None:
    with answering(says(response("401 No", b"no"))) as (url, requests):
        secret = url.replace("http://", "http://me:secret-password@")
        send(journal, kept, to(secret, headers={"X-Token": "secret-token"}))
    assert b"X-Token: secret-token" in requests[0]
    assert journal.attempts()[0].url == url
    journal._table.close()
    for path in journal.path.parent.iterdir():
        assert b"secret" not in path.read_bytes()


def test_a_server_that_repeats_what_it_was_sent_puts_no_secret_on_the_disk(
    journal: Journal, kept: StoredSubmission
) -> None:
    def echoes(connection: socket.socket) -> None:
        says(response("400 Bad", requests[-1].partition(b"\r\n\r\n")[0]))(connection)

    headers = {"Authorization": "Bearer secret-token"}
    with answering(echoes) as (url, requests):
        sent = send(journal, kept, to(f"{url}?token=secret-value", headers=headers))
        assert isinstance(sent, Outcome)
        assert "Authorization: …" in sent.text
        assert "?token=…" in sent.message
        send(journal, kept, to(f"{url.replace('//', '//me:secret-word@')}?secret-other"))
    assert b"secret-value" in requests[0]
    assert b"Authorization: Basic" in requests[1]
    journal._table.close()
    for path in journal.path.parent.iterdir():
        assert b"secret" not in path.read_bytes()
        assert b64encode(b"me:secret-word") not in path.read_bytes()


def test_an_address_with_a_token_is_known_again(journal: Journal, kept: StoredSubmission) -> None:
    with answering(GOOD) as (url, requests):
        first = kept_url(url + "?token=first")  # one token in 256 is kept alike
        other = next(name for name in ("other", "third") if kept_url(f"{url}?token={name}") != first)
        for query in ("?token=first", "?token=first", f"?token={other}"):
            send(journal, kept, to(url + query))
        assert len(requests) == 2
    # An earlier version kept the address whole.
    journal._table.execute("UPDATE attempts SET url = ? WHERE id = 1", (f"{url}?token=first",))
    before = send(journal, kept, to(f"{url}?token=first"))
    assert isinstance(before, Attempt)
    assert before.url.startswith(f"{url}?token=…")


def test_ctrl_c_is_written_down(journal: Journal, kept: StoredSubmission, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    here = threading.Event()

    def silent(_: socket.socket) -> None:
        here.set()
        release.wait(5)

    def pressed(thread: threading.Thread, timeout: float | None = None) -> None:
        here.wait(5)
        raise KeyboardInterrupt

    with answering(silent) as (url, _):
        join = threading.Thread.join
        monkeypatch.setattr(threading.Thread, "join", pressed)
        with pytest.raises(Interrupted):
            send(journal, kept, to(url))
        monkeypatch.setattr(threading.Thread, "join", join)
        release.set()
    (attempt,) = journal.attempts()
    assert (attempt.fate, attempt.kind) == ("unknown", "interrupted")


def test_the_answer_reaches_the_person_when_the_disk_is_full(
    journal: Journal, kept: StoredSubmission, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise FacematchError("the journal cannot be used: disk is full.", "Free space.")

    monkeypatch.setattr(Journal, "end", full)
    with answering(GOOD) as (url, _), pytest.raises(FacematchError, match=r'answer was: \{"accuracy": 500\}'):
        send(journal, kept, to(url))
    assert journal.attempts()[0].fate == "sending"


def test_of_two_at_once_one_is_sent(journal: Journal, kept: StoredSubmission) -> None:
    release = threading.Event()

    def slow(connection: socket.socket) -> None:
        release.wait(5)
        GOOD(connection)

    results = []
    with answering(slow) as (url, requests):

        def other() -> None:
            with Journal(journal.path.parent) as mine:
                results.append(send(mine, kept, to(url)))

        threads = [threading.Thread(target=other) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(results) < 2:
            threading.Event().wait(0.01)
        release.set()
        for thread in threads:
            thread.join(10)
    assert len(requests) == 1
    fates = (sent.fate if isinstance(sent, Attempt) else "sent" for sent in results)
    assert sorted(fates) == [
        "sending",
        "sending",
        "sent",
    ]
