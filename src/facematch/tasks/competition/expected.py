"""The score to expect, computed before a submission is sent, and how it compares with the best one so far."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import Any

from facematch.core.console import info, result
from facematch.core.errors import FacematchError
from facematch.core.text import brief
from facematch.evaluation.comparison import compare
from facematch.evaluation.expectation import Expectation, expect
from facematch.evaluation.outcomes import Outcomes, outcomes_from_json
from facematch.identities.domains import PHOTO
from facematch.pipeline.evaluated import TaskPhotos
from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import kept_url
from facematch.tasks.competition.ensembles import Submitted
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission


class UnknownScoreError(FacematchError):
    """There is no score to expect, since there is nobody to validate on."""


@dataclass(frozen=True)
class Expected:
    """What validation people say, some of `of` people where not all were asked; `photos` are those asked about."""

    outcomes: Outcomes
    expectation: Expectation
    photos: TaskPhotos
    of: int | None
    across: tuple[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the journal keeps: the figures and, for later comparisons, each query's outcome."""
        return {**self.expectation.as_dict(), "outcomes": self.outcomes.as_json()}


def expected_score(submitted: Submitted, queries: int, gallery: int, form: CompetitionForm) -> Expected:
    """Return the score to expect for a task of this size; raises UnknownScoreError where nobody can be asked.

    Plain rankings are validated leave-one-out, refined ones in folds.
    """
    try:
        photos, embedded, of = submitted.validation(queries + gallery)
        found = submitted.outcomes(photos.task, embedded)
    except FacematchError as error:
        raise UnknownScoreError(error.message, error.hint) from error
    seed, across = submitted.settings.seed, submitted.settings.identities.across
    share = 0.0 if across is not None and across[0] != across[1] else None  # no picture of the gallery's domain asks
    expectation = expect(found, queries=queries, gallery=gallery, weights=form.weights, share=share, seed=seed)
    if expectation is None:
        raise UnknownScoreError("nobody of the validation has two photos that can be compared.")
    return Expected(found, expectation, photos, of, across)


def say_expected(expected: Expected, form: CompetitionForm) -> None:
    """Print the score to expect."""
    found, interval = expected.expectation, ""
    if found.interval is not None:
        interval = f", in 95 of 100 such competitions between {found.interval[0]:.0f} and {found.interval[1]:.0f}"
    result(f"expected: score {found.score:.0f} of {form.best:.0f}{interval}")
    of = "" if expected.of is None else f", drawn from {expected.of} (facematch validate asks all)"
    info(
        f"  top-1 {found.top1:.3f}, top-5 {found.top5:.3f}, top-10 {found.top10:.3f}; from {found.queries} queries of "
        f"{found.people} unseen people{of}{_across(expected)}" + (f". Note: {found.note}" if found.note else "")
    )
    if hint := _all_ask_all(expected):
        info(hint, wrap=False)


def _across(expected: Expected) -> str:
    across = expected.across
    return "" if across is None else f", {across[0]} asks {across[1]}"


def _all_ask_all(expected: Expected) -> str:
    # What to do where photos of several domains ask each other; empty where they are of one, or one asks the other.
    if expected.across is not None:
        return ""
    files = expected.photos.files
    counts = Counter(files[name].domain for name in expected.photos.task.queries)
    if len(counts) < 2:
        return ""
    domains = sorted(counts, key=lambda domain: (domain != PHOTO, -counts[domain], domain))
    found = ", ".join(f"{brief(domain)} {counts[domain]:,}" for domain in domains)
    across = shlex.quote(f"identities.across={json.dumps(domains[:2])}")
    return (
        f"The validation photos are of {len(domains)} domains ({found}), and all ask all. If the contest asks one "
        f"against the other, the expected score is too high: --set {across}"
    )


def compare_with_best(
    ours: Outcomes | None,
    journal: Journal,
    kept: StoredSubmission,
    url: str | None,
    gallery: int,
    form: CompetitionForm,
) -> None:
    """Say how a submission compares with the best so far: the best scored one at an address, whoever made it.

    Without an address the best scored anywhere counts; where none was scored, the one of which most is expected.
    """
    best = _best_before(journal, kept, url)
    if best is None:
        return
    before, attempt = best
    scored = "not scored yet" if attempt is None else f"scored {attempt.score:.0f}"
    if attempt is not None and url is None:
        scored += f" at {attempt.url}"
    named = f"submission {before.id}, the best so far ({scored})"
    try:
        theirs = outcomes_from_json((before.expectation or {})["outcomes"])
    except (KeyError, FacematchError):
        result(
            f"{named} was kept without an expected score, so that the two cannot be compared before this one is sent"
        )
        return
    found = None if ours is None else compare(ours, theirs, gallery=gallery, weights=form.weights)
    if found is None:
        result(f"{named} was validated on other photos: not comparable")
        return
    if found.p_value == 1 and found.difference == 0:
        result(f"against {named}: no difference on {found.queries} queries")
        return
    result(f"against {named}: {found}, on the same {found.queries} validation queries")


def _best_before(
    journal: Journal, kept: StoredSubmission, url: str | None
) -> tuple[StoredSubmission, Attempt | None] | None:
    # The best other submission by its score there, else by the score that was expected.
    others = {other.id: other for other in journal.submissions() if other.id != kept.id}
    scored = [each for each in journal.attempts() if each.score is not None and each.submission in others]
    if url is not None:
        scored = [each for each in scored if each.url == kept_url(url)]
    if scored:
        best = max(scored, key=lambda each: (each.score or 0.0, -each.id))
        return others[best.submission], best
    expected = [(float(other.expectation["score"]), other) for other in others.values() if other.expectation]
    return (max(expected, key=lambda each: each[0])[1], None) if expected else None
