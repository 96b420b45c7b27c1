"""What is known of a CLIP before it is loaded: fingerprint, tags, messages, and no torch where it was asked before."""

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.embedders import clip_model
from facematch.embedders.clip_model import ClipModel, clip_size, find_clip
from tiny_clip import tiny_config


def test_without_open_clip_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(clip_model, "version", missing)
    with pytest.raises(FacematchError, match="open_clip, which is not installed") as raised:
        find_clip("RN50", "none", 1, tmp_path)
    assert "pip install 'facematch[clip]'" in raised.value.hint


def test_the_fingerprint_tells_everything_but_where_the_file_lies() -> None:
    model = ClipModel("RN50", "/a/b.pt", "12", False, True, 224, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic")
    elsewhere = ClipModel("RN50", "/c.pt", "12", True, True, 224, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic")
    assert model.fingerprint == elsewhere.fingerprint
    assert json.loads(json.dumps(dict(model.fingerprint.settings))) == model.fingerprint.settings
    assert model.fingerprint.settings == {
        "embedder.kind": "clip",
        "embedder.name": "RN50",
        "embedder.digest": "12",
        "embedder.quick_gelu": True,
        "embedder.size": 224,
        "embedder.mean": [0.1, 0.2, 0.3],
        "embedder.std": [0.4, 0.5, 0.6],
        "embedder.interpolation": "bicubic",
    }


class TestWithOpenClip:
    """What open_clip is asked."""

    @pytest.fixture(autouse=True)
    def _needs_it(self) -> None:
        pytest.importorskip("open_clip")

    def test_names_are_those_of_open_clip_and_of_openai(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="ViT-B/32 is RANDOM"):
            assert find_clip("ViT-B/32", "none", 1, tmp_path).name == "ViT-B-32"
        assert [clip_size(name) for name in ("RN50", "ViT-B/32", "RN50x4", "ViT-L-14-336")] == [224, 224, 288, 336]
        with pytest.raises(FacematchError, match=r"no 'RN5' \(did you mean 'RN50'\?\)"):
            find_clip("RN5", "none", 1, tmp_path)

    def test_every_shipped_model_tells_its_size(self) -> None:
        import open_clip

        for name in (each for each in open_clip.list_models() if not each.startswith("tiny-")):
            assert clip_size(name) == open_clip.get_model_config(name)["vision_cfg"]["image_size"]

    @pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-B-16", "ViT-L-14"])
    def test_openais_tag_has_openais_activation(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # open_clip's own ViT-B-32 has another activation than the weights `openai` were trained with.
        file = tmp_path / "cached.safetensors"
        file.write_bytes(b"weights")
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, filename: str(file))
        found = find_clip(name, "openai", 1, tmp_path)
        assert found.quick_gelu
        assert found.digest == sha256_of_file(file)
        assert found.mean == (0.48145466, 0.4578275, 0.40821073)
        assert found.interpolation == "bicubic"

    def test_another_tag_has_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "cached.safetensors"
        file.write_bytes(b"weights")
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, filename: str(file))
        assert not find_clip("ViT-B-32", "laion2b_s34b_b79k", 1, tmp_path).quick_gelu
        assert find_clip("ViT-B-32-quickgelu", "openai", 1, tmp_path).quick_gelu
        assert find_clip("ViT-B-16-SigLIP", "webli", 1, tmp_path).mean == (0.5, 0.5, 0.5)

    def test_of_a_file_the_models_name_tells_the_rest(self, tmp_path: Path) -> None:
        file = tmp_path / "weights.pt"
        file.write_bytes(b"weights")
        found = [find_clip(f"ViT-B-32{tail}", str(file), 1, tmp_path) for tail in ("", "-quickgelu")]
        assert [each.quick_gelu for each in found] == [False, True]
        assert [each.digest for each in found] == [sha256_of_file(file)] * 2
        assert find_clip("ViT-B-16-SigLIP", str(file), 1, tmp_path).mean == (0.5, 0.5, 0.5)  # all its weights agree

    def test_out_of_reach_it_says_so_and_names_the_file_to_bring(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def unreachable(address: tuple[str, int], timeout: float) -> socket.socket:
            asked.append((address, timeout))
            raise OSError("no network")

        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, filename: None)
        monkeypatch.setattr("open_clip.download_pretrained", lambda cfg: pytest.fail("it was downloaded"))
        monkeypatch.setattr(socket, "create_connection", unreachable)
        monkeypatch.setattr("facematch.core.processes.getproxies", dict)
        with pytest.raises(FacematchError, match=r"timm/resnet50_clip\.openai .*not within reach") as raised:
            find_clip("RN50", "openai", 1, tmp_path)
        assert "--set embedder.weights=FILE" in raised.value.hint
        assert asked
        assert all(timeout <= 5 for _, timeout in asked)
        proxies = {"https": "http://proxy.example:3128"}
        monkeypatch.setattr("facematch.core.processes.getproxies", lambda: proxies)
        with pytest.raises(FacematchError, match="not within reach"):
            find_clip("RN50", "openai", 1, tmp_path)
        assert asked[-1][0] == ("proxy.example", 3128)

    def test_a_download_that_fails_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(cfg: object) -> str:
            raise FileNotFoundError("404")

        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, filename: None)
        monkeypatch.setattr("open_clip.download_pretrained", failing)
        monkeypatch.setattr("facematch.embedders.clip_model.hub_within_reach", lambda address: True)
        with pytest.raises(FacematchError, match="could not be fetched: 404") as raised:
            find_clip("RN50", "openai", 1, tmp_path)
        assert "FILE" in raised.value.hint

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ("weights.pt", r"weights\.pt does not exist"),
            ("some/where", "does not exist"),
            ("opnai", r"neither a file nor a pretrained tag of RN50 \(did you mean 'openai'\?\)"),
        ],
    )
    def test_weights_that_are_not_there_are_named(self, tmp_path: Path, weights: str, message: str) -> None:
        with pytest.raises(FacematchError, match=message):
            find_clip("RN50", weights, 1, tmp_path)

    def test_a_file_that_changed_is_another(self, tmp_path: Path) -> None:
        config, file = tiny_config(tmp_path), tmp_path / "weights.pt"
        file.write_bytes(b"one")
        first = find_clip(config, str(file), 1, tmp_path)
        assert find_clip(config, str(file), 1, tmp_path) == first
        file.write_bytes(b"another")
        second = find_clip(config, str(file), 1, tmp_path)
        assert second.digest == sha256_of_file(file) != first.digest

    def test_a_relative_path_is_that_of_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digests = []
        for folder in (tmp_path / "a", tmp_path / "b"):
            folder.mkdir()
            (folder / "weights.pt").write_text(folder.name)
            monkeypatch.chdir(folder)
            digests.append(find_clip("RN50", "weights.pt", 1, tmp_path).digest)
        assert digests == [sha256_of_file(tmp_path / name / "weights.pt") for name in "ab"]

    def test_another_configuration_of_one_name_is_another(self, tmp_path: Path) -> None:
        config = Path(tiny_config(tmp_path))
        with pytest.warns(UserWarning, match="RANDOM"):
            first = find_clip(str(config), "none", 1, tmp_path)
        config.write_text(config.read_text().replace('"layers": 2', '"layers": 3'))
        with pytest.warns(UserWarning, match="RANDOM"):
            assert find_clip(str(config), "none", 1, tmp_path).fingerprint != first.fingerprint

    def test_what_is_no_configuration_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "other.json"
        path.write_text('{"embed_dim": 4}')
        with pytest.raises(FacematchError, match=r"other\.json is damaged, .*: vision_cfg: Field required"):
            find_clip(str(path), "none", 1, tmp_path)

    def test_asked_again_neither_torch_nor_open_clip_is_imported(self, tmp_path: Path) -> None:
        config, file = tiny_config(tmp_path), tmp_path / "weights.pt"
        file.write_bytes(b"weights")
        known = find_clip(config, str(file), 1, tmp_path)
        code = (
            "import sys; from pathlib import Path; from facematch.embedders.clip import ClipEmbedder\n"
            "from facematch.embedders.clip_model import find_clip\n"
            "found = ClipEmbedder(find_clip(sys.argv[1], sys.argv[2], 1, Path(sys.argv[3])))\n"
            "print(found.model.digest, 'torch' in sys.modules, 'open_clip' in sys.modules)"
        )
        arguments = [sys.executable, "-c", code, config, str(file), str(tmp_path)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=dict(os.environ))
        assert done.stdout.split() == [known.digest, "False", "False"]
