"""CLIP's features against open_clip's own pipeline, with small random weights through the real loading code."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.embedders import clip
from facematch.embedders.clip import ClipEmbedder
from facematch.embedders.clip_model import find_clip
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import NoDetector
from facematch.faces.values import Crop
from facematch.photos.photo import Photo
from leak_photos import made_photo
from tiny_clip import TOWERS, tiny_config, tiny_network
from turns import photos_waiting

open_clip = pytest.importorskip("open_clip")
pytestmark = pytest.mark.filterwarnings("ignore:embedder.weights is none")


def saved_weights(folder: Path, config: str, name: str = "weights.pt") -> Path:
    path = folder / name
    torch.save(tiny_network(config).state_dict(), path)
    return path


def crops(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_photos_wait_while_clip_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(tmp_path, next(iter(TOWERS)))
    loading = photos_waiting(monkeypatch, clip, "load_clip")
    embedder = ClipEmbedder(find_clip(config, str(saved_weights(tmp_path, config)), 1, tmp_path), device="cpu")
    embedder.embed(crops(2))
    assert loading == [True]


@pytest.mark.parametrize("tower", TOWERS)
def test_a_photo_is_embedded_as_by_open_clip(tmp_path: Path, tower: str) -> None:
    config = tiny_config(tmp_path, tower)
    embedder = ClipEmbedder(find_clip(config, str(saved_weights(tmp_path, config)), 1, tmp_path), device="cpu")
    images = [made_photo(1, 90, 50), made_photo(2, 40, 70), made_photo(3, 20, 24)]
    cropper = Cropper(NoDetector(), size=32, whole="centre")
    cut = [cropper.crop(Photo(str(number), "", image)) for number, image in enumerate(images)]
    ours = embedder.embed(np.stack([each.image for each in cut if isinstance(each, Crop)]))
    transform = open_clip.image_transform(32, is_train=False)
    with torch.inference_mode():
        batch = torch.stack([transform(PillowImage.fromarray(image)) for image in images])
        theirs = tiny_network(config).encode_image(batch, normalize=True).numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert ours.dtype == np.float32
    assert ours.shape == (3, 16)


def test_batches_change_nothing_and_lengths_are_one_or_as_they_come(tmp_path: Path) -> None:
    embedder = ClipEmbedder(find_clip(tiny_config(tmp_path), "none", 1, tmp_path), device="cpu")
    images = crops(5)
    whole = embedder.embed(images)
    np.testing.assert_allclose(
        np.concatenate([embedder.embed(images[:2]), embedder.embed(images[2:])]), whole, atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    plain = replace(embedder, normalise=False).embed(images)
    assert not np.allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1, keepdims=True), whole, atol=1e-6)


def test_in_bf16_features_stay_near(tmp_path: Path) -> None:
    model = find_clip(tiny_config(tmp_path), "none", 1, tmp_path)
    exact = ClipEmbedder(model, device="cpu", precision="fp32").embed(crops(4))
    rough = ClipEmbedder(model, device="cpu", precision="bf16").embed(crops(4))
    assert not np.array_equal(exact, rough)
    assert ((exact * rough).sum(axis=1) > 0.999).all()


def test_random_weights_come_from_the_seed_and_leave_torch_as_it_was(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (
        ClipEmbedder(find_clip(config, "none", seed, tmp_path), seed, "cpu").embed(crops(2)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)
    assert torch.equal(torch.rand(3), expected)


def test_every_kind_of_file_gives_the_same_features(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    config = tiny_config(tmp_path)
    plain = saved_weights(tmp_path, config)
    state = tiny_network(config).state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    training = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    torch.save(training, tmp_path / "training.pth")
    found = [
        ClipEmbedder(find_clip(config, str(tmp_path / name), 1, tmp_path), device="cpu").embed(crops(3))
        for name in (plain.name, "weights.safetensors", "training.pth")
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


class Harmful:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.path,)  # type: ignore[return-value]


def test_a_file_that_would_run_code_does_not(tmp_path: Path) -> None:
    torch.save({"visual.proj": Harmful(tmp_path / "ran")}, tmp_path / "evil.pt")
    embedder = ClipEmbedder(find_clip(tiny_config(tmp_path), str(tmp_path / "evil.pt"), 1, tmp_path), device="cpu")
    with pytest.raises(FacematchError, match=r"evil\.pt cannot be used as weights"):
        embedder.embed(crops(1))
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    other = saved_weights(tmp_path, tiny_config(tmp_path, "tiny-resnet"))
    embedder = ClipEmbedder(find_clip(tiny_config(tmp_path, "tiny-vit"), str(other), 1, tmp_path), device="cpu")
    with pytest.raises(FacematchError, match=r"weights\.pt cannot be used as weights of .*tiny-vit"):
        embedder.embed(crops(1))


class Named(torch.nn.Module):
    """A module with the parameters of another, by their names, which TorchScript takes."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        inner: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            first, _, rest = name.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = tensor
            else:
                self.register_buffer(first, tensor)
        for first, part in inner.items():
            self.add_module(first, Named(part))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_torchscript_archive_is_opened_only_when_it_is_openais(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facematch.core.files import sha256_of_file

    config, archive = tiny_config(tmp_path), tmp_path / "tiny.pt"
    state = tiny_network(config).state_dict()
    sizes = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(4), "vocab_size": torch.tensor(50)}
    torch.jit.script(Named({**state, **sizes})).save(str(archive))
    with pytest.raises(FacematchError, match="TorchScript archive: a program") as refused:
        find_clip(config, str(archive), 1, tmp_path)
    assert "torch.jit.load" in refused.value.hint
    published = {"url": f"https://example.org/clip/{sha256_of_file(archive)}/tiny.pt", "quick_gelu": False}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda name, tag: published if tag == "openai" else {})
    found = find_clip(config, str(archive), 1, tmp_path)
    assert found.archive
    plain = find_clip(config, str(saved_weights(tmp_path, config)), 1, tmp_path)
    ours, theirs = (ClipEmbedder(model, device="cpu").embed(crops(2)) for model in (found, plain))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("name", "width"), [("RN50", 1024), ("ViT-B/32", 512)])
def test_the_published_models_have_their_width(tmp_path: Path, name: str, width: int) -> None:
    embedder = ClipEmbedder(find_clip(name, "none", 1, tmp_path), device="cpu")
    assert embedder.embed(crops(1, 224)).shape == (1, width)
