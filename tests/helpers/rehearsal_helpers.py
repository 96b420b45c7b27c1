"""What the tests of the rehearsal server share: a truth, a submission, and ways to ask."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from facematch.core.errors import FacematchError
from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import ServerAnswer
from facematch.tasks.competition.exchange import exchange
from facematch.tasks.competition.submission import Submission

FORM = CompetitionForm()
TRUTH = {f"q{n}.jpg": frozenset({f"g{n}.jpg"}) for n in range(4)}
WRONG = tuple(f"w{n}.jpg" for n in range(10))


def post(sent: Submission, url: str, dialect: str, timeout: float) -> ServerAnswer:
    """Send as the client does; what is not scored is raised with its message."""
    outcome = exchange(sent.payload(), Destination(url, FORM, dialect), timeout=timeout)
    if outcome.answer is None:
        raise FacematchError(outcome.message)
    return outcome.answer


def submission(group: str = "us") -> Submission:
    # Right at the 1st, 5th and 10th place, and never.
    return Submission(
        group,
        {
            "q0.jpg": ("g0.jpg", *WRONG[1:]),
            "q1.jpg": (*WRONG[:4], "g1.jpg", *WRONG[5:]),
            "q2.jpg": (*WRONG[:9], "g2.jpg"),
            "q3.jpg": WRONG,
        },
    )


class Local:
    """Asks an application without a socket, from `address`."""

    def __init__(self, app: FastAPI, address: str = "127.0.0.1") -> None:
        self.app, self.address = app, address

    def post(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **request))

    def get(self, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **request))

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=(self.address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            return await client.request(method, path, **request)
