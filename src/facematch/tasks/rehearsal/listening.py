"""The server's socket and connections: one that says nothing, or drips, is ended."""

import asyncio
import errno
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from facematch.core.errors import FacematchError

_LOOK = 5.0  # seconds between two looks at a connection
_SILENT, _BUSY = 3, 36  # looks at which it was the same: without a whole request; within one request
_CONNECTIONS = 800  # more are answered 503; a process may open 1,024 files by default


class _Impatient(H11Protocol):
    # uvicorn's time-out is for the pause after an answer; this one is for headers, bodies and readers that drip.
    _before: tuple[Any, bool] = (None, False)
    _same = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_LOOK, self._look)

    def _look(self) -> None:
        if self not in self.connections:  # it has ended
            return
        now = (self.cycle, self.cycle is not None and not self.cycle.response_complete)
        self._same = self._same + 1 if now[0] is self._before[0] and now[1] == self._before[1] else 0
        self._before = now
        if self._same >= (_BUSY if now[1] else _SILENT):
            self.transport.abort()
        else:
            self.loop.call_later(_LOOK, self._look)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises FacematchError where the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, UnicodeError, TypeError) as error:  # names that are no hosts raise the latter two
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise FacematchError(
                f"port {port} on {host} is already in use.",
                "Another server may still run; choose another with --port (0 takes a free one).",
            ) from error
        raise FacematchError(
            f"cannot listen on {host}, port {port}: {getattr(error, 'strerror', None) or error}.",
            "Choose an address of this machine with --host, and a port above 1023 with --port.",
        ) from error


def run(app: Any, listening: socket.socket) -> None:
    """Answer connections with an ASGI application until Ctrl-C, which is raised again once they are closed."""
    uvicorn.Server(config_of(app)).run(sockets=[listening])


def config_of(app: Any) -> uvicorn.Config:
    """Return how the server runs: quietly, without web sockets, with limits on connections and their silence."""
    return uvicorn.Config(
        app, http=_Impatient, ws="none", log_config=None, log_level="critical", access_log=False, lifespan="off",
        limit_concurrency=_CONNECTIONS, timeout_keep_alive=int(_LOOK), timeout_graceful_shutdown=3,
        proxy_headers=False,  # else a client of this machine could name any address as its own
    )  # fmt: skip
