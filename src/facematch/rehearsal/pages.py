"""The pages of the rehearsal server: the leaderboard, a group's history, thumbnails."""

import secrets
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, PackageLoader
from starlette.exceptions import HTTPException

from facematch.competition.form import CompetitionForm
from facematch.rehearsal.board import Album, missed, standings
from facematch.rehearsal.store import Store

_POLICY = "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'nonce-{0}'; script-src 'nonce-{0}'"


def add_pages(
    app: FastAPI,
    truth: Mapping[str, AbstractSet[str]],
    form: CompetitionForm,
    store: Store,
    own: str | None,
    album: Album,
) -> None:
    """Add GET / (the leaderboard), /groups/NAME, /version (grows with each submission) and /photos/NUMBER.

    The queries that were missed are shown for the group `own` alone.
    """
    templates = Environment(loader=PackageLoader("facematch.rehearsal"), autoescape=True, trim_blocks=True)

    def shown(template: str, **values: Any) -> Response:
        nonce = secrets.token_urlsafe(12)
        text = templates.get_template(template).render(
            nonce=nonce, queries=len(truth), best=form.best, version=store.version(), **values
        )
        policy = {"Content-Security-Policy": _POLICY.format(nonce), "Referrer-Policy": "no-referrer"}
        return HTMLResponse(text, headers={"Cache-Control": "no-store", **policy})

    @app.get("/")
    def board(request: Request) -> Response:
        received = store.all()
        return shown(
            "board.html",
            standings=standings(received, own, form.best),
            total=len(received),
            base=str(request.base_url).rstrip("/"),
            paths=[each.path for each in form.dialects.values()],
        )

    @app.get("/groups/{name:path}")
    def group(name: str) -> Response:
        history = [each for each in reversed(store.all()) if each.group == name]
        if not history:
            raise HTTPException(404, "No such group")
        wrong = missed(store.images(history[0].id), truth, album) if name == own else (0, [])
        return shown("group.html", group=name, history=history, own=name == own, missed_count=wrong[0], missed=wrong[1])

    @app.get("/version")
    def version() -> Response:
        return PlainTextResponse(str(store.version()), headers={"Cache-Control": "no-store"})

    @app.get("/photos/{number}")
    def photo(number: int) -> Response:
        data = album.thumbnail(number)
        if data is None:
            raise HTTPException(404, "No such photo")
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
