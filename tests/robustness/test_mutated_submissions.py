"""Damaged journals, payloads and zip files: a value or one error with words, whatever the damage."""

import io
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mutations import COUNT, mutations

from facematch.core.errors import FacematchError
from facematch.identities.archives import unzipped
from facematch.photos.photo import PhotoLimits
from facematch.tasks.competition.journal import Journal
from facematch.tasks.competition.submission import Submission, defects

EARLIER = Path(__file__).parents[1] / "tasks" / "competition" / "journal-1.sql"
GALLERY = [f"g{number}.jpg" for number in range(12)]


def outcomes(read: Callable[[bytes], object], whole: bytes, seed: int) -> tuple[int, int]:
    """How many damaged copies were read, and how many were refused with words; whatever else comes is raised."""
    refused = 0
    for data in mutations(whole, seed):
        try:
            read(data)
        except FacematchError as error:
            refused += 1
            if len(str(error)) > 800:
                raise AssertionError("longer than a screen") from error
    return COUNT - refused, refused


def test_journals(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as table:
        table.executescript(EARLIER.read_text())
    with Journal(tmp_path):
        pass

    def read(data: bytes) -> None:
        for each in tmp_path.iterdir():
            each.unlink()
        path.write_bytes(data)
        with Journal(tmp_path) as journal:
            assert [journal.unfinished(), journal.attempts()]
            for kept in journal.submissions():
                journal.payload(kept)
                journal.begin(kept, "http://h/results/", again=False)
            kept = journal.keep(b"{}", "results", to_send=True)
            journal.expect(kept, {"score": 1})
            journal.drop(kept)

    whole = path.read_bytes()
    assert min(outcomes(read, whole, 18)) > 0
    unreadable = whole.replace(b"tableattemptsattempts", b"tableattemp\xecsattempts")
    assert unreadable != whole
    with pytest.raises(FacematchError, match="cannot be used"):  # SQLite's own message is no text
        read(unreadable)


def test_payloads() -> None:
    whole = Submission("us", {f"q{number}.jpg": tuple(GALLERY[number : number + 10]) for number in range(3)}).payload()
    asked = ["q0.jpg", "q1.jpg", "q2.jpg"]
    assert min(outcomes(lambda data: defects(Submission.from_payload(data), asked, GALLERY), whole, 18)) > 0


def test_zip_files(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for number in range(5):
            opened.writestr(zipfile.ZipInfo(f"query/{number}.jpg"), bytes([number]) * 300)  # without the time of day

    def read(data: bytes) -> None:
        (tmp_path / "q.zip").write_bytes(data)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        unzipped(tmp_path / "q.zip", tmp_path / "cache", PhotoLimits())

    assert min(outcomes(read, made.getvalue(), 18)) > 0
