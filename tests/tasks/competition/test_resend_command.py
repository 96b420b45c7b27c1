"""`resend` says where it goes to, takes another address, and gives a dry run the group it was made without."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_helpers import Run
from net import answering, response, says
from tiny_project import TINY

SCORED = b'{"results": [1, 1, 1]}'
DRY = ("request", *TINY, "--dry-run", "--set", "server.group=null")


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    with answering(says(response("200 OK", SCORED))) as found:
        yield found


def rows(run: Run) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("submissions", "--json").out)["submissions"]
    return sorted(found, key=lambda row: int(str(row["id"])))


def test_a_mistyped_address_is_said_with_the_option_that_mends_it(
    tiny: Path, run: Run, server: tuple[str, list[bytes]]
) -> None:
    wrong = "http://no-such-host.invalid/results/"
    done = run("request", *TINY, "--no-expect", "--set", f"server.url={wrong}")
    assert done.code == 1
    assert "cannot be resolved (DNS)" in done.err
    assert "add --set server.url=ADDRESS to resend" in done.err
    again = run("resend", "1", *TINY)
    assert again.code == 1
    assert f"it goes to {wrong} once more, where it failed before: the name no-such-host.invalid" in again.err
    assert "facematch resend 1 --set server.url=ADDRESS" in again.err
    mended = run("resend", "1", *TINY, "--set", f"server.url={server[0]}")
    assert mended.code == 0, mended.err
    assert "once more" not in mended.err
    assert rows(run)[0]["url"] == server[0]


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed"])
def test_a_path_that_is_not_there_is_said_with_the_option(tiny: Path, run: Run, status: str) -> None:
    with answering(says(response(status, b"POST to /results/"))) as (url, _):
        done = run("request", *TINY, "--no-expect", "--set", f"server.url={url}")
    assert done.code == 1
    assert "add --set server.url=ADDRESS to resend" in done.err


class TestGroup:
    def test_without_a_group_nothing_is_computed_or_sent(
        self, tiny: Path, run: Run, server: tuple[str, list[bytes]]
    ) -> None:
        for group in ("null", "", "' '"):
            done = run("request", *TINY, "--set", f"server.url={server[0]}", "--set", f"server.group={group}")
            assert done.code == 1
            assert "server.group is not set" in done.err
            assert "--set server.group=NAME" in done.err
        assert server[1] == []
        assert not Path("submissions").exists()

    def test_a_dry_run_needs_none_and_is_sent_for_the_group_that_is_named_then(
        self, tiny: Path, run: Run, server: tuple[str, list[bytes]]
    ) -> None:
        done = run(*DRY, "--out", "mine.json")
        assert done.code == 0, done.err
        assert "facematch resend 1 --set server.url=ADDRESS --set server.group=NAME sends it" in done.err
        url = ("--set", f"server.url={server[0]}")
        done = run("resend", "1", *url)
        assert done.code == 1
        assert "was made in a dry run, without a group" in done.err
        assert "facematch resend 1 --set server.group=NAME" in done.err
        assert server[1] == []
        done = run("resend", "1", *url, "--set", "server.group=we")
        assert done.code == 0, done.err
        assert "submission 1 is submission 2 now, for the group we" in done.out
        body = json.loads(server[1][0].split(b"\r\n\r\n", 1)[1])
        assert body["groupname"] == "we"
        assert body["images"] == json.loads(Path("mine.json").read_text())["images"]
        (row,) = rows(run)
        assert (row["id"], row["group"], row["fate"], row["score"]) == (2, "we", "scored", 1000)
        assert row["expected"] is not None
        assert "--dry-run" in str(row["made_by"])

    def test_equal_answers_that_are_there_keep_the_command_that_made_them(
        self, tiny: Path, run: Run, server: tuple[str, list[bytes]]
    ) -> None:
        sent = run("request", *TINY, "--no-expect", "--set", "server.group=we", "--set", f"server.url={server[0]}")
        assert sent.code == 0, sent.err
        assert run(*DRY).code == 0
        group = ("--set", "server.group=we", "--set", f"server.url={server[0]}")
        done = run("resend", "2", *group)
        assert "submission 2 is submission 1 now" in done.out
        assert "already scored: 1000" in done.out
        (row,) = rows(run)
        assert "--dry-run" not in str(row["made_by"])
        assert row["expected"] is not None  # of the dry run; it was sent without one

    def test_a_payload_of_such_a_dry_run_is_not_fit_to_be_sent(
        self, tiny: Path, run: Run, server: tuple[str, list[bytes]]
    ) -> None:
        assert run(*DRY, "--no-expect", "--out", "mine.json").code == 0
        assert "- it was made in a dry run, without a group" in run("check", "mine.json").out
        done = run("submit", "mine.json", "--set", f"server.url={server[0]}", "--set", "server.group=we")
        assert done.code == 1
        assert server[1] == []

    def test_a_payload_made_elsewhere_goes_out_for_its_own_group(
        self, tiny: Path, run: Run, server: tuple[str, list[bytes]]
    ) -> None:
        assert run("request", *TINY, "--dry-run", "--no-expect", "--out", "mine.json").code == 0
        sets = ("--set", f"server.url={server[0]}", "--set", "server.group=others")
        assert run("submit", "mine.json", *sets).code == 0
        assert rows(run)[0]["group"] == "us"


def test_json_tells_what_became_of_it_and_nothing_else(tiny: Path, run: Run, server: tuple[str, list[bytes]]) -> None:
    assert run("request", *TINY, "--dry-run", "--no-expect", "--out", "mine.json").code == 0
    done = run("resend", "1", "--json", "--set", f"server.url={server[0]}")
    assert json.loads(done.out)["submissions"][0]["score"] == 1000
    assert "received: " in done.err
    done = run("submit", "mine.json", "--json", "--set", "server.url=http://127.0.0.1:9/results/", *TINY)
    assert done.code == 1
    assert json.loads(done.out)["submission"]["id"] == 1
    assert "cannot be reached" in done.err
    assert run("submissions").out.startswith("1 submission in submissions")  # what is said goes there again
