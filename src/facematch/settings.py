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
WholePhoto = Literal["pad", "squash"]
MetricName = Literal["euclidean", "cosine", "jaccard", "manhattan", "hamming"]
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
    dataset: Literal["CUB_200_2011", "Stanford_Dogs"] | None = None  # in place of `train`: a published set
    datasets: Path = Path("data")  # the folder with its archive, or with the archive unpacked
    validation: Path | None = None  # None: `validation_share` of the training people, or of each one's photos
    distractors: Path | None = None  # gallery people nobody asks for, in validation
    images: Path | None = None  # where a list file's names start; None: the folder of the list
    split_by: Literal["person", "photo"] = "person"  # photo: other photos of the same people or classes
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Path | None = None  # split_by photo: what asks once, when training has ended; a dataset has its own
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # without `test`: this share of each class's photos
    min_photos: Count = 2  # people with fewer are left out of training

    @model_validator(mode="after")
    def _check(self) -> "IdentitySettings":
        by_photo = self.split_by == "photo"
        if by_photo and (self.validation is not None or self.distractors is not None):
            raise ValueError(
                "validation folders and distractors hold other people; with split_by: photo validation is "
                "a share of each class's photos (validation_share)"
            )
        if not by_photo and (self.test is not None or self.test_share or self.dataset is not None):
            raise ValueError("dataset, test and test_share belong to split_by: photo, whose test asks known classes")
        if sum((self.dataset is not None, self.test is not None, self.test_share > 0)) > 1:
            raise ValueError("a dataset has a test of its own; else name test, or a test_share: one of the three")
        return self

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
    whole: WholePhoto = "pad"  # how a whole photo becomes a square: by its edge pixels, or its sides changed
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
    tanh: bool = False  # learning to hash: values from −1 to 1 whose signs are the bits; embedding: the code size
    weights: str = "auto"  # imagenet | none | auto | a file
    freeze: tuple[str, ...] = ()  # stages of the backbone that are not trained, for example conv1, layer1
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD

    @model_validator(mode="after")
    def _check(self) -> "NetworkSettings":
        if self.tanh and self.normalise:
            raise ValueError("network.tanh gives values from −1 to 1, not of length 1: set network.normalise: false")
        if self.tanh and self.embedding % 8:
            raise ValueError(f"a code size is a multiple of 8; network.embedding is {self.embedding}")
        return self


class LossSettings(Section):
    """Triplet loss and its mining; optionally people are first learned as classes."""

    mining: Mining | dict[int, Mining] = "semi-hard"  # or from which epoch which: {1: semi-hard, 20: batch-hard}
    margin: Positive | Literal["soft", "auto"] = 0.2  # auto: a quarter of the code size, 8 at 32 bits
    distance: Literal["euclidean", "squared", "cosine"] = "euclidean"
    reduction: Literal["active", "valid"] = "active"  # mean over triplets with a loss, or over all valid ones
    classifier_epochs: Annotated[int, Field(ge=0)] = 0  # first epochs: cross-entropy over the people
    classifier_weight: Annotated[float, Field(ge=0)] = 0.0  # its weight beside the triplet loss afterwards
    classifier_scale: Positive = 16.0  # cosine logits are multiplied by this
    quantisation: Annotated[float, Field(ge=0)] = 0.0  # weight of the mean (1 − |v|)², for network.tanh

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
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    schedule: Literal["constant", "step", "cosine", "inverse-sqrt"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    warmup_updates: Annotated[int, Field(ge=0)] | None = None  # in place of warmup_epochs
    warmup_from: Annotated[float, Field(ge=0)] = 1e-7  # schedule inverse-sqrt: the first learning rate
    step_epochs: Count = 5  # schedule: step
    step_factor: Positive = 0.1
    gradient_norm: Positive | None = 5.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    channels_last: bool = True
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    workers: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    validate_every: Count = 1
    choose_by: Literal["top-1", "mAP"] = "top-1"  # which validation is the best
    patience: Count | None = 8  # early stopping: validations without a better one
    collapse_guard: bool = True
    collapse_steps: Count = 200


class EmbedderSettings(Section):
    """What turns crops into embeddings: the trained network, an ONNX file, grey pixels or a perceptual hash."""

    kind: Literal["network", "onnx", "pixels", "phash", "dhash", "whash"] = "network"
    file: Path | None = None  # onnx
    size: Annotated[int, Field(ge=8, le=1024)] = 112  # onnx: input side in pixels
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Rgb = (127.5, 127.5, 127.5)  # in units of 0–255
    std: Rgb = (128.0, 128.0, 128.0)
    batch: Count = 32  # photos in one call; 1 for a model of fixed batch 1
    normalise: bool = True


class RankingSettings(Section):
    """How distances are measured, and what finds the nearest codes."""

    metric: MetricName = "euclidean"
    index: Literal["exact", "multi-index-hashing", "hnsw"] = "exact"  # of codes; hnsw may miss some


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

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if self.loss.margin == "auto" and not self.network.tanh:
            raise ValueError("loss.margin: auto follows the code size of a network with network.tanh: true")
        if self.loss.quantisation and not self.network.tanh:
            raise ValueError("loss.quantisation is for values from −1 to 1: set network.tanh: true")
        if self.network.backbone.startswith(("vit_", "maxvit")) and self.faces.size != 224:
            raise ValueError(f"network.backbone: {self.network.backbone} takes 224×224 pixels: set faces.size: 224")
        changed = [each.step for each in self.refine if each.step not in ("flip", "tuned")]
        if self.ranking.metric == "hamming" and changed:
            raise ValueError(f"refine: {changed[0]} works on vectors; ranking.metric: hamming compares bits")
        if self.ranking.index != "exact" and self.ranking.metric != "hamming":
            raise ValueError(f"ranking.index: {self.ranking.index} searches codes: set ranking.metric: hamming")
        return self

    @property
    def margin(self) -> float | Literal["soft"]:
        """Return the triplet margin, with `auto` resolved."""
        return self.network.embedding / 4 if self.loss.margin == "auto" else self.loss.margin
