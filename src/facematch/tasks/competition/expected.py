"""The score to expect, told before a submission is sent, and how it compares with the best one so far."""

from dataclasses import dataclass, replace
from typing import Any

from facematch.core.console import info, result
from facematch.core.errors import FacematchError
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.comparison import compare
from facematch.evaluation.expectation import Expectation, expect
from facematch.evaluation.outcomes import Outcomes, outcomes_from_json, task_outcomes
from facematch.pipeline.build import trained_people
from facematch.pipeline.evaluated import TaskPhotos, embed_task, task_photos
from facematch.pipeline.people import enough_people, validation_people
from facematch.pipeline.system import System
from facematch.refine.chain import needs_folds
from facematch.settings.competition import CompetitionForm
from facematch.settings.root import Settings
from facematch.tasks.competition.address import kept_url
from facematch.tasks.competition.journal import Attempt, Journal, StoredSubmission


@dataclass(frozen=True)
class Expected:
    """What validation people say, some of `of` people where not all were asked; without any, `unknown` says why.

    `photos` are those that were asked about.
    """

    outcomes: Outcomes | None
    expectation: Expectation | None
    of: int | None = None
    photos: TaskPhotos | None = None
    unknown: str = ""
    hint: str = ""

    def as_json(self) -> dict[str, Any] | None:
        """Return what the journal keeps: the figures and, for later comparisons, each query's outcome."""
        if self.outcomes is None or self.expectation is None:
            return None
        return {**self.expectation.as_dict(), "outcomes": self.outcomes.as_json()}


def expected_score(
    settings: Settings,
    embedder: PhotoEmbedder,
    system: System,
    queries: int,
    gallery: int,
    form: CompetitionForm,
) -> Expected:
    """Return the score to expect for a task of this size, or why it is unknown: nobody to validate on is no error.

    `embedder` and `system` are those of the submission. Plain rankings are validated leave-one-out, refined
    ones in folds.
    """
    try:
        everyone = validation_people(settings, trained_people(settings))
        people, of = enough_people(everyone, queries + gallery, settings.seed)
        photos = task_photos(people, in_folds=needs_folds(system.steps))
        embedded = embed_task(embedder, photos)
    except FacematchError as error:
        return unknown_score(error)
    found = task_outcomes(photos.task, embedded.embeddings, system.rank)
    return replace(expected_of(found, of, queries, gallery, form, settings.seed), photos=photos)


def expected_of(
    found: Outcomes, of: int | None, queries: int, gallery: int, form: CompetitionForm, seed: int
) -> Expected:
    """Return the score to expect by the outcomes of validation people, some of `of`."""
    expectation = expect(found, queries=queries, gallery=gallery, weights=form.weights, seed=seed)
    if expectation is None:
        return Expected(None, None, unknown="nobody of the validation has two photos that can be compared.")
    return Expected(found, expectation, of)


def unknown_score(error: FacematchError) -> Expected:
    """Return why there is no score to expect."""
    return Expected(None, None, unknown=error.message, hint=error.hint)


def say_expected(expected: Expected, form: CompetitionForm) -> None:
    """Print the score to expect."""
    found = expected.expectation
    if found is None:
        result(f"expected: unknown: {expected.unknown}")
        if expected.hint:
            info(f"  {expected.hint}")
        return
    interval = ""
    if found.interval is not None:
        interval = f", in 95 of 100 such competitions between {found.interval[0]:.0f} and {found.interval[1]:.0f}"
    result(f"expected: score {found.score:.0f} of {form.best:.0f}{interval}")
    of = "" if expected.of is None else f", drawn from {expected.of} (facematch validate asks all)"
    info(
        f"  top-1 {found.top1:.3f}, top-5 {found.top5:.3f}, top-10 {found.top10:.3f}; from {found.queries} queries of "
        f"{found.people} unseen people{of}" + (f". Note: {found.note}" if found.note else "")
    )


def compare_with_best(
    expected: Expected, journal: Journal, kept: StoredSubmission, url: str | None, gallery: int, form: CompetitionForm
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
    found = None if expected.outcomes is None else compare(
        expected.outcomes, theirs, gallery=gallery, weights=form.weights
    )  # fmt: skip
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
