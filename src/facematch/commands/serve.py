"""`facematch serve`: a competition's server to rehearse with."""

from pathlib import Path

from facematch.competition.form import load_form
from facematch.console import note
from facematch.errors import FacematchError, nearest_name
from facematch.rehearsal.moods import MOODS
from facematch.rehearsal.server import serve


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
    store = store or truth.parent / "rehearsal.sqlite"

    def ready(address: str) -> None:
        note(f"rehearsal server at {address} – Ctrl-C stops it")
        note(f"leaderboard: {address}/  kept in {store}" + ("" if mood == "steady" else f"  mood: {mood}"))

    serve(
        truth, host, port,
        form=load_form(form), mood=mood, seed=seed, own=group, store=store, rate=rate, on_ready=ready,
        query=query if query.is_dir() else None, gallery=gallery if gallery.is_dir() else None,
    )  # fmt: skip
