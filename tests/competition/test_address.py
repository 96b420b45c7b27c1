"""Addresses and headers: mistakes are named, secrets are not."""

import pytest

from facematch.competition.address import headers_from_environment, shown_url, submission_url
from facematch.competition.form import CompetitionForm, Dialect
from facematch.errors import FacematchError

FORM = CompetitionForm()


@pytest.mark.parametrize(
    ("url", "dialect", "expected"),
    [
        ("http://host", "results", "http://host/results/"),
        ("http://host:8000/", "retrieval", "http://host:8000/retrieval/"),
        (" https://host/results\n", "results", "https://host/results/"),
        ("http://host/results/", "results", "http://host/results/"),
        ("http://host/retrieval", "retrieval", "http://host/retrieval/"),
        ("http://host/2026/submit", "results", "http://host/2026/submit"),
        ("http://host/api/retrieval/", "results", "http://host/api/retrieval/"),
        ("HTTP://[::1]:8000?key=1#top", "results", "http://[::1]:8000/results/?key=1"),
        ("http://me:secret@host", "results", "http://me:secret@host/results/"),
    ],
)
def test_the_path_of_the_dialect(url: str, dialect: str, expected: str) -> None:
    assert submission_url(url, FORM, dialect) == expected
    assert submission_url(expected, FORM, dialect) == expected


def test_a_dialect_told_on_the_day() -> None:
    form = CompetitionForm(dialects={"new": Dialect(path="/2027/rank"), "root": Dialect(path="/")})
    assert submission_url("http://host", form, "new") == "http://host/2027/rank"
    assert submission_url("http://host", form, "root") == "http://host/"
    with pytest.raises(FacematchError, match="'results' is not known"):
        submission_url("http://host", form, "results")


@pytest.mark.parametrize("url", ["host:8000/results/", "10.0.0.1", "ftp://host/", "", "//host/results/"])
def test_no_scheme(url: str) -> None:
    with pytest.raises(FacematchError) as caught:
        submission_url(url, FORM, "retrieval")
    assert "no http:// or https://" in caught.value.message
    assert "http://HOST:PORT/retrieval/" in caught.value.hint


@pytest.mark.parametrize("url", ["http://", "http:///results/", "http://[::1", "http://host:port/", "http://a b/"])
def test_no_address(url: str) -> None:
    with pytest.raises(FacematchError, match="is not an address"):
        submission_url(url, FORM, "results")


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_path_against_the_dialect(slash: str) -> None:
    with pytest.raises(FacematchError) as caught:
        submission_url(f"http://host/results{slash}", FORM, "retrieval")
    assert "the path of the dialect results, but server.dialect is retrieval" in caught.value.message
    assert "server.dialect=results" in caught.value.hint


@pytest.mark.parametrize("url", ["http://me:secret@host:x/", "http://me:secret@host/retrieval/", "x//me:secret@host"])
def test_a_password_in_an_address_is_never_shown(url: str) -> None:
    with pytest.raises(FacematchError) as caught:
        submission_url(url, FORM, "results")
    assert "secret" not in str(caught.value)
    assert "secret" not in shown_url(url)
    assert shown_url("http://host/a?to=b@c") == "http://host/a?to=b@c"


def test_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "Bearer secret")
    assert headers_from_environment({"Authorization": "TOKEN"}) == {"Authorization": "Bearer secret"}
    assert headers_from_environment({}) == {}
    with pytest.raises(FacematchError, match="environment variable ABSENT, which is not set"):
        headers_from_environment({"X-Group": "ABSENT"})


@pytest.mark.parametrize("value", ["secret\n", "secret\r\nX: y", "sécret", " secret", "secret\0"[:-1] + "\x07"])
def test_a_value_that_cannot_be_sent_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TOKEN", value)
    with pytest.raises(FacematchError, match="the value of TOKEN") as caught:
        headers_from_environment({"Authorization": "TOKEN"})
    assert "ecret" not in str(caught.value)


@pytest.mark.parametrize("header", ["", "a b", "a:b", "a\nb"])
def test_a_header_needs_a_name(monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setenv("TOKEN", "x")
    with pytest.raises(FacematchError, match="is not the name of a header"):
        headers_from_environment({header: "TOKEN"})
