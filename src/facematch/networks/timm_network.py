"""Networks of timm by their names (Wightman, PyTorch Image Models), without their last layer, and their weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from facematch.core.errors import FacematchError, nearest_name, silenced
from facematch.core.processes import hub_address, hub_within_reach
from facematch.core.text import brief

_PREFIX = "timm/"  # of network.backbone
_FILES = ("model.safetensors", "pytorch_model.bin")  # what a repository of timm's holds


def timm_name(backbone: str) -> str | None:
    """Return timm's name of a backbone, `timm/NAME`; None for one of torchvision's."""
    return backbone.removeprefix(_PREFIX) if backbone.startswith(_PREFIX) else None


def build_timm(name: str) -> tuple[nn.Module, int]:
    """Return a network, with random weights and without its last layer, and how many features it gives.

    `name` is timm's, with or without the tag of its weights: `resnet18`, `vit_small_patch14_dinov2.lvd142m`. Raises
    FacematchError for an unknown one, and where timm is not installed.
    """
    describe_timm(name)
    with silenced():
        network: Any = _timm().create_model(name, pretrained=False, num_classes=0)
    return network, int(getattr(network, "head_hidden_size", None) or network.num_features)  # some have a layer more


def describe_timm(name: str) -> Mapping[str, Any]:
    """Return what timm says of a network: `input_size` (3, H, W), `mean` and `std` of colours from 0 to 1, `license`.

    `fixed_input_size`: it takes no other size. Raises FacematchError as `build_timm`; nothing is built.
    """
    timm = _timm()
    plain = name.partition(".")[0]
    if plain not in (known := timm.list_models()):
        raise FacematchError(
            f"{name!r} is not a network of timm{nearest_name(plain, known)}.", "For example: resnet18, convnext_tiny."
        )
    tags = timm.list_pretrained(f"{plain}.*") if "." in name else ()
    if "." in name and name not in tags:
        raise FacematchError(
            f"timm's {plain} has no weights called {name.partition('.')[2]!r}.",
            f"It has: {', '.join(tags)}." if tags else "It has none.",
        )
    with silenced():
        found: Mapping[str, Any] = timm.models.get_pretrained_cfg(name).to_dict()
    return found


def timm_file(name: str) -> Path:
    """Return the file of a network's published weights, from Hugging Face's cache or fetched.

    Raises FacematchError where they are not here and cannot be fetched, and for a network that has none.
    """
    repository = describe_timm(name).get("hf_hub_id")
    if not repository:
        raise FacematchError(f"timm has no weights for {name} that could be fetched.", "Name a file, or none.")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for file in _FILES:
        if isinstance(here := try_to_load_from_cache(repository, file), str):
            return Path(here)
    why = f"{hub_address()} is not within reach"
    if hub_within_reach(hub_address()):
        for file in _FILES:
            try:
                with silenced():
                    return Path(hf_hub_download(repository, file))
            except Exception as error:  # huggingface_hub and what it fetches with raise many kinds
                why = brief(error)
    raise FacematchError(
        f"the weights of timm's {name} are not here, and could not be fetched from {repository}: {why}.",
        "Bring its model.safetensors by another way and name that file in place of the weights.",
    )


def timm_within_reach(name: str) -> bool:
    """Return whether a network's published weights are here, or the place they are fetched from answers."""
    repository = describe_timm(name).get("hf_hub_id")
    if not repository:
        return False
    from huggingface_hub import try_to_load_from_cache

    here = any(isinstance(try_to_load_from_cache(repository, file), str) for file in _FILES)
    return here or hub_within_reach(hub_address())


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise FacematchError(
            "networks of timm need timm, which is not installed.", "Run: pip install 'facematch[timm]'"
        ) from error
    return timm
