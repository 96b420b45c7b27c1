"""The rehearsal server: scores submissions against a ground truth, answers in every dialect, shows a leaderboard."""

import errno
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from facematch.competition.form import CompetitionForm, Dialect
from facematch.competition.submission import Submission
from facematch.errors import FacematchError
from facematch.files import sha256_of
from facematch.rehearsal.board import Album
from facematch.rehearsal.moods import Mood, Moody
from facematch.rehearsal.pages import add_pages
from facematch.rehearsal.score import Score, read_ground_truth, score_submission
from facematch.rehearsal.store import Received, Store

_MAX_BODY = 16 * 2**20  # bytes; 1,500 queries with ten names of 44 characters are 0.8 MB
_MAX_KEY = 200
_KNOWN = CompetitionForm()


def create_app(
    truth: Mapping[str, AbstractSet[str]],
    *,
    form: CompetitionForm = _KNOWN,
    store: Store | None = None,
    own: str | None = None,
    album: Album | None = None,
    rate: float = 600,
    log: Callable[[str], None] | None = None,
    max_body: int = _MAX_BODY,
) -> FastAPI:
    """Return the server's application.

    Each dialect of the form is answered at its path; what is not a submission is answered in plain text
    with status 400, a body over `max_body` bytes with 413, more than `rate` submissions a minute from
    one address with 429. A submission that comes again with the same `Idempotency-Key` is not scored
    again. GET / is the leaderboard, GET /groups/NAME a group's history; only of the group `own` are the
    missed queries shown, with thumbnails from `album`. `log` is told one line for each that was scored.
    """
    kept, limit = store or Store(None), _RateLimit(rate)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    def answer(dialect: Dialect) -> Callable[[Request], Any]:
        async def scored(request: Request) -> Response:
            limit.check(request.client.host if request.client else "")
            body, key = await _body(request, max_body), _key(request)
            received, new = await run_in_threadpool(_score, body, dialect, form, truth, kept, key)
            if new and log is not None:
                log(_line(received, request.url.path, len(kept.images(received.id))))
            shares = received.shares
            value = received.score if dialect.answer.form == "score" else [shares.top1, shares.top5, shares.top10]
            return JSONResponse({dialect.answer.key: value})

        return scored

    for each in form.dialects.values():
        app.post(each.path)(answer(each))

    add_pages(app, truth, form, kept, own, album or Album(None, None))

    @app.exception_handler(FacematchError)
    def malformed(request: Request, error: FacematchError) -> Response:
        return PlainTextResponse(f"{error}\n", status_code=400)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        text = f"{error.detail}. POST a submission to {' or '.join(each.path for each in form.dialects.values())}\n"
        return PlainTextResponse(text, error.status_code, error.headers)

    return app


def serve(
    truth_path: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    form: CompetitionForm = _KNOWN,
    mood: Mood = "steady",
    own: str | None = None,
    query: Path | None = None,
    gallery: Path | None = None,
    store: Path | None = None,
    rate: float = 600,
    on_ready: Callable[[str], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Run the server until Ctrl-C. Port 0 takes a free one.

    `on_ready` is told the address (`http://HOST:PORT`) once connections are taken; `log` one line for
    each scored submission (standard error when None). Raises FacematchError for a bad ground truth, for
    an address or port that cannot be used, and for folders and stores that are not there.
    """
    truth, album = read_ground_truth(truth_path), Album(query, gallery)
    with _listen(host, port) as listening:
        kept = Store(store)
        app = create_app(truth, form=form, store=kept, own=own, album=album, rate=rate, log=log or _to_stderr)
        config = uvicorn.Config(
            Moody(app, mood), log_config=None, log_level="critical", access_log=False, lifespan="off",
            timeout_graceful_shutdown=3,
        )  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        try:
            if on_ready is not None:
                on_ready(f"http://{shown}:{listening.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # raised again by uvicorn once it has closed its connections
            return
        finally:
            kept.close()


def _score(
    body: bytes,
    dialect: Dialect,
    form: CompetitionForm,
    truth: Mapping[str, AbstractSet[str]],
    store: Store,
    key: str | None,
) -> tuple[Received, bool]:
    # The scored submission, and whether it was scored now.
    digest = sha256_of(body)
    if key is not None and (before := store.find(key)) is not None:
        if before.sha256 != digest:
            raise FacematchError("the Idempotency-Key came before with another submission.")
        return before, False
    submission = Submission.from_payload(body, dialect)
    shares = score_submission(submission.images, truth)
    score = form.score(shares.top1, shares.top5, shares.top10)
    return store.add(_shown(submission.group), submission.images, shares, score, digest, key)


class _RateLimit:
    # A bucket of tokens for each address: `rate` a minute, a minute's worth at most; the last 10,000 addresses.
    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, address: str) -> None:
        now = time.monotonic()
        tokens, then = self._buckets.pop(address, (self.rate, now))
        tokens = min(self.rate, tokens + (now - then) * self.rate / 60)
        self._buckets[address] = (max(0.0, tokens - 1), now)
        while len(self._buckets) > 10_000:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = max(1, round((1 - tokens) * 60 / self.rate))
            raise HTTPException(429, f"More than {self.rate:g} submissions a minute", {"Retry-After": str(wait)})


async def _body(request: Request, limit: int) -> bytes:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise HTTPException(413, f"The submission is larger than {limit} bytes")
    return body


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and len(key) > _MAX_KEY:
        raise HTTPException(400, f"The Idempotency-Key is longer than {_MAX_KEY} characters")
    return key


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FacematchError(
                f"port {port} on {host} is already in use.",
                "Another server may still run; choose another with --port (0 takes a free one).",
            ) from error
        raise FacematchError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}.",
            "Choose an address of this machine with --host, and a port above 1023 with --port.",
        ) from error


def _line(received: Received, path: str, queries: int) -> str:
    shares: Score = received.shares
    return (
        f"{received.time:%H:%M:%S} {path} {received.group}: score {received.score:.1f} "
        f"(top-1 {shares.top1:.3f}, top-5 {shares.top5:.3f}, top-10 {shares.top10:.3f}; {queries} queries)"
    )


def _shown(group: str) -> str:
    # A terminal obeys control characters, and a page should not be filled by one name.
    return "".join(character for character in group if character.isprintable())[:80].strip() or "(no name)"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
