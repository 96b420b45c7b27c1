"""The line of one POST: interim answers are read past, and no password goes where none was asked for."""

from base64 import b64encode
from pathlib import Path

import pytest

from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.exchange import exchange
from net import FORM, PAYLOAD, SCORE, answering, response, says, told


class TestInterimAnswers:
    """1xx: the final answer follows."""

    @pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints", "199 New"])
    @pytest.mark.parametrize("times", [1, 3, 200])
    def test_they_are_read_past(self, status: str, times: int) -> None:
        interim = f"HTTP/1.1 {status}\r\n".encode() + b"Link: </style.css>\r\n" * times + b"\r\n"
        assert told(says(interim * times + response("200 OK", SCORE))).fate == "scored"
        late = told(says(interim * times + response("503 Busy", b"", "Retry-After: 3")))
        assert (late.kind, late.fate, late.retry_after) == ("status-503", "not scored", 3)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200_000 + response("200 OK", SCORE),
            b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000 + response("200 OK", SCORE),
            b"HTTP/1.1 102 Processing\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\nX: y",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + response("200 OK", SCORE),
        ],
    )
    def test_without_a_final_answer_nobody_knows(self, data: bytes) -> None:
        outcome = told(says(data))
        assert (outcome.fate, outcome.again) == ("unknown", False)
        assert "scored" in outcome.hint


class TestWhoIsSentAPassword:
    """`.netrc` is asked for nothing; what the user gave goes out."""

    @pytest.fixture(autouse=True)
    def _netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login a password never\ndefault login b password never\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))

    def authorization(self, user: str = "", **headers: str) -> list[bytes]:
        with answering(says(response("200 OK", SCORE))) as (url, requests):
            address = url.replace("//", f"//{user}")
            assert exchange(PAYLOAD, Destination(address, FORM, "results", headers), timeout=5).fate == "scored"
        return [line for line in requests[0].split(b"\r\n") if line.lower().startswith(b"authorization:")]

    def test_nobody_without_being_told(self) -> None:
        assert self.authorization() == []

    @pytest.mark.parametrize("name", ["Authorization", "authorization"])
    def test_a_header_is_sent_as_it_is(self, name: str) -> None:
        assert self.authorization(**{name: "Bearer x"}) == [f"{name}: Bearer x".encode()]
        assert self.authorization("me:word@", **{name: "Bearer x"}) == [f"{name}: Bearer x".encode()]

    def test_the_address_may_hold_one(self) -> None:
        assert self.authorization("me:word@") == [b"Authorization: Basic " + b64encode(b"me:word")]
