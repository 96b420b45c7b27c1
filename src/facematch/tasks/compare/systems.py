"""The systems of a comparison: built from their settings, evaluated, timed, and their results stored."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from facematch.core.cache import Cache, cache_folder
from facematch.core.console import info, waiting
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.foreign import reading
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.rank_task import not_embedded, rank_divisions
from facematch.identities.values import trained_among
from facematch.pipeline.build import photo_embedder, trained_header, trained_people
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.evaluated import embed_files
from facematch.pipeline.run_folder import RunFolder, read_log, validated_on
from facematch.pipeline.system import System, build_system, ensemble_members, whitening_file
from facematch.pipeline.timing import machine
from facematch.ranking.ranking import Ranking
from facematch.refine.chain import has_flip
from facematch.settings.compare import CompareSettings, SystemSettings
from facematch.settings.ensemble import EnsembleSettings
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.tasks.compare.fusing import fitted, ranked_values
from facematch.tasks.compare.photos import ComparedPhotos
from facematch.tasks.compare.results import Cost, Result, Values, joint_cost, result_from_json
from facematch.tasks.compare.timing import measure_cost, repeated_ms
from facematch.tasks.compare.weights import Weights, across_halves, tune_weights, weight_grid

_FORMAT = "facematch compare 1"


@dataclass(frozen=True, eq=False)
class SingleSystem:
    """One system that is no ensemble, ready to embed and rank."""

    name: str
    settings: Settings
    system: System
    stage: PhotoEmbedder

    @property
    def digest(self) -> str:
        """Return a digest of everything that decides its rankings."""
        settings, steps = self.settings, self.system.steps
        flip = has_flip(steps)
        values = {
            "embedding": self.stage.fingerprint.digest,
            "miss": self.stage.miss,
            "ranking": settings.ranking.model_dump(mode="json"),
            "steps": [step.model_dump(mode="json") for step in steps],
            "whitening": sha256_of_file(whitening_file(settings, flip=flip)) if self.system.rank.whitening else None,
            "training people": self.system.rank.known_digest,
        }
        return _digest(values)


@dataclass(frozen=True, eq=False)
class Ranked:
    """A system's rankings of every division, and how its photos ended."""

    rankings: tuple[Ranking, ...]
    stand_ins: int
    cost: Cost


Fusion = SystemSettings | EnsembleSettings  # whose method and weights say how members become one


@dataclass(eq=False)
class ComparisonRun:
    """Evaluates systems on the same photos; what was computed before is read from the cache, unless `fresh`.

    `settings` are those of the listed systems that fuse no others, by name, but for optional ones that are not there.
    """

    wanted: CompareSettings
    settings: Mapping[str, Settings]
    photos: ComparedPhotos
    weights: tuple[float, float, float]
    fresh: bool = False
    _singles: dict[str, SingleSystem] = field(default_factory=dict, repr=False)
    _ensembles: dict[str, tuple[EnsembleSettings, list[SingleSystem]]] = field(default_factory=dict, repr=False)
    _ranked: dict[str, Ranked] = field(default_factory=dict, repr=False)
    _crop_ms: dict[str, float] = field(default_factory=dict, repr=False)

    def result(self, entry: SystemSettings) -> Result:
        """Return the result of one listed system. Raises FacematchError where it cannot be made."""
        members, fusion = self.members(entry), self.fusion_of(entry)
        path = cache_folder(members[0].settings.paths.cache) / "compare.sqlite"
        key = self._key(members, fusion)
        with Cache(path) as cache:
            result = None if self.fresh else cache.read(key, lambda _, data: result_from_json(json.loads(data)))
        if result is not None:
            info(f"{entry.name}: computed before; --fresh computes it again")
            self._crop_ms.setdefault(result.cost.crops, result.cost.crop_ms)
            return result
        result = self._alone(members[0]) if fusion is None else self._fused(entry.name, members, fusion)
        with Cache(path) as cache:  # at once, so that Ctrl-C loses nothing that is finished
            cache.put(key, entry.name, json.dumps(result.as_json()).encode())
        return result

    def members(self, entry: SystemSettings) -> list[SingleSystem]:
        """Return the systems an entry is made of, one where it is no ensemble.

        Raises FacematchError for a missing model or checkpoint.
        """
        if entry.fuse:
            listed = {each.name: each for each in self.wanted.systems}
            # One that is not there says why once more.
            found = {name: self.settings.get(name) or settings_of(self.wanted, listed[name]) for name in entry.fuse}
            return [self._single(name, settings) for name, settings in found.items()]
        settings = self.settings[entry.name]
        if settings.ensemble is None:
            return [self._single(entry.name, settings)]
        if entry.name not in self._ensembles:
            self._ensembles[entry.name] = ensemble_members(
                settings, settings.ensemble, lambda each, number: self._single(f"{entry.name}, member {number}", each)
            )
        return self._ensembles[entry.name][1]

    def fusion_of(self, entry: SystemSettings) -> Fusion | None:
        """Return how an entry fuses its members, those that are there; None for one that is no ensemble."""
        if entry.fuse:
            return entry
        there = self._ensembles.get(entry.name)
        return self.settings[entry.name].ensemble if there is None else there[0]

    def _single(self, name: str, settings: Settings) -> SingleSystem:
        if name not in self._singles:
            system = build_system(settings)
            self._singles[name] = SingleSystem(name, settings, system, photo_embedder(settings, system.embedder))
        return self._singles[name]

    def _key(self, members: Sequence[SingleSystem], fusion: Fusion | None) -> str:
        photos = self.photos
        asked = {"format": _FORMAT, "photos": photos.digest, "protocol": photos.protocol, "score": self.weights}
        fused = None
        if fusion is not None:
            fused = {"method": fusion.method, "weights": fusion.weights, "by": self.wanted.by}
        return _digest({**asked, "systems": [each.digest for each in members], "fused": fused})

    def _alone(self, single: SingleSystem) -> Result:
        ranked = self._rank(single)
        seconds = training_seconds(single.settings)
        missed = self._not_ranked(ranked.rankings)
        values = ranked_values(self.photos.task, ranked.rankings, self.weights)
        return Result(values, *missed, ranked.stand_ins, ranked.cost, machine(), seconds)

    def _fused(self, name: str, members: Sequence[SingleSystem], fusion: Fusion) -> Result:
        every = [self._rank(each) for each in members]
        task, systems = self.photos.task, [each.rankings for each in every]
        fusing = fitted(fusion.method, task, systems, [each.name for each in members])

        def measure(weights: Weights) -> tuple[Values, Values]:
            return fusing.values(task, systems, weights, self.weights)

        with waiting(f"{name}: fusing …"):
            if fusion.weights == "tuned":
                by = "mAP" if self.wanted.by == "F1" else self.wanted.by
                weights, values = tune_weights(measure, weight_grid(len(members)), task.identities, by)
            else:
                weights = (1.0,) * len(members) if isinstance(fusion.weights, str) else fusion.weights
                values = across_halves(measure(weights), task.identities)
        chosen = fusing.rankings(systems, weights)
        lost, behind = self._not_ranked(chosen)
        fusing_ms = repeated_ms(lambda: fusing.rankings(systems, weights)) / len(task.queries)
        cost = joint_cost([each.cost for each in every], fusing_ms)
        stand_ins = min(each.stand_ins for each in every)
        return Result(values, lost, behind, stand_ins, cost, machine(), weights=weights)

    def _rank(self, single: SingleSystem) -> Ranked:
        if single.name not in self._ranked:
            ranked = rank_photos(single, self.photos)
            # The same crops take the same time, whatever else the machine did meanwhile.
            once = self._crop_ms.setdefault(ranked.cost.crops, ranked.cost.crop_ms)
            self._ranked[single.name] = replace(ranked, cost=replace(ranked.cost, crop_ms=once))
        return self._ranked[single.name]

    def _not_ranked(self, rankings: Sequence[Ranking]) -> tuple[int, int]:
        # Queries without an answer, and gallery photos that stand behind all.
        task = self.photos.task
        lost = int(not_embedded(task, rankings).sum())
        return lost, len(task.gallery.difference(*(ranking.gallery for ranking in rankings)))


def settings_of(wanted: CompareSettings, entry: SystemSettings) -> Settings:
    """Return the settings of a listed system: its file, what holds for all, its own. Raises FacematchError."""
    try:
        overrides = [*wanted.overrides(), *entry.overrides()]
        return settings_in_use(entry.config, overrides, ensembles=True, unasked=False)
    except FacematchError as error:
        raise FacematchError(f"system {entry.name}: {error.message}", error.hint) from error


def rank_photos(single: SingleSystem, photos: ComparedPhotos) -> Ranked:
    """Embed and rank all photos, and measure what that costs. Raises FacematchError when none can be embedded."""
    embedded = embed_files(single.stage, photos.files, single.name)
    embeddings, rank = embedded.embeddings, photos.photos.judged(single.system.rank)
    if not len(embeddings):
        raise FacematchError(f"none of {len(photos.files)} photos could be embedded.", "Look at its faces: settings.")
    rankings = rank_divisions(photos.task, embeddings, rank, known=photos.photos.known(rank.steps))
    with waiting(f"{single.name}: timing …"):
        cost = measure_cost(single.stage, photos.files, embeddings, rank, photos.task)
    stand_ins = sum(record.status in ("whole", "centre") for record in embedded.records)
    return Ranked(rankings, stand_ins, cost)


def leak_of(run: ComparisonRun, entry: SystemSettings) -> tuple[str, bool]:
    """Return what the training of a system, or of a member, saw of the people compared, and whether it learned them."""
    people, members = run.photos.people, [member.settings for member in run.members(entry) if run.photos.unseen]
    trained_on = [trained_people(each) for each in members]
    if seen := trained_among(people, (person for each in trained_on for person in each)):
        return f"was trained on {len(seen)} of the {len(people)} people compared: its figures mean nothing", True
    headers = [trained_header(each) for each in members if each.embedder.kind == "network"]
    chosen = people.intersection(person for each in headers for person in validated_on(each.path.parent) or ())
    if chosen:
        words = f"had its best epoch chosen on {len(chosen)} of the {len(people)} people compared: a little flattered"
        return words, False
    return "", False


def training_seconds(settings: Settings) -> float | None:
    """Return the seconds that a network's training steps took, by its run folder's log; None without one."""
    if settings.embedder.kind != "network":
        return None
    folder = trained_header(settings).path.parent
    if not (folder / "log.jsonl").is_file() or not (folder / "settings.yaml").is_file():
        return None
    training = load_settings(folder / "settings.yaml").training
    batch = training.identities_per_batch * training.photos_per_identity
    total, before = 0.0, 0
    lines = read_log(RunFolder(folder))
    with reading(folder / "log.jsonl", "the training log", "It cannot be made again without training."):
        for line in lines:
            if line["kind"] == "epoch":
                if line["images_per_second"] > 0:
                    total += (line["step"] - before) * batch / line["images_per_second"]
                before = line["step"]
    return total


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
