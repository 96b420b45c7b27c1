"""What `request` keeps before it says what to expect and sends, and what it tells of photos without a face."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.tasks.competition.journal import Journal
from net import answering, response, says
from tiny_project import TINY

DRY = ("request", *TINY, "--dry-run")
EXPECTED = "facematch.tasks.competition.expected.expected_score"
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")


@pytest.fixture
def url() -> Iterator[str]:
    with answering(says(response("200 OK", b'{"results": [0.5, 0.75, 1]}'))) as (found, _):
        yield found


def test_the_ranking_is_kept_before_the_expected_score_is_computed(
    tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        assert len(list(Path("submissions").glob("0001-*.json"))) == 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EXPECTED, pressed)
        done = run("request", *TINY, "--set", "server.url=http://127.0.0.1:9/results/")
    assert done.code == 130
    assert "submission 1 is kept, not sent: facematch resend 1" in done.err
    with Journal(Path("submissions")) as journal:
        assert [(kept.id, attempt) for kept, attempt in journal.unfinished()] == [(1, None)]


def test_the_score_to_expect_is_told_before_anything_is_sent(tiny: Path, run: Run, url: str) -> None:
    done = run("request", *TINY, "--set", f"server.url={url}")
    assert done.code == 0, done.err
    said = [done.out.index(words) for words in ("submission 1: ", "expected: score 1000", "received: ")]
    assert said == sorted(said)
    assert json.loads(run("submissions", "--json").out)["submissions"][0]["expected"] == 1000


def test_it_need_not_be_computed(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EXPECTED, lambda *_: pytest.fail("computed"))
    done = run(*DRY, "--no-expect")
    assert done.code == 0, done.err
    assert "expected" not in done.out


def test_nobody_to_validate_on_is_said_once_with_what_to_set(
    tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = tuple(f"person {number}" for number in range(6))
    monkeypatch.setattr("facematch.tasks.competition.ensembles.trained_people", lambda _: everyone)
    done = run(*DRY)
    assert done.code == 0, done.err
    assert done.text.count("so there is nobody to validate on") == 1
    assert "expected: unknown: every person of identities.train was in the training" in done.out
    assert "--set identities.validation=FOLDER" in done.err


class TestBestSoFar:
    def submit(self, run: Run, url: str) -> None:
        """Somebody else's answers, without an expected score."""
        images = {f"q{number}.png": [f"g{n:02d}.png" for n in range(10)] for number in range(3)}
        images["q0.png"].reverse()
        Path("theirs.json").write_text(json.dumps({"groupname": "us", "images": images}))
        assert run("submit", "theirs.json", "--set", f"server.url={url}").code == 0

    def test_it_is_the_best_scored_one_whoever_made_it(self, tiny: Path, run: Run, url: str) -> None:
        self.submit(run, url)
        done = run("request", *TINY, "--set", f"server.url={url}")
        assert done.code == 0, done.err
        words = "submission 1, the best so far (scored 625) was kept without an expected score"
        assert words in done.out

    def test_at_that_address(self, tiny: Path, run: Run, url: str) -> None:
        assert run("request", *TINY, "--set", f"server.url={url}").code == 0
        with answering(says(response("200 OK", b'{"results": [0.1, 0.2, 0.3]}'))) as (other, _):
            self.submit(run, other)
            done = run(*DRY, "--set", "ranking.metric=manhattan", "--set", "refine=[flip]")
            assert f"the best so far (scored 625 at {url})" in done.out  # no address: wherever it was
            done = run("request", *TINY, "--set", "refine=[flip]", "--set", f"server.url={other}")
        assert "the best so far (scored 150) was kept without" in done.out

    def test_a_damaged_outcome_of_an_earlier_one_does_not_stop_the_day(self, tiny: Path, run: Run, url: str) -> None:
        assert run("request", *TINY, "--set", f"server.url={url}").code == 0
        with Journal(Path("submissions")) as journal:
            journal.expect(journal.submission(1), {"score": 3, "outcomes": {"queries": [1]}})
        done = run("request", *TINY, "--set", "refine=[flip]", "--set", f"server.url={url}")
        assert done.code == 0, done.err
        assert "cannot be compared" in done.out


class TestPhotosWithoutAFace:
    def test_they_are_named_and_listed_beside_the_submission(self, tiny: Path, run: Run) -> None:
        (GALLERY / "broken.png").write_bytes(b"\x89PNG nothing")
        done = run(*DRY, "--no-expect", "--set", "faces.detector=haar")
        assert done.code == 0, done.err
        assert "! queries: no face found in 3: q0.png, q1.png, q2.png" in done.err
        assert "! gallery: no face found in 12: g00.png, g01.png, g02.png, g03.png, g04.png …" in done.err
        assert "! gallery: not read, 1: broken.png (" in done.err
        (file,) = Path("submissions").glob("*.csv")
        assert f"photos without a face, or not read: {file}" in done.out
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert [row["name"] for row in rows if row["side"] == "query"] == ["q0.png", "q1.png", "q2.png"]
        assert {row["status"] for row in rows} == {"whole", "unreadable"}
        assert len(rows) == 16
        assert json.loads(run("submissions", "show", "1", "--json").out)["submission"]["without_face"] == str(file)

    def test_where_all_have_one_nothing_is_said(self, tiny: Path, run: Run) -> None:
        done = run(*DRY, "--no-expect")
        assert "without a face" not in done.text
        assert list(Path("submissions").glob("*.csv")) == []


class TestJson:
    def test_a_result_is_all_there_is_on_standard_output(self, tiny: Path, run: Run, url: str) -> None:
        done = run("request", *TINY, "--json", "--set", f"server.url={url}")
        row = json.loads(done.out)["submission"]
        assert (row["id"], row["fate"], row["score"], row["expected"], row["group"]) == (1, "scored", 625, 1000, "us")
        assert "expected: score 1000" in done.err

    def test_also_where_sending_failed(self, tiny: Path, run: Run) -> None:
        done = run("request", *TINY, "--json", "--set", "server.url=http://127.0.0.1:9/results/")
        assert done.code == 1
        assert json.loads(done.out)["submission"]["fate"] == "not scored"

    def test_check_tells_defects(self, tiny: Path, run: Run) -> None:
        assert run(*DRY, "--no-expect", "--out", "mine.json").code == 0
        told = json.loads(run("check", "mine.json", "--json").out)
        assert told == {
            "file": "mine.json", "group": "us", "queries": 3, "names": 10, "fit": True, "defects": []
        }  # fmt: skip
        value = json.loads(Path("mine.json").read_text())
        del value["images"]["q0.png"]
        Path("mine.json").write_text(json.dumps(value))
        done = run("check", "mine.json", "--json")
        assert done.code == 1
        assert json.loads(done.out)["defects"] == ["queries of the folder that are missing: 1 (q0.png)"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 200_000, "JSON"),
        (b'{"groupname": "us", "images": ' + b"[" * 60 + b"]" * 60 + b"}", ""),
        (b'{"groupname": "us", "images": ' + b"9" * 6000 + b"}", ""),
        (b'{"groupname": "us", "images": {"\\ud800.jpg": ["\\udfff"]}}', "\\ud800.jpg"),
        (b"\xff\xfe\x00", ""),
    ],
)
@pytest.mark.parametrize("command", ["check", "submit"])
def test_whatever_a_payload_holds_is_words(tiny: Path, run: Run, command: str, text: bytes, words: str) -> None:
    Path("odd.json").write_bytes(text)
    sets = ("--set", "server.url=http://127.0.0.1:9/results/") if command == "submit" else ()
    done = run(command, "odd.json", *sets)
    assert done.code == 1
    assert words in done.text
    assert len(done.text) < 2000
    assert "Traceback" not in done.text


def test_a_payload_of_gigabytes_is_not_read(tiny: Path, run: Run) -> None:
    with Path("huge.json").open("wb") as made:
        made.truncate(3_000_000_000)  # a hole: it takes no room
    done = run("check", "huge.json")
    assert done.code == 1
    assert "the payload: huge.json is damaged, or of another kind: it is longer than" in done.err


def test_a_refused_folder_is_the_same_error_with_json(tiny: Path, run: Run) -> None:
    done = run(*DRY, "--json", "--set", "paths.query=nowhere")
    assert (done.code, done.out) == (1, "")
