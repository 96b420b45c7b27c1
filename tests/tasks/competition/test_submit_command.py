"""`check`, `submit`, `resend`, `submissions`, `rescore` and `diff`: payloads kept, sent, compared."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_helpers import TRUTH, Finished, Run, names

QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
QUICK = ("--set", "server.attempts=2", "--set", "server.backoff=0.01", "--set", "server.timeout=5")


@pytest.fixture
def payload(project: Path) -> Path:
    """Every query right: its own gallery photos first."""
    truth = json.loads(Path(TRUTH).read_text())
    images = {
        query: (right + [name for name in names(GALLERY) if name not in right])[:10] for query, right in truth.items()
    }
    Path("right.json").write_text(json.dumps({"groupname": "us", "images": images}))
    return Path("right.json")


def changed(change: Callable[[dict[str, list[str]]], None], name: str = "wrong.json") -> Path:
    value = json.loads(Path("right.json").read_text())
    change(value["images"])
    Path(name).write_text(json.dumps(value))
    return Path(name)


@contextmanager
def answering(*bodies: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these bodies in turn, the last one for ever; an empty one closes the connection."""
    received: list[bytes] = []
    left = list(bodies)

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"}}" not in data and (block := connection.recv(65_536)):
                    data += block
                received.append(data)
                body = left.pop(0) if len(left) > 1 else left[0]
                if body:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/results/", received
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


SCORED = b'{"results": [1, 1, 1]}'


def submit(run: Run, file: Path, url: str, *options: str) -> Finished:
    return run("submit", file, "--set", f"server.url={url}", *QUICK, *options)


def listed(run: Run) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(run("submissions", "--json").out)["submissions"]
    return rows


class TestCheck:
    def test_a_right_payload(self, payload: Path, run: Run) -> None:
        done = run("check", payload)
        assert (done.code, done.out) == (0, "right.json is fit to be sent: 3 queries, 10 names each, group us\n")
        assert not Path("submissions").exists()

    def test_each_defect_is_named(self, payload: Path, run: Run) -> None:
        def spoil(images: dict[str, list[str]]) -> None:
            first, second, third = images
            images[first] = images[first][:9]
            images[second][3] = images[second][0]
            images[third][0] = first
            images["stranger.jpg"] = images[second]

        done = run("check", changed(spoil))
        assert done.code == 1
        for words in ("without exactly 10 names", "name a photo twice", "that are query photos", "not in the query"):
            assert words in done.out
        assert "wrong.json is not fit to be sent" in done.err

    def test_the_folders_swapped(self, payload: Path, run: Run) -> None:
        done = run("check", payload, "--query", GALLERY, "--gallery", QUERY)
        assert done.code == 1
        assert "holds 3 photos; a submission names 10 different ones" in done.err

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "cannot be read as JSON"),
            ("<html>", "cannot be read as JSON"),
            ("[]", "not an object"),
            ("{}", "has no key 'groupname'"),
        ],
    )
    def test_what_is_no_payload(self, project: Path, run: Run, text: str, words: str) -> None:
        Path("x.json").write_text(text)
        done = run("check", "x.json")
        assert done.code == 1
        assert words in done.err
        assert "nowhere.json does not exist" in run("check", "nowhere.json").err

    def test_a_form_told_on_the_day(self, payload: Path, run: Run) -> None:
        Path("form.yaml").write_text("dialects: {new: {path: /n, group_key: team, names: 5}}")
        value = json.loads(payload.read_text())
        images = {query: answer[:5] for query, answer in value["images"].items()}
        Path("new.json").write_text(json.dumps({"team": "us", "images": images}))
        sets = ("--set", "server.form=form.yaml", "--set", "server.dialect=new")
        assert run("check", "new.json", *sets).code == 0
        assert "has no key 'team'" in run("check", payload, *sets).err


class TestSubmit:
    def test_the_bytes_go_out_as_they_are(self, payload: Path, run: Run) -> None:
        with answering(SCORED) as (url, received):
            done = submit(run, payload, url)
        assert done.code == 0, done.err
        assert "received: top-1 1.000, top-5 1.000, top-10 1.000, score 1000 of 1000" in done.out
        assert received[0].endswith(payload.read_bytes())
        (row,) = listed(run)
        assert (row["fate"], row["score"], row["attempts"], row["queries"]) == ("scored", 1000, 1, 3)

    def test_a_defect_stops_it_before_anything_is_sent(self, payload: Path, run: Run) -> None:
        with answering(SCORED) as (url, received):
            done = submit(run, changed(lambda images: images.pop(next(iter(images)))), url)
        assert done.code == 1
        assert "queries of the folder that are missing" in done.err
        assert received == []
        assert not Path("submissions").exists()

    def test_the_same_answers_are_not_sent_twice(self, payload: Path, run: Run) -> None:
        with answering(SCORED) as (url, received):
            submit(run, payload, url)
            done = submit(run, payload, url)
            assert done.code == 0
            assert "already scored: 1000 at" in done.out
            assert "facematch resend 1 --again" in done.err
            assert len(received) == 1
            assert submit(run, payload, url, "--again").code == 0
            assert len(received) == 2

    def test_a_lost_answer_is_said_to_be_unknown(self, payload: Path, run: Run) -> None:
        with answering(b"", b"<html>tired</html>", SCORED) as (url, received):
            done = submit(run, payload, url)
            assert done.code == 3
            assert "broke before an answer came" in done.err
            assert "facematch resend 1 --again" in done.err
            again = submit(run, payload, url)
            assert again.code == 3
            assert "may have been scored, its answer was lost" in again.err
            assert "It may have been scored, so it is not sent again" in again.err
            assert len(received) == 1
            assert "HTML page instead of a score: tired" in submit(run, payload, url, "--again").err
            assert run("resend", "1", "--again", *QUICK).code == 0  # to where it was sent last
            assert len(received) == 3
        (row,) = listed(run)
        assert (row["fate"], row["attempts"]) == ("scored", 3)

    def test_a_token_reaches_the_server_and_no_file(
        self, payload: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COMPETITION_TOKEN", "Bearer very-secret")
        with answering(SCORED) as (url, received):
            done = submit(run, payload, url, "--set", "server.headers={Authorization: COMPETITION_TOKEN}")
        assert b"Authorization: Bearer very-secret" in received[0]
        assert "very-secret" not in done.text
        assert not any(b"very-secret" in path.read_bytes() for path in Path("submissions").iterdir())


class TestResend:
    def test_pending_sends_what_was_surely_not_scored(self, payload: Path, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            down = f"http://127.0.0.1:{taken.getsockname()[1]}/results/"
        other = changed(lambda images: next(iter(images.values())).reverse(), "other.json")
        assert submit(run, payload, down).code == 1
        with answering(b"", SCORED) as (url, received):
            assert submit(run, other, url).code == 3
            done = run("resend", "--pending", "--set", f"server.url={url}", *QUICK)
            assert done.code == 0, done.err
            assert "1 that may have been scored are left alone" in done.err
            assert [payload.read_bytes() in data for data in received] == [False, True]
            assert run("resend", "--pending", "--again", "--set", f"server.url={url}", *QUICK).code == 0
            assert len(received) == 3
        assert {row["fate"] for row in listed(run)} == {"scored"}
        assert "nothing is pending" in run("resend", "--pending").out

    def test_one_that_fails_does_not_stop_the_others(self, payload: Path, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            down = f"http://127.0.0.1:{taken.getsockname()[1]}/results/"
        for name in ("a.json", "b.json"):
            submit(
                run, changed(lambda images, name=name: next(iter(images.values())).sort(reverse=name < "b"), name), down
            )
        with answering(b"<html>", SCORED) as (url, received):
            done = run("resend", "--pending", "--set", f"server.url={url}", *QUICK)
        assert done.code == 3
        assert "1 of 2 submissions have no score" in done.err
        assert len(received) == 2

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "needs a submission's number or --pending"),
            (("1", "--pending"), "needs a submission's number or --pending"),
            (("9",), "has no submission 9"),
        ],
    )
    def test_mistakes(self, project: Path, run: Run, arguments: tuple[str, ...], words: str) -> None:
        done = run("resend", *arguments)
        assert done.code == 1
        assert words in done.err


class TestKilled:
    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    def test_a_client_killed_while_it_waits_is_told_of_at_the_next_start(self, payload: Path, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/results/"
            command = [sys.executable, "-m", "facematch", "submit", "right.json", "--set", f"server.url={url}"]
            client = subprocess.Popen(command, env=os.environ)
            connection, _ = listening.accept()
            with connection:
                time.sleep(0.2)
                client.send_signal(signal.SIGKILL)
                client.wait(10)
        done = run("submissions")
        assert "submission 1 of" in done.err
        assert "may have been scored, its answer was lost" in done.err
        (row,) = listed(run)
        assert (row["fate"], row["kind"]) == ("unknown", "killed")
        assert Path(str(row["file"])).read_bytes() == payload.read_bytes()


class TestSubmissions:
    def test_the_best_stands_first(self, payload: Path, run: Run) -> None:
        worse = changed(lambda images: [answer.reverse() for answer in images.values()])  # type: ignore[func-returns-value]
        with answering(b'{"results": [0.1, 0.2, 0.3]}', SCORED) as (url, _):
            submit(run, worse, url)
            submit(run, payload, url)
        assert [row["id"] for row in listed(run)] == [2, 1]
        shown = run("submissions").out
        assert shown.index("1000") < shown.index("0.100")

    def test_without_any(self, project: Path, run: Run) -> None:
        done = run("submissions")
        assert done.code == 1
        assert "there is no submissions folder submissions" in done.err

    def test_rescore_against_a_ground_truth(self, payload: Path, run: Run) -> None:
        worse = changed(lambda images: [answer.reverse() for answer in images.values()])  # type: ignore[func-returns-value]
        with answering(SCORED) as (url, _):
            submit(run, worse, url)
            submit(run, payload, url)
        rows = json.loads(run("rescore", "--truth", TRUTH, "--json").out)["submissions"]
        assert [row["id"] for row in rows] == [2, 1]
        assert (rows[0]["score"], rows[0]["answered"]) == (1000, 3)
        assert rows[1]["top1"] == 0
        assert "3 queries" in run("rescore", "--truth", TRUTH).out
        assert "does not exist" in run("rescore", "--truth", "nowhere.json").err


class TestDiff:
    def test_a_page_shows_what_changed(self, payload: Path, run: Run) -> None:
        def swap(images: dict[str, list[str]]) -> None:
            first, second, _ = images
            images[first][0], images[first][1] = images[first][1], images[first][0]
            images[second][9] = next(name for name in names(GALLERY) if name not in images[second])

        other = changed(swap)
        with answering(SCORED) as (url, _):
            submit(run, payload, url)
            submit(run, other, url)
        done = run("diff", "1", "2", "--out", "d.html")
        assert done.code == 0, done.err
        assert "2 of 3 queries are answered differently, 1 with another best name" in done.out
        page = Path("d.html").read_text()
        first, second, third = json.loads(payload.read_text())["images"]
        assert first in page
        assert second in page
        assert third not in page
        assert page.count("<a href=") == 2 * 21
        assert page.count('class="marked"') == 2
        assert "http" not in page.replace("http-equiv", "")
        assert "has no submission 7" in run("diff", "1", "7").err
