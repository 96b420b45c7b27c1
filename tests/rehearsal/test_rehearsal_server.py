"""The rehearsal server: by its application, over a real socket, and as a process that Ctrl-C stops."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from facematch.competition.address import submission_url
from facematch.competition.answer import Answer
from facematch.competition.exchange import exchange
from facematch.competition.form import AnswerForm, CompetitionForm, Dialect
from facematch.competition.submission import Submission
from facematch.errors import FacematchError
from facematch.rehearsal.server import create_app, serve

FORM = CompetitionForm()
TRUTH = {f"q{n}.jpg": frozenset({f"g{n}.jpg"}) for n in range(4)}
WRONG = tuple(f"w{n}.jpg" for n in range(10))


def post(sent: Submission, url: str, dialect: str, timeout: float) -> Answer:
    """Send as the client does; what is not scored is raised with its message."""
    outcome = exchange(sent.payload(), url, FORM, dialect, headers={}, timeout=timeout)
    if outcome.answer is None:
        raise FacematchError(outcome.message)
    return outcome.answer


def submission(group: str = "us") -> Submission:
    # Right at the 1st, 5th and 10th place, and never.
    return Submission(
        group,
        {
            "q0.jpg": ("g0.jpg", *WRONG[1:]),
            "q1.jpg": (*WRONG[:4], "g1.jpg", *WRONG[5:]),
            "q2.jpg": (*WRONG[:9], "g2.jpg"),
            "q3.jpg": WRONG,
        },
    )


class Local:
    """Asks an application without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def post(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **request))

    def get(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **request))

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **request)


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
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff", "not JSON"),
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
        assert "/results/ us[2J: score 375.0 (top-1 0.250, top-5 0.500, top-10 0.750; 4 queries)" in lines[0]
        assert "/retrieval/ (no name): score 0.0" in lines[1]
        assert all(line.isprintable() for line in lines)


class TestLimits:
    def test_a_client_that_sends_too_often_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr("facematch.rehearsal.server.time.monotonic", lambda: now[0])
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
        assert (wrong.status_code, "came before with another submission" in wrong.text) == (400, True)
        long = client.post("/results/", content=submission().payload(), headers={"Idempotency-Key": "k" * 201})
        assert long.status_code == 400
        assert client.post("/results/", content=submission().payload()).status_code == 200

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


class TestOwnGroup:
    def test_only_its_missed_queries_are_shown(self) -> None:
        client = Local(create_app(TRUTH, own="us"))
        for group in ("us", "others"):
            client.post("/results/", content=submission(group).payload())
        own = client.get("/groups/us").text
        assert "1 of 4 queries have no right photo among their ten." in own
        assert "q3.jpg" in own
        assert "q2.jpg" not in own
        assert "q3.jpg" not in client.get("/groups/others").text
        assert "(you)" in client.get("/").text

    def test_nothing_missed_is_said(self) -> None:
        client = Local(create_app(TRUTH, own="us"))
        images = {query: (*right, *WRONG[:9]) for query, right in TRUTH.items()}
        client.post("/results/", content=Submission("us", images).payload())
        assert "every query has a right photo among its ten" in client.get("/groups/us").text


class TestPage:
    def test_it_tells_what_this_is(self, client: Local) -> None:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "ground truth of 4 queries" in page.text
        assert "http://testserver/results/" in page.text
        assert "http://testserver/retrieval/" in page.text
        assert "None yet." in page.text

    def test_groups_stand_by_their_best_score(self, client: Local) -> None:
        for group, queries in (("poor", 1), ("good", 3), ("good", 1), ("fair", 2), ("tie", 2)):
            images = dict(list(submission().images.items())[:queries])
            client.post("/results/", content=Submission(group, images).payload())
        text = client.get("/").text
        assert re.findall(r'href="/groups/(\w+)"', text) == ["good", "fair", "tie", "poor"]
        assert "375.0" in text
        assert "0.250 / 0.500 / 0.750" in text
        assert "4 groups, 5 submissions" in text

    def test_what_strangers_wrote_is_escaped_and_bounded(self, client: Local) -> None:
        client.post("/results/", content=submission("<script>alert('x')</script>&{queries}").payload())
        client.post("/results/", content=submission("n" * 5000).payload())
        page = client.get("/", headers={"Host": "h<b>"})
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;{queries}" in page.text
        assert "n" * 80 in page.text
        assert "n" * 81 not in page.text
        assert "h<b>" not in page.text

    @pytest.mark.parametrize("group", ["a/b", "%2e", "?x", "ünï", "a b", "<b>", "'\"", "#", "a//b"])
    def test_a_group_of_any_name_has_its_page(self, client: Local, group: str) -> None:
        client.post("/results/", content=submission(group).payload())
        (link,) = re.findall(r'href="(/groups/[^"]*)"', client.get("/").text)
        page = client.get(link)
        assert page.status_code == 200
        assert "<b>" not in page.text

    def test_it_needs_nothing_from_outside(self, client: Local) -> None:
        client.post("/results/", content=submission().payload())
        for path in ("/", "/groups/us"):
            page = client.get(path)
            assert not re.search(r"<(link|iframe)\b|\bsrc=[\"']?(?!/)|url\(", page.text)
            policy = page.headers["content-security-policy"]
            nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
            assert policy.startswith("default-src 'none'")
            assert nonce is not None
            assert page.text.count(f'nonce="{nonce[1]}"') == page.text.count("<script") + page.text.count("<style") == 2
        assert client.get("/").headers["content-security-policy"] != client.get("/").headers["content-security-policy"]

    def test_an_unknown_group(self, client: Local) -> None:
        answer = client.get("/groups/nobody")
        assert (answer.status_code, answer.text.startswith("No such group")) == (404, True)

    def test_the_version_grows_with_each_submission(self, client: Local) -> None:
        assert client.get("/version").text == "0"
        client.post("/results/", content=submission().payload())
        assert client.get("/version").text == "1"
        assert 'data-version="1"' in client.get("/").text

    def test_the_ground_truth_stays_inside(self, client: Local) -> None:
        client.post("/results/", content=submission().payload())
        for path in ("/", "/groups/us", "/version"):
            assert "g0.jpg" not in client.get(path).text
        for path in ("/ground_truth.json", "/photos/0", "/photos/-1", "/static/x", "/groups/%2e%2e/x"):
            assert client.get(path).status_code == 404


@contextmanager
def running() -> Iterator[str]:
    """The application on a free port of this machine, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(TRUTH), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


class TestEndToEnd:
    def test_our_client_in_both_dialects(self) -> None:
        with running() as address:
            results = post(submission(), submission_url(address, FORM, "results"), "results", timeout=10)
            retrieval = post(submission(), submission_url(address, FORM, "retrieval"), "retrieval", timeout=10)
        assert (results.top1, results.top5, results.top10, results.score) == (0.25, 0.5, 0.75, 375)
        assert (retrieval.dialect, retrieval.top1, retrieval.score) == ("retrieval", None, 375)

    def test_a_missing_slash_is_an_error_that_shows_the_way(self) -> None:
        with running() as address, pytest.raises(FacematchError) as caught:
            post(submission(), f"{address}/results", "results", timeout=10)
        assert "error status 404 Not Found: Not Found. POST a submission to /results/" in caught.value.message

    def test_a_real_task_in_size(self) -> None:
        names = tuple(f"{n:040x}.jpg" for n in range(10))
        large = Submission("us", {f"{n:040x}.jpg": names for n in range(6000)})
        with running() as address:
            assert post(large, f"{address}/retrieval/", "retrieval", timeout=20).score == 0


class TestServe:
    def start(self, tmp_path: Path) -> tuple["subprocess.Popen[str]", str]:
        (tmp_path / "truth.json").write_text(json.dumps({query: list(names) for query, names in TRUTH.items()}))
        code = (
            # A shell's background job, and so its children, ignore Ctrl-C until they ask for it.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from pathlib import Path; from facematch.rehearsal.server import serve; "
            "serve(Path('truth.json'), port=0, on_ready=lambda address: print(address, flush=True)); print('left')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def test_it_serves_until_ctrl_c(self, tmp_path: Path) -> None:
        process, address = self.start(tmp_path)
        try:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            answer = post(submission(), f"{address}/results/", "results", timeout=10)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=15)
        finally:
            process.kill()
        assert answer.score == 375
        assert (process.returncode, out.strip()) == (0, "left")
        assert len(err.splitlines()) == 1
        assert "/results/ us: score 375.0" in err

    def test_ctrl_c_at_once_and_with_an_open_connection(self, tmp_path: Path) -> None:
        process, address = self.start(tmp_path)
        try:
            port = int(address.rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
                idle.sendall(b"POST /results/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=15)
        finally:
            process.kill()
        assert process.returncode == 0

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(FacematchError) as caught:
                serve(tmp_path / "truth.json", port=port)
        assert f"port {port} on 127.0.0.1 is already in use" in caught.value.message
        assert "--port" in caught.value.hint

    def test_an_address_of_another_machine(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        with pytest.raises(FacematchError) as caught:
            serve(tmp_path / "truth.json", host="192.0.2.1", port=0)
        assert "cannot listen on 192.0.2.1" in caught.value.message
        assert "--host" in caught.value.hint

    def test_a_bad_ground_truth_is_told_before_anything_listens(self, tmp_path: Path) -> None:
        ready: list[str] = []
        with pytest.raises(FacematchError, match="does not exist"):
            serve(tmp_path / "absent.json", port=0, on_ready=ready.append)
        assert ready == []
