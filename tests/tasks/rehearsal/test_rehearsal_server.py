"""The rehearsal server's answers and limits, by its application."""

import sqlite3
import threading
from pathlib import Path

import pytest

from facematch.settings.competition import AnswerForm, CompetitionForm, Dialect
from facematch.tasks.competition.submission import Submission
from facematch.tasks.rehearsal.server import create_app
from facematch.tasks.rehearsal.store import Store
from rehearsal_helpers import TRUTH, Local, submission


@pytest.fixture
def client() -> Local:
    return Local(create_app(TRUTH))


class TestAnswers:
    def test_both_dialects(self, client: Local) -> None:
        results = client.post("/results/", content=submission().payload())
        assert (results.status_code, results.json()) == (200, {"results": [0.25, 0.5, 0.75]})
        retrieval = client.post("/retrieval/", content=submission().payload())
        assert (retrieval.status_code, retrieval.json()) == (200, {"accuracy": 150 + 150 + 75})

    @pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
    def test_any_content_type(self, client: Local, kind: str) -> None:
        answer = client.post("/results/", content=submission().payload(), headers={"Content-Type": kind})
        assert answer.json() == {"results": [0.25, 0.5, 0.75]}

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "cannot be read as JSON"),
            (b"{", "cannot be read as JSON"),
            (b"\xff", "cannot be read as JSON"),
            (b'{"name": "us", "images": {}}', "has no key 'groupname'"),
            (b'{"groupname": "us", "images": {"q0.jpg": "g0.jpg"}}', "not a list of names"),
        ],
    )
    @pytest.mark.parametrize("path", ["/results/", "/retrieval/"])
    def test_malformed(self, client: Local, body: bytes, words: str, path: str) -> None:
        answer = client.post(path, content=body)
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert words in answer.text

    def test_too_large(self) -> None:
        client = Local(create_app(TRUTH, max_body=100))
        answer = client.post("/results/", content=b" " * 101)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "text/plain; charset=utf-8")
        assert "larger than 100 bytes" in answer.text
        assert client.post("/results/", content=b" " * 100).status_code == 400

    @pytest.mark.parametrize("path", ["/results", "/retrieval", "/", "/docs", "/openapi.json", "/elsewhere/"])
    def test_other_paths(self, client: Local, path: str) -> None:
        answer = client.post(path, content=submission().payload(), follow_redirects=False)
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"].startswith("text/plain")
        assert "/results/ or /retrieval/" in answer.text

    def test_looking_at_a_post_address(self, client: Local) -> None:
        answer = client.get("/results/")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    def test_one_line_is_logged_for_each_that_was_scored(self) -> None:
        lines: list[str] = []
        client = Local(create_app(TRUTH, log=lines.append))
        client.post("/results/", content=submission("us\n\x1b[2J").payload())
        client.post("/results/", content=b"nonsense")
        client.post("/retrieval/", content=Submission("", {}).payload())
        assert len(lines) == 2
        assert "/results/ us [2J: score 375.0 (top-1 0.250, top-5 0.500, top-10 0.750; 4 queries)" in lines[0]
        assert "/retrieval/ (no name): score 0.0" in lines[1]
        assert all(line.isprintable() for line in lines)


class TestLimits:
    def test_a_client_that_sends_too_often_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr("facematch.tasks.rehearsal.limits.time.monotonic", lambda: now[0])
        client = Local(create_app(TRUTH, rate=3))
        answers = [client.post("/results/", content=submission().payload()) for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert answers[3].headers["retry-after"] == "20"
        assert "More than 3 submissions a minute" in answers[3].text
        now[0] = 21
        assert client.post("/results/", content=submission().payload()).status_code == 200
        assert client.post("/results/", content=submission().payload()).status_code == 429
        assert client.get("/").status_code == 200  # looking costs nothing

    def test_the_same_key_is_scored_once(self) -> None:
        lines: list[str] = []
        client = Local(create_app(TRUTH, log=lines.append))
        key = {"Idempotency-Key": "abc"}
        first = client.post("/results/", content=submission().payload(), headers=key)
        second = client.post("/results/", content=submission().payload(), headers=key)
        other = client.post("/retrieval/", content=submission().payload(), headers=key)
        assert (first.json(), second.json(), other.json()) == ({"results": [0.25, 0.5, 0.75]},) * 2 + (
            {"accuracy": 375},
        )
        assert len(lines) == 1
        assert "1 submission;" in client.get("/").text
        wrong = client.post("/results/", content=submission("others").payload(), headers=key)
        assert (wrong.status_code, "came before with another submission" in wrong.text) == (422, True)
        long = client.post("/results/", content=submission().payload(), headers={"Idempotency-Key": "k" * 201})
        assert long.status_code == 400
        assert client.post("/results/", content=submission().payload()).status_code == 200

    def test_one_key_at_the_same_moment_with_two_submissions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Store, "find", lambda *_: None)  # neither saw the other
        client = Local(create_app(TRUTH))
        key = {"Idempotency-Key": "abc"}
        answers = [
            client.post("/results/", content=submission(group).payload(), headers=key)
            for group in ("us", "others", "us")
        ]
        assert [each.status_code for each in answers] == [200, 422, 200]
        assert answers[0].json() == answers[2].json()
        assert "1 submission;" in client.get("/").text

    @pytest.mark.parametrize("rate", [3, 7, 11, 13, 600])
    def test_who_waits_as_told_is_let_in(self, monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
        now = [0.0]
        monkeypatch.setattr("facematch.tasks.rehearsal.limits.time.monotonic", lambda: now[0])
        client = Local(create_app(TRUTH, rate=rate))
        for _ in range(int(rate)):
            assert client.post("/results/", content=b"").status_code == 400
        for _ in range(3):
            refused = client.post("/results/", content=b"")
            assert refused.status_code == 429
            now[0] += float(refused.headers["retry-after"])
            assert client.post("/results/", content=b"").status_code == 400
            while client.post("/results/", content=b"").status_code != 429:
                pass

    def test_asking_in_vain_does_not_lengthen_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr("facematch.tasks.rehearsal.limits.time.monotonic", lambda: now[0])
        client = Local(create_app(TRUTH, rate=1))
        statuses = []
        for _ in range(14):
            statuses.append(client.post("/results/", content=b"").status_code)
            now[0] += 5
        assert statuses == [400, *[429] * 11, 400, 429]

    def test_each_address_has_its_own_rate(self) -> None:
        app = create_app(TRUTH, rate=1)
        statuses = [
            Local(app, address).post("/results/", content=b"").status_code for address in ("10.0.0.1", "10.0.0.2") * 2
        ]
        assert statuses == [400, 400, 429, 429]

    def test_what_the_disk_refuses_is_not_scored(self, tmp_path: Path) -> None:
        lines: list[str] = []
        store = Store(tmp_path / "s.sqlite")
        client = Local(create_app(TRUTH, store=store, log=lines.append))
        with sqlite3.connect(tmp_path / "s.sqlite") as table:
            table.execute("CREATE TRIGGER full BEFORE INSERT ON scored BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        answer = client.post("/results/", content=submission().payload())
        assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")
        assert lines == ["! the server's store failed, so POST /results/ was not answered: disk is full"]
        with sqlite3.connect(tmp_path / "s.sqlite") as table:
            table.execute("DROP TRIGGER full")
        assert client.post("/results/", content=submission().payload()).status_code == 200
        assert client.get("/version").text == "1"
        store.close()

    def test_many_threads_with_one_key_are_one_submission(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "s.sqlite")
        client = Local(create_app(TRUTH, store=store))
        answers: list[object] = []

        def work() -> None:
            payload, key = submission().payload(), {"Idempotency-Key": "abc"}
            answers.append(client.post("/results/", content=payload, headers=key).json())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [{"results": [0.25, 0.5, 0.75]}] * 8
        assert len(store.all()) == 1
        store.close()

    def test_a_form_told_on_the_day_is_served(self) -> None:
        points = Dialect(
            path="/rank", group_key="team", images_key="answers", answer=AnswerForm(key="points", form="score")
        )
        form = CompetitionForm(weights=(4, 2, 1), dialects={"new": points})
        client = Local(create_app(TRUTH, form=form))
        answer = client.post("/rank", content=submission().payload(points))
        assert answer.json() == {"points": 4 * 0.25 + 2 * 0.5 + 0.75}
        assert "has no key 'team'" in client.post("/rank", content=submission().payload()).text
        assert client.post("/results/", content=submission().payload()).status_code == 404
        assert "scores of 7" in client.get("/").text
