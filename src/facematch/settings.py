"""The YAML file as typed, checked values. An unknown key is an error that names the nearest one.

Read at the edge only (the command line): stages receive plain arguments.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from facematch.settings_refine import Refine

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Mining = Literal["batch-all", "semi-hard", "batch-hard"]
MissChoice = Literal["whole", "centre", "skip", "error"]
MetricName = Literal["euclidean", "cosine", "jaccard", "manhattan"]
Rgb = tuple[float, float, float]

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)


class Section(BaseModel):
    """One section of the YAML file: frozen, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True)


class PathSettings(Section):
    """Where things are. Relative paths start at the current folder."""

    query: Path = Path("data/test_data/query")
    gallery: Path = Path("data/test_data/gallery")
    checkpoint: Path | None = None  # a run folder (its best weights) or a .safetensors file
    checkpoints: Path = Path("checkpoints")  # run folders are made here
    submissions: Path = Path("submissions")
    cache: Path | None = None  # None: the user's cache folder, or $FACEMATCH_CACHE


class IdentitySettings(Section):
    """Labelled photos: folders `<identity>/*`, or list files with a line `name label` for each photo."""

    train: tuple[Path, ...] = (Path("data/faces"),)
    validation: Path | None = None  # None: `validation_share` of the training people
    distractors: Path | None = None  # gallery people nobody asks for, in validation
    images: Path | None = None  # where a list file's names start; None: the folder of the list
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    min_photos: Count = 2  # people with fewer are left out of training

    @field_validator("train", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str | Path) else value


class PhotoSettings(Section):
    """Limits that keep a hostile or absurd file from taking the machine down."""

    max_pixels: Count = 89_000_000
    max_bytes: Count = 200_000_000


class FaceSettings(Section):
    """How a photo becomes a square crop."""

    detector: Literal["haar", "yunet", "none"] = "haar"
    size: Annotated[int, Field(ge=16, le=1024)] = 112  # crop side in pixels
    margin: Annotated[float, Field(gt=-0.5, le=2)] = 0.2  # of the box's side, both sides together
    choose: Literal["largest", "central"] = "largest"
    detect_size: Annotated[int, Field(ge=64, le=4096)] = 320  # long side of the grey copy that is searched
    cascade: str = "haarcascade_frontalface_default.xml"
    fallback_cascades: tuple[str, ...] = ("haarcascade_frontalface_alt2.xml",)
    scale_factor: Annotated[float, Field(gt=1.0, le=2)] = 1.1
    min_neighbors: Annotated[int, Field(ge=0)] = 5
    min_size: Positive = 0.15  # below 1: share of the photo's shorter side; else pixels of the photo
    yunet_file: Path | None = None
    yunet_score: Share = 0.6
    miss: MissChoice = "whole"  # what a query, gallery or validation photo without a face becomes
    miss_training: MissChoice = "skip"

    @model_validator(mode="after")
    def _yunet_needs_its_file(self) -> "FaceSettings":
        if self.detector == "yunet" and self.yunet_file is None:
            raise ValueError("faces.detector: yunet needs faces.yunet_file, the path of its ONNX file")
        return self


class NetworkSettings(Section):
    """Backbone and embedding."""

    backbone: str = "resnet50"  # any torchvision classification network
    embedding: Count = 256
    normalise: bool = True  # L2, so that all embeddings have length 1
    weights: str = "auto"  # imagenet | none | auto | a file
    freeze: tuple[str, ...] = ()  # stages of the backbone that are not trained, for example conv1, layer1
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD


class LossSettings(Section):
    """Triplet loss and its mining; optionally people are first learned as classes."""

    mining: Mining | dict[int, Mining] = "semi-hard"  # or from which epoch which: {1: semi-hard, 20: batch-hard}
    margin: Positive | Literal["soft"] = 0.2
    distance: Literal["euclidean", "squared", "cosine"] = "euclidean"
    reduction: Literal["active", "valid"] = "active"  # mean over triplets with a loss, or over all valid ones
    classifier_epochs: Annotated[int, Field(ge=0)] = 0  # first epochs: cross-entropy over the people
    classifier_weight: Annotated[float, Field(ge=0)] = 0.0  # its weight beside the triplet loss afterwards
    classifier_scale: Positive = 16.0  # cosine logits are multiplied by this

    @model_validator(mode="after")
    def _check(self) -> "LossSettings":
        schedule = self.mining if isinstance(self.mining, dict) else {1: self.mining}
        if not schedule or min(schedule) != 1:
            raise ValueError("loss.mining: a schedule maps epochs to minings and begins with epoch 1")
        if self.margin == "soft" and "semi-hard" in schedule.values():
            raise ValueError("loss.margin: soft has no margin, so semi-hard is not defined; use batch-hard")
        return self

    def mining_at(self, epoch: int) -> Mining:
        """Return the mining of an epoch, counted from 1."""
        if not isinstance(self.mining, dict):
            return self.mining
        return self.mining[max(start for start in self.mining if start <= epoch)]


class LearningRate(Section):
    """Separate learning rates."""

    backbone: Annotated[float, Field(ge=0)] = 1e-4
    head: Annotated[float, Field(ge=0)] = 1e-3


class TrainingSettings(Section):
    """The loop."""

    epochs: Count = 30
    identities_per_batch: Annotated[int, Field(ge=2)] = 16
    photos_per_identity: Annotated[int, Field(ge=2)] = 4
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: LearningRate = LearningRate()
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    schedule: Literal["constant", "step", "cosine", "inverse-sqrt"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    step_epochs: Count = 5  # schedule: step
    step_factor: Positive = 0.1
    gradient_norm: Positive | None = 5.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    channels_last: bool = True
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    workers: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    validate_every: Count = 1
    patience: Count | None = 8  # early stopping: validations without a better top-1
    collapse_guard: bool = True
    collapse_steps: Count = 200


class EmbedderSettings(Section):
    """What turns crops into embeddings: the trained network, an ONNX file or grey pixels."""

    kind: Literal["network", "onnx", "pixels"] = "network"
    file: Path | None = None  # onnx
    size: Annotated[int, Field(ge=8, le=1024)] = 112  # onnx: input side in pixels
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Rgb = (127.5, 127.5, 127.5)  # in units of 0–255
    std: Rgb = (128.0, 128.0, 128.0)
    batch: Count = 32  # photos in one call; 1 for a model of fixed batch 1
    normalise: bool = True


class RankingSettings(Section):
    """How distances are measured."""

    metric: MetricName = "euclidean"


class ServerSettings(Section):
    """The competition's server: told on the day. What its dialects are stands in config/competition.yaml."""

    url: str | None = None  # None: the form's `address`
    group: str = "facematch"
    dialect: str = "results"  # a name under the form's `dialects:`
    form: Path | None = None  # None: config/competition.yaml
    timeout: Positive = 60.0  # seconds to wait for one answer
    deadline: Positive = 600.0  # seconds for all attempts together
    attempts: Count = 8
    backoff: Positive = 1.0  # seconds before the second attempt; doubled each time, with jitter
    headers: dict[str, str] = {}  # header: the environment variable that holds its value
    verify: bool = True  # check the certificate of an https:// address
    ca_bundle: Path | None = None  # certificates to trust; None: the system's, or $REQUESTS_CA_BUNDLE


class Settings(Section):
    """A whole YAML file."""

    name: str = Field(default="triplet", pattern=r"^[\w][\w.-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    paths: PathSettings = PathSettings()
    identities: IdentitySettings = IdentitySettings()
    photos: PhotoSettings = PhotoSettings()
    faces: FaceSettings = FaceSettings()
    augment: tuple[dict[str, object], ...] | None = None  # None: the face default
    network: NetworkSettings = NetworkSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    ranking: RankingSettings = RankingSettings()
    refine: Refine = ()  # steps that change what is compared, in their order
    server: ServerSettings = ServerSettings()
