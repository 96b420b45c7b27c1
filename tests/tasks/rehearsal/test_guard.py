"""Whom the rehearsal server answers: hosts that are its own, posts that no foreign page makes."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from facematch.tasks.rehearsal.guard import refusal
from facematch.tasks.rehearsal.server import create_app
from rehearsal_helpers import TRUTH, Local, submission

LOCAL = ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:99", "127.8.8.8", "[::1]", "[::1]:8000"]
FOREIGN = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.example", "localhost@evil", "",
           "a b", "[::1", "::1", "localhost:8000:1", "/", "1.2.3.4"]  # fmt: skip
PATHS = ["/", "/groups/us", "/photos/0", "/version", "/openapi.json", "/elsewhere"]


@pytest.fixture
def client() -> Local:
    local = Local(create_app(TRUTH, own="us"))
    local.post("/results/", content=submission().payload())
    return local


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_was_pointed_here_reads_and_posts_nothing(client: Local, host: str) -> None:
    for path in PATHS:
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, "does not answer for" in answer.text) == (421, True)
        assert "q3.jpg" not in answer.text
    assert client.post("/results/", content=submission("x").payload(), headers={"Host": host}).status_code == 421
    assert client.get("/version").text == "1"


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_answered_whole(client: Local, host: str) -> None:
    assert "q3.jpg" in client.get("/groups/us", headers={"Host": host}).text
    assert client.post("/results/", content=submission().payload(), headers={"Host": host}).status_code == 200


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9-]{1,9}){0,3}", fullmatch=True), st.integers(0, 65535))
def test_no_name_but_localhost_passes(name: str, port: int) -> None:
    known = name == "localhost" or (name.startswith("127.") and name.count(".") == 3 and _figures(name))
    for host in (name, f"{name}:{port}"):
        assert (refusal("GET", Headers({"host": host}), "127.0.0.1") is None) == known


def _figures(name: str) -> bool:
    try:
        return socket.inet_ntoa(socket.inet_aton(name)) == name
    except OSError:
        return False


@pytest.mark.parametrize(
    ("served", "host", "answered"),
    [
        ("192.168.1.5", "192.168.1.5:8000", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("192.168.1.5", "localhost", True),
        ("board.lan", "Board.lan:8000", True),
        ("board.lan", "evil.example", False),
        ("2001:db8::1", "[2001:DB8:0::1]:8000", True),
        ("0.0.0.0", "192.168.1.5:8000", True),
        ("0.0.0.0", "evil.example", False),
        ("::", "[2001:db8::1]", True),
        ("::", "192.168.1.5", True),
        ("", "192.168.1.5", True),
        ("0.0.0.0", socket.gethostname(), True),
    ],
)
def test_other_machines_see_the_board_and_post_but_no_right_answer(served: str, host: str, answered: bool) -> None:
    client = Local(create_app(TRUTH, own="us", host=served))
    sent = client.post("/results/", content=submission().payload(), headers={"Host": host})
    assert (sent.status_code == 200) == (client.get("/", headers={"Host": host}).status_code == 200) == answered
    if answered and host != "localhost":
        page = client.get("/groups/us", headers={"Host": host})
        assert (page.status_code, "q3.jpg" in page.text) == (200, False)
        assert "at localhost" in page.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost:8000", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_foreign_page_posts_nothing(client: Local, headers: dict[str, str], status: int) -> None:
    for path in ("/results/", "/retrieval/"):
        answer = client.post(path, content=submission("x").payload(), headers={"Content-Type": "text/plain", **headers})
        assert answer.status_code == status
    assert client.get("/version").text == ("3" if status == 200 else "1")
    assert client.get("/", headers=headers).status_code == 200  # a link on another page leads to the board
