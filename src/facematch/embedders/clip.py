"""CLIP's image features (Radford et al. 2021), by open_clip."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import every_core
from facematch.core.errors import FacematchError, silenced
from facematch.core.fingerprint import Fingerprint
from facematch.core.text import brief
from facematch.embedders import of_length_1
from facematch.embedders.clip_model import ClipModel

if TYPE_CHECKING:
    import torch

    from facematch.core.machine import Precision

_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # OpenAI keeps them beside the weights


@dataclass
class ClipEmbedder:
    """A CLIP's embedding of an image: 1,024 numbers by RN50, 512 by ViT-B/32.

    The crops are CLIP's input when `faces.whole` is `centre`. With `normalise` vectors are scaled to length 1. By
    `precision` `auto` bf16 is used where the machine gains from it. torch and open_clip are imported when the first
    batch comes.
    """

    model: ClipModel
    seed: int = 1
    device: str = "auto"
    batch: int = 32
    normalise: bool = True
    precision: "Precision" = "auto"

    @property
    def fingerprint(self) -> Fingerprint:
        """Return model, digest of the weights, how its input is made, and the arithmetic."""
        return self.model.fingerprint | Fingerprint(
            {"embedder.normalise": self.normalise, "embedder.precision": self.precision}
        )

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops, S being the model's own size.

        Raises FacematchError for weights that do not fit the model.
        """
        import torch

        network, device, in_bf16 = self._loaded
        computing = torch.autocast(device.type, torch.bfloat16, enabled=in_bf16)
        with every_core(device.type), torch.inference_mode(), computing:
            batch = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
            mean, std = torch.tensor([self.model.mean, self.model.std], device=device)[..., None, None]
            found = network.encode_image((batch - mean) / std)
        return of_length_1(found.float().cpu().numpy(), self.normalise)

    @cached_property
    def _loaded(self) -> tuple[Any, "torch.device", bool]:  # and whether it is in bf16
        from facematch.core.machine import choose_device, uses_bf16

        with every_core():
            device = choose_device(self.device)
            return load_clip(self.model, self.seed).to(device), device, uses_bf16(self.precision, device)


def load_clip(model: ClipModel, seed: int) -> Any:
    """Return open_clip's model with its weights, in fp32 on the CPU, ready to embed.

    Only numbers are read from the file. OpenAI's TorchScript archives, known by their SHA-256, are the exception:
    they are opened as what they are. Raises FacematchError for weights that are damaged or of another model.
    """
    import open_clip
    import torch
    from open_clip.modified_resnet import ModifiedResNet

    if model.name.endswith(".json"):
        open_clip.add_model_config(model.name)
    with torch.random.fork_rng(devices=[]), silenced():  # it warns of random weights before they are filled
        torch.manual_seed(seed)
        network = open_clip.create_model(
            Path(model.name).stem if model.name.endswith(".json") else model.name,
            force_quick_gelu=model.quick_gelu,
            pretrained_text=False,
        )
    if model.file is not None:
        try:
            if model.archive:
                state = torch.jit.load(model.file, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
                network.load_state_dict({name: each for name, each in state.items() if name not in _NO_WEIGHTS})
            else:
                open_clip.load_checkpoint(network, model.file)
        except Exception as error:  # torch, safetensors and zipfile raise many kinds
            raise FacematchError(
                f"embedder.weights: {model.file} cannot be used as weights of {model.name}: {brief(error)}.",
                "Give the state dict of the very model that embedder.model names.",
            ) from error
    network.eval()
    convolutional = isinstance(network.visual, ModifiedResNet)
    return network.to(memory_format=torch.channels_last) if convolutional else network
