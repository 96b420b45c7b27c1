"""Moods over real sockets: each is what it says, and a lost answer was scored."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
import uvicorn

from facematch.competition.exchange import Outcome, exchange
from facematch.competition.form import CompetitionForm
from facematch.competition.submission import Submission
from facematch.rehearsal import moods
from facematch.rehearsal.moods import Mood, Moody
from facematch.rehearsal.server import create_app
from facematch.rehearsal.store import Store

TRUTH = {"q.jpg": frozenset({"g.jpg"})}


@contextmanager
def running(mood: Mood, store: Store, seed: int = 1) -> Iterator[str]:
    app = Moody(create_app(TRUTH, store=store), mood, seed)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def sent(url: str, number: int) -> Outcome:
    payload = Submission(f"group {number}", {"q.jpg": ("g.jpg",)}).payload()
    return exchange(payload, f"{url}/results/", CompetitionForm(), "results", headers={}, timeout=5)


def test_a_steady_server_answers() -> None:
    store = Store(None)
    with running("steady", store) as url:
        assert sent(url, 1).fate == "scored"


def test_down_and_html_score_nothing() -> None:
    store = Store(None)
    with running("down", store) as url:
        outcome = sent(url, 1)
        assert (outcome.kind, outcome.retry_after) == ("status-503", 2)
        assert requests.get(url, timeout=5).status_code == 200  # the leaderboard is there all the same
    with running("html", store) as url:
        assert sent(url, 2).kind == "html"
    assert store.all() == []


def test_slow_answers_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moods.random.Random, "uniform", lambda *_: 0.3)
    store = Store(None)
    with running("slow", store) as url:
        assert sent(url, 1).fate == "scored"


def test_flaky_is_all_of_them_and_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moods.random.Random, "uniform", lambda *_: 0.0)
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
