"""`facematch submissions`, `rescore` and `diff`: what was sent, what it scored, what changed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facematch.commands.sending import say_unfinished
from facematch.competition.form import load_form
from facematch.competition.journal import Attempt, Journal, Kept
from facematch.competition.submission import Submission
from facematch.console import out, say, show_table
from facematch.errors import FacematchError, typed
from facematch.files import write_bytes
from facematch.rehearsal.score import read_ground_truth, score_submission
from facematch.settings import Settings
from facematch.settings_file import load_settings


def submissions_command(config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """List the kept submissions, best score first."""
    settings = load_settings(config, overrides)
    with _journal(settings) as journal:
        say_unfinished(journal)
        rows = [_row(settings, journal, kept) for kept in journal.submissions()]
    rows.sort(key=lambda row: (row["score"] is None, -(row["score"] or 0), -row["id"]))
    if as_json:
        out.print_json(json.dumps({"submissions": rows}))
        return
    if not rows:
        say(f"no submissions in {settings.paths.submissions}")
        return
    show_table(
        f"{len(rows)} submissions in {settings.paths.submissions}",
        ["id", "made (UTC)", "queries", "score", "top-1 / 5 / 10", "expected"],
        [
            [
                str(row["id"]), row["made"][5:16].replace("T", " "), str(row["queries"]),
                row["fate"] if row["score"] is None else _number(row["score"], 0),
                "" if row["top1"] is None else " / ".join(_number(row[key], 3) for key in ("top1", "top5", "top10")),
                _number(row["expected"], 0),
            ]
            for row in rows
        ],
    )  # fmt: skip


def rescore_command(truth: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Score all kept submissions against a ground truth."""
    settings = load_settings(config, overrides)
    form, expected = load_form(settings.server.form), read_ground_truth(truth)
    rows = []
    with _journal(settings) as journal:
        for kept in journal.submissions():
            images = _submission(settings, journal, kept).images
            found = score_submission(images, expected)
            shares = (found.top1, found.top5, found.top10)
            asked = len(expected.keys() & images.keys())
            values = dict(zip(("top1", "top5", "top10"), shares, strict=True))
            rows.append({"id": kept.id, "score": form.score(*shares), **values, "answered": asked})
    rows.sort(key=lambda row: (-row["score"], row["id"]))
    if as_json:
        out.print_json(json.dumps({"queries": len(expected), "submissions": rows}))
        return
    show_table(
        f"{len(rows)} submissions against {truth} ({len(expected)} queries)",
        ["id", "score", "top-1", "top-5", "top-10", "queries answered"],
        [
            [str(row["id"]), _number(row["score"], 0), *(_number(row[key], 3) for key in ("top1", "top5", "top10")),
             str(row["answered"])]
            for row in rows
        ],
    )  # fmt: skip


def diff_command(first: int, second: int, page: Path, config: Path | None, overrides: Sequence[str]) -> None:
    """Say which queries two submissions answer differently, and draw them on an HTML page."""
    from facematch.reports.submission_diff import changed_queries, diff_page

    settings = load_settings(config, overrides)
    with _journal(settings) as journal:
        kept = journal.submission(first), journal.submission(second)
        left, right = (_submission(settings, journal, each) for each in kept)
    changes = changed_queries(left.images, right.images)
    folders = [Path(folder) if folder else None for folder in (kept[1].query, kept[1].gallery)]
    html = diff_page(changes, (first, second), folders[0] or settings.paths.query, folders[1] or settings.paths.gallery)
    write_bytes(page, html.encode())
    best = sum(change.first_differs for change in changes)
    everyone = left.images.keys() | right.images.keys()
    say(f"{len(changes)} of {len(everyone)} queries are answered differently, {best} with another best name")
    say(f"to look at: {page}")


def _journal(settings: Settings) -> Journal:
    folder = settings.paths.submissions
    if not folder.is_dir():
        raise FacematchError(
            f"there is no submissions folder {folder} ({folder.absolute()}).",
            f"`{typed('request')}` makes it; name another with --set paths.submissions=FOLDER.",
        )
    return Journal(folder)


def _submission(settings: Settings, journal: Journal, kept: Kept) -> Submission:
    return Submission.from_payload(journal.payload(kept), load_form(settings.server.form).dialect(kept.dialect))


def _row(settings: Settings, journal: Journal, kept: Kept) -> dict[str, Any]:
    attempts = journal.attempts(kept)
    scored = [attempt for attempt in attempts if attempt.score is not None]
    shown: Attempt | None = (
        max(scored, key=lambda each: each.score or 0) if scored else attempts[-1] if attempts else None
    )
    fate = "kept" if shown is None and not kept.to_send else "not sent" if shown is None else shown.fate
    return {
        "id": kept.id,
        "made": kept.made,
        "made_by": kept.made_by,
        "sha256": kept.sha256,
        "file": str(journal.file(kept)),
        "queries": len(_submission(settings, journal, kept).images),
        "fate": fate,
        "kind": shown.kind if shown else None,
        "url": shown.url if shown else None,
        "attempts": len(attempts),
        "score": shown.score if shown else None,
        **{key: getattr(shown, key) if shown else None for key in ("top1", "top5", "top10")},
        "expected": kept.expectation["score"] if kept.expectation else None,
    }


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
