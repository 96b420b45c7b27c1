"""A pretrained network of timm as it is: pooled features, DINOv2's and others'."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import every_core
from facematch.core.errors import MissingError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Fingerprint, Value
from facematch.embedders import of_length_1, resized

if TYPE_CHECKING:
    import torch

    from facematch.core.machine import Precision


@dataclass
class TimmEmbedder:
    """The features before the last layer of a network of timm, with the colours and the size it was trained with.

    `model` is timm's name; `weights` is `pretrained` (its published ones) or a file of them. With `normalise` vectors
    are scaled to length 1; by `precision` `auto` bf16 is used where the machine gains from it. Raises FacematchError
    where timm, the network or its weights are missing.
    """

    model: str
    weights: str = "pretrained"
    device: str = "auto"
    batch: int = 32
    normalise: bool = True
    precision: "Precision" = "auto"

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the network, the digest of its weights, how its input is made, and the arithmetic."""
        size, mean, std = self._input
        values: dict[str, Value] = {
            "kind": "timm",
            "model": self.model.partition(".")[0],
            "weights_sha256": sha256_of_file(self._file),
            "size": size,
            "mean": list(mean),
            "std": list(std),
            "normalise": self.normalise,
            "precision": self.precision,
        }
        return Fingerprint({f"embedder.{key}": value for key, value in values.items()})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops; those of another size than the network's are resized."""
        import torch

        network, device, in_bf16 = self._loaded
        size, mean, std = self._input
        computing = torch.autocast(device.type, torch.bfloat16, enabled=in_bf16)
        with every_core(device.type), torch.inference_mode(), computing:
            given = torch.from_numpy(resized(images, size)).to(device).permute(0, 3, 1, 2).float() / 255
            colours = torch.tensor([mean, std], device=device)[..., None, None]
            found = network((given - colours[0]) / colours[1])
        return of_length_1(found.float().cpu().numpy(), self.normalise)

    @cached_property
    def _input(self) -> tuple[int, list[float], list[float]]:
        from facematch.networks.timm_network import describe_timm

        described = describe_timm(self.model)
        return described["input_size"][-1], list(described["mean"]), list(described["std"])

    @cached_property
    def _file(self) -> Path:
        from facematch.networks.timm_network import timm_file

        if self.weights == "pretrained":
            return timm_file(self.model)
        if not Path(self.weights).is_file():
            raise MissingError(
                f"embedder.weights: {self.weights} does not exist; expected pretrained, or a file of the weights of "
                f"timm's {self.model}."
            )
        return Path(self.weights)

    @cached_property
    def _loaded(self) -> tuple[Any, "torch.device", bool]:  # and whether it is in bf16
        from facematch.core.machine import choose_device, uses_bf16
        from facematch.networks.timm_network import build_timm
        from facematch.networks.weights import load_backbone, read_weights_file

        with every_core():
            device = choose_device(self.device)
            network, _ = build_timm(self.model)
            load_backbone(network, read_weights_file(self._file), str(self._file))
            return network.eval().to(device), device, uses_bf16(self.precision, device)
