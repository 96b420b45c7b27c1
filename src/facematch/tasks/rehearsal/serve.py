"""`facematch serve`: a competition's server to rehearse with."""

import os
import socket
from pathlib import Path

from facematch.core.console import info
from facematch.core.errors import FacematchError, nearest_name
from facematch.core.files import sha256_of_file
from facematch.settings.competition import load_form
from facematch.tasks.rehearsal.guard import everywhere
from facematch.tasks.rehearsal.moods import MOODS
from facematch.tasks.rehearsal.server import serve


def serve_command(
    truth: Path,
    host: str,
    port: int,
    *,
    mood: str,
    seed: int,
    group: str | None,
    query: Path,
    gallery: Path,
    store: Path | None,
    rate: float,
    form: Path | None,
) -> None:
    """Run the rehearsal server until Ctrl-C."""
    if mood not in MOODS:
        raise FacematchError(f"--mood {mood} is not known{nearest_name(mood, MOODS)}.", ", ".join(MOODS))
    store = store or (_store_of(truth) if truth.is_file() else None)

    def ready(address: str) -> None:
        info(f"rehearsal server at {address} – Ctrl-C stops it")
        if everywhere(host):
            other = address.replace("localhost", socket.gethostname())
            info(f"other machines: {other}, where the board is and submissions are taken; no right answers are shown")
        info(f"leaderboard: {address}/  kept in {store}" + ("" if mood == "steady" else f"  mood: {mood}"))

    serve(
        truth, host, port,
        form=load_form(form), mood=mood, seed=seed, own=group, store=store, rate=rate, on_ready=ready,
        query=query if query.is_dir() else None, gallery=gallery if gallery.is_dir() else None,
    )  # fmt: skip


def _store_of(truth: Path) -> Path:
    # Named by the truth's content: the folder it lies in may be another's, and another truth has another board.
    beside = truth.parent / "rehearsal.sqlite"  # where earlier versions kept it
    if beside.is_file() and os.access(beside, os.W_OK) and os.access(truth.parent, os.W_OK):
        return beside
    return Path("submissions") / f"rehearsal-{sha256_of_file(truth)[:8]}.sqlite"
