"""The rehearsal server keeps to its own OpenAPI description, whatever is sent to it: schemathesis finds nothing.

FACEMATCH_FUZZ=N sends N times as many requests. The app is asked without a socket.
"""

import asyncio
import json
import os
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from facematch.settings.competition import AnswerForm, CompetitionForm, Dialect
from facematch.tasks.rehearsal.openapi import description
from facematch.tasks.rehearsal.server import create_app

FORM = CompetitionForm(
    dialects={
        **CompetitionForm().dialects,
        "told on the day": Dialect(path="/rank", group_key="team", answer=AnswerForm(key="points", form="score")),
    }
)
HOST = {"Host": "localhost"}


def served() -> FastAPI:
    """A server that holds a submission of the group `0`, the name that is tried most."""
    app = create_app({"q.jpg": frozenset({"g.jpg"})}, form=FORM, rate=1e9, own="0")

    async def post() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            (await client.post("/results/", content=b'{"groupname": "0", "images": {}}')).raise_for_status()

    asyncio.run(post())
    return app


def test_every_route_is_described() -> None:
    routes = {
        (route.path.replace(":path", ""), method.lower())
        for route in served().routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    described = description(FORM)["paths"]
    assert routes == {(path, method) for path, operations in described.items() for method in operations}


def test_schemathesis_finds_nothing() -> None:
    schemathesis = pytest.importorskip("schemathesis")
    engine = pytest.importorskip("schemathesis.engine")
    config = schemathesis.config.SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": HOST,
            "generation": {"max-examples": 20 * int(os.environ.get("FACEMATCH_FUZZ", "1")), "database": "none"},
            # 422 is right where a key came before with another submission, which no schema can say.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "422"]}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", served(), config=config, headers=HOST)
    asked, found = 0, list[str]()
    for event in engine.from_schema(schema).execute():
        assert "Error" not in type(event).__name__, event
        if (recorder := getattr(event, "recorder", None)) is not None:
            asked += len(recorder.interactions)
            found += [failure_of(recorder, each) for each in recorder.checks]
    print(f"{asked} requests")
    assert "".join(found) == ""
    assert asked > 100


def failure_of(recorder: Any, case: str) -> str:
    """What the checks of one request found, with the request."""
    failed = [check for check in recorder.checks[case] if check.failure_info is not None]
    request = recorder.interactions[case].request
    return "".join(
        f"{request.method} {request.uri} {json.dumps(str(request.body))}: {check.failure_info.failure}\n"
        for check in failed
    )
