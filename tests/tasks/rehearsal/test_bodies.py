"""What comes in: bounded before anything is made of it, and never held beyond what is allowed together."""

import asyncio
import json
import resource
import sys
import tracemalloc
from collections.abc import Iterator

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from facematch.core.foreign import LIMITS
from facematch.tasks.rehearsal import limits
from facematch.tasks.rehearsal.limits import Bodies
from facematch.tasks.rehearsal.server import create_app
from rehearsal_helpers import TRUTH, Local, submission

_MB = 2**20


def request(*blocks: bytes, ends: bool = True) -> Request:
    """A request whose body comes in blocks; without an end it stays open."""
    left: Iterator[bytes] = iter(blocks)

    async def receive() -> dict[str, object]:
        block = next(left, None)
        if block is None and not ends:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": block or b"", "more_body": block is not None}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def status(held: Bodies, asked: Request) -> int:
    async def read() -> int:
        try:
            async with held.received(asked) as body:
                return 200 if body else 0
        except HTTPException as error:
            return error.status_code

    return asyncio.run(read())


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * (5 * _MB) + b"[]]",
        b"[" * (16 * _MB),
        b'{"groupname": "us", "images": {"q": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"groupname": "us", "images": {"q": [' + b"0," * (7 * _MB) + b"0]}}",
        b'{"groupname": "us", "images": {' + b'"":[],' * 2_000_000 + b'"":[]}}',
    ],
    ids=["lists", "open lists", "deep", "numbers", "queries"],
)
def test_a_body_of_many_small_values_is_refused_before_it_is_built(body: bytes) -> None:
    assert len(body) <= LIMITS["submission"].size
    client = Local(create_app(TRUTH))
    client.post("/results/", content=b"{}")
    tracemalloc.start()
    try:
        answer = client.post("/results/", content=body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 400
    assert "deep" in answer.text or "holds more than 1,000,000 values" in answer.text
    assert peak < 8 * len(body)  # copies of its text; its values would take 20 times as much


def test_a_large_competition_is_taken() -> None:
    names = [f"{n:040x}.jpg" for n in range(10)]
    body = json.dumps({"groupname": "us", "images": {f"{n:040x}.jpg": names for n in range(20_000)}}).encode()
    assert Local(create_app(TRUTH)).post("/results/", content=body).status_code == 200


def test_what_is_held_together_is_bounded_and_given_back() -> None:
    held = Bodies(10, together=15)

    async def both() -> None:
        async with held.received(request(b"x" * 10)):
            with pytest.raises(HTTPException) as caught:
                async with held.received(request(b"x" * 6)):
                    pass
            assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "1"})

    asyncio.run(both())
    for blocks, code in ((10, 200), (11, 413), (10, 200), (300, 413), (10, 200)):
        assert status(held, request(*[b"x"] * blocks)) == code


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_SECONDS", 0.05)
    held = Bodies(10, together=10)
    assert status(held, request(b"x" * 9, ends=False)) == 408
    assert status(held, request(b"x" * 10)) == 200  # what was held for it is free again


def test_twelve_hostile_bodies_at_once_fit(tmp_path: object) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client, body = Local(create_app(TRUTH)), b"[" + b"[]," * (5 * _MB) + b"[]]"

    async def all_of_them() -> list[int]:
        answers = await asyncio.gather(*[client._ask("POST", "/results/", content=body) for _ in range(12)])
        return [answer.status_code for answer in answers]

    assert asyncio.run(all_of_them()) == [400] * 12
    if sys.platform == "linux":  # ru_maxrss is in kilobytes
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000


def test_a_submission_is_scored_with_its_key_only() -> None:
    client = Local(create_app(TRUTH))
    answer = client.post("/results/", content=submission().payload(), headers={"Idempotency-Key": ""})
    assert (answer.status_code, "empty" in answer.text) == (400, True)
