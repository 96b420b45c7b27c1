"""What a person is told of a submission that was sent, with the very command that comes next."""

import socket
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.competition.address import Destination, RetryPolicy
from facematch.tasks.competition.journal import Journal
from facematch.tasks.competition.sending import deliver
from net import FORM, PAYLOAD, answering, response, says, without_proxies


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


def sent(folder: Path, data: bytes, query: str = "") -> tuple[FacematchError, str]:
    """The error that says what became of one submission, and the address it went to."""
    with answering(says(data)) as (url, _), Journal(folder) as journal:
        kept = journal.keep(PAYLOAD, "results", to_send=True)
        to = Destination(url + query, FORM, "results", retry=RetryPolicy(timeout=5, attempts=1))
        with pytest.raises(FacematchError) as caught:
            deliver(journal, kept, to, again=False)
    return caught.value, url


@pytest.mark.parametrize(
    ("status", "location", "command", "code"),
    [
        ("308 Moved", "/retrieval/", "facematch resend 1 --set server.url=HOST/retrieval/", 1),
        ("301 Moved", "https://other/a?b=c&d", "facematch resend 1 --set 'server.url=https://other/a?b=…&…'", 1),
        ("302 Found", "/results", "facematch resend 1 --again --set server.url=HOST/results", 3),
        ("303 See Other", "/thanks/", "facematch resend 1 --again", 3),
        ("307 Moved", "ftp://other/", "facematch resend 1", 1),
    ],
)
def test_after_a_redirect(tmp_path: Path, status: str, location: str, command: str, code: int) -> None:
    error, url = sent(tmp_path, response(status, b"", f"Location: {location}"))
    assert error.hint.endswith(f": {command}".replace("HOST", url.removesuffix("/results/")))
    assert error.exit_code == code


def test_no_token_of_an_address_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error, url = sent(
        tmp_path, response("404 Not Found", b"no /results/?token=secret-token here"), "?token=secret-token"
    )
    assert f"{url}?token=… answered with the error status 404 Not Found: no /results/?token=… here" in error.message
    assert "secret" not in str(error) + "".join(capsys.readouterr())


def test_what_cannot_be_reached_is_said_with_the_command(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/results/"
    with Journal(tmp_path) as journal:
        kept = journal.keep(PAYLOAD, "results", to_send=True)
        with pytest.raises(FacematchError, match="Connection refused") as caught:
            deliver(journal, kept, Destination(url, FORM, "results", retry=RetryPolicy(attempts=1)), again=False)
    assert caught.value.hint.endswith("facematch resend 1")
