"""The score to expect, told before a submission is sent, and how it compares with the best one so far."""

from dataclasses import dataclass
from typing import Any

from facematch.commands.evaluated import EmbeddedPeople, embed_people, rank_people
from facematch.commands.people import validation_people
from facematch.competition.form import CompetitionForm
from facematch.competition.journal import Journal, Kept
from facematch.console import note, say
from facematch.embed import PhotoEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.comparison import compare
from facematch.evaluation.expectation import Expectation, expect
from facematch.evaluation.outcomes import Outcomes, judged_outcomes, outcomes, outcomes_from_json
from facematch.flow import trained_people
from facematch.flow_refine import System
from facematch.refine.chain import needs_folds
from facematch.settings import Settings


@dataclass(frozen=True)
class Expected:
    """What validation people say; without any, `unknown` says why."""

    outcomes: Outcomes | None
    expectation: Expectation | None
    unknown: str = ""

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
        trained_on = trained_people(settings)
        people = embed_people(embedder, validation_people(settings, trained_on), "validation people")
        found = _outcomes(settings, people, system)
    except FacematchError as error:
        return Expected(None, None, f"there is nobody to validate on: {error.message}")
    expectation = expect(found, queries=queries, gallery=gallery, weights=form.weights, seed=settings.seed)
    if expectation is None:
        return Expected(None, None, "nobody of the validation has two photos that can be compared.")
    return Expected(found, expectation)


def _outcomes(settings: Settings, people: EmbeddedPeople, system: System) -> Outcomes:
    if not needs_folds(system.steps):
        return outcomes(people.embeddings, people.identities, people.asked, settings.ranking.metric)
    return judged_outcomes(rank_people(people, system.rank, in_folds=True).judged)


def say_expected(expected: Expected, journal: Journal, kept: Kept, gallery: int, form: CompetitionForm) -> None:
    """Print the score to expect and the comparison with the best submission before."""
    found = expected.expectation
    if found is None:
        say(f"expected: unknown, since {expected.unknown}")
        return
    interval = ""
    if found.interval is not None:
        interval = f", in 95 of 100 such competitions between {found.interval[0]:.0f} and {found.interval[1]:.0f}"
    say(f"expected: score {found.score:.0f} of {form.best:.0f}{interval}")
    note(
        f"  top-1 {found.top1:.3f}, top-5 {found.top5:.3f}, top-10 {found.top10:.3f}; from {found.queries} queries of "
        f"{found.people} unseen people" + (f". Note: {found.note}" if found.note else "")
    )
    _compare(expected, journal, kept, gallery, form)


def _compare(expected: Expected, journal: Journal, kept: Kept, gallery: int, form: CompetitionForm) -> None:
    best = _best_before(journal, kept)
    if best is None or expected.outcomes is None:
        return
    before, score = best
    assert before.expectation is not None
    theirs = outcomes_from_json(before.expectation["outcomes"])
    found = compare(expected.outcomes, theirs, gallery=gallery, weights=form.weights)
    scored = f"scored {score:.0f}" if score is not None else "not scored yet"
    if found is None:
        note(f"  submission {before.id}, the best so far ({scored}), was validated on other photos: not comparable")
        return
    if found.p_value == 1 and found.difference == 0:
        say(f"against submission {before.id}, the best so far ({scored}): no difference on {found.queries} queries")
        return
    interval = "" if found.interval is None else f" [{found.interval[0]:+.0f} to {found.interval[1]:+.0f}]"
    chance = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    verdict = "a real difference" if found.p_value < 0.05 else "which may be luck"
    say(
        f"against submission {before.id}, the best so far ({scored}): {found.difference:+.0f}{interval} on the same "
        f"{found.queries} validation queries, {verdict} ({chance})"
    )


def _best_before(journal: Journal, kept: Kept) -> tuple[Kept, float | None] | None:
    # The best other submission that was validated: by its score, else by the score that was expected.
    candidates = []
    for other in journal.submissions():
        if other.id != kept.id and other.expectation and "outcomes" in other.expectation:
            scores = [attempt.score for attempt in journal.attempts(other) if attempt.score is not None]
            candidates.append((max(scores, default=None), other, other.expectation["score"]))
    if not candidates:
        return None
    score, best, _ = max(candidates, key=lambda each: (each[0] is not None, each[0] or 0, each[2]))
    return best, score
