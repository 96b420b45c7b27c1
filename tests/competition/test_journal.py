"""The journal: on the disk before anything is sent, whole after a kill, no attempt forgotten."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from facematch.competition.answer import ServerAnswer
from facematch.competition.exchange import Outcome
from facematch.competition.journal import Attempt, Journal, Kept
from facematch.errors import FacematchError

URL = "http://10.0.0.1/results/"
PAYLOAD = b'{"groupname": "us", "images": {}}'
TEXT = '{"accuracy": 500}'
SCORED = Outcome("scored", "scored", "", status=200, text=TEXT, answer=ServerAnswer("retrieval", 0.1, 0.2, 0.3, 500))
LOST = Outcome("reset", "unknown", "the connection broke")
REFUSED = Outcome("unreachable", "not scored", "cannot be reached", again=True)


def keep(journal: Journal, payload: bytes = PAYLOAD, *, to_send: bool = True) -> Kept:
    return journal.keep(payload, "results", to_send=to_send, query=Path("q"), gallery=Path("g"), made_by="test")


def begun(journal: Journal, kept: Kept, *, again: bool = False, url: str = URL) -> int:
    number = journal.begin(kept, url, again=again)
    assert isinstance(number, int)
    return number


def refused(journal: Journal, kept: Kept, *, again: bool = False, url: str = URL) -> Attempt:
    before = journal.begin(kept, url, again=again)
    assert isinstance(before, Attempt)
    return before


def test_what_is_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    with Journal(tmp_path / "new") as journal:
        kept = journal.keep(PAYLOAD, "results", to_send=True, query=Path("q"), expectation={"score": 612.5})
    with Journal(tmp_path / "new") as journal:
        (found,) = journal.submissions()
        assert found == kept == journal.submission(kept.id)
        assert journal.payload(found) == PAYLOAD == journal.file(found).read_bytes()
        assert found.expectation == {"score": 612.5}
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
        "from facematch.competition.journal import Journal\n"
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

    def test_an_unknown_number(self, tmp_path: Path) -> None:
        with Journal(tmp_path) as journal, pytest.raises(FacematchError, match="has no submission 7"):
            journal.submission(7)
