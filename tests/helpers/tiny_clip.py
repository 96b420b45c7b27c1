"""CLIPs small enough for tests: configurations as open_clip keeps them, and weights as files."""

import json
from pathlib import Path
from typing import Any

TEXT = {"context_length": 4, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
TOWERS: dict[str, dict[str, Any]] = {
    "tiny-vit": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "tiny-resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None, "head_width": 64},
}


def tiny_config(folder: Path, tower: str = "tiny-vit") -> str:
    """Write a configuration and return its path, which is a model's name."""
    path = folder / f"{tower}.json"
    path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": TOWERS[tower], "text_cfg": TEXT}))
    return str(path)


def tiny_network(config: str, seed: int = 7) -> Any:
    """Return open_clip's own network of a configuration, its weights random."""
    import open_clip
    import torch

    open_clip.add_model_config(config)
    torch.manual_seed(seed)
    return open_clip.create_model(Path(config).stem).eval()
