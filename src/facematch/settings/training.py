"""What a network is, what it learns from and how it is trained, as typed, checked settings."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from facematch.core.kinds import own_names
from facematch.settings.embedding import EmbedderSettings, FaceSettings
from facematch.settings.section import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Count,
    OneOrSeveral,
    Options,
    Positive,
    Rgb,
    Section,
    Short,
)

Logger = Literal["tensorboard", "wandb", "mlflow"]
Mining = Literal["batch-all", "semi-hard", "batch-hard"]
OWN_LOSSES = own_names("losses")  # every other loss.name is a plug-in's, or one of pytorch-metric-learning
_PARTS = r"^(asked|rendered|[^>]+>[^>]+)$"  # of training.choose_over
Side = Annotated[int, Field(ge=16, le=1024)]
_OF_TRIPLETS = (
    "mining", "margin", "distance", "positives", "reduction", "classifier_epochs", "classifier_weight",
    "classifier_scale", "quantisation",
)  # fmt: skip


class NetworkSettings(Section):
    """Backbone and embedding."""

    backbone: str = "resnet50"  # any classification network of torchvision, or timm/NAME
    embedding: Count | Literal["features"] = 256  # features: no embedding, what the backbone's last layer is given
    normalise: bool = True  # L2, so that all embeddings have length 1
    tanh: bool = False  # learning to hash: values from −1 to 1 whose signs are the bits; embedding: the code size
    weights: str = "auto"  # imagenet | none | auto | a file
    # In place of weights: a run's name, its folder or a checkpoint, or the network that comes with facematch.
    init_from: Literal["default"] | Path | None = None
    freeze: tuple[str, ...] = ()  # stages of the backbone that are not trained, for example conv1, layer1
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD  # likewise

    @model_validator(mode="after")
    def _check(self) -> "NetworkSettings":
        if self.tanh and self.normalise:
            raise ValueError("network.tanh gives values from −1 to 1, not of length 1: set network.normalise: false")
        if self.tanh and (self.embedding == "features" or self.embedding % 8):
            raise ValueError(f"a code size is a multiple of 8; network.embedding is {self.embedding}")
        return self


class TeacherModel(Section):
    """Another embedder, and the crops it sees."""

    embedder: EmbedderSettings = EmbedderSettings(kind="onnx")  # the model
    faces: FaceSettings | None = None  # how its crops are made; None: like the network's
    flip: bool = True  # it embeds each photo and its mirror image, averaged
    share: Positive = 1.0  # of what is learned, beside other teachers'

    @field_validator("embedder", mode="before")
    @classmethod
    def _an_onnx_model_by_default(cls, value: object) -> object:
        return {"kind": "onnx", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _check(self) -> "TeacherModel":
        if self.embedder.kind == "onnx" and self.embedder.file is None:
            raise ValueError("a teacher is a model: set loss.teacher.embedder.file to an ONNX file")
        if self.embedder.kind == "network":
            raise ValueError("a network that was trained here teaches as an ONNX file: export it first")
        return self


class TeacherSettings(TeacherModel):
    """Embedders whose embeddings of the training photos the network learns as well (distillation)."""

    also: tuple[TeacherModel, ...] = ()  # further teachers: their embeddings stand behind the first one's
    # cosine: the embedding itself; relational: the cosines within a batch
    kind: Literal["cosine", "relational", "both"] = "cosine"
    weight: Positive = 1.0  # beside the loss of the labels
    alone_epochs: Annotated[int, Field(ge=0)] = 0  # first epochs: nothing is learned from the labels yet
    blends: Annotated[float, Field(ge=0, lt=1)] = 0.0  # this share of a batch is new faces, blended of two photos'
    # photo: of a picture of another domain they say what they say of its person's photographs.
    sees: Literal["picture", "photo"] = "picture"

    @model_validator(mode="after")
    def _blends_need_points(self) -> "TeacherSettings":
        if self.blends and any(each.faces is None or not each.faces.gives_points for each in self.models):
            raise ValueError(
                "loss.teacher.blends needs five points of each face: loss.teacher.faces.detector: yunet or centerface"
            )
        return self

    @property
    def models(self) -> tuple[TeacherModel, ...]:
        """Return all teachers."""
        return (self, *self.also)


class LossSettings(Section):
    """What the network learns from: labels (triplets, classes, a loss by its library name), a teacher, or both."""

    name: str = "triplet"  # triplet | cross-entropy | none | a plug-in's | a loss of pytorch-metric-learning: arcface
    options: Options = Field(default_factory=dict)  # of a plug-in's or of pytorch-metric-learning's
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # cross-entropy
    mining: Mining | dict[int, Mining] = "semi-hard"  # or from which epoch which: {1: semi-hard, 20: batch-hard}
    margin: Positive | Literal["soft", "auto"] = 0.2  # auto: a quarter of the code size, 8 at 32 bits
    distance: Literal["euclidean", "squared", "cosine"] = "euclidean"
    positives: Literal["any", "across"] = "any"  # across: an anchor's are of another domain, where it has any
    reduction: Literal["active", "valid"] = "active"  # mean over triplets with a loss, or over all valid ones
    classifier_epochs: Annotated[int, Field(ge=0)] = 0  # first epochs: cross-entropy over the people
    classifier_weight: Annotated[float, Field(ge=0)] = 0.0  # its weight beside the triplet loss afterwards
    classifier_scale: Positive = 16.0  # cosine logits are multiplied by this
    quantisation: Annotated[float, Field(ge=0)] = 0.0  # weight of the mean (1 − |v|)², for network.tanh
    teacher: Annotated[TeacherSettings | None, Short({"type": "string", "format": "path"})] = (
        None  # a file alone: an ONNX model
    )

    @field_validator("name")
    @classmethod
    def _in_any_case(cls, name: str) -> str:
        plain = name.lower().replace("_", "-")
        return plain if plain in OWN_LOSSES else name

    @field_validator("teacher", mode="before")
    @classmethod
    def _a_file_alone(cls, value: object) -> object:
        return {"embedder": {"file": value}} if isinstance(value, str | Path) else value

    @field_validator("mining")
    @classmethod
    def _one_is_no_schedule(cls, mining: Mining | dict[int, Mining]) -> Mining | dict[int, Mining]:
        return mining[1] if isinstance(mining, dict) and set(mining) == {1} else mining

    @model_validator(mode="after")
    def _check(self) -> "LossSettings":
        schedule = self.mining if isinstance(self.mining, dict) else {1: self.mining}
        if not schedule or min(schedule) != 1:
            raise ValueError("loss.mining: a schedule maps epochs to minings and begins with epoch 1")
        if self.margin == "soft" and "semi-hard" in schedule.values():
            raise ValueError("loss.margin: soft has no margin, so semi-hard is not defined; use batch-hard")
        if self.name == "none" and self.teacher is None:
            raise ValueError("loss.name: none learns from a teacher alone: set loss.teacher.embedder.file")
        if self.options and self.name in OWN_LOSSES:
            raise ValueError(
                f"loss.options are for losses of plug-ins or pytorch-metric-learning, and loss.name is {self.name}"
            )
        return self

    @property
    def idle(self) -> tuple[str, ...]:
        """Return the settings that were given and that belong to another loss than `name`."""
        every = {"options", "label_smoothing", *_OF_TRIPLETS}
        used = {"triplet": set(_OF_TRIPLETS), "cross-entropy": {"label_smoothing"}, "none": set()}
        idle = every - used.get(self.name, {"options"})
        without = type(self).model_construct()
        return tuple(key for key in without.model_dump() if key in idle and getattr(self, key) != getattr(without, key))

    def mining_at(self, epoch: int) -> Mining:
        """Return the mining of an epoch, counted from 1."""
        if not isinstance(self.mining, dict):
            return self.mining
        return self.mining[max(start for start in self.mining if start <= epoch)]


class LearningRate(Section):
    """Separate learning rates."""

    backbone: Annotated[float, Field(ge=0)] = 1e-4  # of the pretrained layers
    head: Annotated[float, Field(ge=0)] = 1e-3  # of the new ones


class TrainingSettings(Section):
    """The loop."""

    epochs: Count = 30
    sampling: Literal["identities", "grouped", "photos", "balanced"] = "identities"  # what a batch is drawn from
    sizes: dict[Count, Side] = Field(default_factory=dict)  # from which epoch crops are reduced to which side
    identities_per_batch: Annotated[int, Field(ge=2)] = 16
    photos_per_identity: Annotated[int, Field(ge=2)] = 4
    optimiser: Literal["adam", "adamw"] = "adamw"  # which of the two
    learning_rate: LearningRate = LearningRate()  # separate ones
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4  # of all weights
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)  # of Adam
    schedule: Literal["constant", "step", "cosine", "inverse-sqrt"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0  # while the learning rate rises
    warmup_updates: Annotated[int, Field(ge=0)] | None = None  # in place of warmup_epochs
    warmup_from: Annotated[float, Field(ge=0)] = 1e-7  # schedule inverse-sqrt: the first learning rate
    step_epochs: Count = 5  # schedule: step
    step_factor: Positive = 0.1
    gradient_norm: Positive | None = 5.0  # a longer gradient is cut to this; null: none is
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    channels_last: bool = True  # photos' channels lie together in memory: quicker convolutions
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"  # auto: cuda, else mps, else cpu
    # processes that load batches; auto: none on two cores, beside a GPU all cores but one, at most 16
    workers: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    validate_every: Count = 1  # epochs
    choose_by: Literal["top-1", "mAP"] = "top-1"  # which validation is the best
    # By the mean of it over several validations, each with its weight: asked, rendered, A>B (of identities.domain).
    choose_over: dict[Annotated[str, Field(pattern=_PARTS)], Positive] = Field(default_factory=dict)
    patience: Count | None = 8  # early stopping: validations without a better one
    collapse_guard: bool = True  # stops a training whose embeddings become one point, with what to do
    collapse_steps: Count = 200  # within how many steps it decides
    loggers: Annotated[tuple[Logger, ...], OneOrSeveral] = ("tensorboard",)  # who draws curves, beside log.jsonl

    def size_at(self, epoch: int) -> int | None:
        """Return the side, in pixels, to which an epoch's crops are reduced; None: they stay as they are."""
        started = [start for start in self.sizes if start <= epoch]
        return self.sizes[max(started)] if started else None
