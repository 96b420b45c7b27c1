"""A trained network in one .safetensors file: weights, how to build it, and what decided it.

Nothing here needs torch until the network itself is loaded, so a command can check a checkpoint and
find cached embeddings before it starts computing.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, PlainValidator

from facematch.core.errors import FacematchError, MissingError, typed
from facematch.core.files import replacing
from facematch.core.fingerprint import Fingerprint, StoredFingerprint
from facematch.core.foreign import as_kind, parse_json, reading
from facematch.core.tensor_file import read_tensor_header
from facematch.core.text import brief
from facematch.networks.spec import WEIGHTS_KEY, NetworkSpec
from facematch.ranking.metrics import Metric

if TYPE_CHECKING:
    from facematch.networks.embedding import EmbeddingNetwork

_FORMAT = "facematch checkpoint 1"
_OURS = (
    "Give a run folder below checkpoints/ or its best.safetensors. Weights of another program can be a start for "
    "training with network.weights."
)


class _Origin(BaseModel, extra="allow"):
    # Without what an earlier version did not keep the network before training cannot be built again.
    source: str = "none"
    seed: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint holds beside its tensors.

    `fingerprint` covers cropping, normalisation, network and weights. `origin` is how the network
    looked before training (source, seed), so that it can be built again for comparison. `people` are
    the identities it was trained on. `metric` is the distance it was trained for. Its tensors have `numbers`.
    """

    path: Path
    numbers: int
    format: Literal["facematch checkpoint 1"]
    spec: NetworkSpec
    fingerprint: StoredFingerprint
    origin: Annotated[Mapping[str, Any], PlainValidator(lambda found: _Origin.model_validate(found).model_dump())]
    people: tuple[str, ...]
    metric: Metric
    trained: dict[str, Any]  # epoch, validation figures


def save_checkpoint(
    path: Path,
    network: "EmbeddingNetwork",
    crops: Fingerprint,
    *,
    origin: Mapping[str, Any],
    people: tuple[str, ...],
    metric: str,
    trained: Mapping[str, Any],
    half: bool = False,
) -> None:
    """Write a network with its header, whole or not at all; with `half` what is no integer in half precision.

    The digest is of the network as it will be loaded, in float32. Raises FacematchError for a number that half
    precision cannot hold (above 65,504).
    """
    import torch
    from safetensors.torch import save_file

    from facematch.networks.embedding import weights_digest

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if half:
        network = copy.deepcopy(network)
        tensors = {name: each.half() if each.is_floating_point() else each for name, each in tensors.items()}
        for name, each in tensors.items():
            if not torch.isfinite(each).all():
                raise FacematchError(f"{name} holds numbers that half precision cannot: save it in float32.")
        network.load_state_dict(tensors)
    weights = Fingerprint({WEIGHTS_KEY: weights_digest(network)})
    fingerprint = crops | network.spec.fingerprint | weights
    header = {
        "format": _FORMAT,
        "spec": network.spec.as_dict(),
        "fingerprint": dict(fingerprint.settings),
        "origin": dict(origin),
        "people": list(people),
        "metric": metric,
        "trained": dict(trained),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"facematch": json.dumps(header)})


def read_checkpoint_header(path: Path) -> CheckpointHeader:
    """Read a checkpoint's header. `path` is a run folder (its best weights) or a .safetensors file.

    Raises FacematchError when it is missing, cut short, or not one of ours.
    """
    file = checkpoint_file(path)
    found = read_tensor_header(file, "checkpoint", "Copy it again, or take another checkpoint.")
    with reading(file, "checkpoint", _OURS):
        if "facematch" not in found.metadata:
            raise ValueError("it was not written by facematch's training")
        kept = parse_json(found.metadata["facematch"], "header")
        header = as_kind(CheckpointHeader, {**kept, "path": file, "numbers": found.numbers})
        spec, head = header.spec, found.tensors.get("head.weight")
        if spec.embedding != "features" and (head is None or head.shape[:1] != (spec.embedding,)):
            raise ValueError(f"it speaks of {spec.embedding} dimensions, which its tensors do not have")
    return header


def checkpoint_file(path: Path) -> Path:
    """Return the .safetensors file that `path` means. Raises FacematchError when there is none."""
    if path.is_dir():
        if (path / "best.safetensors").is_file():
            return path / "best.safetensors"
        raise _no_best(path)
    if not path.exists():
        raise MissingError(
            f"checkpoint: {path} does not exist ({path.absolute()}).",
            f"Train first, with {typed('train')}, or name one with --set paths.checkpoint=RUN.",
        )
    return path


def _no_best(run: Path) -> FacematchError:
    # Never a dead end: to go on, or what can be taken meanwhile.
    if not (run / "settings.yaml").is_file():
        return FacematchError(
            f"checkpoint: {run} holds no best.safetensors and no settings.yaml, so no run ({run.absolute()}).",
            "Name a run folder that training made, or default, the network that comes with facematch.",
        )
    last = run / "last.safetensors"
    newest = f"{last}, its newest weights, or " if last.is_file() else ""
    return FacematchError(
        f"checkpoint: {run} holds no best.safetensors yet: its training has not finished a validation.",
        f"Go on with it: {typed('train')} --config {run / 'settings.yaml'} --resume. Or take {newest}default, the "
        f"network that comes with facematch: --set paths.checkpoint={last if newest else 'default'}",
    )


def load_checkpoint(path: Path) -> "EmbeddingNetwork":
    """Load a network from a checkpoint, checked against the digest in its header, in evaluation mode."""
    from safetensors.torch import load_file

    from facematch.networks.embedding import EmbeddingNetwork, published_parameters, weights_digest

    header = read_checkpoint_header(path)
    with reading(header.path, "checkpoint", "Copy it again, or take another checkpoint."):
        backbone = header.spec.backbone
        if 4 * header.numbers < (wanted := published_parameters(backbone)):  # with a last layer that is not here
            raise ValueError(f"it holds {header.numbers:,} numbers, and a {brief(backbone)} has {wanted:,}")
        network = EmbeddingNetwork(header.spec)
        network.load_state_dict(load_file(header.path))
    if weights_digest(network) != header.fingerprint.settings.get(WEIGHTS_KEY):
        raise FacematchError(
            f"checkpoint: {header.path} is damaged: its weights are not those that were written.",
            "Copy it again, or take another checkpoint.",
        )
    return network.eval()
