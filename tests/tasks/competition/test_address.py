"""Addresses and headers: mistakes are named, secrets are not."""

import string
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.settings.competition import CompetitionForm, Dialect
from facematch.tasks.competition.address import (
    headers_from_environment,
    kept_url,
    shown_url,
    submission_url,
    without_secrets,
)

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
    assert shown_url("http://host/a?to=b@c") == "http://host/a?to=…"


@pytest.mark.parametrize("url", ["http://me:sec/ret@host/", "http://me:a#sec@host/", "http://me:1a?sec@[::1]:8/x"])
def test_a_password_with_a_sign_of_addresses_in_it_is_not_shown_either(url: str) -> None:
    assert shown_url(url) == "http://" + url.rpartition("@")[2]
    with pytest.raises(FacematchError, match="is not an address") as caught:
        submission_url(url, FORM, "results")
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/results/?token=abc&n=1#top", "http://host/results/?token=…&n=…"),
        ("http://host?abc", "http://host?…"),
        ("http://host?YWJjZA==&x=&y==", "http://host?…&…&…"),
        ("http://[::1]:80/@me?a=b?c=d", "http://[::1]:80/@me?a=…"),
        ("http://host/a/b;c=d", "http://host/a/b;c=d"),
        ("http://host/?", "http://host/?"),
        ("http://host/#?token=abc", "http://host/?token=…"),
    ],
)
def test_a_value_in_an_address_is_never_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


SECRET = st.text(string.ascii_letters + string.digits + "-_~.:@/=+ &?#%…", min_size=12, max_size=30)


@given(SECRET, SECRET, st.sampled_from(["?token={}", "?a=b&{}", "?{}&n=1", "?{}"]))
def test_what_is_secret_is_in_no_address_that_is_shown_or_kept(secret: str, password: str, query: str) -> None:
    encoded = quote(secret, safe="/?:@")
    url = f"http://me:{quote(password, safe='')}@host:80/results/{query.format(encoded)}"
    for text in (shown_url(url), kept_url(url)):
        assert encoded not in text
        assert quote(password, safe="") not in text
        assert text.startswith("http://host:80/results/?")
        assert shown_url(text) == text
    assert kept_url(kept_url(url)) == kept_url(url)
    said = f"{url} {secret} {password} {b64encode(f'me:{password}'.encode()).decode()} Bearer {secret}!"
    left = without_secrets(said, url, {"Authorization": f"Bearer {secret}"})
    for hidden in (secret, encoded, password, b64encode(f"me:{password}".encode()).decode()):
        assert hidden.strip() not in left


def test_kept_addresses_are_told_apart() -> None:
    kept = {kept_url(f"http://host/results/?round={number}") for number in range(20)}
    assert len(kept) > 15
    assert kept_url("http://a:b@host/?round=1") == kept_url("http://host/?round=1")
    assert kept_url("http://a:b@host/results/") == "http://host/results/"


def test_a_masked_address_is_not_sent_to() -> None:
    with pytest.raises(FacematchError, match="is secret and was not kept") as caught:
        submission_url(kept_url("http://host/results/?token=abc"), FORM, "results")
    assert "server.url=" in caught.value.hint


def test_words_of_anybody_stay() -> None:
    assert without_secrets("1 of us", "http://host/?n=1", {"X-Group": "us"}) == "1 of us"


def test_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "Bearer secret")
    assert headers_from_environment({"Authorization": "TOKEN"}) == {"Authorization": "Bearer secret"}
    assert headers_from_environment({}) == {}
    with pytest.raises(FacematchError, match="environment variable ABSENT, which is not set"):
        headers_from_environment({"X-Group": "ABSENT"})


@pytest.mark.parametrize("token", ["Bearer abc", "a3f9b2", "AKIA5EXAMPLE", "ghp_abcdef", "a=b", "", "TOKEN\n"])
def test_a_token_in_place_of_a_variables_name_is_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("TOKENS", "x")
    with pytest.raises(FacematchError, match="is not the name of an environment variable that is set") as caught:
        headers_from_environment({"Authorization": token})
    assert not token.strip() or token.strip() not in str(caught.value).replace("TOKENS", "").replace("_TOKEN", "")
    assert "{Authorization: COMPETITION_TOKEN}" in caught.value.hint


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
