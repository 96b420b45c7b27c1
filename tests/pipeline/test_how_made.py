"""How a page was made: a command that can be typed again, without the competition's server."""

import shlex

from facematch import __version__
from facematch.pipeline.how_made import how_made


def test_the_command_can_be_typed_again() -> None:
    options = [("--config", None), ("--query", "my photos"), ("--reference", "a"), ("--reference", "b")]
    facts = dict(how_made(["report", "runs/one"], options, ["name=x y", "seed=5"]))
    assert shlex.split(facts["command"]) == [
        "facematch", "report", "runs/one", "--query", "my photos", "--reference", "a", "--reference", "b",
        "--set", "name=x y", "--set", "seed=5",
    ]  # fmt: skip
    assert list(facts) == ["command", "made", "versions"]


def test_where_submissions_are_sent_is_left_out() -> None:
    facts = dict(how_made(["compare"], [], [" server.group=secret", "set.server.url=http://secret", "name=a"]))
    assert facts["command"] == "facematch compare --set name=a"


def test_packages_that_are_not_installed_have_no_version() -> None:
    versions = dict(how_made(["report"], [], [], ["numpy", "no-such-package"]))["versions"]
    assert versions.startswith(f"facematch {__version__}, Python 3.")
    assert ", numpy " in versions
    assert "no-such" not in versions
