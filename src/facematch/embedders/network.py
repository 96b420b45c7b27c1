"""The trained network as an embedder."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.fingerprint import Fingerprint
from facematch.networks.checkpoint import CheckpointHeader, load_checkpoint
from facematch.networks.spec import WEIGHTS_KEY

if TYPE_CHECKING:
    from facematch.networks.embedding import EmbeddingNetwork


def run_network(network: "EmbeddingNetwork", images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return N×D embeddings of N×S×S×3 RGB crops in evaluation mode, in fp32, on the network's device."""
    import torch

    was_training = network.training
    network.eval()
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(next(network.parameters()).device)
        vectors: NDArray[np.float32] = network(batch).float().cpu().numpy()
    network.train(was_training)
    return vectors


@dataclass
class NetworkEmbedder:
    """A checkpoint's network; torch is imported when the first batch comes."""

    header: CheckpointHeader
    device: str = "auto"
    batch: int = 64
    _network: "EmbeddingNetwork | None" = field(default=None, repr=False)

    @property
    def fingerprint(self) -> Fingerprint:
        """Return network, normalisation and weights, from the checkpoint's header."""
        return self.header.fingerprint.only("network.")

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D embeddings of N×S×S×3 RGB crops."""
        if self._network is None:
            self._network = load_network(self.header, self.device)
        return run_network(self._network, images)


def load_network(header: CheckpointHeader, device: str) -> "EmbeddingNetwork":
    """Load a checkpoint's network onto a device (`auto`, cpu, cuda, mps), channels last."""
    import torch

    from facematch.machine import choose_device

    network = load_checkpoint(header.path).to(choose_device(device))
    return network.to(memory_format=torch.channels_last)


@dataclass
class ModuleEmbedder:
    """A network that is in memory: during training, and as it was before."""

    network: "EmbeddingNetwork"
    batch: int = 64

    @property
    def fingerprint(self) -> Fingerprint:
        """Return network, normalisation and the digest of the weights as they are now."""
        from facematch.networks.weights import weights_digest

        return self.network.spec.fingerprint | Fingerprint({WEIGHTS_KEY: weights_digest(self.network)})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D embeddings of N×S×S×3 RGB crops."""
        return run_network(self.network, images)
