"""The journal: on the disk before anything is sent, whole after a kill, no attempt forgotten."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.competition.answer import Outcome, ServerAnswer
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission

URL = "http://10.0.0.1/results/"
PAYLOAD = b'{"groupname": "us", "images": {}}'
TEXT = '{"accuracy": 500}'
SCORED = Outcome("scored", "scored", "", status=200, text=TEXT, answer=ServerAnswer("retrieval", 0.1, 0.2, 0.3, 500))
LOST = Outcome("reset", "unknown", "the connection broke")
REFUSED = Outcome("unreachable", "not scored", "cannot be reached", again=True)


def keep(journal: Journal, payload: bytes = PAYLOAD, *, to_send: bool = True) -> StoredSubmission:
    return journal.keep(payload, "results", to_send=to_send, query=Path("q"), gallery=Path("g"), made_by="test")


def begun(journal: Journal, kept: StoredSubmission, *, again: bool = False, url: str = URL) -> int:
    number = journal.begin(kept, url, again=again)
    assert isinstance(number, int)
    return number


def refused(journal: Journal, kept: StoredSubmission, *, again: bool = False, url: str = URL) -> Attempt:
    before = journal.begin(kept, url, again=again)
    assert isinstance(before, Attempt)
    return before


def test_what_is_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    with Journal(tmp_path / "new") as journal:
        kept = journal.keep(PAYLOAD, "results", to_send=True, query=Path("q"), system={"kind": "pixels"})
        journal.expect(kept, {"score": 612.5})
    with Journal(tmp_path / "new") as journal:
        (found,) = journal.submissions()
        assert found == journal.submission(kept.id)
        assert replace(found, expectation=None) == kept
        assert journal.payload(found) == PAYLOAD == journal.file(found).read_bytes()
        assert (found.expectation, found.system) == ({"score": 612.5}, {"kind": "pixels"})
        assert Path(found.query or "").is_absolute()
        assert found.gallery is None


def test_the_file_is_synchronised_at_every_commit(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        pragma = journal._table.execute
        assert pragma("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert pragma("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_one_payload_is_one_submission(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        first = keep(journal, to_send=False)
        second = keep(journal)
        third = keep(journal, to_send=False)
        other = keep(journal, PAYLOAD + b" ")
        assert first.id == second.id == third.id != other.id
        assert (first.to_send, second.to_send, third.to_send) == (0, 1, 1)
        assert len(journal.submissions()) == 2


def test_what_made_it_last_is_what_is_kept_of_it(tmp_path: Path) -> None:
    def made(by: str, system: dict[str, str] | None) -> tuple[str | None, object]:
        found = journal.keep(PAYLOAD, "results", to_send=True, made_by=by, system=system)
        return found.made_by, found.system

    with Journal(tmp_path) as journal:
        assert made("request a", {"name": "a"}) == ("request a", {"name": "a"})
        assert made("request b", {"name": "b"}) == ("request b", {"name": "b"})
        assert made("submit mine.json", None) == ("request b", {"name": "b"})  # who sends a file made nothing


def test_attempts_and_their_ends_are_kept(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
        journal.end(begun(journal, kept), REFUSED, 0.5)
        journal.end(begun(journal, kept), SCORED, 1.5)
        first, second = journal.attempts(kept)
        assert (first.fate, first.kind, first.seconds) == ("not scored", "unreachable", 0.5)
        assert first.message == "cannot be reached"
        assert (second.fate, second.status, second.answer) == ("scored", 200, TEXT)
        assert (second.top1, second.top5, second.top10, second.score) == (0.1, 0.2, 0.3, 500)
        assert journal.attempts() == [first, second]


@pytest.mark.parametrize("outcome", [SCORED, LOST])
def test_what_was_or_may_have_been_scored_is_not_begun_again(tmp_path: Path, outcome: Outcome) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
        journal.end(begun(journal, kept), outcome, 1)
        assert refused(journal, kept).fate == outcome.fate
        assert len(journal.attempts()) == 1
        begun(journal, kept, url="http://10.0.0.2/results/")  # another server is another matter
        begun(journal, kept, again=True)


def test_what_was_surely_not_scored_is_begun_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
        journal.end(begun(journal, kept), REFUSED, 1)
        begun(journal, kept)


def test_a_lost_answer_stands_in_the_way_for_ever(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
        journal.end(begun(journal, kept), LOST, 1)
        journal.end(begun(journal, kept, again=True), REFUSED, 1)
        assert refused(journal, kept).fate == "unknown"


def test_what_is_being_sent_is_not_sent_beside_it_even_when_asked(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
        begun(journal, kept)
        assert refused(journal, kept, again=True).fate == "sending"


def test_of_many_at_once_one_begins(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal)
    began: list[object] = []

    def try_it() -> None:
        with Journal(tmp_path) as mine:
            began.append(mine.begin(kept, URL, again=False))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, int) for each in began) == 1
    assert len(began) == 8


def _killed(folder: Path, code: str) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path\n"
        "from facematch.tasks.competition.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        f"{code}\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
class TestKilled:
    def test_what_was_kept_is_there_and_unfinished(self, tmp_path: Path) -> None:
        _killed(tmp_path, f"journal.keep({PAYLOAD!r}, 'results', to_send=True)")
        with Journal(tmp_path) as journal:
            ((kept, attempt),) = journal.unfinished()
            assert attempt is None
            assert journal.payload(kept) == PAYLOAD
            begun(journal, kept)

    def test_half_a_transaction_is_nothing(self, tmp_path: Path) -> None:
        _killed(
            tmp_path,
            "journal._table.execute('BEGIN IMMEDIATE')\n"
            "journal._table.execute('INSERT INTO payloads VALUES (?, ?)', ('x', b'y'))",
        )
        with Journal(tmp_path) as journal:
            assert journal.submissions() == []
            keep(journal)

    def test_an_attempt_whose_process_is_gone_may_have_been_scored(self, tmp_path: Path) -> None:
        _killed(
            tmp_path,
            f"kept = journal.keep({PAYLOAD!r}, 'results', to_send=True)\njournal.begin(kept, {URL!r}, again=False)",
        )
        with Journal(tmp_path) as journal:
            ((kept, attempt),) = journal.unfinished()
            assert attempt is not None
            assert (attempt.fate, attempt.kind) == ("unknown", "killed")
            assert refused(journal, kept).kind == "killed"


def test_only_what_was_to_be_sent_and_has_no_score_is_unfinished(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        keep(journal, b"kept only", to_send=False)
        scored, lost, new, running = (keep(journal, name) for name in (b"scored", b"lost", b"new", b"running"))
        journal.end(begun(journal, scored), LOST, 1)
        journal.end(begun(journal, scored, again=True), SCORED, 1)
        journal.end(begun(journal, lost), LOST, 1)
        begun(journal, running)
        assert [(kept.id, attempt and attempt.fate) for kept, attempt in journal.unfinished()] == [
            (lost.id, "unknown"),
            (new.id, None),
        ]


def test_a_dry_run_that_is_sent_all_the_same_was_meant_to_be(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        kept = keep(journal, to_send=False)
        journal.end(begun(journal, kept), LOST, 1)
        assert [found.id for found, _ in journal.unfinished()] == [kept.id]


class TestDrop:
    def test_it_is_forgotten_with_its_files_and_its_number_is_not_given_again(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            kept, other = keep(journal), keep(journal, PAYLOAD + b" ")
            journal.end(begun(journal, other), REFUSED, 1)
            journal.file(other).with_suffix(".csv").write_text("beside it")
            journal.drop(other)
            assert journal.submissions() == [kept]
            assert [found.id for found, _ in journal.unfinished()] == [kept.id]
            assert list(tmp_path.glob("0002-*")) == []
            with pytest.raises(FacematchError, match="has no submission 2"):
                journal.submission(2)
            assert keep(journal, b"new").id == 3
            assert keep(journal, PAYLOAD + b" ").id == 2  # made anew, it is back
            assert journal.file(other).is_file()

    @pytest.mark.parametrize(
        ("outcome", "words"), [(SCORED, "was scored"), (LOST, "may have been scored"), (None, "is being sent")]
    )
    def test_what_a_server_has_had_is_not(self, tmp_path: Path, outcome: Outcome | None, words: str) -> None:
        with Journal(tmp_path) as journal:
            kept = keep(journal)
            number = begun(journal, kept)
            if outcome is not None:
                journal.end(number, outcome, 1)
                journal.end(begun(journal, kept, url="http://nowhere/"), REFUSED, 1)
            with pytest.raises(FacematchError, match=f"submission 1 {words} at {URL}"):
                journal.drop(kept)
            assert journal.submissions() == [kept]
            assert journal.file(kept).is_file()

    def test_one_that_is_sent_meanwhile_is_there_again(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            kept = keep(journal)
            journal.drop(kept)
            journal.end(begun(journal, kept), SCORED, 1)
            assert journal.submissions() == [kept]


def earlier(folder: Path) -> Path:
    """The journal of five submissions that the first version wrote."""
    folder.mkdir(exist_ok=True)
    path = folder / "journal.sqlite"
    with closing(sqlite3.connect(path)) as table:
        table.executescript((Path(__file__).parent / "journal-1.sql").read_text())
    return path


def changed(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as table, table:
        table.execute(statement, values)


class TestVersions:
    def test_an_earlier_one_gains_what_it_lacks(self, tmp_path: Path) -> None:
        earlier(tmp_path)
        with Journal(tmp_path) as journal:
            first, *_, last = found = journal.submissions()
            assert [kept.id for kept in found] == [1, 2, 3, 4, 5]
            assert {kept.system for kept in found} == {None}
            assert first.expectation is not None
            assert first.expectation["score"] == 612.5
            assert [attempt.fate for attempt in journal.attempts(first)] == ["not scored", "scored"]
            assert [kept.id for kept, _ in journal.unfinished()] == [3, 4]
            assert b"facematch" in journal.payload(last)
            assert refused(journal, first, url="http://10.0.0.1:8000/results/").score == 625
            journal.drop(last)
            assert journal.keep(journal.payload(last), "results", to_send=True, system={"kind": "clip"}).id == 5
        with Journal(tmp_path) as journal:
            assert journal.submission(5).system == {"kind": "clip"}

    def test_several_open_an_earlier_one_at_once(self, tmp_path: Path) -> None:
        earlier(tmp_path)
        found: list[int] = []

        def open_it() -> None:
            with Journal(tmp_path) as journal:
                found.append(len(journal.submissions()))

        threads = [threading.Thread(target=open_it) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [5] * 6

    def test_a_newer_one_is_read_and_not_written_to(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            keep(journal)
        path = tmp_path / "journal.sqlite"
        changed(path, "ALTER TABLE submissions ADD COLUMN weather TEXT")
        with Journal(tmp_path) as journal:  # one more column alone is no other version
            assert keep(journal, PAYLOAD + b" ").id == 2
        changed(path, "PRAGMA user_version = 9")
        before = path.read_bytes()
        with Journal(tmp_path, to_read=True) as journal:
            assert [kept.id for kept in journal.submissions()] == [1, 2]
            assert len(journal.unfinished()) == 2
        with pytest.raises(FacematchError, match=r"newer facematch \(version 9 of it; this one knows 2\)") as caught:
            Journal(tmp_path)
        assert "Update facematch" in caught.value.hint
        assert path.read_bytes() == before

    def test_one_so_new_that_it_has_other_columns(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            keep(journal)
        changed(tmp_path / "journal.sqlite", "PRAGMA user_version = 9")
        changed(tmp_path / "journal.sqlite", "ALTER TABLE submissions RENAME COLUMN dialect TO accent")
        with Journal(tmp_path, to_read=True) as journal, pytest.raises(FacematchError, match="no such column: dialect"):
            journal.submissions()


COLUMNS = {
    "submissions": ("id", "made", "sha256", "dialect", "query", "gallery", "made_by", "expectation", "to_send",
                    "system", "dropped"),
    "attempts": ("id", "submission", "started", "url", "host", "process", "fate", "kind", "message", "status",
                 "answer", "top1", "top5", "top10", "score", "seconds"),
    "payloads": ("sha256", "data"),
}  # fmt: skip
DAMAGE = (
    None, "", "x", "\x00\x1b[31m", b"\xff\xfe", -1, 2**62, 1e308, "scored", "sending", "[]", "{", '{"score": "high"}',
    '{"score": 1, "outcomes": 3}', "[" * 100_000, "1" * 6000, "{" + '"a": [' * 50 + "]" * 50 + "}",
)  # fmt: skip


@pytest.mark.parametrize(("table", "column"), [(table, each) for table, names in COLUMNS.items() for each in names])
def test_whatever_stands_in_a_cell_is_a_value_or_an_error_with_words(tmp_path: Path, table: str, column: str) -> None:
    path = earlier(tmp_path)
    with Journal(tmp_path):
        pass
    whole, said = path.read_bytes(), {}
    for value in DAMAGE:
        path.write_bytes(whole)
        with suppress(sqlite3.IntegrityError):  # NOT NULL
            changed(path, f"UPDATE {table} SET {column} = ? WHERE rowid = 3", value)
        try:
            with Journal(tmp_path) as journal:
                assert [journal.unfinished(), journal.attempts()]
                for kept in journal.submissions():
                    journal.payload(kept)
                    journal.begin(kept, URL, again=False)
                keep(journal)
        except FacematchError as error:
            said[value] = error.message
    assert all(len(words) < 300 and "journal" in words for words in said.values()), said
    assert b"\xff\xfe" in said or column in ("id", "dropped")


class TestTrouble:
    def test_a_damaged_file_is_named_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "journal.sqlite").write_bytes(b"no database" * 1000)
        with pytest.raises(FacematchError, match=r"journal\.sqlite cannot be used: file is not a database") as caught:
            Journal(tmp_path)
        assert "move it aside" in caught.value.hint
        assert (tmp_path / "journal.sqlite").read_bytes() == b"no database" * 1000

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(FacematchError, match="cannot be used"):
            Journal(tmp_path / "file")

    def test_a_full_disk_keeps_what_was(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            keep(journal)
            pages = journal._table.execute("PRAGMA page_count").fetchone()[0]
            journal._table.execute(f"PRAGMA max_page_count = {pages}")
            with pytest.raises(FacematchError, match="database or disk is full"):
                keep(journal, b"x" * 1_000_000)
        with Journal(tmp_path) as journal:
            assert len(journal.submissions()) == 1

    def test_a_payload_that_changed_is_not_sent(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            kept = keep(journal)
        with sqlite3.connect(tmp_path / "journal.sqlite") as table:
            table.execute("UPDATE payloads SET data = ?", (b"other",))
        with Journal(tmp_path) as journal, pytest.raises(FacematchError, match="submission 1 is damaged"):
            journal.payload(kept)

    @pytest.mark.parametrize("change", ["DELETE FROM payloads", "UPDATE payloads SET data = 'text'"])
    def test_a_payload_that_is_lost_is_said_and_made_anew(self, tmp_path: Path, change: str) -> None:
        with Journal(tmp_path) as journal:
            kept = keep(journal)
        changed(tmp_path / "journal.sqlite", change)
        with Journal(tmp_path) as journal:
            with pytest.raises(FacematchError, match="submission 1 is damaged"):
                journal.payload(kept)
            assert journal.payload(keep(journal)) == PAYLOAD

    def test_names_that_are_no_text_are_written_out(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal:
            kept = journal.keep(PAYLOAD, "results", to_send=True, query=Path("caf\udce9"), made_by="--set a=\ud800")
            assert (kept.query or "").endswith("caf\\udce9")
            assert kept.made_by == "--set a=\\ud800"

    @pytest.mark.parametrize("number", [7, 0, -1, 10**30])
    def test_an_unknown_number(self, tmp_path: Path, number: int) -> None:
        with Journal(tmp_path) as journal, pytest.raises(FacematchError, match=f"has no submission {number}"):
            journal.submission(number)
