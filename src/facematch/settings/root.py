"""The YAML file as typed, checked values. An unknown key is an error that names the nearest one.

Read at the edge only (the command line): stages receive plain arguments.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from facematch.settings.embedding import EmbedderSettings, FaceSettings, ModelSettings
from facematch.settings.ensemble import EnsembleSettings
from facematch.settings.finder import FinderSettings
from facematch.settings.ranking import IndexKind, Metric, allowed
from facematch.settings.refine import Refine
from facematch.settings.section import Count, OneOrSeveral, Positive, Section
from facematch.settings.training import LossSettings, NetworkSettings, TrainingSettings


class PathSettings(Section):
    """Where things are. Relative paths start at the current folder."""

    query: Path = Path("data/test_data/query")  # photos that ask
    gallery: Path = Path("data/test_data/gallery")  # photos to look in
    # A run by its name, its folder (its best weights) or a .safetensors file, or the network that comes with facematch;
    # None: the run of this name, or where nothing was trained under it, the network that comes with facematch.
    checkpoint: Literal["default"] | Path | None = None
    checkpoints: Path = Path("checkpoints")  # run folders are made here
    submissions: Path = Path("submissions")  # every submission is kept here
    cache: Path | None = None  # None: the user's cache folder, or $FACEMATCH_CACHE


DomainsBy = Literal["folder", "column"] | dict[str, Annotated[tuple[str, ...], OneOrSeveral]]


class IdentitySettings(Section):
    """Labelled photos: folders `<identity>/*`, or list files with a line `name label` for each photo."""

    train: Annotated[tuple[Path, ...], OneOrSeveral] = (Path("data/faces"),)
    dataset: Literal["CUB_200_2011", "Stanford_Dogs"] | None = None  # in place of `train`: a published set
    datasets: Path = Path("data")  # the folder with its archive, or with the archive unpacked
    validation: Path | None = None  # None: `validation_share` of the training people, or of each one's photos
    distractors: Path | None = None  # gallery people nobody asks for, in validation
    images: Path | None = None  # where a list file's names start; None: the folder of the list
    domain: DomainsBy | None = None  # folder, column, or globs of names by domain: which pictures are drawn, rendered
    across: tuple[str, str] | None = None  # the domain that asks, and that of the gallery; None: all ask all
    split_by: Literal["person", "photo"] = "person"  # photo: other photos of the same people or classes
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2  # of the people, or of each one's photos
    seen_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of each training person's photos: accuracy on seen people
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
        if by_photo and self.seen_share:
            raise ValueError("seen_share belongs to split_by: person; with photo, validation is of seen classes anyway")
        if self.across is not None and (by_photo or self.domain is None):
            raise ValueError(
                "identities.across says which domain asks which: it needs identities.domain (folder, column, or globs "
                "by domain), and split_by: person"
            )
        if sum((self.dataset is not None, self.test is not None, self.test_share > 0)) > 1:
            raise ValueError("a dataset has a test of its own; else name test, or a test_share: one of the three")
        return self


class PhotoSettings(Section):
    """Limits that keep a hostile or absurd file from taking the machine down."""

    max_pixels: Count = 89_000_000  # width times height
    max_bytes: Count = 200_000_000
    max_memory: Count = 500_000_000


class RankingSettings(Section):
    """How distances are measured."""

    metric: Metric = "euclidean"


class GallerySettings(Section):
    """What finds the nearest of a large gallery."""

    index: IndexKind = "auto"  # multi-index-hashing: of codes; hnsw and ivf-pq may miss some


class ServerSettings(Section):
    """The competition's server: known on the day. Its dialects are in config/competition.yaml."""

    url: str | None = None  # None: the form's `address`
    group: str | None = None  # nothing is sent without it
    dialect: str = "results"  # a name under the form's `dialects:`
    form: Path | None = None  # None: config/competition.yaml
    timeout: Positive = 60.0  # seconds to wait for one answer
    deadline: Positive = 600.0  # seconds for all attempts together
    attempts: Count = 8
    backoff: Positive = 1.0  # seconds before the second attempt; doubled each time, with jitter
    headers: dict[str, str] = Field(default_factory=dict)  # header: the environment variable that holds its value
    verify: bool = True  # check the certificate of an https:// address
    ca_bundle: Path | None = None  # certificates to trust; None: the system's, or $REQUESTS_CA_BUNDLE


class Settings(Section):
    """A whole YAML file."""

    name: str = Field(default="triplet", pattern=r"^[\w][\w.-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1  # of everything that is drawn by chance
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
    gallery: GallerySettings = GallerySettings()
    refine: Refine = ()  # steps that change what is compared, in their order
    ensemble: EnsembleSettings | None = None  # several systems in place of one; see config/ensemble.yaml
    models: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    finder: FinderSettings | None = None  # what `train` makes then: a face detector; see config/finder.yaml

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if self.loss.margin == "auto" and not self.network.tanh:
            raise ValueError("loss.margin: auto follows the code size of a network with network.tanh: true")
        if self.loss.quantisation and not self.network.tanh:
            raise ValueError("loss.quantisation is for values from −1 to 1: set network.tanh: true")
        if self.loss.name == "cross-entropy" and self.network.normalise:
            raise ValueError(
                "loss.name: cross-entropy reads a linear classifier, which embeddings of length 1 hardly feed: set "
                "network.normalise: false, or loss.name: NormalizedSoftmaxLoss"
            )
        if self.loss.name == "triplet" and self.training.sampling not in ("identities", "grouped"):
            raise ValueError(
                "triplets need several photos of a person in a batch: set training.sampling: identities, or grouped"
            )
        sizes = {self.faces.size, *self.training.sizes.values()}
        if max(sizes) > self.faces.size:
            raise ValueError(f"training.sizes: {max(sizes)} is more than faces.size, which is {self.faces.size}")
        if self.network.backbone.startswith(("vit_", "maxvit")) and sizes != {224}:
            raise ValueError(f"network.backbone: {self.network.backbone} takes 224×224 pixels: set faces.size: 224")
        changed = [each.step for each in self.refine if "hamming" not in each.metrics]
        if self.ranking.metric == "hamming" and changed:
            raise ValueError(f"refine: {changed[0]} works on vectors; ranking.metric: hamming compares bits")
        if not allowed(self.gallery.index, self.ranking.metric):
            raise ValueError(f"gallery.index: {self.gallery.index} does not search by {self.ranking.metric}")
        return self

    @property
    def margin(self) -> float | Literal["soft"]:
        """Return the triplet margin, with `auto` resolved."""
        if self.loss.margin != "auto":
            return self.loss.margin
        assert isinstance(self.network.embedding, int)  # `auto` needs tanh, and tanh a code size
        return self.network.embedding / 4
