"""A checkpoint carries what is needed to trust it, and a damaged one is refused."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork, weights_digest
from facematch.networks.spec import WEIGHTS_KEY, NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD


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


def test_a_small_network_is_loaded_without_its_published_last_layer(tmp_path: Path) -> None:
    name = "shufflenet_v2_x0_5"  # .74 of whose published weights are in that layer
    small = EmbeddingNetwork(NetworkSpec(name, 8, True, IMAGENET_MEAN, IMAGENET_STD))
    assert load_checkpoint(save(tmp_path / "best.safetensors", small)).dimensions == 8


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


def with_header(path: Path, **changes: Any) -> Path:
    """Write the file again with fields of our header changed, or with other texts (`told`); its tensors stay."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["facematch"]) | changes
    header["__metadata__"] = changes.get("told", {"facematch": json.dumps(ours)})
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return path


SPEC = {"backbone": "resnet18", "embedding": 8, "normalise": True, "mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"spec": None}, "spec: "),
        ({"spec": {}}, r"spec\.backbone: Field required"),
        ({"spec": SPEC | {"embedding": 10**9}}, "speaks of 1000000000 dimensions"),
        ({"spec": SPEC | {"embedding": -1}}, r"spec\.embedding"),
        ({"spec": SPEC | {"mean": [0.5]}}, r"spec\.mean"),
        ({"spec": SPEC | {"std": ["x"] * 3}}, r"spec\.std\.0: .*number"),
        ({"spec": SPEC | {"attention": True}}, r"spec\.attention: Unexpected keyword"),
        ({"fingerprint": ["a"]}, "fingerprint: .* dictionary"),
        ({"people": {"ann": 1}}, "people: "),
        ({"people": "ann"}, "people: "),
        ({"people": [3]}, r"people\.0: .* string \(found 3\)"),
        ({"metric": "near"}, "metric: Input should be 'euclidean'"),
        ({"origin": []}, "origin: "),
        ({"origin": {"seed": "x"}}, r"origin\.seed: "),
        ({"trained": "well"}, "trained: "),
        ({"format": "facematch checkpoint 2"}, "format: Input should be 'facematch checkpoint 1'"),
        ({"told": None}, "valid dictionary"),
        ({"told": ["a"]}, "valid dictionary"),
        ({"told": {"facematch": 3}}, "facematch: .* string"),
        ({"told": {"facematch": "[" * 200_000}}, "too deep|deep"),
        ({"told": {"facematch": "[]"}}, "mapping"),
        ({"told": {"facematch": "{"}}, "Expecting"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_header_of_other_types_is_named_before_anything_is_made_from_it(
    tmp_path: Path, network: EmbeddingNetwork, changes: dict[str, Any], finding: str
) -> None:
    path = with_header(save(tmp_path / "best.safetensors", network), **changes)
    with pytest.raises(FacematchError, match=finding) as caught:
        read_checkpoint_header(path)
    assert caught.value.message.startswith(f"checkpoint: {path} is damaged, or of another kind: ")
    assert len(str(caught.value)) < 1000


def test_a_header_of_a_large_network_over_few_tensors_makes_no_network(
    tmp_path: Path, network: EmbeddingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_header(save(tmp_path / "best.safetensors", network), spec=SPEC | {"backbone": "vit_h_14"})
    monkeypatch.setattr("facematch.networks.embedding.EmbeddingNetwork", None)
    with pytest.raises(FacematchError, match=r"holds 11,\d+,\d+ numbers, and a vit_h_14 has 6\d\d,"):
        load_checkpoint(path)
    with pytest.raises(FacematchError, match="Unknown model resnet5"):
        load_checkpoint(with_header(path, spec=SPEC | {"backbone": "resnet5"}))
