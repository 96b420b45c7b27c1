"""Realistic misbehaviour, for practice: what the server does beside, or instead of, answering.

A fault is drawn from the mood, its seed and the submission's number, so that a rehearsal can be repeated.
"""

import asyncio
import random
from typing import Any

from starlette.responses import HTMLResponse, PlainTextResponse

_FAULTS: dict[str, dict[str, int]] = {  # of each mood, with their weights
    "steady": {"none": 1},
    "slow": {"slow": 1},
    "flaky": {"none": 6, "500": 2, "503": 2, "429": 1, "lost": 2, "cut": 1, "slow": 1},
    "down": {"closed": 1, "503": 1},
    "html": {"html": 1},
}
MOODS = tuple(_FAULTS)
_TIRED = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_INSTEAD = {  # of an answer
    "500": PlainTextResponse("Internal Server Error\n", 500),
    "503": PlainTextResponse("Service Unavailable\n", 503, {"Retry-After": "2"}),
    "closed": PlainTextResponse("Service Unavailable\n", 503, {"Retry-After": "2"}),
    "429": PlainTextResponse("Too Many Requests\n", 429, {"Retry-After": "1"}),
    "html": HTMLResponse(_TIRED),
}


class FaultInjector:
    """An ASGI application around another, whose answers to submissions fail as the mood has it; pages do not."""

    def __init__(self, app: Any, mood: str, seed: int = 1) -> None:
        self.app, self.mood, self.seed, self.count = app, mood, seed, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self.count += 1
        chance, faults = random.Random(self.seed * 1_000_003 + self.count), _FAULTS[self.mood]
        fault = chance.choices(list(faults), list(faults.values()))[0]
        if fault == "lost":
            await self._lost(scope, receive, send)
        elif fault in ("slow", "cut"):
            await self._beside(fault, chance, scope, receive, send)
        elif fault != "closed" or not await _hung_up(receive, send):
            await _INSTEAD.get(fault, self.app)(scope, receive, send)

    async def _lost(self, scope: Any, receive: Any, send: Any) -> None:
        # The submission is scored, but the connection ends without a byte of the answer.
        answer: list[Any] = []

        async def withheld(message: Any) -> None:
            answer.append(message)

        await self.app(scope, receive, withheld)
        if not await _hung_up(receive, send):
            await send(answer[0])  # an answer without its body makes the server close the connection

    async def _beside(self, fault: str, chance: random.Random, scope: Any, receive: Any, send: Any) -> None:
        # The submission is scored, but its answer is late or cut short.
        async def changed(message: Any) -> None:
            if fault == "slow":
                if message["type"] == "http.response.start":
                    await asyncio.sleep(chance.uniform(2, 8))
            elif message["type"] == "http.response.body":
                whole = message.get("body", b"")
                message = {**message, "body": whole[: len(whole) // 2], "more_body": True}
            await send(message)

        await self.app(scope, receive, changed)
        # An answer that promised more than it gave makes the server close the connection.


async def _hung_up(receive: Any, send: Any) -> bool:
    # ASGI has no word for closing a connection unanswered; uvicorn's `send` knows the connection it writes to.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return False
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
    return True
