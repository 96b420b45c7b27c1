"""Submissions as they come in: bounded in bytes, in time and all together before anything is made of them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

TOGETHER = 2**28  # bytes of all submissions that are held at once
_SECONDS = 120  # for one submission to arrive


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
