"""The rehearsal server: scores submissions against a ground truth and answers in both dialects."""

import errno
import html
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from facematch.competition.submission import Submission
from facematch.errors import FacematchError
from facematch.rehearsal.score import Score, read_ground_truth, score_submission

_MAX_BODY = 16 * 2**20  # bytes; 1,500 queries with ten names of 44 characters are 0.8 MB
_KEPT = 50  # submissions shown on the page

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>facematch rehearsal server</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #8886; overflow-wrap: anywhere }}
.number {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
<h1>facematch rehearsal server</h1>
<p>It stands in for the competition's server and scores against a ground truth of {queries} queries.
Nothing sent here leaves this machine.</p>
<p>POST a submission to <code>{base}/results/</code> or <code>{base}/retrieval/</code></p>
<h2>Last submissions</h2>
{table}
</body></html>
"""


@dataclass(frozen=True)
class Received:
    """A scored submission."""

    time: datetime
    group: str
    score: Score


def create_app(
    truth: Mapping[str, AbstractSet[str]], *, log: Callable[[str], None] | None = None, max_body: int = _MAX_BODY
) -> FastAPI:
    """Return the server's application.

    POST /results/ answers `{"results": [top1, top5, top10]}`, POST /retrieval/ `{"accuracy": score}`;
    what is not a submission is answered in plain text with status 400, a body over `max_body` bytes
    with 413. GET / is a page with the last submissions. `log` is told one line for each that was scored.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    received: deque[Received] = deque(maxlen=_KEPT)

    async def scored(request: Request) -> Score:
        body = await _body(request, max_body)
        submission = await run_in_threadpool(Submission.from_payload, body)
        result = Received(datetime.now(), _shown(submission.group), score_submission(submission.images, truth))
        received.appendleft(result)
        if log is not None:
            log(_line(result, request.url.path, len(submission.images)))
        return result.score

    @app.post("/results/")
    async def results(request: Request) -> Response:
        score = await scored(request)
        return JSONResponse({"results": [score.top1, score.top5, score.top10]})

    @app.post("/retrieval/")
    async def retrieval(request: Request) -> Response:
        return JSONResponse({"accuracy": (await scored(request)).score})

    @app.get("/")
    async def page(request: Request) -> Response:
        text = _page(len(truth), str(request.base_url).rstrip("/"), received)
        return HTMLResponse(text, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})

    @app.exception_handler(FacematchError)
    async def malformed(request: Request, error: FacematchError) -> Response:
        return PlainTextResponse(f"{error}\n", status_code=400)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        text = f"{error.detail}. POST a submission to /results/ or /retrieval/\n"
        return PlainTextResponse(text, error.status_code, error.headers)

    return app


def serve(
    truth_path: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Run the server until Ctrl-C. Port 0 takes a free one.

    `on_ready` is told the address (`http://HOST:PORT`) once connections are taken; `log` one line for
    each scored submission (standard error when None). Raises FacematchError for a bad ground truth
    and for an address or port that cannot be used.
    """
    app = create_app(read_ground_truth(truth_path), log=log or _to_stderr)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=3
    )
    with _listen(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        try:
            if on_ready is not None:
                on_ready(f"http://{shown}:{listening.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # raised again by uvicorn once it has closed its connections
            return


async def _body(request: Request, limit: int) -> bytes:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise HTTPException(413, f"The submission is larger than {limit} bytes")
    return body


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
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


def _page(queries: int, base: str, received: deque[Received]) -> str:
    rows = "".join(
        f"<tr><td>{each.time:%H:%M:%S}</td><td>{html.escape(each.group)}</td>"
        f'<td class="number">{each.score.score:.1f}</td>'
        f'<td class="number">{each.score.top1:.3f} / {each.score.top5:.3f} / {each.score.top10:.3f}</td></tr>\n'
        for each in received
    )
    head = '<tr><th>time</th><th>group</th><th class="number">score</th><th class="number">top-1 / 5 / 10</th></tr>'
    table = f"<table>\n{head}\n{rows}</table>" if rows else "<p>None yet.</p>"
    return _PAGE.format(queries=queries, base=html.escape(base), table=table)


def _line(received: Received, path: str, queries: int) -> str:
    score = received.score
    return (
        f"{received.time:%H:%M:%S} {path} {received.group}: score {score.score:.1f} "
        f"(top-1 {score.top1:.3f}, top-5 {score.top5:.3f}, top-10 {score.top10:.3f}; {queries} queries)"
    )


def _shown(group: str) -> str:
    # A terminal obeys control characters, and a page should not be filled by one name.
    return "".join(character for character in group if character.isprintable())[:80] or "(no name)"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
