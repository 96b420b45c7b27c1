"""A model's name where a file is meant: the file, and the input that the registry of models has for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facematch.core.console import info_once, warn_once
from facematch.core.errors import FacematchError
from facematch.settings.embedding import BY_FILE, EmbedderSettings, FaceSettings
from facematch.settings.root import Settings
from facematch.settings.section import Section

if TYPE_CHECKING:
    from facematch.models.registry import Model

S = TypeVar("S", bound=Section)
_RUNS = (Path(), Path("checkpoints"))
CONFIGS = {kind: Path(f"config/{kind}.yaml") for kind in ("onnx", "dlib", "clip", "timm")}


def with_models(settings: Settings) -> Settings:
    """Return settings with files in place of models' names: `embedder.file`, `faces.yunet_file` and others.

    What a model is given – size, colours, mean, standard deviation, where the five points of a face come – takes the
    place of settings at their defaults; any other is kept, and a warning says so. Raises FacematchError for a model
    that is not here, with what brings it: nothing is fetched by a run.
    """
    model = embedding_model(settings.embedder)
    faces = named_faces(settings.faces)
    if model is not None and model.input is not None:
        wanted: dict[str, Any] = {"size": model.input.size}
        if model.input.template is not None:
            wanted["template"] = model.input.template
        faces = _filled(faces, wanted, "faces", model.name)
        if model.input.template is not None and not faces.aligns:
            info_once(
                f"{model.name} was trained on faces aligned by five points, which faces: does not give; "
                f"{CONFIGS['dlib' if model.runs == 'dlib' else 'onnx']} does, and so does faces.second_look: finder"
            )
    return settings.model_copy(update={"faces": faces, "embedder": named_embedder(settings.embedder)})


def named_embedder(embedder: EmbedderSettings) -> EmbedderSettings:
    """Return `embedder:` with a file in place of a model's name, and that model's input, as `with_models`."""
    model = embedding_model(embedder)
    if model is None:
        return embedder
    wanted: dict[str, Any] = {"kind": model.runs}
    if model.library is not None:
        wanted |= dict(zip(("model", "weights"), model.library[1:], strict=True))
    elif model.input is not None and model.runs == "onnx":
        wanted |= model.input.settings
    file = None if model.library is not None else _file_of(model)
    return _filled(embedder, wanted, "embedder", model.name).model_copy(update={"file": file})


def named_faces(faces: FaceSettings) -> FaceSettings:
    """Return `faces:` with files in place of models' names. Raises FacematchError as `with_models`."""
    update = {}
    for kind in BY_FILE:
        key = f"{kind}_file"
        if kind not in (faces.detector, faces.looking_behind):
            continue
        model = _meant(getattr(faces, key), f"faces.{key}")
        if model is not None:
            if model.runs != kind:
                raise _elsewhere(model, f"faces.{key}")
            update[key] = _file_of(model)
    return faces.model_copy(update=update) if update else faces


def embedding_model(embedder: EmbedderSettings) -> "Model | None":
    """Return the model that `embedder.file` names; None where it is a file, and where this kind takes none.

    Raises FacematchError for a word that is neither, and for a model that this kind cannot run.
    """
    if embedder.kind not in ("network", *CONFIGS):
        return None
    model = _meant(embedder.file, "embedder.file")
    if model is not None and (not model.embeds or embedder.kind not in ("network", model.runs)):
        raise _elsewhere(model, f"embedder.file with embedder.kind {embedder.kind}")
    return model


def config_of(source: str | Path) -> Path | None:
    """Return the settings file for a model that embeds, by its name; None for another word, and where a run has it."""
    if source == "default" or Path(source).suffix or any((folder / source).exists() for folder in _RUNS):
        return None
    from facematch.models.registry import known_names

    model = known_names().get(str(source))
    return None if model is None or not model.embeds else CONFIGS[str(model.runs)]


def names_embedder(file: str) -> bool:
    """Return whether `embedder.file` names a model rather than a file, so that its kind is that model's."""
    return bool(file) and embedding_model(EmbedderSettings(file=Path(file))) is not None


def _meant(value: Path | None, setting: str) -> "Model | None":
    if value is None or value.suffix or len(value.parts) != 1:
        return None  # without reading the registry
    from facematch.models.registry import model_meant

    return model_meant(value, setting)


def _file_of(model: "Model") -> Path:
    from facematch.models.local import required

    file = required(model)
    info_once(f"{model.name}: {file} ({model.words})")
    return file


def _elsewhere(model: "Model", setting: str) -> FacematchError:
    if model.setting is None:
        return FacematchError(
            f"{setting}: facematch cannot run {model.name} yet.", "`facematch models list` shows what it can."
        )
    kind = f" --set embedder.kind={model.runs}" if model.embeds else ""
    return FacematchError(
        f"{setting}: {model.name} does not belong there.", f"--set {model.setting}={model.name}{kind}"
    )


def _filled(section: S, wanted: dict[str, Any], name: str, model: str) -> S:
    # A setting at its default says nothing: a run's settings.yaml holds all of them.
    usual = type(section)()
    update = {}
    for key, value in wanted.items():
        given = getattr(section, key)
        if given == getattr(usual, key):
            update[key] = value
        elif given != value:
            warn_once(f"{name}.{key} is {given!r}, as the settings say; {model} was made for {value!r}")
    return section.model_copy(update=update)
