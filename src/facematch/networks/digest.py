"""The digest of a network's weights."""

import hashlib

import torch
from torch import nn


def weights_digest(network: nn.Module) -> str:
    """Return SHA-256 over a network's named tensors (names, shapes, bytes), 64 hex digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
