"""The refine steps as typed, checked settings: each entry of `refine:` is one of these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from typing_extensions import Self  # typing has it from Python 3.11 on

from facematch.core.kinds import Kind, plugins, require_kind
from facematch.settings.ranking import METRICS, Metric
from facematch.settings.section import Count, OneOrSeveral, Options, Section, Share, Short


class _Step(Section):
    metrics: ClassVar[Sequence[Metric]] = ("euclidean", "cosine", "jaccard", "manhattan")  # it can be used with
    training_people: ClassVar[bool] = False  # it needs photos of them
    needs_known: ClassVar[bool] = False  # and embeds them each time it is used
    gives_distances: ClassVar[bool] = False  # and no vectors: nothing comes after it

    @property
    def options_given(self) -> Mapping[str, Any]:
        """Return what the step is done with, by name."""
        return self.model_dump(exclude={"step", "people"})

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return the values that `facematch tune` tries for embeddings of D dimensions; none: it never chooses it."""
        return ()


class FlipStep(_Step):
    """Each photo's embedding is averaged with that of its mirror image."""

    metrics = METRICS
    step: Literal["flip"] = "flip"

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return the only one there is."""
        return (cls(),)


class ViewsStep(_Step):
    """Each photo's embedding is averaged over several views of its face: a square of each margin around the box.

    The crop is made as wide as they need; `faces.margin` plays no part. A face that is aligned by its five points stays
    the one view it is.
    """

    metrics = METRICS
    step: Literal["views"] = "views"
    # how much wider than its box each view is
    margins: Annotated[tuple[Annotated[float, Field(gt=-0.5, le=2)], ...], Field(min_length=1)] = (0.1, 0.2, 0.3)
    up: Annotated[float, Field(ge=-0.25, le=0.25)] = 0.0  # how far above the box's centre, in sides of the view
    shift: Annotated[float, Field(ge=0, le=0.25)] = 0.0  # each also moved by this: left, right, up and down
    angle: Annotated[float, Field(ge=0, le=45)] = 0.0  # degrees: each also turned by this, either way


class WhitenStep(_Step):
    """PCA whitening, fitted on training people by `facematch tune`."""

    training_people = True
    step: Literal["whiten"] = "whiten"
    components: Count | None = None  # kept directions, the strongest; None: all
    power: Annotated[float, Field(ge=0, le=0.5)] = 0.5  # 0.5: every direction gets the same spread; 0: rotation only

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return all, a half and a quarter of the directions (at most 512), with three powers."""
        kept = sorted({min(512, dimensions), dimensions // 2, dimensions // 4} - {0}, reverse=True)
        return tuple(cls(components=c, power=p) for c in kept if c <= 512 for p in (0.0, 0.25, 0.5))


class TemplatesStep(_Step):
    """Each gallery vector moves towards the mean of its person's."""

    step: Literal["templates"] = "templates"
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the person's mean
    people: Path | None = None  # list file with a line `name label` for each gallery photo

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return three weights."""
        return tuple(cls(weight=weight) for weight in (0.25, 0.5, 1.0))


class _Neighbours(_Step):
    n: Count = 2  # neighbours
    alpha: Annotated[float, Field(ge=0)] = 3.0  # weights are similarities to this power

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return one, two and four neighbours, with two powers of the similarity."""
        return tuple(cls(n=n, alpha=alpha) for n in (1, 2, 4) for alpha in (1.0, 3.0))


class DatabaseStep(_Neighbours):
    """Each gallery vector is averaged with its nearest gallery neighbours."""

    step: Literal["database-augmentation"] = "database-augmentation"


class ExpansionStep(_Neighbours):
    """Each query is averaged with its nearest gallery photos."""

    step: Literal["query-expansion"] = "query-expansion"


class BlendStep(_Step):
    """Each photo moves towards the mean of its nearest gallery photos, as far as they are like it."""

    step: Literal["blend"] = "blend"
    n: Count = 4  # neighbours
    weight: Annotated[float, Field(gt=0, lt=1)] = 0.3  # of that mean
    least: Annotated[float, Field(ge=-1, le=1)] = 0.5  # cosine from which on two photos are alike

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return four bounds of likeness, with two weights."""
        return tuple(cls(weight=weight, least=least) for weight in (0.3, 0.5) for least in (0.3, 0.5, 0.7, 0.85))


class _Known(_Step):
    training_people = True
    needs_known = True
    gives_distances = True
    people: Annotated[tuple[Path, ...], OneOrSeveral] | None = None  # folders or list files; None: identities.train


class BridgeStep(_Known):
    """The way from query to gallery photo over a known person, for contests about people of the training folder."""

    step: Literal["bridge"] = "bridge"
    weight: Share = 0.5  # of the way over a person; the rest is the direct distance's
    power: Annotated[float, Field(ge=-20, le=20)] = 1.0  # of the mean of both: 1 arithmetic, −20 nearly the smaller

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return three weights, with two powers."""
        return tuple(cls(weight=weight, power=power) for weight in (0.25, 0.5, 0.75) for power in (1.0, -1.0))


class CohortStep(_Known):
    """Score normalisation: a distance by those that its two photos have to their nearest training photos."""

    step: Literal["cohort"] = "cohort"
    nearest: Annotated[int, Field(ge=2)] = 100  # training photos of each photo

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return three numbers of training photos."""
        return tuple(cls(nearest=nearest) for nearest in (20, 100, 300))


class ReciprocalStep(_Step):
    """k-reciprocal re-ranking; the last step, as its distances are no longer those of vectors."""

    gives_distances = True
    metrics = ("euclidean", "cosine")
    step: Literal["k-reciprocal"] = "k-reciprocal"
    k1: Count = 20  # neighbours that must have each other among theirs
    k2: Count = 6  # neighbours over which these are averaged; 1: not at all
    weight: Share = 0.3  # λ: of the original distance

    @classmethod
    def tried(cls, dimensions: int) -> tuple[Self, ...]:
        """Return three sizes of neighbourhoods, with two weights."""
        return tuple(cls(k1=k1, k2=k2, weight=weight) for k1, k2 in ((4, 2), (8, 3), (20, 6)) for weight in (0.3, 0.6))


class TunedSteps(_Step):
    """The steps that `facematch tune` chose for this configuration."""

    metrics = METRICS
    step: Literal["tuned"] = "tuned"


class PluginStep(Section):
    """A step that a plug-in brings; what stands beside its name are its options."""

    step: str
    options: Options = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def options_given(self) -> Mapping[str, Any]:
        """Return the options."""
        return self.options

    @property
    def metrics(self) -> Sequence[Metric]:
        """Return all: it may raise FacematchError for one it cannot be used with."""
        return METRICS

    @property
    def needs_known(self) -> bool:
        """Return whether it is given training people."""
        return "known" in self._kind.parameters

    @property
    def training_people(self) -> bool:
        """Return the same."""
        return self.needs_known

    @property
    def gives_distances(self) -> bool:
        """Return whether it ranks, and gives no vectors."""
        return "k" in self._kind.parameters

    @classmethod
    def installed(cls) -> tuple[Self, ...]:
        """Return each step that a plug-in brings, with the options that `facematch tune` tries: its `tried`, a list."""
        found: list[Self] = []
        for name in plugins("refine"):
            if name not in NAMES:
                tried: Sequence[Options] = getattr(require_kind("refine", name).loaded, "tried", ({},))
                found += [cls(step=name, options=options) for options in tried]
        return tuple(found)

    @property
    def _kind(self) -> Kind:
        return require_kind("refine", self.step)


# They change vectors.
Moving = FlipStep | ViewsStep | WhitenStep | TemplatesStep | DatabaseStep | ExpansionStep | BlendStep
OwnStep = Moving | BridgeStep | CohortStep | ReciprocalStep | TunedSteps
Step = OwnStep | PluginStep
SECTIONS: Mapping[str, type[OwnStep]] = {each.model_fields["step"].default: each for each in get_args(OwnStep)}
NAMES = tuple(SECTIONS)  # in the order in which steps are done


def _spelt_out(value: object) -> object:
    # `flip` is short for {step: flip}; {step: centre, least: 2} is {step: centre, options: {least: 2}} of a plug-in.
    given = {"step": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or given.get("step") in NAMES:
        return given
    if not isinstance(name := given.get("step"), str):
        raise ValueError(f"a step is one of {', '.join(NAMES)}, or a plug-in's, under the key step")
    require_kind("refine", name)
    options: Any = {key: each for key, each in given.items() if key != "step"}
    if list(options) == ["options"] and isinstance(options["options"], dict):  # as it is written in a run's settings
        options = options["options"]
    return PluginStep(step=name, options=options)


def _whose(value: object) -> str:
    return "step[plug-in]" if isinstance(value, PluginStep) else "step[ours]"


def check_order(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps as they are. Raises ValueError for a step that is there twice or in an impossible place."""
    names = [each.step for each in steps]
    if twice := next((name for number, name in enumerate(names) if name in names[:number]), None):
        raise ValueError(f"{twice} is given twice; each step can be used once")
    if last := next((each.step for each in steps[:-1] if each.gives_distances), None):
        raise ValueError(
            f"{names[-1]} comes after {last}, which gives distances and no vectors: make it last"
            + (", and choose one of the two" if steps[-1].gives_distances else "")
        )
    if "tuned" in names and len(names) > 1:
        raise ValueError("tuned means all steps that were chosen, so no other goes with it")
    return steps


# As it is written: a step's name alone, or a plug-in's with its options beside it.
_SHORT: dict[str, Any] = {
    "anyOf": [
        {"enum": list(NAMES)},
        {"type": "string"},
        {
            "type": "object",
            "required": ["step"],
            "properties": {"step": {"type": "string", "not": {"enum": list(NAMES)}}},
        },
    ]
}
AnyStep = Annotated[
    Annotated[OwnStep, Field(discriminator="step"), Tag("step[ours]")] | Annotated[PluginStep, Tag("step[plug-in]")],
    Discriminator(_whose),
    BeforeValidator(_spelt_out),
    Short(_SHORT),
]
Refine = Annotated[tuple[AnyStep, ...], OneOrSeveral, AfterValidator(check_order)]
