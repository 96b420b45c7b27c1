"""A server on this machine that has a file to fetch, and every way of not giving it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class FileServer:
    """Answers every GET and HEAD with `data`, within `ranges` where it is asked for a part.

    `status` replaces 200; `cut` ends the connection after so many bytes; `delay` waits in the middle, in seconds;
    `lengthless` says no length. `asked` holds each request: method, path and Range.
    """

    data: bytes
    status: int = 200
    cut: int | None = None
    delay: float = 0.0
    ranges: bool = True
    lengthless: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append((self.command, self.path, wanted))
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and server.ranges else 0
            status = server.status if server.status != 200 else 206 if start else 200
            if start > len(server.data):
                status = 416
            body = server.data[start:] if status in (200, 206) else b""
            self.send_response(status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            if not server.lengthless:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            given = body if server.cut is None else body[: server.cut]
            self.wfile.write(given[: len(given) // 2])
            self.wfile.flush()
            time.sleep(server.delay)
            self.wfile.write(given[len(given) // 2 :])

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(data: bytes, **how: Any) -> Iterator[FileServer]:
    """Serve `data`, as `FileServer` has it."""
    server = FileServer(data, **how)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as listening:
        listening.daemon_threads = True
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{listening.server_port}"
        yield server
        listening.shutdown()
        thread.join(5)
