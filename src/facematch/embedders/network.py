"""The trained network as an embedder."""

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import every_core
from facematch.core.extras import require
from facematch.core.fingerprint import Fingerprint
from facematch.networks.checkpoint import CheckpointHeader, load_checkpoint
from facematch.networks.spec import WEIGHTS_KEY

if TYPE_CHECKING:
    import torch

    from facematch.core.machine import Precision
    from facematch.networks.embedding import EmbeddingNetwork

_PIXELS_AT_ONCE = 32 * 112**2  # ResNet50's widest layers then take 26 MB in fp32; from 32 MB on the system is asked


def run_network(
    network: "EmbeddingNetwork", images: NDArray[np.uint8], *, in_bf16: bool = False
) -> NDArray[np.float32]:
    """Return N×D embeddings of N×S×S×3 RGB crops in evaluation mode, in fp32 or bf16, on the network's device.

    On the processor crops are taken a few at a time, so that what is between two layers is small: memory for much at
    once is asked from the system anew for each layer, and filled with zeros.
    """
    import torch

    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    at_once = _PIXELS_AT_ONCE // (images.shape[1] * images.shape[2]) if device.type == "cpu" else len(images)
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(images)), max(1, at_once))
    computing = torch.autocast(device.type, torch.bfloat16, enabled=in_bf16)
    with every_core(device.type), torch.inference_mode(), computing:
        vectors = torch.cat([network(part.to(device)).float().cpu() for part in parts])
    network.train(was_training)
    return np.asarray(vectors.numpy(), np.float32)


@dataclass
class NetworkEmbedder:
    """A checkpoint's network; torch is imported when the first batch comes.

    By `precision` `auto` bf16 is used where the machine gains from it. Raises FacematchError where torch is missing.
    """

    header: CheckpointHeader
    device: str = "auto"
    batch: int = 64
    precision: "Precision" = "auto"

    def __post_init__(self) -> None:
        require("torch", "torchvision")

    @property
    def fingerprint(self) -> Fingerprint:
        """Return network, normalisation and weights, from the checkpoint's header; and a precision that was chosen."""
        chosen = {} if self.precision == "auto" else {"network.precision": self.precision}
        return self.header.fingerprint.only("network.") | Fingerprint(chosen)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D embeddings of N×S×S×3 RGB crops."""
        network, in_bf16 = self._loaded
        return run_network(network, images, in_bf16=in_bf16)

    @cached_property
    def _loaded(self) -> tuple["EmbeddingNetwork", bool]:  # and whether it is in bf16
        from facematch.core.machine import choose_device, uses_bf16

        with every_core():
            device = choose_device(self.device)
            in_bf16 = uses_bf16(self.precision, device)
            return load_network(self.header, device, in_bf16=in_bf16), in_bf16


def load_network(header: CheckpointHeader, device: "torch.device", *, in_bf16: bool = False) -> "EmbeddingNetwork":
    """Load a checkpoint's network to embed with: on its device, channels last, BatchNorm folded into convolutions.

    On the processor ReLU is, too. With `in_bf16` weights are rounded here, which autocast would do again for every
    batch; then `run_network` needs the same.
    """
    import torch
    from torch.fx.experimental.optimization import fuse

    from facematch.networks.fused import fuse_activations
    from facematch.networks.timm_network import timm_name

    network = load_checkpoint(header.path).eval()
    known = timm_name(header.spec.backbone) is None  # those of timm join what cannot be told apart
    if known and any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()):
        network.backbone = fuse(network.backbone)
        if device.type == "cpu":
            fuse_activations(network.backbone, in_bf16=in_bf16)
    if in_bf16:
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.to(torch.bfloat16)
    return network.to(device).to(memory_format=torch.channels_last)


@dataclass
class ModuleEmbedder:
    """A network that is in memory: during training, and as it was before."""

    network: "EmbeddingNetwork"
    batch: int = 64
    _turn: Lock = field(default_factory=Lock, repr=False, compare=False)  # while it is not in its training mode

    @property
    def fingerprint(self) -> Fingerprint:
        """Return network, normalisation and the digest of the weights as they are now."""
        from facematch.networks.embedding import weights_digest

        return self.network.spec.fingerprint | Fingerprint({WEIGHTS_KEY: weights_digest(self.network)})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D embeddings of N×S×S×3 RGB crops."""
        with self._turn:
            return run_network(self.network, images)
