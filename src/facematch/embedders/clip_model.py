"""Which CLIP is meant, before it is loaded: its weights, their digest, what its input looks like.

open_clip brings torch. What it knows of a model is kept in the cache, so that a run whose embeddings are
cached imports neither.
"""

import json
import os
import warnings
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictInt

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError, MissingError, nearest_name
from facematch.core.files import sha256_of, sha256_of_file
from facematch.core.fingerprint import Fingerprint
from facematch.core.foreign import as_kind, read_json, reading
from facematch.core.processes import hub_address, hub_within_reach
from facematch.core.text import brief

Rgb = tuple[float, float, float]

_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
_BRING = "Bring a file by another way: --set embedder.weights=FILE (a state dict, .pt, .pth or .safetensors)."


@dataclass(frozen=True)
class ClipModel:
    """A CLIP of open_clip and its weights.

    `name` is open_clip's, or the JSON file of a configuration as open_clip keeps them. `digest` is the SHA-256 of
    the weights' file; without a file the weights are random, and it names the seed. `archive`: the
    file is OpenAI's own TorchScript archive. `size` is the input's side in pixels, `mean` and `std` normalise
    values from 0 to 1, and `quick_gelu` is OpenAI's approximation of GELU.
    """

    name: str
    file: str | None
    digest: str
    archive: bool
    quick_gelu: bool
    size: int
    mean: Rgb
    std: Rgb
    interpolation: str

    @property
    def fingerprint(self) -> Fingerprint:
        """Return everything that decides an embedding of a crop; not where the file lies."""
        values = {key: value for key, value in asdict(self).items() if key not in ("file", "archive")}
        values |= {"name": Path(self.name).stem, "mean": list(self.mean), "std": list(self.std)}
        return Fingerprint({"embedder.kind": "clip"} | {f"embedder.{key}": value for key, value in values.items()})


class _Kept(BaseModel):
    model: ClipModel
    stamps: list[list[int]]


class _Vision(BaseModel):
    image_size: Annotated[StrictInt, Field(ge=1, le=4096)]


class _Config(BaseModel):
    vision_cfg: _Vision


def find_clip(name: str, weights: str, seed: int, cache: Path) -> ClipModel:
    """Return what is known of a CLIP: taken from open_clip once, then read from the folder `cache`.

    `weights` is one of the model's pretrained tags (`openai`), downloaded to the Hugging Face cache where it is not
    there; a local file; or `none`: random from `seed`, which is warned of. Raises FacematchError where open_clip,
    the model or its weights are missing.
    """
    clip_config(name)
    places = [str(path.resolve()) for text in (name, weights) if (path := Path(text).expanduser()).is_file()]
    known_as = json.dumps([_spelt(name), weights, places, seed, version("open_clip_torch"), version("torch")])
    with Cache(cache / "clip-models-1.sqlite") as kept:
        model = kept.read(known_as, lambda note, _: _unchanged(as_kind(_Kept, json.loads(note))))
        if model is None:
            model = _described(name, weights, seed)
            kept.put(known_as, json.dumps({"model": asdict(model), "stamps": _stamps(model)}), b"")
    if model.file is None:
        warnings.warn(
            f"embedder.weights is none: {name} is RANDOM, and its similarities mean little. For tests only.",
            stacklevel=2,
        )
    return model


def clip_config(name: str) -> dict[str, Any]:
    """Return open_clip's configuration of a model, without importing it.

    `name` is open_clip's (`RN50`, `ViT-B-32`; `ViT-B/32` too), or a JSON file. Raises FacematchError for an unknown
    model, with the nearest name, and where open_clip is not installed.
    """
    try:
        version("open_clip_torch")
    except PackageNotFoundError:
        raise FacematchError(
            "CLIP needs open_clip, which is not installed.",
            "Run: pip install 'facematch[clip]', or pip install open_clip_torch",
        ) from None
    if name.endswith(".json"):
        file = Path(name)
    else:
        package = find_spec("open_clip")
        assert package is not None  # its version was found
        assert package.origin is not None
        known = {each.stem: each for each in (Path(package.origin).parent / "model_configs").glob("*.json")}
        if _spelt(name) not in known:
            raise FacematchError(
                f"embedder.model: open_clip has no {name!r}{nearest_name(_spelt(name), known)}.",
                "For example RN50, ViT-B-32, ViT-B-16; open_clip.list_models() has all.",
            )
        file = known[_spelt(name)]
    config = read_json(file, "embedder.model", "Name a model of open_clip, or a JSON file as its own configurations.")
    with reading(file, "embedder.model", "Give it vision_cfg.image_size, the side of its input in pixels."):
        as_kind(_Config, config)
    return dict(config)


def clip_size(name: str) -> int:
    """Return the side in pixels of a model's input. Raises FacematchError as `clip_config`."""
    return int(clip_config(name)["vision_cfg"]["image_size"])


def _spelt(name: str) -> str:
    # OpenAI writes ViT-B/32, open_clip ViT-B-32.
    return name if name.endswith(".json") else name.replace("/", "-")


def _stamps(model: ClipModel) -> list[list[int]]:
    # Size and time of the files: whether they are as they were, without reading them.
    files = [each for each in (model.file, model.name) if each is not None and Path(each).is_file()]
    states = [Path(each).stat() for each in files]
    return [[state.st_size, state.st_mtime_ns] for state in states]


def _unchanged(kept: _Kept) -> ClipModel | None:
    return kept.model if _stamps(kept.model) == kept.stamps else None


def _described(name: str, weights: str, seed: int) -> ClipModel:
    import open_clip

    config, spelt = clip_config(name), _spelt(name)
    openai = open_clip.get_pretrained_cfg(spelt, "openai")
    settled = sha256_of(json.dumps(config, sort_keys=True).encode())[:16]
    file, digest, archive = None, f"random from seed {seed}, torch {version('torch')}, configuration {settled}", False
    published = open_clip.get_pretrained_cfg(spelt, weights)
    if weights != "none":
        file = _published(name, weights, published) if published else _local(name, weights)
        digest = sha256_of_file(file)
    if file is not None and not published and openai and digest in openai["url"].split("/"):
        published = openai  # OpenAI's addresses hold the SHA-256 of their files
    if file is not None and (archive := _is_torchscript(file)) and published is not openai:
        raise FacematchError(
            f"embedder.weights: {file} is a TorchScript archive: a program, not only numbers. It is not OpenAI's own "
            f"file for {name} by its SHA-256, so it is not run.",
            'If you trust it, save its numbers: python -c "import sys, torch; from safetensors.torch import save_file; '
            "m = torch.jit.load(sys.argv[1], map_location='cpu'); save_file({k: v.contiguous() for k, v in "
            'm.state_dict().items()}, sys.argv[2])" FILE.pt FILE.safetensors',
        )
    tags = open_clip.list_pretrained_tags_by_model(spelt)
    # How the model's published weights want their input, where all of them want the same.
    inputs = [
        {key: each[key] for key in ("mean", "std", "interpolation")}
        for each in (open_clip.get_pretrained_cfg(spelt, tag) for tag in tags)
    ]
    like = published or (inputs[0] if inputs and all(each == inputs[0] for each in inputs) else {})
    return ClipModel(
        name=name if name.endswith(".json") else spelt,
        file=None if file is None else str(file.absolute()),
        digest=digest,
        archive=archive,
        quick_gelu=bool(published.get("quick_gelu", False) or config.get("quick_gelu", False)),
        size=config["vision_cfg"]["image_size"],
        mean=tuple(like.get("mean", open_clip.OPENAI_DATASET_MEAN)),
        std=tuple(like.get("std", open_clip.OPENAI_DATASET_STD)),
        interpolation=like.get("interpolation", "bicubic"),
    )


def _local(name: str, weights: str) -> Path:
    import open_clip

    path = Path(weights).expanduser()
    if path.is_file():
        return path
    tags = list(open_clip.list_pretrained_tags_by_model(_spelt(name)))
    if path.suffix in _SUFFIXES or len(path.parts) > 1:
        raise MissingError(f"embedder.weights: {path} does not exist.", _BRING)
    raise FacematchError(
        f"embedder.weights: {weights!r} is neither a file nor a pretrained tag of {name}{nearest_name(weights, tags)}.",
        f"{_BRING} Its tags: {', '.join(tags) or 'none'}.",
    )


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _published(name: str, tag: str, published: dict[str, Any]) -> Path:
    # A tag's file: from the Hugging Face cache, else downloaded, where the host answers within seconds.
    import open_clip
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, filename = os.path.split(published["hf_hub"])
    for each in (filename,) if filename else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        cached = try_to_load_from_cache(repository, each)
        if isinstance(cached, str):
            return Path(cached)
    lacking = f"embedder.weights: the weights {tag} of {name} ({repository} at Hugging Face) are not in its cache"
    # Asked first, because huggingface_hub tries for most of a minute where there is no network.
    if not hub_within_reach(hub_address()):
        raise FacematchError(f"{lacking}, and {hub_address()} is not within reach.", _BRING)
    try:
        return Path(open_clip.download_pretrained(published))
    except Exception as error:  # open_clip and huggingface_hub raise many kinds
        raise FacematchError(f"{lacking} and could not be fetched: {brief(error)}.", _BRING) from error
