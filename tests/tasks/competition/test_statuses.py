"""Each status that HTTP has, and what it says of a submission's fate."""

import socket
from urllib.parse import urljoin

import pytest

from facematch.tasks.competition.exchange import fate_of
from net import SCORE, answering, once, response, says, told


def test_each_status_has_its_fate() -> None:
    """The whole table, written down a second time."""
    expected = {
        "unknown": {*range(100, 301), *range(302, 307), *range(309, 400), *range(512, 1000)},
        "not scored": {301, 307, 308, *range(400, 512)},
    }
    assert {status for statuses in expected.values() for status in statuses} == set(range(100, 1000))
    for fate, statuses in expected.items():
        for status in statuses:
            assert fate_of(status) == (fate, status in (408, 429, 500, 502, 503, 504)), status


@pytest.mark.parametrize("status", sorted({*range(100, 600, 7), *range(200, 209), *range(300, 309), *range(498, 515)}))
def test_a_status_that_comes_over_the_line_has_that_fate(status: int) -> None:
    outcome = told(says(response(f"{status} Word", b"no score")))
    if 100 <= status < 200 and status != 101:
        assert outcome.fate == "unknown"
        return
    assert (outcome.fate, outcome.again) == fate_of(status)
    assert outcome.status == status
    assert outcome.message
    assert outcome.hint


class TestARedirect:
    """Never followed. Moved is not scored; what follows a form's success in most servers may have been."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        ("header", "target", "web"),
        [
            ("https://elsewhere.invalid/results/", "https://elsewhere.invalid/results/", True),
            ("/retrieval/", "/retrieval/", True),
            ("//me:secret@other/?token=secret", "http://other/?token=…", True),
            ("", "nowhere", False),
            ("file:///etc/passwd", "file:///etc/passwd", False),
            ("http://[::1", "http://[::1", False),
        ],
    )
    def test_its_target_is_named(self, status: int, header: str, target: str, web: bool) -> None:
        with answering(says(response(f"{status} Found", SCORE, f"Location: {header}"))) as (url, requests):
            outcome = once(url)
        target = urljoin(url, target) if target.startswith("/") else target
        fate = "unknown" if status in (302, 303) else "not scored"
        assert (outcome.kind, outcome.fate, outcome.again, len(requests)) == ("redirect", fate, False, 1)
        assert f"a redirect ({status}) to {target};" in outcome.message
        assert outcome.target == (target if web and status != 303 else "")
        assert ("may have been scored" in outcome.hint) == (fate == "unknown")
        assert "secret" not in outcome.message + outcome.hint

    def test_an_endless_one_is_not_read(self) -> None:
        def endless(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
            for _ in range(100_000):
                connection.sendall(b"x" * 65_536)

        assert told(endless).kind == "redirect"
