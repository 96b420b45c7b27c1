"""The rehearsal server over real sockets, and as a process that Ctrl-C stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import uvicorn

from facematch.core.errors import FacematchError
from facematch.tasks.competition.address import submission_url
from facematch.tasks.competition.submission import Submission
from facematch.tasks.rehearsal.limits import config_of
from facematch.tasks.rehearsal.serve import serve_command
from facematch.tasks.rehearsal.server import create_app
from rehearsal_helpers import FORM, TRUTH, post, submission


@contextmanager
def running() -> Iterator[str]:
    """The application on a free port of this machine, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(config_of(create_app(TRUTH)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


class TestEndToEnd:
    def test_our_client_in_both_dialects(self) -> None:
        with running() as address:
            results = post(submission(), submission_url(address, FORM, "results"), "results", timeout=10)
            retrieval = post(submission(), submission_url(address, FORM, "retrieval"), "retrieval", timeout=10)
        assert (results.top1, results.top5, results.top10, results.score) == (0.25, 0.5, 0.75, 375)
        assert (retrieval.dialect, retrieval.top1, retrieval.score) == ("retrieval", None, 375)

    def test_a_missing_slash_is_an_error_that_shows_the_way(self) -> None:
        with running() as address, pytest.raises(FacematchError) as caught:
            post(submission(), f"{address}/results", "results", timeout=10)
        assert "error status 404 Not Found: POST a submission to /results/" in caught.value.message

    def test_a_real_task_in_size(self) -> None:
        names = tuple(f"{n:040x}.jpg" for n in range(10))
        large = Submission("us", {f"{n:040x}.jpg": names for n in range(6000)})
        with running() as address:
            assert post(large, f"{address}/retrieval/", "retrieval", timeout=20).score == 0


class TestServe:
    def start(self, tmp_path: Path) -> tuple["subprocess.Popen[str]", str]:
        (tmp_path / "truth.json").write_text(json.dumps({query: list(names) for query, names in TRUTH.items()}))
        code = (
            # A shell's background job, and so its children, ignore Ctrl-C until they ask for it.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from pathlib import Path; from facematch.tasks.rehearsal.serve import serve_command; "
            "serve_command(Path('truth.json'), port=0); print('left')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        address = process.stderr.readline().split(" ")[3]
        assert process.stderr.readline().startswith(f"leaderboard: {address}/  kept in submissions")
        return process, address

    def test_it_serves_until_ctrl_c(self, tmp_path: Path) -> None:
        process, address = self.start(tmp_path)
        try:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            answer = post(submission(), f"{address}/results/", "results", timeout=10)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=15)
        finally:
            process.kill()
        assert answer.score == 375
        assert (process.returncode, out.strip()) == (0, "left")
        assert len(err.splitlines()) == 1
        assert "/results/ us: score 375.0" in err

    def test_a_client_cannot_name_another_address(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        command = [sys.executable, "-m", "facematch", "serve", "--ground-truth", "truth.json", "--port", "0"]
        process = subprocess.Popen([*command, "--rate", "2"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            address = next(line for line in process.stderr if "http://" in line).split("http://")[1].split()[0]
            statuses = [
                requests.post(
                    f"http://{address}/results/", data=b"", headers={"X-Forwarded-For": f"10.0.0.{n}"}, timeout=10
                ).status_code
                for n in range(4)
            ]
        finally:
            process.kill()
            process.communicate()
        assert statuses == [400, 400, 429, 429]

    def test_a_server_for_other_machines_says_where_it_is_for_each(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        command = [sys.executable, "-m", "facematch", "serve", "--truth", "truth.json", "--port", "0"]
        told = {**os.environ, "COLUMNS": "200"}
        process = subprocess.Popen(
            [*command, "--host", "0.0.0.0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=told
        )
        try:
            assert process.stderr is not None
            here = next(line for line in process.stderr if "http://" in line).split("http://")[1].split()[0]
            other = process.stderr.readline().split("http://")[1].partition(",")[0]
            for address, host, status in ((here, here, 200), (here, other, 200), (here, "evil.example", 421)):
                answer = requests.get(f"http://{address}/", headers={"Host": host}, timeout=10)
                assert answer.status_code == status
        finally:
            process.kill()
            process.communicate()
        assert here.startswith("localhost:")
        assert other.startswith(f"{socket.gethostname()}:")

    def test_ctrl_c_at_once_and_with_an_open_connection(self, tmp_path: Path) -> None:
        process, address = self.start(tmp_path)
        try:
            port = int(address.rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
                idle.sendall(b"POST /results/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=15)
        finally:
            process.kill()
        assert process.returncode == 0

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(FacematchError) as caught:
                serve_command(tmp_path / "truth.json", port=port)
        assert f"port {port} on 127.0.0.1 is already in use" in caught.value.message
        assert "--port" in caught.value.hint

    def test_an_address_of_another_machine(self, tmp_path: Path) -> None:
        (tmp_path / "truth.json").write_text('{"q.jpg": ["g.jpg"]}')
        with pytest.raises(FacematchError) as caught:
            serve_command(tmp_path / "truth.json", host="192.0.2.1", port=0)
        assert "cannot listen on 192.0.2.1" in caught.value.message
        assert "--host" in caught.value.hint

    def test_a_bad_ground_truth_is_an_error_before_anything_listens(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(FacematchError, match="does not exist"):
            serve_command(tmp_path / "absent.json", port=0)
        assert capsys.readouterr().err == ""
