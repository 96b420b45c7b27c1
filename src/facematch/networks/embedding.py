"""A torchvision classification backbone with a linear embedding in place of its last layer."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from facematch.core.errors import FacematchError, nearest_name
from facematch.networks.spec import NetworkSpec
from facematch.networks.timm_network import build_timm, timm_name


class EmbeddingNetwork(nn.Module):
    """RGB `uint8` N×S×S×3 or normalised float N×3×S×S in, embeddings N×D out.

    With `normalise` each embedding has length 1; with `tanh` each number lies between −1 and 1, and its
    sign is a bit of the photo's code. `backbone` ends in its features (N×F); `head` is the linear embedding, or
    nothing where the features are the embedding. `dimensions` is D.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone, features = build_backbone(spec.backbone)
        self.dimensions = features if spec.embedding == "features" else spec.embedding
        self.head = nn.Identity() if spec.embedding == "features" else nn.Linear(features, spec.embedding)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return N×D embeddings of a batch."""
        if images.dtype == torch.uint8:
            images = self.preprocess(images)
        embedded: Tensor = self.head(self.backbone(images)).float()
        if self.spec.tanh:
            return embedded.tanh()
        return functional.normalize(embedded, dim=1) if self.spec.normalise else embedded

    def preprocess(self, images: Tensor) -> Tensor:
        """Return `uint8` N×S×S×3 RGB as normalised float N×3×S×S, in memory channels last.

        The one place where pixels become numbers, in training and after.
        """
        scaled = images.permute(0, 3, 1, 2).float()
        return (scaled - self.mean) / self.std


def build_backbone(name: str) -> tuple[nn.Module, int]:
    """Return a classification network of torchvision without its last linear layer, and its feature count.

    `timm/NAME` is one of timm's: see `build_timm`. Its weights are random; each residual block of torchvision's ResNets
    begins as the identity, by a last BatchNorm of zeros (Goyal et al. 2017, section 5.1), from which deep ones learn
    much sooner. Raises FacematchError for an unknown name and for a network that does not end in a linear layer.
    """
    if (named := timm_name(name)) is not None:
        return build_timm(named)
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise FacematchError(
            f"network.backbone: {name!r} is not a classification network of torchvision{nearest_name(name, known)}.",
            "For example: resnet18, resnet50, efficientnet_b0, vgg16, vit_b_32; timm/NAME for one of timm.",
        )
    keywords = {"aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith(("resnet", "resnext", "wide_resnet")):
        keywords = {"zero_init_residual": True}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **keywords)
    linear = [(at, layer) for at, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not linear or linear[-1][1].out_features != 1000:
        raise FacematchError(
            f"network.backbone: {name} does not end in a linear layer, so it cannot carry an embedding.",
            "Choose another, for example resnet50.",
        )
    last_name, last = linear[-1]
    parent_name, _, attribute = last_name.rpartition(".")
    setattr(network.get_submodule(parent_name), attribute, nn.Identity())
    return network, last.in_features


def published_parameters(backbone: str) -> int:
    """Return how many numbers torchvision's network has, its last layer among them; 0 where that is not known.

    Raises ValueError for an unknown name. Nothing is built.
    """
    best = published_weights(backbone)
    return 0 if best is None else int(best.meta["num_params"])


def published_weights(backbone: str) -> Any:
    """Return torchvision's best weights of a network, which know their `url`; None where it has none, as for timm's."""
    if timm_name(backbone) is not None:
        return None
    weights = torchvision.models.get_model_weights(backbone)
    return weights.DEFAULT if len(weights) else None


def freeze_stages(network: EmbeddingNetwork, stages: Iterable[str]) -> None:
    """Stop the named stages of the backbone from being trained; their BatchNorm keeps its statistics.

    A stage is a child of the backbone, such as `conv1` or `layer1`, or a child of one, such as
    `features.0`. Raises FacematchError for a name the backbone does not have.
    """
    for stage in stages:
        known = [name for name, _ in network.backbone.named_modules() if len(name) > 0 and name.count(".") < 2]
        if stage not in known:
            top = [name for name, _ in network.backbone.named_children()]
            raise FacematchError(
                f"network.freeze: {network.spec.backbone} has no stage {stage!r}{nearest_name(stage, known)}.",
                f"Its stages are: {', '.join(top)}.",
            )
        for parameter in network.backbone.get_submodule(stage).parameters():
            parameter.requires_grad_(False)


def set_training_mode(network: EmbeddingNetwork, stages: Iterable[str]) -> None:
    """Put the network in training mode, frozen stages in evaluation mode."""
    network.train()
    for stage in stages:
        network.backbone.get_submodule(stage).eval()


def weights_digest(network: nn.Module) -> str:
    """Return SHA-256 over a network's named tensors (names, shapes, bytes), 64 hex digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
