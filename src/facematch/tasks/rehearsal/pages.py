"""The pages of the rehearsal server: the leaderboard, a group's history, thumbnails."""

import re
import secrets
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, PackageLoader
from starlette.exceptions import HTTPException

from facematch.settings.competition import CompetitionForm
from facematch.tasks.rehearsal.board import Album, Missed, missed, plot, standings
from facematch.tasks.rehearsal.guard import on_this_machine
from facematch.tasks.rehearsal.store import Store

_POLICY = (
    "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WIDE = (320, 80)  # pixels of a history on a group's own page


def add_pages(
    app: FastAPI,
    truth: Mapping[str, AbstractSet[str]],
    form: CompetitionForm,
    store: Store,
    own: str | None,
    album: Album,
) -> None:
    """Add GET / (the leaderboard), /groups/NAME, /version (grows with each submission) and /photos/NUMBER.

    The queries that were missed are shown for the group `own` alone. They tell right answers, so they and all
    photos are shown to browsers on this machine only that ask localhost, whatever the server listens on.
    """
    templates = Environment(loader=PackageLoader("facematch.tasks.rehearsal"), autoescape=True, trim_blocks=True)

    def shown(template: str, **values: Any) -> Response:
        nonce = secrets.token_urlsafe(12)
        text = templates.get_template(template).render(
            nonce=nonce, queries=len(truth), best=form.best, version=store.version(), **values
        )
        policy = {"Content-Security-Policy": _POLICY.format(nonce), "Referrer-Policy": "no-referrer"}
        return HTMLResponse(text, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **policy})

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
    def group(request: Request, name: str) -> Response:
        history = [each for each in store.all() if each.group == name]
        if not history:
            raise HTTPException(404, "No such group")
        here, count, wrong = on_this_machine(request), 0, list[Missed]()
        if name == own and here:
            count, wrong = missed(store.images(history[-1].id), truth, album)
        return shown(
            "group.html",
            group=name,
            history=history[::-1],
            top=max(history, key=lambda each: (each.score, -each.id)),
            points=plot(history, form.best, _WIDE),
            box=_WIDE,
            own=name == own,
            here=here,
            missed_count=count,
            missed=wrong,
        )

    _add_files(app, store, album if own is not None else None)


def _add_files(app: FastAPI, store: Store, album: Album | None) -> None:
    # What pages ask for once they are open: has anything come, and the photos, where they may be seen.
    @app.get("/version")
    def version() -> Response:
        return PlainTextResponse(str(store.version()), headers={"Cache-Control": "no-store"})

    @app.get("/photos/{number}")
    def photo(request: Request, number: str) -> Response:
        known = album is not None and re.fullmatch("[0-9]{1,9}", number) and on_this_machine(request)
        data = album.thumbnail(int(number)) if album is not None and known else None
        if data is None:
            raise HTTPException(404, "No such photo")
        headers = {"Cache-Control": "private, max-age=3600", "Cross-Origin-Resource-Policy": "same-origin"}
        return Response(data, media_type="image/jpeg", headers=headers)
