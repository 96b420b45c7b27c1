"""What made a submission is kept as it was typed, without what is secret, and told in a few words."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.tasks.competition.made_by import command_line, fusion_words, refine_words, system_words
from tiny_project import TINY


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["/venv/bin/facematch", "request", "--dry-run"], "facematch request --dry-run"),
        (["request_send.py", "--set", "name=a b"], "python request_send.py --set 'name=a b'"),
        (["/x/facematch/__main__.py", "submit", "a'b.json"], "python -m facematch submit " + shlex.quote("a'b.json")),
    ],
)
def test_the_command_line_is_kept_as_it_was_typed(monkeypatch: pytest.MonkeyPatch, typed: list[str], kept: str) -> None:
    monkeypatch.setattr(sys, "argv", typed)
    assert command_line() == kept


@pytest.mark.parametrize(
    "word",
    [
        "server.url=http://me:s3cret-token@h/results/",
        "server.url=https://h/results/?token=s3cret-token",
        "--set=server.url=http://h/?a=1&key=s3cret-token",
        "server.headers={Authorization: s3cret-token}",
        "server.headers.Authorization=s3cret-token",
        "--set=server.headers={Authorization: s3cret-token}",
        "server={url: http://h/, headers: {Authorization: s3cret-token}}",
    ],
)
def test_nothing_secret_is_kept(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(sys, "argv", ["facematch", "request", "--set", word])
    assert "s3cret" not in command_line()
    assert shlex.split(command_line())[-1].startswith(word[:9])


def test_a_system_in_words() -> None:
    network = {"kind": "network", "model": "r18", "sha256": "71233bf7" + 56 * "0", "refine": [{"step": "flip"}]}
    pixels = {"kind": "pixels", "model": "", "sha256": None, "refine": []}
    both = {"kind": "ensemble", "model": "both", "members": [network, pixels]}
    assert system_words(network) == "network r18 71233bf7"
    assert system_words(both) == "ensemble both (network r18 71233bf7, pixels)"
    assert fusion_words({**both, "method": "z-score", "weights": [0.8, 0.2]}) == "z-score, weights 0.8,0.2"
    assert fusion_words(network) == ""
    assert refine_words(network) == "flip"
    assert refine_words(both) == "flip / none"
    assert refine_words({"refine": [{"step": "views", "margins": [0.0, 0.1], "up": 0.06}, {"step": "flip"}]}) == (
        "views (margins=0.0,0.1 up=0.06), flip"
    )


@pytest.mark.parametrize(
    "system",
    [None, {}, {"members": 3, "refine": "flip"}, {"members": [3], "refine": [3], "method": 1, "fitted_on": [2]}],
)
def test_what_a_newer_version_wrote_is_no_error(system: dict[str, object] | None) -> None:
    assert isinstance(system_words(system), str)
    assert isinstance(refine_words(system), str)
    assert isinstance(fusion_words(system), str)


def test_a_trained_network_an_ensemble_and_pixels_tell_what_they_are(project: Path, run: Run) -> None:
    Path("both.yaml").write_text(
        "name: both\nensemble: {members: [{config: small.yaml}, {config: small.yaml, set: {embedder.kind: pixels}}]}\n"
    )
    request = ("request", "--dry-run", "--no-expect", "--json")
    systems = [
        json.loads(run(*request, *options).out)["submission"]["system"]
        for options in (
            ("--config", "small.yaml", "--set", "refine=[flip]", "--set", "ranking.metric=cosine"),
            ("--config", "both.yaml"),
        )
    ]
    network, both = systems
    assert (network["kind"], network["model"], network["name"]) == ("network", "small", "small")
    assert network["checkpoint"] == "checkpoints/small/best.safetensors"
    assert len(network["sha256"]) == 64
    assert (network["metric"], network["refine"]) == ("cosine", [{"step": "flip"}])
    assert network["settings"]["faces.miss"] == "whole"
    assert [each["kind"] for each in both["members"]] == ["network", "pixels"]
    assert both["members"][0]["sha256"] == network["sha256"]


def test_the_command_of_a_request_is_in_the_journal(tiny: Path, run: Run) -> None:
    done = run("request", *TINY, "--dry-run", "--no-expect", "--json", "--set", "name=a.b")
    row = json.loads(done.out)["submission"]
    assert row["made_by"] == "facematch request --config tiny.yaml --dry-run --no-expect --json --set name=a.b"
    assert (row["system"]["kind"], row["system"]["name"]) == ("pixels", "a.b")
