"""What a system has to beat: grey pixels, and the network that comes with facematch, asked about the same people."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from facematch.core.console import info, show_table, warn
from facematch.core.errors import FacematchError, typed
from facematch.core.text import interval_words
from facematch.embedders import Embedder
from facematch.embedders.embed import PhotoEmbedder
from facematch.embedders.pixels import PixelEmbedder
from facematch.evaluation.comparison import Comparison, paired_by_name
from facematch.evaluation.outcomes import Outcomes, places_of
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.topk import KS, Figures, Places, first_places, truth_places
from facematch.pipeline.build import build_embedder, photo_embedder, trained_header
from facematch.pipeline.default_checkpoint import default_file, is_default
from facematch.pipeline.evaluated import TaskPhotos, embed_task, task_photos
from facematch.pipeline.people import ValidationPeople, enough_people
from facematch.pipeline.system import build_ranker, build_system, refine_steps, with_views
from facematch.ranking.embeddings import Embeddings
from facematch.refine.chain import Ranker
from facematch.settings.file import load_settings
from facematch.settings.refine import Step
from facematch.settings.root import Settings

Weights = tuple[float, float, float]  # of top-1, top-5 and top-10 in the score
SHIPPED = "shipped network"
_BROUGHT = ("faces", "network", "embedder", "ranking", "gallery", "refine")


@dataclass(frozen=True, eq=False)
class Contestant:
    """A system to be asked: its settings, what embeds, its refine steps; `take` are the settings that choose it.

    `trained_on` are the people it is known to have been trained on.
    """

    name: str
    settings: Settings
    embedder: Embedder
    steps: tuple[Step, ...] = ()
    take: tuple[str, ...] = ()
    trained_on: frozenset[str] = frozenset()

    @property
    def stage(self) -> PhotoEmbedder:
        """Return what embeds photo files."""
        return photo_embedder(self.settings, with_views(self.settings, self.embedder, self.steps))

    @property
    def rank(self) -> Ranker:
        """Return what ranks."""
        return build_ranker(self.settings, self.steps, with_views(self.settings, self.embedder, self.steps))

    def standing(self, places: Places, weights: Weights) -> "Standing":
        """Return how it did."""
        return Standing(self.name, places, weights, self.take, self.trained_on)


@dataclass(frozen=True, eq=False)
class Standing:
    """How a system did: where the first right photo of each query stands; `take` and `trained_on` as a contestant's.

    `weights` are those of top-1, top-5 and top-10 in the score.
    """

    name: str
    places: Places
    weights: Weights
    take: tuple[str, ...] = ()
    trained_on: frozenset[str] = frozenset()

    @cached_property
    def figures(self) -> Figures:
        """Return its figures. Raises FacematchError without a query."""
        return self.places.figures(self.weights)

    @property
    def scores(self) -> dict[str, float]:
        """Return what each query adds to the score, by its name."""
        return self.places.scores(self.weights)

    @property
    def seen(self) -> int:
        """Return how many of the people asked for it was trained on, by their names."""
        return len(self.trained_on.intersection(map(str, self.places.people)))

    @property
    def flattered(self) -> str:
        """Return in words that it had seen people who ask; empty where it had not."""
        of = len(set(self.places.people))
        return f"flattered: it was trained on {self.seen} of these {of} people" if self.seen else ""

    def against(self, other: "Standing") -> Comparison | None:
        """Return how far its score is above another's on the queries of both; None without one."""
        person = dict(zip(self.places.queries, self.places.people, strict=True))
        return paired_by_name(self.scores, other.scores, person)


def in_use(settings: Settings) -> list[Contestant]:
    """Return the embedder that is in use, and it once more with its refine steps where there are any."""
    embedder, kind = build_embedder(settings), settings.embedder.kind
    network = "shipped" if is_default(settings) else "trained"
    name = {"network": network, "onnx": "ONNX model", "pixels": "grey pixels"}.get(kind, kind)
    plain = Contestant(name, settings, embedder)
    steps = refine_steps(settings, embedder)
    if not steps:
        return [plain]
    return [plain, replace(plain, name=f"{name} + {', '.join(step.step for step in steps)}", steps=steps)]


def rivals(settings: Settings) -> list[Contestant]:
    """Return what a system has to beat, but for itself.

    The network that comes with facematch compares faces by floats: it is no rival of codes, nor where classes are
    asked for (`split_by: photo`).
    """
    found, alone = [], ("ensemble=null",) * (settings.ensemble is not None)
    if settings.embedder.kind != "pixels" or alone:
        plain = ("refine=[]",) * bool(settings.refine) + alone
        found.append(Contestant("grey pixels", settings, PixelEmbedder(), take=("embedder.kind=pixels", *plain)))
    of_faces = settings.identities.split_by == "person" and settings.ranking.metric != "hamming"
    if of_faces and not is_default(settings):
        try:
            found.append(_shipped(settings, alone))
        except FacematchError as error:
            info(f"the network that comes with facematch is not shown: {error.message}", "yellow")
    return found


def _shipped(settings: Settings, alone: tuple[str, ...]) -> Contestant:
    # With its own crops, and with the photos, the cache and the device of these settings.
    file = default_file()
    own = load_settings(file.with_name("settings.yaml"))
    paths = settings.paths.model_copy(update={"checkpoint": file})
    shipped = settings.model_copy(update={"paths": paths, **{name: getattr(own, name) for name in _BROUGHT}})
    system = build_system(shipped)
    kind = ("embedder.kind=network",) * (settings.embedder.kind != "network")
    trained_on = frozenset(trained_header(shipped).people)
    take = ("paths.checkpoint=default", *kind, *alone)
    return Contestant(SHIPPED, shipped, system.embedder, system.steps, take, trained_on)


def stand(contestant: Contestant, photos: TaskPhotos, weights: Weights) -> Standing:
    """Ask a contestant a task, of which the first ten places of each query are ranked.

    Of fixed folders every query of the ground truth counts; of people those who have another photo.
    """
    return stand_by(contestant, photos, embed_task(contestant.stage, photos, contestant.name).embeddings, weights)


def stand_by(contestant: Contestant, photos: TaskPhotos, embeddings: Embeddings, weights: Weights) -> Standing:
    """Return how a contestant does by the N×D `embeddings` of the photos, as `stand`."""
    rank = photos.judged(contestant.rank)
    if photos.gallery is None:
        rank = replace(rank, index="exact")  # as whole rankings are
    found = rank_task(photos.task, embeddings, rank, max(KS), photos.known(rank.steps))
    places = first_places(found.judged) if photos.gallery is None else truth_places(photos.task, found.judged)
    return contestant.standing(places, weights)


def show_trained(settings: Settings, people: ValidationPeople, config: Path, weights: Weights) -> None:
    """Show a network that was just trained beside what it has to beat, without refine steps, on some of the people.

    The training is done and kept, so that what goes wrong here is said, and no error.
    """
    plain = settings.model_copy(update={"refine": ()})
    some, _ = enough_people(people, 0, settings.seed)
    try:
        (ours,), others = in_use(plain), rivals(plain)
        photos = task_photos(some, in_folds=False)
        standings = [stand(each, photos, weights) for each in [*others, ours]]
        show_standings(standings)
        say_where_worse(standings[-1], standings[:-1], config)
    except FacematchError as error:
        info(f"it could not be shown beside grey pixels: {error.message}", "yellow")


def say_beside(
    settings: Settings, found: Outcomes, photos: TaskPhotos, config: Path, weights: Weights
) -> dict[str, dict[str, object]]:
    """Say what it has to beat reaches on the people that a submission was validated on, and where it does better.

    `found` is how the submission did on `photos`. Returns by name what the submission's score is above theirs, as
    JSON values. What goes wrong is said, and no error: the submission is made and kept.
    """
    ours = Standing("this system", places_of(found), weights)
    try:
        others = [stand(each, photos, weights) for each in rivals(settings)]
    except FacematchError as error:
        info(f"it could not be shown beside grey pixels: {error.message}", "yellow")
        return {}
    scores = [f"{each.name} {each.figures.score:.0f}" + (f" ({each.flattered})" if each.flattered else "")
              for each in others]  # fmt: skip
    info(f"  on these people: this system {ours.figures.score:.0f}, {', '.join(scores)}")
    say_where_worse(ours, others, config)
    compared = [(each.name, ours.against(each)) for each in others]
    return {name: difference.as_dict() for name, difference in compared if difference is not None}


def show_standings(standings: Sequence[Standing]) -> None:
    """Print a table of figures by system. Raises FacematchError without a query."""
    figures = [each.figures for each in standings]
    show_table(
        f"{figures[0].queries} queries, {figures[0].gallery} gallery photos; [95 % interval over people]",
        ["system", "top-1", "", "top-5", "top-10", f"score of {sum(standings[0].weights):.0f}"],
        [
            [
                each.name + (" *" if each.flattered else ""),
                f"{found.top1:.3f}",
                interval_words(found.interval),
                f"{found.top5:.3f}",
                f"{found.top10:.3f}",
                f"{found.score:.0f}",
            ]
            for each, found in zip(standings, figures, strict=True)
        ],
    )
    for each in standings:
        if each.flattered:
            info(f"* {each.name}: {each.flattered}", "yellow")


def say_where_worse(ours: Standing, others: Sequence[Standing], config: Path) -> None:
    """Warn where a system of `config` has a lower score than another on the same queries, and how to take that one."""
    compared = [(other, found) for other in others if (found := ours.against(other)) is not None]
    worse = [(other, found) for other, found in compared if found.difference < 0]
    for other, found in worse:
        shared = set(other.places.queries)
        mine = float(np.mean([score for name, score in ours.scores.items() if name in shared]))
        text = (
            f"{ours.name} is worse than {other.name}: score {mine:.0f} against "
            f"{mine - found.difference:.0f} on the same {found.queries} queries, {found}"
            + (f"; {other.name}: {other.flattered}" if other.flattered else "")
        )
        if found.luck:
            info(text, "yellow")
        else:
            warn(text)
    if worse:
        better, _ = min(worse, key=lambda each: each[1].difference)
        sets = " ".join(f"--set {setting}" for setting in better.take)
        command = f"{typed('request')} --config {shlex.quote(str(config))} {sets}"
        info(f"the better one is taken by: {command}", "yellow", wrap=False)
