"""`facematch serve`: a competition's server to rehearse with."""

import os
import socket
import sys
from functools import partial
from pathlib import Path

from facematch.core.console import info
from facematch.core.errors import FacematchError, nearest_name
from facematch.core.files import sha256_of_file
from facematch.evaluation.score import read_ground_truth
from facematch.settings.competition import load_form
from facematch.tasks.rehearsal.board import PhotoNumbers
from facematch.tasks.rehearsal.faults import MOODS, FaultInjector
from facematch.tasks.rehearsal.guard import everywhere
from facematch.tasks.rehearsal.limits import listen, run
from facematch.tasks.rehearsal.server import create_app
from facematch.tasks.rehearsal.store import Store


def serve_command(
    truth: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    mood: str = "steady",
    seed: int = 1,
    group: str | None = None,
    query: Path | None = None,
    gallery: Path | None = None,
    store: Path | None = None,
    rate: float = 600,
    form: Path | None = None,
) -> None:
    """Run the rehearsal server until Ctrl-C; port 0 takes a free one. One line on standard error for each submission.

    Raises FacematchError for a bad ground truth, an unknown mood, an address or port that cannot be used, and a store
    that cannot be written.
    """
    if mood not in MOODS:
        raise FacematchError(f"--mood {mood} is not known{nearest_name(mood, MOODS)}.", ", ".join(MOODS))
    known, right = load_form(form), read_ground_truth(truth)
    photos = PhotoNumbers(*(folder if folder is not None and folder.is_dir() else None for folder in (query, gallery)))
    with listen(host, port) as listening:
        path = store or _store_of(truth)
        scored, log = Store(path), partial(print, file=sys.stderr, flush=True)
        app = create_app(right, form=known, store=scored, own=group, photos=photos, rate=rate, log=log, host=host)
        shown = "localhost" if everywhere(host) else f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}"
        try:
            info(f"rehearsal server at {address} – Ctrl-C stops it")
            if everywhere(host):
                other = address.replace("localhost", socket.gethostname())
                info(
                    f"other machines: {other}, where the board is and submissions are taken; no right answers are shown"
                )
            info(f"leaderboard: {address}/  kept in {path}" + ("" if mood == "steady" else f"  mood: {mood}"))
            run(FaultInjector(app, mood, seed), listening)
        except KeyboardInterrupt:
            return
        finally:
            scored.close()


def _store_of(truth: Path) -> Path:
    # Named by the truth's content: the folder it lies in may be another's, and another truth has another board.
    beside = truth.parent / "rehearsal.sqlite"  # where earlier versions kept it
    if beside.is_file() and os.access(beside, os.W_OK) and os.access(truth.parent, os.W_OK):
        return beside
    return Path("submissions") / f"rehearsal-{sha256_of_file(truth)[:8]}.sqlite"
