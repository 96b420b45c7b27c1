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
_FLAKY = {"fine": 6, "500": 2, "503": 2, "429": 1, "lost": 2, "cut": 1, "slow": 1}  # weights


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
        chance = random.Random(self.seed * 1_000_003 + self.count)
        act = chance.choices(list(_FLAKY), list(_FLAKY.values()))[0] if self.mood == "flaky" else self.mood
        if act in ("slow", "lost", "cut"):
            await self._beside(act, chance, scope, receive, send)
        elif (instead := _instead(act)) is not None:
            await instead(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _beside(self, act: str, chance: random.Random, scope: Any, receive: Any, send: Any) -> None:
        # The submission is scored, but its answer is late, lost or cut short.
        async def changed(message: Any) -> None:
            if act == "slow":
                if message["type"] == "http.response.start":
                    await asyncio.sleep(chance.uniform(2, 8))
            elif message["type"] == "http.response.body":
                whole = message.get("body", b"")
                message = {**message, "body": whole[: len(whole) // 2] if act == "cut" else b"", "more_body": True}
            await send(message)

        await self.app(scope, receive, changed)
        # An answer that promised more than it gave makes the server close the connection.


def _instead(act: str) -> Response | None:
    if act == "500":
        return PlainTextResponse("Internal Server Error\n", 500)
    if act in ("503", "down"):
        return PlainTextResponse("Service Unavailable\n", 503, {"Retry-After": "2"})
    if act == "429":
        return PlainTextResponse("Too Many Requests\n", 429, {"Retry-After": "1"})
    if act == "html":
        return HTMLResponse(_TIRED)
    return None
