"""Faults over real sockets: each is what its mood says, and a lost answer was scored."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import uvicorn

from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import exchange
from facematch.tasks.competition.submission import Submission
from facematch.tasks.rehearsal import faults
from facematch.tasks.rehearsal.faults import FaultInjector
from facematch.tasks.rehearsal.server import create_app
from facematch.tasks.rehearsal.store import Store

TRUTH = {"q.jpg": frozenset({"g.jpg"})}


@contextmanager
def running(mood: str, store: Store, seed: int = 1) -> Iterator[str]:
    app = FaultInjector(create_app(TRUTH, store=store), mood, seed)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def sent(url: str, number: int) -> Outcome:
    payload = Submission(f"group {number}", {"q.jpg": ("g.jpg",)}).payload()
    return exchange(payload, Destination(f"{url}/results/", CompetitionForm(), "results"), timeout=5)


def test_a_steady_server_answers() -> None:
    store = Store(None)
    with running("steady", store) as url:
        assert sent(url, 1).fate == "scored"


def test_down_and_html_score_nothing() -> None:
    store = Store(None)
    with running("down", store) as url:
        outcomes = [sent(url, number) for number in range(12)]
        kinds = Counter(outcome.kind for outcome in outcomes)
        assert set(kinds) <= {"status-503", "reset", "closed"}
        assert 0 < kinds["status-503"] < 12
        assert {outcome.retry_after for outcome in outcomes if outcome.kind == "status-503"} == {2}
        assert requests.get(url, timeout=5).status_code == 200  # the leaderboard is there all the same
    with running("html", store) as url:
        assert sent(url, 2).kind == "html"
    assert store.all() == []


def test_slow_answers_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults.random.Random, "uniform", lambda *_: 0.3)
    store = Store(None)
    with running("slow", store) as url:
        assert sent(url, 1).fate == "scored"


def test_flaky_is_all_of_them_and_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults.random.Random, "uniform", lambda *_: 0.0)
    seen = []
    for _ in range(2):
        store = Store(None)
        with running("flaky", store, seed=5) as url:
            outcomes = [sent(url, number) for number in range(40)]
        seen.append([outcome.kind for outcome in outcomes])
        scored = {each.group for each in store.all()}
        for number, outcome in enumerate(outcomes):
            assert (f"group {number}" in scored) == (outcome.fate != "not scored")
    assert seen[0] == seen[1]
    assert set(Counter(seen[0])) >= {"scored", "status-500", "status-503", "cut-short"}


def test_another_seed_is_another_order() -> None:
    orders = []
    for seed in (1, 2):
        with running("down", Store(None), seed) as url:
            orders.append([sent(url, number).kind for number in range(16)])
    assert orders[0] != orders[1]


def test_a_lost_answer_was_scored_and_no_byte_of_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(faults._FAULTS, "flaky", {"lost": 1})
    store = Store(None)
    with running("flaky", store) as url:
        port = int(url.rsplit(":", 1)[1])
        payload = Submission("us", {"q.jpg": ("g.jpg",)}).payload()
        head = f"POST /results/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(head + payload)
            assert client.recv(100) == b""
        assert sent(url, 2).fate == "unknown"
    assert [each.group for each in store.all()] == ["us", "group 2"]


@pytest.mark.parametrize(("acts", "status"), [({"lost": 1}, 200), ({"closed": 1}, 503)])
def test_a_server_whose_connections_are_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, acts: dict[str, int], status: int
) -> None:
    monkeypatch.setitem(faults._FAULTS, "flaky", acts)
    started: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": Submission("us", {}).payload()}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/results/",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    asyncio.run(FaultInjector(create_app(TRUTH), "flaky")(scope, receive, send))
    assert started == [status]
