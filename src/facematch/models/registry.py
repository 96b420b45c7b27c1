"""What is known of each published model; the facts are in registry.yaml, beside this file."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, PositiveFloat, PositiveInt

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.foreign import as_kind, reading
from facematch.core.text import brief
from facematch.settings.embedding import Terms
from facematch.settings.file import read_yaml
from facematch.settings.section import Rgb

FILE = Path(__file__).with_name("registry.yaml")
_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")  # no dot and no slash: a name is never taken for a file
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Figure:
    """A figure as its `source` published it, such as LFW 0.9983; nothing of it was measured here."""

    what: str
    value: float
    source: str
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ModelInput:
    """What a network is given: crops of `size` pixels a side, (pixel − `mean`) / `std` with pixels from 0 to 255.

    `template` says where its training put the five points of a face; None: it was not trained on aligned faces, or
    that is not known.
    """

    size: PositiveInt
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Rgb = (127.5, 127.5, 127.5)
    std: Rgb = (127.5, 127.5, 127.5)
    layout: Literal["nchw", "nhwc"] = "nchw"
    normalise: bool = True
    template: Literal["arcface", "facenet", "dlib"] | None = None
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of `embedder:` that it decides, by name."""
        names = ("size", "layout", "channels", "mean", "std", "normalise")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Model:
    """A published model. What is not known is None; nothing is guessed.

    It comes from one place: `url` (https://… or hf://OWNER/REPOSITORY/FILE, of a `revision`), where `member` names the
    file in a zip; a Python `package` that holds `file`; or a `library`, open_clip or timm, by its model and weights
    there. Without any it has to be put where it belongs by hand. `sha256` is the file's, `archive_sha256` the zip's.
    `runs` says what of facematch takes it: a kind of `embedder:`, or the detector whose file it is; None: nothing yet.
    """

    name: str
    kind: Literal["face", "detector", "general"]
    origin: str
    terms: Terms
    licence: str
    about: str = ""
    aliases: tuple[str, ...] = ()
    runs: Literal["onnx", "dlib", "clip", "timm", "yunet", "centerface", "scrfd", "retinaface"] | None = None
    url: str | None = None
    revision: str | None = None
    member: str | None = None
    archive_sha256: str | None = None
    package: str | None = None
    install: str | None = None
    file: str | None = None
    library: tuple[Literal["open_clip", "timm"], str, str] | None = None
    sha256: str | None = None
    megabytes: PositiveFloat | None = None
    dimensions: PositiveInt | None = None
    input: ModelInput | None = None
    figures: tuple[Figure, ...] = ()
    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        wrong = [each for each in (self.name, *self.aliases) if not _NAME.fullmatch(each)]
        wrong += [each for each in (self.sha256, self.archive_sha256) if each and not _DIGEST.fullmatch(each)]
        if wrong:
            raise ValueError(f"{self.name}: {wrong[0]!r} is neither a name nor a SHA-256")
        if sum((self.url is not None, self.package is not None, self.library is not None)) > 1:
            raise ValueError(f"{self.name} comes from several places")
        if (self.member is not None) > (self.url is not None) or (self.package is None) != (self.file is None):
            raise ValueError(f"{self.name}: a member is of a zip, a file of a package")

    @property
    def embeds(self) -> bool:
        """Return whether facematch embeds by it."""
        return self.runs in ("onnx", "dlib", "clip", "timm")

    @property
    def setting(self) -> str | None:
        """Return the setting that takes its name, or a file of its kind; None where facematch cannot run it yet."""
        if self.runs is None:
            return None
        return "embedder.file" if self.embeds else f"faces.{self.runs}_file"

    @property
    def file_name(self) -> str:
        """Return what its file is called among the models."""
        source = self.member or self.file or self.url or ""
        return self.name + (".dat" if source.endswith(".dat") else ".onnx")

    @property
    def words(self) -> str:
        """Return its terms in words."""
        return f"{self.terms}: {self.licence}"


@cache
def models() -> tuple[Model, ...]:
    """Return every model of the registry, in its order. Raises FacematchError where that is damaged."""
    with reading(FILE, "the registry of models", "Install facematch again."):
        found = as_kind(tuple[Model, ...], read_yaml(FILE).get("models"))
        names = [name for each in found for name in (each.name, *each.aliases)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{min(twice)} is there twice")
        return found


def known_names() -> dict[str, Model]:
    """Return every model by its name, and by what else it is called."""
    return {name: each for each in models() for name in (each.name, *each.aliases)}


def named(name: str) -> Model:
    """Return the model of a name. Raises FacematchError for an unknown one, with the nearest."""
    every = known_names()
    if name not in every:
        raise FacematchError(
            f"no model is called {name}{nearest_name(name, every)}.", "`facematch models list` shows all of them."
        )
    return every[name]


def model_meant(value: Path | None, setting: str) -> Model | None:
    """Return the model that a setting for a file names: no file of that name, no folder in it, no ending; else None.

    Raises FacematchError for a word that is neither a file nor a model's name.
    """
    if value is None or value.suffix or len(value.parts) != 1 or _is_there(value):
        return None
    every = known_names()
    if str(value) not in every:
        raise FacematchError(
            f"{setting}: {brief(value)} does not exist{nearest_name(str(value), every)}: there is no such file, and no "
            "model of that name.",
            f"Name a file, --set {setting}=PATH, or a model: `facematch models list` shows all of them.",
        )
    return every[str(value)]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
