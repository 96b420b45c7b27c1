"""The rehearsal server: scores submissions against a ground truth, answers in every dialect, shows a leaderboard."""

import sqlite3
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.core.foreign import LIMITS
from facematch.evaluation.score import Score, score_submission
from facematch.settings.competition import CompetitionForm, Dialect
from facematch.tasks.competition.submission import Submission
from facematch.tasks.rehearsal.board import PhotoNumbers, group_name
from facematch.tasks.rehearsal.guard import Guard
from facematch.tasks.rehearsal.limits import Bodies, RateLimit
from facematch.tasks.rehearsal.openapi import KEY_LENGTH, description
from facematch.tasks.rehearsal.pages import add_pages
from facematch.tasks.rehearsal.store import Received, Store

_KNOWN = CompetitionForm()


def create_app(
    truth: Mapping[str, AbstractSet[str]],
    *,
    form: CompetitionForm = _KNOWN,
    store: Store | None = None,
    own: str | None = None,
    photos: PhotoNumbers | None = None,
    rate: float = 600,
    log: Callable[[str], None] | None = None,
    max_body: int = LIMITS["submission"].size,
    host: str = "127.0.0.1",
) -> FastAPI:
    """Return the server's application.

    Each dialect of the form is answered at its path; what is not a submission is answered in plain text
    with status 400, a body over `max_body` bytes with 413, more than `rate` submissions a minute from
    one address with 429. What `Guard` refuses, for a server that listens on `host`, is answered with 421 or 403. A
    submission that comes again with the same `Idempotency-Key` is not scored again; another one under the same key
    is refused with 422. GET / is the leaderboard, GET /groups/NAME
    a group's history; only of the group `own`, and only to a browser on this machine, are the missed
    queries shown, with thumbnails from `photos`. `log` gets one line for each that was scored.
    """
    kept, limit, bodies = store or Store(None), RateLimit(rate), Bodies(max_body)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(Guard, served=host)

    def score(body: bytes, dialect: Dialect, key: str | None) -> tuple[Received, int | None]:
        with bodies.scoring:
            return _score(body, dialect, form, truth, kept, key)

    def answer(dialect: Dialect) -> Callable[[Request], Any]:
        async def scored(request: Request) -> Response:
            limit.check(request.client.host if request.client else "")
            key = _key(request)
            async with bodies.received(request) as body:
                received, queries = await run_in_threadpool(score, body, dialect, key)
            if queries is not None and log is not None:
                log(_line(received, request.url.path, queries))
            shares = received.shares
            value = received.score if dialect.answer.form == "score" else [shares.top1, shares.top5, shares.top10]
            return JSONResponse({dialect.answer.key: value})

        return scored

    for each in form.dialects.values():
        app.post(each.path)(answer(each))

    add_pages(app, truth, form, kept, None if own is None else group_name(own), photos or PhotoNumbers(None, None))
    app.get("/openapi.json")(lambda: JSONResponse(description(form)))
    _add_errors(app, form, log)
    return app


def _score(
    body: bytes,
    dialect: Dialect,
    form: CompetitionForm,
    truth: Mapping[str, AbstractSet[str]],
    store: Store,
    key: str | None,
) -> tuple[Received, int | None]:
    # The scored submission and how many queries it answers; None where it was scored before.
    digest, queries = sha256_of(body), None
    received = store.find(key) if key is not None else None
    if received is None:
        submission = Submission.from_payload(body, dialect)
        shares = score_submission(submission.images, truth)
        score = form.score(shares.top1, shares.top5, shares.top10)
        received, new = store.add(group_name(submission.group), submission.images, shares, score, digest, key)
        queries = len(submission.images) if new else None
    if received.sha256 != digest:  # also when the two came at the same moment
        raise HTTPException(422, "The Idempotency-Key came before with another submission")
    return received, queries


def _add_errors(app: FastAPI, form: CompetitionForm, log: Callable[[str], None] | None) -> None:
    # Every error is plain text, as the real server's.
    paths = " or ".join(each.path for each in form.dialects.values())

    @app.exception_handler(FacematchError)
    def malformed(request: Request, error: FacematchError) -> Response:
        return PlainTextResponse(f"{error}\n", 400)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(f"{error.detail}. POST a submission to {paths}\n", error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    def no_number(request: Request, error: RequestValidationError) -> Response:
        return refused(request, HTTPException(404))

    @app.exception_handler(sqlite3.Error)
    def not_kept(request: Request, error: sqlite3.Error) -> Response:
        if log is not None:
            log(f"! the server's store failed, so {request.method} {request.url.path} was not answered: {error}")
        return PlainTextResponse("Internal Server Error\n", 500)


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= KEY_LENGTH:
        raise HTTPException(400, f"The Idempotency-Key is empty, or longer than {KEY_LENGTH} characters")
    return key


def _line(received: Received, path: str, queries: int) -> str:
    shares: Score = received.shares
    return (
        f"{received.time:%H:%M:%S} {path} {received.group}: score {received.score:.1f} "
        f"(top-1 {shares.top1:.3f}, top-5 {shares.top5:.3f}, top-10 {shares.top10:.3f}; {queries} queries)"
    )
