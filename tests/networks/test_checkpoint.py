"""A checkpoint carries what is needed to trust it, and a damaged one is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from facematch.errors import FacematchError
from facematch.fingerprint import Fingerprint
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import WEIGHTS_KEY, NetworkSpec
from facematch.networks.weights import weights_digest
from facematch.settings_section import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def network() -> EmbeddingNetwork:
    torch.manual_seed(0)
    return EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()


def save(path: Path, network: EmbeddingNetwork) -> Path:
    save_checkpoint(
        path,
        network,
        Fingerprint({"faces.size": 64}),
        origin={"source": "none", "seed": 1, "sha256": "x"},
        people=("ann", "bob"),
        metric="euclidean",
        trained={"epoch": 3},
    )
    return path


def test_a_network_saved_and_loaded_is_equal(tmp_path: Path, network: EmbeddingNetwork) -> None:
    path = save(tmp_path / "best.safetensors", network)
    again = load_checkpoint(path)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(network(images), again(images))
    header = read_checkpoint_header(tmp_path)  # a run folder means its best weights
    assert header.people == ("ann", "bob")
    assert header.fingerprint.settings["faces.size"] == 64
    assert header.fingerprint.settings[WEIGHTS_KEY] == weights_digest(network)


def test_a_cut_or_changed_file_is_refused(tmp_path: Path, network: EmbeddingNetwork) -> None:
    path = save(tmp_path / "best.safetensors", network)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(FacematchError, match="cut short or changed"):
        read_checkpoint_header(path)
    path.write_bytes(data[:-8] + bytes(8))
    with pytest.raises(FacematchError, match="its weights are not those that were written"):
        load_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(FacematchError, match=r"not a whole \.safetensors file"):
        read_checkpoint_header(path)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(FacematchError, match="does not exist"):
        read_checkpoint_header(tmp_path / "none.safetensors")
    with pytest.raises(FacematchError, match=r"holds no best\.safetensors"):
        read_checkpoint_header(tmp_path)
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(FacematchError, match="was not written by facematch's training"):
        read_checkpoint_header(tmp_path / "foreign.safetensors")


def test_a_header_is_read_without_torch(tmp_path: Path, network: EmbeddingNetwork) -> None:
    path = save(tmp_path / "best.safetensors", network)
    code = (
        "import sys; from pathlib import Path; from facematch.networks.checkpoint import read_checkpoint_header;"
        f"read_checkpoint_header(Path({str(path)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
