"""From settings to stages: the edge where the YAML file becomes plain arguments."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facematch.core.cache import cache_folder
from facematch.core.console import info_once
from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint, require_same
from facematch.core.kinds import make, require_kind
from facematch.embedders import Embedder
from facematch.embedders.embed import PhotoEmbedder
from facematch.embedders.views import ViewsEmbedder
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import Detector
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Outcome
from facematch.networks.checkpoint import CheckpointHeader, read_checkpoint_header
from facematch.networks.onnx_metadata import OnnxMetadata, read_onnx_metadata
from facematch.networks.spec import WEIGHTS_KEY, NetworkSpec
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.pipeline.named_models import named_embedder, named_faces
from facematch.settings.embedding import EmbedderSettings, FaceSettings, MissChoice
from facematch.settings.root import PhotoSettings, Settings

Progress = Callable[[int], None]


def build_cropper(faces: FaceSettings) -> Cropper:
    """Return the cropper that `faces:` describes; with the cascade alone where the finder's file is missing."""
    faces = _with_what_is_there(named_faces(faces))
    detector = _detector(faces, faces.detector)
    if faces.looking_behind != "none":
        from facematch.faces.second_look import SecondLook

        detector = SecondLook(detector, _detector(faces, faces.looking_behind))
    how = (faces.size, faces.margin, faces.choose, faces.whole, faces.template, faces.max_roll)
    return Cropper(detector, *how)


def _detector(faces: FaceSettings, name: str) -> Detector:
    detector: Detector = make(require_kind("detectors", name), faces.options, {"faces": faces}, "faces.options")
    return detector


def _with_what_is_there(faces: FaceSettings) -> FaceSettings:
    if "finder" not in (faces.detector, faces.looking_behind) or faces.finder_file is not None:
        return faces
    from facematch.faces.finder import shipped_finder

    if (file := shipped_finder()) is not None:
        return faces.model_copy(update={"finder_file": file})
    info_once("the finder that comes with facematch is missing: faces are found by the Haar cascade. Install it again")
    return faces.model_copy(
        update={"detector": "haar" if faces.detector == "finder" else faces.detector, "second_look": "none"}
    )


def _crops_as_named(faces: FaceSettings) -> Fingerprint | None:
    # None where the finder is missing that aligns them: whatever they should be, they are the cascade's.
    there = _with_what_is_there(faces).aligns == faces.aligns
    return build_cropper(faces).fingerprint if there else None


def photo_limits(photos: PhotoSettings) -> PhotoLimits:
    """Return the limits that `photos:` describes."""
    return PhotoLimits(photos.max_pixels, photos.max_bytes, photos.max_memory)


def crops_of(
    settings: Settings, files: Sequence[PhotoFile], miss: MissChoice, on_progress: Progress | None = None
) -> Iterator[Outcome]:
    """Yield how each photo ends when it is cropped as `faces:` says, or was before.

    `miss` says what a photo without a face becomes; with `error` the first one raises FacematchError. `on_progress`
    gets the number of files done.
    """
    cropper, limits = build_cropper(settings.faces), photo_limits(settings.photos)
    with crop_cache(cache_folder(settings.paths.cache), cropper) as cache:
        yield from crop_photos(files, cropper, cache, miss=miss, limits=limits, on_progress=on_progress)


def photo_embedder(settings: Settings, embedder: Embedder) -> PhotoEmbedder:
    """Return the stage from photo files to embeddings for one embedder; views of a face need wider crops."""
    cropper = build_cropper(settings.faces)
    return PhotoEmbedder(
        embedder.cropper(cropper) if isinstance(embedder, ViewsEmbedder) else cropper,
        embedder,
        settings.ranking.metric,
        settings.faces.miss,
        photo_limits(settings.photos),
        cache_folder(settings.paths.cache),
    )


def build_embedder(settings: Settings) -> Embedder:
    """Return the embedder that `embedder:` describes. No network is loaded yet.

    Raises FacematchError when its file or checkpoint is missing, or when it was trained on crops made in another way;
    where the finder is missing that those name, crops are the cascade's, which is said and no error.
    """
    settings = settings.model_copy(update={"embedder": named_embedder(settings.embedder)})
    chosen, computing = settings.embedder, settings.training
    given = chosen.model_dump(exclude_defaults=True, exclude={"options"})
    given |= {"kind": chosen.kind, "device": computing.device, "precision": computing.precision}
    given |= {"seed": settings.seed, "settings": settings}
    kind = require_kind("embedders", chosen.kind)
    embedder: Embedder = make(kind, chosen.options, given, "embedder" if kind.ours else "embedder.options")
    return embedder


def network_embedder(settings: Settings) -> Embedder:
    """Return the embedder of the checkpoint in use. Raises FacematchError as `trained_header`."""
    from facematch.embedders.network import NetworkEmbedder

    return NetworkEmbedder(trained_header(settings), settings.training.device, precision=settings.training.precision)


def trained_header(settings: Settings) -> CheckpointHeader:
    """Return the header of the checkpoint in use: `paths.checkpoint`, else this configuration's run folder.

    Raises FacematchError when there is none, or when cropping or network settings are not those it
    was trained with. Where the finder is missing that those name, crops are the cascade's, which is said and no error.
    """
    header = read_checkpoint_header(Path(settings.paths.checkpoint or run_folder(settings)))
    ours, trained = network_spec(settings).fingerprint, dict(header.fingerprint.settings)
    trained.pop(WEIGHTS_KEY, None)
    if (crops := _crops_as_named(settings.faces)) is not None:
        ours = crops | ours
    else:
        trained = {key: value for key, value in trained.items() if key in ours.settings}
    remedy = "Leave out what is set by hand: the run brings its own settings."
    if settings.paths.checkpoint is None:
        remedy = (
            f"Take the run with its own settings: --set paths.checkpoint={run_folder(settings)}; or train these under "
            "another name: --set name=NAME."
        )
    elif not (header.path.parent / "settings.yaml").is_file():
        remedy = ""
    require_same(ours, "the settings", Fingerprint(trained), f"the checkpoint {header.path}", remedy)
    return header


def with_checkpoint(settings: Settings, run: Path) -> Settings:
    """Return the settings with a run's best weights as the checkpoint in use."""
    return settings.model_copy(update={"paths": settings.paths.model_copy(update={"checkpoint": run})})


def trained_people(settings: Settings) -> tuple[str, ...]:
    """Return the people that the embedder in use was trained on here: none but for a network, exported or not.

    They are told as `identities.trained_among` takes them: an exported network may know digests of names only.
    """
    if settings.embedder.kind == "onnx" and settings.embedder.file is not None:
        metadata = read_onnx_metadata(settings.embedder.file)
        return metadata.people if metadata is not None else ()
    return trained_header(settings).people if settings.embedder.kind == "network" else ()


def network_spec(settings: Settings) -> NetworkSpec:
    """Return what `network:` says about building the network."""
    network = settings.network
    return NetworkSpec(network.backbone, network.embedding, network.normalise, network.mean, network.std, network.tanh)


def run_folder(settings: Settings) -> Path:
    """Return the run folder of this configuration."""
    return settings.paths.checkpoints / settings.name


def clip_embedder(settings: Settings) -> Embedder:
    """Return CLIP's image encoder. Raises FacematchError as `find_clip`, and for crops of another size than its own."""
    from facematch.embedders.clip import ClipEmbedder
    from facematch.embedders.clip_model import find_clip

    chosen, computing = settings.embedder, settings.training
    model = find_clip(chosen.model, chosen.weights, settings.seed, cache_folder(settings.paths.cache))
    if settings.faces.size != model.size:
        raise FacematchError(
            f"faces.size is {settings.faces.size}, but {chosen.model} takes {model.size}×{model.size} pixels.",
            f"Add --set faces.size={model.size}",
        )
    return ClipEmbedder(model, settings.seed, computing.device, chosen.batch, chosen.normalise, computing.precision)


def onnx_embedder(settings: Settings) -> Embedder:
    """Return the ONNX file's embedder; one that facematch exported describes its own input and crops.

    Raises FacematchError where none is named, and where the settings say otherwise than the file.
    """
    from facematch.embedders.onnx import OnnxEmbedder

    chosen = settings.embedder
    if chosen.file is None:
        raise FacematchError(
            "embedder.kind is onnx, but embedder.file names no model.", "Add --set embedder.file=MODEL.onnx"
        )
    given = chosen.model_dump(include={"size", "layout", "channels", "mean", "std", "normalise"})
    metadata = read_onnx_metadata(chosen.file)
    if metadata is not None:
        file = f"the model {chosen.file}"
        if (crops := _crops_as_named(settings.faces)) is not None:
            require_same(crops, "the settings", metadata.crops, file)
        _require_agreement(given, metadata, file)
        given = metadata.settings
    return OnnxEmbedder(chosen.file, batch=chosen.batch, device=settings.training.device, **given)


def _require_agreement(given: dict[str, Any], metadata: OnnxMetadata, file: str) -> None:
    # A setting at its default says nothing: a run's settings.yaml holds all of them.
    usual = EmbedderSettings()
    for name, value in metadata.settings.items():
        if given[name] not in (value, getattr(usual, name)):
            raise FacematchError(
                f"embedder.{name} is {given[name]!r} in the settings, but {file} says {value!r}.",
                f"Leave embedder.{name} out: a file of `facematch export` describes its own input.",
            )
