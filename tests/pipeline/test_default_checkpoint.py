"""The network that comes with facematch: taken where nothing was trained, with its own crops, never when changed."""

import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

from facematch.core import shipped as places
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.pipeline import default_checkpoint
from facematch.pipeline.build import build_cropper, network_spec, trained_header, with_checkpoint
from facematch.pipeline.default_checkpoint import NAME, default_file, is_default, settings_in_use
from facematch.pipeline.images import image_settings, load_image_settings
from facematch.settings.embedding import FaceSettings
from facematch.settings.file import load_settings

SHIPPED = {
    "faces": {"size": 48, "margin": 0.35},
    "network": {"backbone": "resnet18", "embedding": 8},
    "ranking": {"metric": "cosine"},
    "refine": ["flip"],
}
HERE = Path(__file__).resolve().parents[2] / "checkpoints/default"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small network in place of the real one."""
    folder = tmp_path / "repository/checkpoints/default"
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(SHIPPED))
    settings = load_settings(folder / "settings.yaml")
    torch.manual_seed(0)
    save_checkpoint(
        folder / NAME,
        EmbeddingNetwork(network_spec(settings)),
        build_cropper(settings.faces).fingerprint,
        origin={},
        people=("ann",),
        metric="cosine",
        trained={},
        half=True,
    )
    monkeypatch.setattr(places, "_REPOSITORY", tmp_path / "repository")
    monkeypatch.setattr(default_checkpoint, "SHA256", sha256_of_file(folder / NAME))
    monkeypatch.chdir(tmp_path)
    default_file.cache_clear()
    yield folder
    default_file.cache_clear()


def test_it_is_taken_with_its_own_crops_where_nothing_was_trained(
    shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text(
        "name: mine\nfaces: {size: 80, min_size: 0.3}\nrefine: [whiten]\ngallery: {index: exact}"
    )
    settings = settings_in_use(Path("mine.yaml"))
    assert settings.paths.checkpoint == shipped / NAME
    assert is_default(settings)
    assert (settings.faces.size, settings.faces.margin, settings.faces.min_size) == (48, 0.35, 0.15)
    assert (settings.network.embedding, settings.ranking.metric, settings.gallery.index) == (8, "cosine", "exact")
    assert [step.step for step in settings.refine] == ["flip"]
    assert "checkpoints/mine is not trained yet: the network that comes with facematch is used" in " ".join(
        capsys.readouterr().err.split()
    )
    assert trained_header(settings).people == ("ann",)


def test_overrides_win_and_what_does_not_fit_is_an_error(shipped: Path) -> None:
    assert settings_in_use(None, ["refine=[]"]).refine == ()
    with pytest.raises(FacematchError, match=r"faces\.size is 64 in the settings and 48 in the checkpoint"):
        trained_header(settings_in_use(None, ["faces.size=64"]))


def test_what_was_trained_goes_before_it_unless_it_is_named(shipped: Path) -> None:
    run = Path("checkpoints/triplet")
    run.mkdir(parents=True)
    assert is_default(settings_in_use(None, ["name=triplet"]))  # a folder alone, such as tune leaves, is no run
    (run / "settings.yaml").write_text("name: triplet\n")
    assert settings_in_use(None).paths.checkpoint is None
    assert settings_in_use(None, ["name=triplet"]).paths.checkpoint == run
    assert is_default(settings_in_use(None, ["name=triplet", "paths.checkpoint=default"]))


def test_what_needs_no_network_or_names_its_own_does_without_it(shipped: Path) -> None:
    assert not is_default(settings_in_use(None, ["embedder.kind=pixels"]))
    assert not is_default(settings_in_use(None, unasked=False))
    assert is_default(settings_in_use(None, ["paths.checkpoint=default"], unasked=False))


def test_searching_photos_by_network_takes_it_and_looks_for_faces(shipped: Path) -> None:
    taken = image_settings(load_image_settings(None, (), "network"), "network")
    assert (taken.faces.detector, taken.faces.size) == ("haar", 48)
    pixels = image_settings(load_image_settings(None, (), "pixels"), "pixels")
    assert pixels.faces.detector == "none"


@pytest.mark.parametrize("change", ["cut", "one bit", "another"])
def test_a_changed_file_is_refused(shipped: Path, change: str) -> None:
    whole = (shipped / NAME).read_bytes()
    other = {"cut": whole[:-1], "one bit": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "another": b"x" * 100}
    (shipped / NAME).write_bytes(other[change])
    with pytest.raises(FacematchError, match="is not the file that was shipped: its SHA-256 begins"):
        settings_in_use(None)


def test_a_missing_file_names_the_places_and_the_remedy(shipped: Path) -> None:
    shutil.rmtree(shipped)
    assert settings_in_use(None).paths.checkpoint is None  # whoever did not ask for it is told to train
    with pytest.raises(FacematchError, match="the default checkpoint is missing") as missing:
        settings_in_use(None, ["paths.checkpoint=default"])
    assert missing.value.message.count("share/facematch/checkpoints/default") == 3
    assert "facematch train" in str(missing.value.hint)


@pytest.mark.parametrize("scheme", ["environment", "user"])
def test_it_is_found_beside_an_installed_package(shipped: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    share = shipped.parent / scheme / "share/facematch/checkpoints/default"
    shutil.copytree(shipped, share)
    monkeypatch.setattr(places, "_REPOSITORY", shipped.parent / "nothing")
    prefixes = {"": shipped.parent / "environment", sysconfig.get_preferred_scheme("user"): shipped.parent / "user"}
    monkeypatch.setattr("sysconfig.get_path", lambda name, chosen="": str(prefixes[chosen]))
    assert default_file() == share / NAME


def test_where_the_finder_is_missing_it_takes_crops_of_the_cascade(
    tmp_path: Path, hide_finder: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(None, ["faces.second_look=finder", "faces.template=own", "network.backbone=resnet18"])
    network, run = EmbeddingNetwork(network_spec(settings)), tmp_path / "best.safetensors"
    crops = build_cropper(settings.faces).fingerprint
    save_checkpoint(run, network, crops, origin={}, people=(), metric="cosine", trained={})
    settings = with_checkpoint(settings, run)
    hide_finder()
    assert trained_header(settings).path == run
    assert "the finder that comes with facematch is missing" in capsys.readouterr().err
    smaller = settings.model_copy(update={"network": settings.network.model_copy(update={"embedding": 8})})
    with pytest.raises(FacematchError, match="were not made in the same way"):
        trained_header(smaller)
    with pytest.raises(FacematchError, match="were not made in the same way"):
        trained_header(settings.model_copy(update={"faces": FaceSettings()}))


def test_the_shipped_file_is_whole_small_and_agrees_with_its_settings() -> None:
    default_file.cache_clear()
    file = HERE / NAME
    settings = settings_in_use(None, ["paths.checkpoint=default"])
    assert settings.paths.checkpoint == file
    assert file.stat().st_size <= 50_000_000
    header = trained_header(settings)  # crops and network are those of settings.yaml
    assert header.spec.backbone == "resnet50"
    assert header.metric == settings.ranking.metric
    card = (HERE / "README.md").read_text(encoding="utf-8")
    assert default_checkpoint.SHA256 in card
    assert f"{len(header.people):,} people" in card
    load_checkpoint(file)


def test_half_precision_is_checked_as_it_is_loaded(shipped: Path) -> None:
    network = load_checkpoint(shipped / NAME)
    assert {each.dtype for each in network.state_dict().values()} == {torch.float32, torch.int64}
    assert (shipped / NAME).stat().st_size < 0.51 * sum(4 * each.numel() for each in network.state_dict().values())
    network.head.weight.data[0, 0] = 1e6
    with pytest.raises(FacematchError, match=r"head\.weight holds numbers that half precision cannot"):
        save_checkpoint(
            shipped / "other.safetensors",
            network,
            read_checkpoint_header(shipped / NAME).fingerprint,
            origin={},
            people=(),
            metric="cosine",
            trained={},
            half=True,
        )
    assert not (shipped / "other.safetensors").exists()
