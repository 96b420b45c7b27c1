"""What bounds clients of the server: silent connections are ended, submissions bounded in bytes, time and number."""

import asyncio
import errno
import math
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from facematch.core.errors import FacematchError

TOGETHER = 2**28  # bytes of all submissions that are held at once
_SECONDS = 120  # for one submission to arrive
_LOOK = 5.0  # seconds between two looks at a connection
_SILENT, _BUSY = 3, 36  # looks at which it was the same: without a whole request; within one request
_CONNECTIONS = 800  # more are answered 503; a process may open 1,024 files by default


class Bodies:
    """The submissions that are being received and scored: each at most `largest` bytes, all at most `together`.

    `scoring` is held while one is parsed and scored: as values a submission takes several times its bytes.
    """

    def __init__(self, largest: int, together: int = TOGETHER) -> None:
        self.largest, self.together, self._held = largest, together, 0
        self.scoring = threading.BoundedSemaphore(2)

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[bytes]:
        """Yield a request's body, which counts as held until the block ends.

        Raises HTTPException: 413 when it is too large, 408 when it comes too slowly, 503 when too much is held.
        """
        body = bytearray()
        try:
            try:
                await asyncio.wait_for(self._read(request, body), _SECONDS)
            except asyncio.TimeoutError:
                raise HTTPException(408, f"The submission did not arrive within {_SECONDS} seconds") from None
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        async for block in request.stream():
            if len(body) + len(block) > self.largest:
                raise HTTPException(413, f"The submission is larger than {self.largest} bytes")
            if self._held + len(block) > self.together:
                raise HTTPException(503, "Too many submissions at once", {"Retry-After": "1"})
            self._held += len(block)
            body += block


class RateLimit:
    """A bucket of tokens for each address: `rate` a minute, a minute's worth at most; the last 10,000 addresses."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise HTTPException with status 429 where an address has none left, else take one."""
        now = time.monotonic()
        tokens, then = self._buckets.pop(address, (self.rate, now))
        tokens = min(self.rate, tokens + (now - then) * self.rate / 60)
        self._buckets[address] = (tokens - 1 if tokens >= 1 else tokens, now)  # being refused costs nothing
        while len(self._buckets) > 10_000:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = max(1, math.ceil((1 - tokens) * 60 / self.rate))
            raise HTTPException(429, f"More than {self.rate:g} submissions a minute", {"Retry-After": str(wait)})


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
