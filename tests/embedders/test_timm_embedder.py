"""A network of timm as an embedder: its own features, by its own size and colours."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.embedders.timm import TimmEmbedder
from facematch.pipeline.build import build_embedder
from facematch.settings.file import load_settings
from facematch.testing import check_embedder

timm = pytest.importorskip("timm")
NAME = "mobilenetv3_small_050"


def test_it_embeds_as_timm_does(timm_weights: Path) -> None:
    from timm.data import create_transform, resolve_data_config

    network = timm.create_model(NAME, pretrained=False, num_classes=0).eval()
    plain = timm.create_model(NAME, pretrained=False)
    timm.models.load_checkpoint(plain, str(timm_weights))
    network.load_state_dict({n: each for n, each in plain.state_dict().items() if not n.startswith("classifier")})
    crops = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    config = resolve_data_config({}, model=network) | {"crop_pct": 1.0}
    from PIL import Image

    transform = create_transform(**config)
    with torch.inference_mode():
        wanted = network(torch.stack([transform(Image.fromarray(crop)) for crop in crops])).numpy()
    found = TimmEmbedder(NAME, str(timm_weights), "cpu", normalise=False, precision="fp32").embed(crops)
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def test_it_passes_the_contract_tests(timm_weights: Path) -> None:
    check_embedder(TimmEmbedder(NAME, str(timm_weights), "cpu", precision="fp32"), size=64)


def test_the_settings_build_it(timm_weights: Path) -> None:
    settings = load_settings(None, ["embedder.kind=timm", f"embedder.model={NAME}", f"embedder.weights={timm_weights}"])
    embedder = build_embedder(settings)
    assert embedder.fingerprint == TimmEmbedder(NAME, str(timm_weights)).fingerprint
    assert embedder.fingerprint.settings["embedder.size"] == 224


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["embedder.kind=timm"], r"timm needs embedder\.model"),
        (
            ["embedder.kind=timm", "embedder.model=resnet81", "embedder.weights=x"],
            "'resnet81' is not",
        ),
        (["embedder.kind=timm", f"embedder.model={NAME}", "embedder.weights=none.pt"], "none.pt does not exist"),
    ],
)
def test_what_is_missing_is_named(given: list[str], said: str) -> None:
    with pytest.raises(FacematchError, match=said):
        assert build_embedder(load_settings(None, given)).fingerprint
