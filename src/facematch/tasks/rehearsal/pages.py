"""The pages of the rehearsal server: the leaderboard, a group's history, thumbnails."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from facematch.charts.page import render_page
from facematch.charts.picture_page import Group
from facematch.settings.competition import CompetitionForm
from facematch.tasks.rehearsal.board import PhotoNumbers, leaderboard, missed, plot, top_of
from facematch.tasks.rehearsal.guard import on_this_machine
from facematch.tasks.rehearsal.store import Store

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # beside the page's own policy, which cannot hold this
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LARGE = (320, 80)  # pixels of a history on a group's own page


def add_pages(
    app: FastAPI,
    truth: Mapping[str, AbstractSet[str]],
    form: CompetitionForm,
    store: Store,
    own: str | None,
    photos: PhotoNumbers,
) -> None:
    """Add GET / (the leaderboard), /groups/NAME, /version (grows with each submission) and /photos/NUMBER.

    The queries that were missed are shown for the group `own` alone. They give right answers away, so they and all
    photos are shown to browsers on this machine only that ask localhost, whatever the server listens on.
    """

    def page(template: str, **values: Any) -> Response:
        common = {"command": "rehearsal server", "queries": len(truth), "best": form.best, "version": store.version()}
        styles, script = ["rehearsal.css"], "follow.js"
        text = render_page(__package__, template, common | values, styles=styles, script=script, served=True)
        return HTMLResponse(text, headers=_HEADERS)

    @app.get("/")
    def board(request: Request) -> Response:
        received = store.all()
        return page(
            "board.html",
            title="Leaderboard",
            rows=leaderboard(received, own, form.best),
            total=len(received),
            base=str(request.base_url).rstrip("/"),
            paths=[each.path for each in form.dialects.values()],
        )

    @app.get("/groups/{name:path}")
    def group(request: Request, name: str) -> Response:
        history = [each for each in store.all() if each.group == name]
        if not history:
            raise HTTPException(404, "No such group")
        here, count, wrong = on_this_machine(request), 0, list[Group]()
        if name == own and here:
            count, wrong = missed(store.images(history[-1].id), truth, photos)
        return page(
            "group.html",
            title=name,
            history=history[::-1],
            top=top_of(history),
            points=plot(history, form.best, _LARGE),
            box=_LARGE,
            own=name == own,
            here=here,
            missed_count=count,
            missed=wrong,
        )

    _add_files(app, store, photos if own is not None else None)


def _add_files(app: FastAPI, store: Store, photos: PhotoNumbers | None) -> None:
    # What pages ask for once they are open: has anything come, and the photos, where they may be seen.
    @app.get("/version")
    def version() -> Response:
        return PlainTextResponse(str(store.version()), headers={"Cache-Control": "no-store"})

    @app.get("/photos/{number}")
    def photo(request: Request, number: str) -> Response:
        known = photos is not None and re.fullmatch("[0-9]{1,9}", number) and on_this_machine(request)
        data = photos.thumbnail(int(number)) if photos is not None and known else None
        if data is None:
            raise HTTPException(404, "No such photo")
        headers = {"Cache-Control": "private, max-age=3600", "Cross-Origin-Resource-Policy": "same-origin"}
        return Response(data, media_type="image/jpeg", headers=headers)
