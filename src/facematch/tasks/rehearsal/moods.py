"""Realistic misbehaviour, for practice: what the server does beside, or instead of, answering.

A mood is drawn from its seed and the submission's number, so that a rehearsal can be repeated.
"""

import asyncio
import random
from typing import Any, Literal, get_args

from starlette.responses import HTMLResponse, PlainTextResponse, Response

Mood = Literal["steady", "slow", "flaky", "down", "html"]
MOODS: tuple[Mood, ...] = get_args(Mood)

_TIRED = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_ACTS = {  # what a mood does, with its weight
    "slow": {"slow": 1},
    "flaky": {"fine": 6, "500": 2, "503": 2, "429": 1, "lost": 2, "cut": 1, "slow": 1},
    "down": {"closed": 1, "503": 1},
    "html": {"html": 1},
}


class Moody:
    """An ASGI application around another: submissions meet the mood, the pages do not."""

    def __init__(self, app: Any, mood: Mood, seed: int = 1) -> None:
        self.app, self.mood, self.seed, self.count = app, mood, seed, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or self.mood == "steady":
            await self.app(scope, receive, send)
            return
        self.count += 1
        chance, acts = random.Random(self.seed * 1_000_003 + self.count), _ACTS[self.mood]
        act = chance.choices(list(acts), list(acts.values()))[0]
        if act == "lost":
            await self._lost(scope, receive, send)
        elif act in ("slow", "cut"):
            await self._beside(act, chance, scope, receive, send)
        elif act == "closed" and await _hung_up(receive, send):
            return
        elif (instead := _instead(act)) is not None:
            await instead(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _lost(self, scope: Any, receive: Any, send: Any) -> None:
        # The submission is scored, but the connection ends without a byte of the answer.
        answer: list[Any] = []

        async def withheld(message: Any) -> None:
            answer.append(message)

        await self.app(scope, receive, withheld)
        if not await _hung_up(receive, send):
            await send(answer[0])  # an answer without its body makes the server close the connection

    async def _beside(self, act: str, chance: random.Random, scope: Any, receive: Any, send: Any) -> None:
        # The submission is scored, but its answer is late or cut short.
        async def changed(message: Any) -> None:
            if act == "slow":
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


def _instead(act: str) -> Response | None:
    if act == "500":
        return PlainTextResponse("Internal Server Error\n", 500)
    if act in ("503", "closed"):
        return PlainTextResponse("Service Unavailable\n", 503, {"Retry-After": "2"})
    if act == "429":
        return PlainTextResponse("Too Many Requests\n", 429, {"Retry-After": "1"})
    if act == "html":
        return HTMLResponse(_TIRED)
    return None
