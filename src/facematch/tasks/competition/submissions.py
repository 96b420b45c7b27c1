"""`facematch submissions`, `rescore` and `diff`: what was sent, what it scored, what changed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facematch.core.console import result, show_json, show_table
from facematch.core.errors import FacematchError, typed
from facematch.core.files import write_bytes
from facematch.core.text import count_of
from facematch.evaluation.score import read_ground_truth, score_submission
from facematch.pipeline.folders import folder_of
from facematch.settings.competition import CompetitionForm, load_form
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.competition.journal import Journal, StoredSubmission, warn_unfinished
from facematch.tasks.competition.made_by import fusion_words, refine_words, system_words
from facematch.tasks.competition.submission import Submission

# Columns that are shown where they differ.
_APART = ("system", "refine", "metric", "group", "dialect", "address", "queries")
_SHARES = ("top1", "top5", "top10")


def submissions_command(config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """List the stored submissions, best score first, with what differs between them."""
    with _opened(config, overrides) as (settings, form, journal):
        warn_unfinished(journal)
        rows = [row_of(form, journal, stored) for stored in journal.submissions()]
    rows.sort(key=lambda row: (row["score"] is None, -(row["score"] or 0), -row["id"]))
    if as_json:
        show_json({"submissions": rows})
        return
    if not rows:
        result(f"no submissions in {settings.paths.submissions}")
        return
    words = _shortened([_words(row) for row in rows])
    differing = [name for name in _APART if len({each[name] for each in words}) > 1]
    show_table(
        f"{count_of(len(rows), 'submission', 'submissions')} in {settings.paths.submissions}",
        ["id", "made (UTC)", *differing, "score", "top-1 / 5 / 10", "expected"],
        [
            [
                str(row["id"]), row["made"][5:16].replace("T", " "), *(each[name] for name in differing),
                row["fate"] if row["score"] is None else _number(row["score"], 0),
                "" if row["top1"] is None else " / ".join(_number(row[key], 3) for key in _SHARES),
                _number(row["expected"], 0),
            ]
            for row, each in zip(rows, words, strict=True)
        ],
    )  # fmt: skip
    alike = [f"{name} {words[0][name]}" for name in _APART if name not in differing and words[0][name]]
    if alike:
        result(f"all: {', '.join(alike)}. All of one: facematch submissions show N")


def show_command(number: int, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print all that is stored of a submission."""
    with _opened(config, overrides) as (_, form, journal):
        stored = journal.submission(number)
        row, attempts, faceless = row_of(form, journal, stored), journal.attempts(stored), journal.faceless(stored)
    expectation = {key: value for key, value in (stored.expectation or {}).items() if key != "outcomes"} or None
    row |= {
        "query": stored.query,
        "gallery": stored.gallery,
        "expectation": expectation,
        "without_face": str(faceless) if faceless.is_file() else None,
        "history": [asdict(each) for each in attempts],
    }
    if as_json:
        show_json({"submission": row})
        return
    system, words = stored.system or {}, _words(row)
    interval = (expectation or {}).get("interval")
    between = "" if not isinstance(interval, list) else f", between {interval[0]:.0f} and {interval[1]:.0f}"
    lines = {
        "made": f"{row['made'][:19].replace('T', ' ')} UTC",
        "by": row["made_by"],
        **{name: words[name] for name in _APART},
        "fused": fusion_words(system),
        "checkpoint": system.get("checkpoint"),
        "sha256": system.get("sha256"),
        "settings": ", ".join(f"{key} {value}" for key, value in dict(system.get("settings") or {}).items()),
        "query": stored.query,
        "gallery": stored.gallery,
        "payload": f"{row['file']} (SHA-256 {stored.sha256[:12]}…)",
        "no face": row["without_face"],
        "expected": None if row["expected"] is None else f"{row['expected']:.0f}{between}",
        "fate": row["fate"] + ("" if row["score"] is None else f", {row['score']:.0f}"),
    }
    result(f"submission {stored.id}")
    for name, value in lines.items():
        if value:
            result(f"  {name:<11}{value}")
    for attempt in attempts:
        what = attempt.message or attempt.answer or ""
        result(f"  {attempt.started[:19].replace('T', ' ')} to {attempt.url}: {attempt.fate}. {what}".rstrip())


def drop_command(number: int, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Forget a submission that was not sent, or surely not scored."""
    with _opened(config, overrides, to_read=False) as (_, _, journal):
        journal.drop(journal.submission(number))
    if as_json:
        show_json({"dropped": number})
    else:
        result(f"submission {number} is forgotten; the same answers, made anew, bring it back")


def rescore_command(truth: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Score all stored submissions against a ground truth."""
    rows = []
    with _opened(config, overrides) as (_, form, journal):
        right = read_ground_truth(truth)
        for stored in journal.submissions():
            images = _submission(form, journal, stored).images
            found = score_submission(images, right)
            shares = {key: getattr(found, key) for key in _SHARES}
            answered = len(right.keys() & images.keys())
            rows.append({"id": stored.id, "score": form.score(*shares.values()), **shares, "answered": answered})
    rows.sort(key=lambda row: (-row["score"], row["id"]))
    if as_json:
        show_json({"queries": len(right), "submissions": rows})
        return
    show_table(
        f"{len(rows)} submissions against {truth} ({len(right)} queries)",
        ["id", "score", "top-1", "top-5", "top-10", "queries answered"],
        [
            [str(row["id"]), _number(row["score"], 0), *(_number(row[key], 3) for key in _SHARES), str(row["answered"])]
            for row in rows
        ],
    )


def diff_command(
    first: int, second: int, page: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool
) -> None:
    """Say which queries two submissions answer differently, and draw them on an HTML page."""
    from facematch.tasks.competition.diff import changed_queries, diff_page

    with _opened(config, overrides) as (settings, form, journal):
        stored = journal.submission(first), journal.submission(second)
        left, right = (_submission(form, journal, each) for each in stored)
    changes = changed_queries(left.images, right.images)
    query, gallery = (
        folder_of(settings, Path(named or usual))
        for named, usual in ((stored[1].query, settings.paths.query), (stored[1].gallery, settings.paths.gallery))
    )
    others = {
        "group": [left.group, right.group],
        "dialect": [each.dialect for each in stored],
        "system": [system_words(each.system) or "unknown" for each in stored],
        "refine": [refine_words(each.system) or "none" for each in stored],
    }
    differing = {name: values for name, values in others.items() if values[0] != values[1]}
    also = [f"the {name} differs: {values[0]} and {values[1]}" for name, values in differing.items()]
    write_bytes(page, diff_page(changes, (first, second), query, gallery, also, page.parent))
    best = sum(change.first_differs for change in changes)
    everyone = left.images.keys() | right.images.keys()
    if as_json:
        changed = [{**asdict(change), "first_differs": change.first_differs} for change in changes]
        show_json({"queries": len(everyone), "changed": changed, **differing, "page": str(page)})
        return
    result(f"{len(changes)} of {len(everyone)} queries are answered differently, {best} with another best name")
    for line in also:
        result(line)
    result(f"to look at: {page}")


@contextmanager
def _opened(
    config: Path | None, overrides: Sequence[str], *, to_read: bool = True
) -> Iterator[tuple[Settings, CompetitionForm, Journal]]:
    # The settings, the competition's form and the journal, where there is one.
    settings = load_settings(config, overrides)
    form, folder = load_form(settings.server.form), settings.paths.submissions
    if not folder.is_dir():
        raise FacematchError(
            f"there is no submissions folder {folder} ({folder.absolute()}).",
            f"`{typed('request')}` makes it; name another with --set paths.submissions=FOLDER.",
        )
    with Journal(folder, to_read=to_read) as journal:
        yield settings, form, journal


def _submission(form: CompetitionForm, journal: Journal, stored: StoredSubmission) -> Submission:
    return Submission.from_payload(journal.payload(stored), form.dialect(stored.dialect))


def row_of(form: CompetitionForm, journal: Journal, stored: StoredSubmission) -> dict[str, Any]:
    """Return a submission and its best attempt as plain JSON values; what its payload does not hold is None."""
    attempts = journal.attempts(stored)
    shown = max(attempts, key=lambda each: (each.score is not None, each.score or 0, -each.id), default=None)
    if shown is not None and shown.score is None:
        shown = attempts[-1]
    try:
        submission = _submission(form, journal, stored)
    except FacematchError:  # damaged, or in a dialect of another day
        submission = None
    expectation = stored.expectation or {}
    return {
        "id": stored.id,
        "made": stored.made,
        "made_by": stored.made_by,
        "system": stored.system,
        "group": submission.group if submission else None,
        "dialect": stored.dialect,
        "sha256": stored.sha256,
        "file": str(journal.file(stored)),
        "queries": len(submission.images) if submission else None,
        "fate": shown.fate if shown else "not sent" if stored.to_send else "kept",
        **{key: getattr(shown, key, None) for key in ("kind", "url")},
        "attempts": len(attempts),
        **{key: getattr(shown, key, None) for key in ("score", *_SHARES)},
        "expected": expectation.get("score"),
        "beside": expectation.get("beside"),
    }


def _words(row: dict[str, Any]) -> dict[str, str]:
    # What may differ between submissions.
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


def _shortened(words: list[dict[str, str]]) -> list[dict[str, str]]:
    # Refine steps without what is in brackets, where as many differ so.
    short = [re.sub(r" \([^)]*\)", "", each["refine"]) for each in words]
    if len(set(short)) < len({each["refine"] for each in words}):
        return words
    return [{**each, "refine": refine} for each, refine in zip(words, short, strict=True)]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
