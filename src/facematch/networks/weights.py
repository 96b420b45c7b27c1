"""Where a backbone's first weights come from: ImageNet, a file, or nothing – and which it was."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from facematch.core.errors import FacematchError, MissingError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import require_same
from facematch.core.foreign import reading
from facematch.core.processes import within_reach
from facematch.core.tensor_file import read_tensor_header
from facematch.networks.checkpoint import checkpoint_file, read_checkpoint_header
from facematch.networks.embedding import EmbeddingNetwork, published_weights
from facematch.networks.spec import NetworkSpec
from facematch.networks.timm_network import describe_timm, timm_file, timm_name, timm_within_reach

_DIGEST = re.compile(r"-([0-9a-f]{8,})\.pth$")  # which torchvision's file names carry
_AGAIN = "Give a whole state dict: tensors by name and nothing else, in a .pth or .safetensors file."


@dataclass(frozen=True)
class Origin:
    """Where a network's first weights came from: `source` for the record, `notice` for the user, perhaps a `warning`.

    `people` are those that the weights were trained on here: they are nobody that validation may call unseen.
    """

    source: str
    notice: str
    warning: bool = False
    people: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, object]:
        """Return what a checkpoint keeps of it; the people are in the checkpoint's own list."""
        return {"source": self.source, "notice": self.notice, "loud": self.warning}


def initial_network(spec: NetworkSpec, weights: str, seed: int) -> tuple[EmbeddingNetwork, Origin]:
    """Build a network: the head always random from `seed`, the backbone as `weights` says.

    `imagenet` downloads torchvision's best ImageNet weights (or takes them from torch's cache) and checks their digest,
    or takes those that timm publishes; `none` is random; `auto` is `imagenet` when the file is cached or its host
    answers within seconds, else random with a warning; anything else is a file (.pth of a state dict, or .safetensors)
    or a run folder. Of a checkpoint of facematch the backbone is taken, and its head where that fits; the notice says
    which.

    Raises FacematchError when what was asked for cannot be had, and for a checkpoint of another backbone
    or of other normalised pixels.
    """
    torch.manual_seed(seed)
    network = EmbeddingNetwork(spec)
    if weights == "none":
        return network, Origin("none", "weights: random (network.weights: none)")
    if weights == "auto" and not _within_reach(spec.backbone):
        return network, Origin("none", _random_notice(spec.backbone), warning=True)
    if weights in ("imagenet", "auto"):
        state, source = _imagenet(spec.backbone)
        load_backbone(network.backbone, state, source)
        return network, Origin("imagenet", f"weights: ImageNet ({source})")
    path = checkpoint_file(Path(weights)) if Path(weights).is_dir() else Path(weights)
    state = read_weights_file(path)
    with reading(path, "network.weights", _AGAIN):
        if any(key.startswith("backbone.") for key in state):  # one of our own checkpoints
            return network, _load_own(network, state, path)
        load_backbone(network.backbone, state, str(path))
    return network, Origin(str(path), f"weights: {path}")


def native_size(backbone: str) -> int | None:
    """Return the side in pixels of the photos that a backbone's published weights were made for; None without any.

    Every backbone but vision transformers takes other sizes too: its last feature map is averaged, or pooled to a
    fixed one (VGG).
    """
    if (named := timm_name(backbone)) is not None:
        return int(describe_timm(named)["input_size"][-1])
    best = published_weights(backbone)
    return None if best is None else int(best.transforms.keywords["crop_size"])


def require_size(backbone: str, size: int) -> None:
    """Raise FacematchError for crops of another size than the only one that a network of timm takes."""
    named = timm_name(backbone)
    if named is not None and describe_timm(named)["fixed_input_size"] and (only := native_size(backbone)) != size:
        raise FacematchError(
            f"network.backbone: {backbone} takes {only}×{only} pixels, and faces.size is {size}.",
            f"Add --set faces.size={only}",
        )


def read_weights_file(path: Path) -> dict[str, Tensor]:
    """Read a state dict without running code. Checks the digest a file name carries (name-1a2b3c4d.pth).

    Raises FacematchError for a missing, damaged or foreign file.
    """
    if not path.is_file():
        raise MissingError(
            f"network.weights: {path} does not exist; expected imagenet, none, auto or a file.",
            "Give a .pth state dict (for example resnet50-11ad3fa6.pth of torchvision) or a .safetensors file.",
        )
    expected = _DIGEST.search(path.name)
    found = sha256_of_file(path) if expected else ""
    if expected and not found.startswith(expected[1]):
        raise FacematchError(
            f"network.weights: {path} is damaged: its SHA-256 begins {found[:8]}, its name says {expected[1]}.",
            "Copy or download the file again.",
        )
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        read_tensor_header(path, "network.weights", _AGAIN)
        with reading(path, "network.weights", _AGAIN):
            return dict(load_file(path))
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, and advises to read the file in a way that runs its code
        words = "it holds more than tensors, or is damaged"
        raise FacematchError(f"network.weights: {path} cannot be read as weights: {words}.", _AGAIN) from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise FacematchError(f"network.weights: {path} holds no state dict (tensors by name).", _AGAIN)
    return state


def _random_notice(backbone: str) -> str:
    best = published_weights(backbone)
    ways = ["the network that comes with facematch: --set network.init_from=default"] if backbone == "resnet50" else []
    ways += [] if best is None else [f"{best.url}, brought here: --set network.weights=FILE"]
    return (
        "weights: RANDOM – no ImageNet weights in torch's cache and no network to fetch them. Training from nothing "
        "needs more photos and more time."
    ) + (f" Go on from {', or from '.join(ways)}" if ways else "")


def _imagenet(backbone: str) -> tuple[dict[str, Tensor], str]:
    if (named := timm_name(backbone)) is not None:
        terms = describe_timm(named).get("license") or "not stated"
        return read_weights_file(timm_file(named)), f"timm's of {named}; terms: {terms}"
    best = published_weights(backbone)
    if best is None:
        raise FacematchError(f"torchvision has no ImageNet weights for {backbone}.", "Set network.weights: none.")
    path = _cached(best.url)
    if not path.is_file():
        digest = _DIGEST.search(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(best.url, str(path), digest[1] if digest else None, progress=False)
        except (OSError, RuntimeError) as error:
            raise FacematchError(
                f"network.weights: ImageNet weights for {backbone} could not be fetched: {error}.",
                f"Bring {path.name} by another way and set network.weights to its path, or to none.",
            ) from error
    return read_weights_file(path), str(best)


def _cached(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def _within_reach(backbone: str) -> bool:
    if (named := timm_name(backbone)) is not None:
        return timm_within_reach(named)
    best = published_weights(backbone)
    return best is not None and (_cached(best.url).is_file() or within_reach(best.url))


def load_backbone(backbone: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Fill a backbone with the tensors of its name in `state`, which may hold more, such as a last layer.

    Raises FacematchError, which names `source`, where one is missing or of another shape.
    """
    wanted = backbone.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or wrong:
        first = (missing or wrong)[0]
        raise FacematchError(
            f"network.weights: {source} does not fit the backbone: {len(missing)} tensors missing, "
            f"{len(wrong)} of another shape, first {first}.",
            "Set network.backbone to the network the weights belong to.",
        )
    backbone.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)


def _load_own(network: EmbeddingNetwork, state: dict[str, Tensor], path: Path) -> Origin:
    # Tensors alone, without our header, do not show how they were trained.
    people: tuple[str, ...] = ()
    if path.suffix == ".safetensors" and "facematch" in read_tensor_header(path, "network.weights").metadata:
        header = read_checkpoint_header(path)
        kept = ("network.backbone", "network.mean", "network.std")  # other pixels fit and mean something else
        ours, theirs = network.spec.fingerprint.only(*kept), header.spec.fingerprint.only(*kept)
        require_same(ours, "the settings", theirs, str(path), "Set it to that, or start from other weights.")
        people = header.people
    body, head = (
        {name.removeprefix(part): tensor for name, tensor in state.items() if name.startswith(part)}
        for part in ("backbone.", "head.")
    )
    load_backbone(network.backbone, body, str(path))
    wanted = network.head.state_dict()
    if not wanted:
        left = ", without its head, which network.embedding: features has none of" if head else ""
        return Origin(str(path), f"weights: backbone of {path}{left}", people=people)
    if {name: t.shape for name, t in head.items()} == {name: t.shape for name, t in wanted.items()}:
        network.head.load_state_dict(head)
        return Origin(str(path), f"weights: backbone and head of {path}", people=people)
    sides = head["weight"].shape if "weight" in head else ()
    found = f"its head has {sides[0]} dimensions" if sides else "it has no head"
    notice = (
        f"weights: backbone of {path}; {found}, so the head of {wanted['weight'].shape[0]} dimensions begins RANDOM"
    )
    return Origin(str(path), notice, warning=True, people=people)
