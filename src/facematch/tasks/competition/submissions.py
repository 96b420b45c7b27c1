"""`facematch submissions`, `rescore` and `diff`: what was sent, what it scored, what changed."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facematch.core.console import result, show_json, show_table
from facematch.core.errors import FacematchError, typed
from facematch.core.files import write_bytes
from facematch.evaluation.score import read_ground_truth, score_submission
from facematch.pipeline.two_folders import folder_of
from facematch.settings.competition import CompetitionForm, load_form
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission, warn_unfinished
from facematch.tasks.competition.made_by import refine_words, system_words
from facematch.tasks.competition.submission import Submission

# Columns that are shown where they differ.
_APART = ("system", "refine", "metric", "group", "dialect", "address", "queries")


def submissions_command(config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """List the kept submissions, best score first, with what tells them apart."""
    settings = load_settings(config, overrides)
    form = load_form(settings.server.form)
    with _journal(settings) as journal:
        warn_unfinished(journal)
        rows = [row_of(form, journal, kept) for kept in journal.submissions()]
    rows.sort(key=lambda row: (row["score"] is None, -(row["score"] or 0), -row["id"]))
    if as_json:
        show_json({"submissions": rows})
        return
    if not rows:
        result(f"no submissions in {settings.paths.submissions}")
        return
    told = _shortened([_told(row) for row in rows])
    differing = [name for name in _APART if len({each[name] for each in told}) > 1]
    show_table(
        f"{len(rows)} submission{'s' if len(rows) > 1 else ''} in {settings.paths.submissions}",
        ["id", "made (UTC)", *differing, "score", "top-1 / 5 / 10", "expected"],
        [
            [
                str(row["id"]), row["made"][5:16].replace("T", " "), *(each[name] for name in differing),
                row["fate"] if row["score"] is None else _number(row["score"], 0),
                "" if row["top1"] is None else " / ".join(_number(row[key], 3) for key in ("top1", "top5", "top10")),
                _number(row["expected"], 0),
            ]
            for row, each in zip(rows, told, strict=True)
        ],
    )  # fmt: skip
    alike = [f"{name} {told[0][name]}" for name in _APART if name not in differing and told[0][name]]
    if alike:
        result(f"all: {', '.join(alike)}. All of one: facematch submissions show N")


def show_command(number: int, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print all that is kept of a submission."""
    settings = load_settings(config, overrides)
    with _journal(settings) as journal:
        kept = journal.submission(number)
        row, attempts = row_of(load_form(settings.server.form), journal, kept), journal.attempts(kept)
        faceless = journal.faceless(kept)
    expectation = {key: value for key, value in (kept.expectation or {}).items() if key != "outcomes"} or None
    row |= {"query": kept.query, "gallery": kept.gallery, "expectation": expectation}
    row |= {
        "without_face": str(faceless) if faceless.is_file() else None,
        "history": [asdict(each) for each in attempts],
    }
    if as_json:
        show_json({"submission": row})
        return
    system, told = kept.system or {}, _told(row)
    interval = (expectation or {}).get("interval")
    between = "" if not isinstance(interval, list) else f", between {interval[0]:.0f} and {interval[1]:.0f}"
    lines = {
        "made": f"{row['made'][:19].replace('T', ' ')} UTC",
        "by": row["made_by"],
        **{name: told[name] for name in _APART},
        "checkpoint": system.get("checkpoint"),
        "sha256": system.get("sha256"),
        "settings": ", ".join(f"{key} {value}" for key, value in dict(system.get("settings") or {}).items()),
        "query": kept.query,
        "gallery": kept.gallery,
        "payload": f"{row['file']} (SHA-256 {kept.sha256[:12]}…)",
        "no face": row["without_face"],
        "expected": None if row["expected"] is None else f"{row['expected']:.0f}{between}",
        "fate": row["fate"] + ("" if row["score"] is None else f", {row['score']:.0f}"),
    }
    result(f"submission {kept.id}")
    for name, value in lines.items():
        if value:
            result(f"  {name:<11}{value}")
    for attempt in attempts:
        what = attempt.message or attempt.answer or ""
        result(f"  {attempt.started[:19].replace('T', ' ')} to {attempt.url}: {attempt.fate}. {what}".rstrip())


def drop_command(number: int, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Forget a submission that was not sent, or surely not scored."""
    settings = load_settings(config, overrides)
    with _journal(settings, to_read=False) as journal:
        kept = journal.submission(number)
        journal.drop(kept)
    if as_json:
        show_json({"dropped": number})
    else:
        result(f"submission {number} is forgotten; the same answers, made anew, bring it back")


def rescore_command(truth: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Score all kept submissions against a ground truth."""
    settings = load_settings(config, overrides)
    form, expected = load_form(settings.server.form), read_ground_truth(truth)
    rows = []
    with _journal(settings) as journal:
        for kept in journal.submissions():
            images = _submission(form, journal, kept).images
            found = score_submission(images, expected)
            shares = (found.top1, found.top5, found.top10)
            asked = len(expected.keys() & images.keys())
            values = dict(zip(("top1", "top5", "top10"), shares, strict=True))
            rows.append({"id": kept.id, "score": form.score(*shares), **values, "answered": asked})
    rows.sort(key=lambda row: (-row["score"], row["id"]))
    if as_json:
        show_json({"queries": len(expected), "submissions": rows})
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


def diff_command(
    first: int, second: int, page: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool
) -> None:
    """Say which queries two submissions answer differently, and draw them on an HTML page."""
    from facematch.tasks.competition.diff import changed_queries, diff_page

    settings = load_settings(config, overrides)
    form = load_form(settings.server.form)
    with _journal(settings) as journal:
        kept = journal.submission(first), journal.submission(second)
        left, right = (_submission(form, journal, each) for each in kept)
    changes = changed_queries(left.images, right.images)
    query, gallery = (
        folder_of(settings, Path(kept_one or usual))
        for kept_one, usual in ((kept[1].query, settings.paths.query), (kept[1].gallery, settings.paths.gallery))
    )
    others = {
        "group": [left.group, right.group],
        "dialect": [each.dialect for each in kept],
        "system": [system_words(each.system) or "unknown" for each in kept],
        "refine": [refine_words(each.system) or "none" for each in kept],
    }
    differing = {name: values for name, values in others.items() if values[0] != values[1]}
    also = [f"the {name} differs: {values[0]} and {values[1]}" for name, values in differing.items()]
    write_bytes(page, diff_page(changes, (first, second), query, gallery, also, page.parent))
    best = sum(change.first_differs for change in changes)
    everyone = left.images.keys() | right.images.keys()
    if as_json:
        told = [{**asdict(change), "first_differs": change.first_differs} for change in changes]
        show_json({"queries": len(everyone), "changed": told, **differing, "page": str(page)})
        return
    result(f"{len(changes)} of {len(everyone)} queries are answered differently, {best} with another best name")
    for line in also:
        result(line)
    result(f"to look at: {page}")


def _journal(settings: Settings, *, to_read: bool = True) -> Journal:
    folder = settings.paths.submissions
    if not folder.is_dir():
        raise FacematchError(
            f"there is no submissions folder {folder} ({folder.absolute()}).",
            f"`{typed('request')}` makes it; name another with --set paths.submissions=FOLDER.",
        )
    return Journal(folder, to_read=to_read)


def _submission(form: CompetitionForm, journal: Journal, kept: StoredSubmission) -> Submission:
    return Submission.from_payload(journal.payload(kept), form.dialect(kept.dialect))


def row_of(form: CompetitionForm, journal: Journal, kept: StoredSubmission) -> dict[str, Any]:
    """Return a submission and its best attempt as plain JSON values; what its payload does not tell is None."""
    attempts = journal.attempts(kept)
    scored = [attempt for attempt in attempts if attempt.score is not None]
    shown: Attempt | None = (
        max(scored, key=lambda each: each.score or 0) if scored else attempts[-1] if attempts else None
    )
    fate = "kept" if shown is None and not kept.to_send else "not sent" if shown is None else shown.fate
    try:
        submission = _submission(form, journal, kept)
    except FacematchError:  # damaged, or in a dialect that was told on another day
        submission = None
    return {
        "id": kept.id,
        "made": kept.made,
        "made_by": kept.made_by,
        "system": kept.system,
        "group": submission.group if submission else None,
        "dialect": kept.dialect,
        "sha256": kept.sha256,
        "file": str(journal.file(kept)),
        "queries": len(submission.images) if submission else None,
        "fate": fate,
        "kind": shown.kind if shown else None,
        "url": shown.url if shown else None,
        "attempts": len(attempts),
        "score": shown.score if shown else None,
        **{key: getattr(shown, key) if shown else None for key in ("top1", "top5", "top10")},
        "expected": kept.expectation["score"] if kept.expectation else None,
        "beside": kept.expectation.get("beside") if kept.expectation else None,
    }


def _told(row: dict[str, Any]) -> dict[str, str]:
    # In words, what may tell a submission apart from others.
    system = row["system"] or {}
    return {
        "system": system_words(system) if system else row["made_by"] or "",
        "refine": refine_words(system),
        "metric": str(system.get("metric") or ""),
        "group": row["group"] or "",
        "dialect": row["dialect"],
        "address": (row["url"] or "").removeprefix("http://"),
        "queries": "?" if row["queries"] is None else str(row["queries"]),
    }


def _shortened(told: list[dict[str, str]]) -> list[dict[str, str]]:
    # Refine steps without what is in brackets, where that tells as many apart.
    short = [re.sub(r" \([^)]*\)", "", each["refine"]) for each in told]
    if len(set(short)) < len({each["refine"] for each in told}):
        return told
    return [{**each, "refine": refine} for each, refine in zip(told, short, strict=True)]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
