"""`submissions` tells apart what was kept, `show` tells all of one, `drop` forgets one; old journals are read, too."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from command_helpers import Run
from tiny_project import TINY

DRY = ("request", *TINY, "--dry-run", "--no-expect")
EARLIER = Path(__file__).parent / "journal-1.sql"


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose submissions were made by the first version of the journal."""
    monkeypatch.chdir(tmp_path)
    Path("submissions").mkdir()
    with closing(sqlite3.connect("submissions/journal.sqlite")) as table:
        table.executescript(EARLIER.read_text())
    return tmp_path


def rows(run: Run) -> dict[int, dict[str, object]]:
    return {row["id"]: row for row in json.loads(run("submissions", "--json").out)["submissions"]}


class TestList:
    def test_what_tells_them_apart_has_a_column(self, tiny: Path, run: Run) -> None:
        assert run(*DRY).code == 0
        shown = run("submissions").out
        assert "refine" not in shown.splitlines()[2]
        assert "all: system pixels, metric euclidean, group us, dialect results" in shown
        for sets in (("refine=[flip]",), ("ranking.metric=cosine", "server.group=them")):
            assert run(*DRY, *(part for each in sets for part in ("--set", each))).code == 0
        shown = run("submissions").out
        for words in ("refine", "metric", "group", "flip", "cosine", "them"):
            assert words in shown
        assert "all: system pixels, dialect results" in shown

    def test_steps_are_told_with_their_values_only_where_those_tell_them_apart(self, tiny: Path, run: Run) -> None:
        def made(n: int) -> str:
            steps = f"refine=[{{step: query-expansion, n: {n}, alpha: 1}}]"
            assert run(*DRY, "--set", "server.group=them", "--set", steps).code == 0
            return run("submissions").out

        assert run(*DRY).code == 0
        assert "alpha" not in made(1)
        assert "alpha" in made(5)

    def test_a_journal_of_the_first_version(self, earlier: Path, run: Run) -> None:
        done = run("submissions")
        assert done.code == 0, done.err
        assert "910" in done.out
        assert "submission 3 of 2026-05-11T09:35 was not scored" in done.err
        assert "facematch resend 3, or forget it: facematch submissions drop 3" in done.err
        found = rows(run)
        assert {number: row["group"] for number, row in found.items()} == {
            1: "us", 2: "us", 3: "us", 4: "us", 5: "facematch"
        }  # fmt: skip
        assert found[2]["system"] is None
        assert run("submissions", "show", "1").code == 0
        assert run("diff", "1", "2").code == 0

    def test_a_dialect_of_another_day_hides_nothing(self, tiny: Path, run: Run) -> None:
        Path("form.yaml").write_text("dialects: {new: {path: /n, group_key: team, names: 5}}")
        sets = ("--set", "server.form=form.yaml", "--set", "server.dialect=new")
        assert run(*DRY, *sets).code == 0
        assert run(*DRY).code == 0
        found = rows(run)
        assert (found[1]["group"], found[1]["queries"], found[2]["group"]) == (None, None, "us")
        assert "2 submissions in submissions" in run("submissions").out
        assert json.loads(run("submissions", "--json", *sets[:2]).out)["submissions"][1]["group"] == "us"

    def test_of_a_newer_version_it_is_read_and_nothing_is_sent(self, earlier: Path, run: Run) -> None:
        assert run("submissions").code == 0
        with closing(sqlite3.connect("submissions/journal.sqlite")) as table:
            table.execute("PRAGMA user_version = 9")
        assert "910" in run("submissions").out
        assert run("submissions", "show", "3", "--json").code == 0
        for command in (("resend", "3"), ("submissions", "drop", "3")):
            done = run(*command)
            assert done.code == 1
            assert "was written by a newer facematch" in done.err

    def test_options_before_a_command_are_not_lost_in_silence(self, earlier: Path, run: Run) -> None:
        done = run("submissions", "--json", "show", "1")
        assert done.code == 2
        assert "facematch submissions show 1 --json" in done.err


class TestShow:
    def test_all_that_is_kept_of_one(self, tiny: Path, run: Run) -> None:
        assert run(*DRY, "--set", "refine=[flip]").code == 0
        shown = run("submissions", "show", "1").out
        for words in (
            "by         facematch request --config tiny.yaml --dry-run --no-expect --set 'refine=[flip]'",
            "system     pixels", "refine     flip", "metric     euclidean", "group      us", "dialect    results",
            "faces.detector none", f"query      {tiny / 'data/test_data/query'}", "queries    3", "fate       kept",
        ):  # fmt: skip
            assert words in shown

    def test_every_attempt(self, earlier: Path, run: Run) -> None:
        shown = run("submissions", "show", "1").out
        assert "2026-05-11 09:07:07 to http://10.0.0.1:8000/resluts/: not scored." in shown
        assert "2026-05-11 09:14:07 to http://10.0.0.1:8000/results/: scored." in shown
        told = json.loads(run("submissions", "show", "1", "--json").out)["submission"]
        assert [each["fate"] for each in told["history"]] == ["not scored", "scored"]
        assert told["expectation"]["score"] == 612.5
        assert "outcomes" not in told["expectation"]

    def test_one_that_is_not_there(self, earlier: Path, run: Run) -> None:
        done = run("submissions", "show", "77")
        assert done.code == 1
        assert "has no submission 77" in done.err


class TestDrop:
    def test_one_that_was_not_scored_is_forgotten(self, earlier: Path, run: Run) -> None:
        done = run("submissions", "drop", "3")
        assert done.code == 0, done.err
        assert sorted(rows(run)) == [1, 2, 4, 5]
        assert "submission 3" not in run("submissions").err
        assert json.loads(run("submissions", "drop", "5", "--json").out) == {"dropped": 5}

    @pytest.mark.parametrize(("number", "words"), [(1, "was scored"), (4, "may have been scored")])
    def test_one_that_a_server_has_had_is_not(self, earlier: Path, run: Run, number: int, words: str) -> None:
        done = run("submissions", "drop", number)
        assert done.code == 1
        assert f"submission {number} {words}" in done.err
        assert number in rows(run)


class TestDiff:
    def test_it_says_what_else_differs(self, tiny: Path, run: Run) -> None:
        for sets in ((), ("--set", "server.group=them", "--set", "refine=[flip]", "--set", "server.dialect=retrieval")):
            assert run(*DRY, *sets).code == 0
        done = run("diff", "1", "2", "--out", "diff.html")
        for words in ("the group differs: us and them", "the dialect differs: results and retrieval",
                      "the refine differs: none and flip"):  # fmt: skip
            assert words in done.out
            assert words in Path("diff.html").read_text()
        told = json.loads(run("diff", "1", "2", "--json").out)
        assert told["group"] == ["us", "them"]
        assert told["queries"] == 3
        assert len(told["changed"]) == int(done.out.split()[0])

    def test_the_same_twice(self, earlier: Path, run: Run) -> None:
        done = run("diff", "1", "1")
        assert "0 of 3 queries are answered differently" in done.out
        assert "differs" not in done.out
