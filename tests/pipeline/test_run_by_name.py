"""A run is taken by its name, its folder or a file in it, always with the settings it was trained with."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from facematch.core.console import info_once
from facematch.core.errors import FacematchError
from facematch.networks.checkpoint import save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.pipeline.build import build_cropper, network_spec, trained_header
from facematch.pipeline.default_checkpoint import find_run, settings_in_use
from facematch.pipeline.system import ensemble_members
from facematch.settings.compare import CompareSettings
from facematch.settings.file import load_settings
from facematch.tasks.compare.systems import settings_of

OWN = (
    "faces.size=48",
    "faces.margin=0.35",
    "network.backbone=resnet18",
    "network.embedding=8",
    "network.normalise=false",
    "ranking.metric=cosine",
    "refine=[flip]",
    "loss.name=cross-entropy",
    "training.sizes={1: 32}",
)
WAYS = (
    "r18",
    "checkpoints/r18",
    "checkpoints/r18/best.safetensors",
    "checkpoints/r18/last.safetensors",
    "{here}/checkpoints/r18",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: settings as training writes them, and weights."""
    run = tmp_path_factory.mktemp("made") / "r18"
    settings = load_settings(None, ("name=r18", *OWN))
    torch.manual_seed(0)
    save_checkpoint(
        run / "best.safetensors",
        EmbeddingNetwork(network_spec(settings)),
        build_cropper(settings.faces).fingerprint,
        origin={"source": "none", "seed": 1, "sha256": "0"},
        people=("ann",),
        metric="cosine",
        trained={"epoch": 1},
    )
    shutil.copy(run / "best.safetensors", run / "last.safetensors")
    (run / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run below checkpoints/ of the current folder, beside a settings file that says otherwise."""
    monkeypatch.chdir(tmp_path)
    info_once.cache_clear()
    shutil.copytree(made, tmp_path / "checkpoints/r18")
    Path("mine.yaml").write_text(
        "name: mine\nfaces: {size: 112}\nnetwork: {tanh: true, normalise: false}\nloss: {margin: auto}\n"
        "ranking: {metric: hamming}\ngallery: {index: exact}\ntraining: {sizes: {1: 96}, device: cpu}\n"
    )
    return Path("checkpoints/r18")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["mine.yaml", None])
def test_it_brings_what_it_was_trained_with(run: Path, tmp_path: Path, way: str, file: str | None) -> None:
    given = way.replace("{here}", str(tmp_path))
    settings = settings_in_use(None if file is None else Path(file), [f"paths.checkpoint={given}"])
    assert (settings.faces.size, settings.faces.margin, settings.network.embedding) == (48, 0.35, 8)
    assert (settings.ranking.metric, [each.step for each in settings.refine]) == ("cosine", ["flip"])
    assert settings.name == ("mine" if file else "triplet")  # what decides no embedding stays
    assert settings.training.device == ("cpu" if file else "auto")
    header = trained_header(settings)
    name = "last.safetensors" if way.endswith("last.safetensors") else "best.safetensors"
    assert header.path.resolve() == (run / name).resolve()


def test_its_name_by_hand_takes_it_likewise_and_it_is_said_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert trained_header(settings_in_use(Path("mine.yaml"), ["name=r18"])).people == ("ann",)
    assert capsys.readouterr().err == (
        "checkpoints/r18: used with its own faces, network, ranking, refine (checkpoints/r18/settings.yaml)\n"
    )


@pytest.mark.parametrize("taken", ["paths.checkpoint=r18", "name=r18"])
def test_what_is_set_by_hand_and_contradicts_is_the_error(run: Path, taken: str) -> None:
    assert settings_in_use(None, [taken, "refine=[]", "ranking.metric=euclidean"]).refine == ()
    with pytest.raises(FacematchError, match=r"faces\.size is 64 in the settings and 48 in the checkpoint") as wrong:
        trained_header(settings_in_use(None, [taken, "faces.size=64"]))
    assert "Leave out what is set by hand" in wrong.value.hint


def test_a_file_that_was_edited_after_its_training_is_told_how_to_take_the_run(run: Path) -> None:
    Path("r18.yaml").write_text("name: r18\nfaces: {size: 112, margin: 0.35}\n")
    with pytest.raises(FacematchError, match=r"faces\.size is 112 in the settings and 48 in the checkpoint") as wrong:
        trained_header(settings_in_use(Path("r18.yaml")))
    (setting,) = [word for word in wrong.value.hint.rstrip(".").replace(";", "").split() if "paths.checkpoint" in word]
    assert trained_header(settings_in_use(Path("r18.yaml"), [setting])).people == ("ann",)


def test_a_checkpoint_on_its_own_is_used_with_the_files_settings(run: Path) -> None:
    shutil.copy(run / "best.safetensors", "alone.safetensors")
    with pytest.raises(FacematchError, match=r"Give both the same|make one of them again"):
        trained_header(settings_in_use(None, ["paths.checkpoint=alone.safetensors"]))
    fitting = ("paths.checkpoint=alone.safetensors", *OWN)
    assert trained_header(settings_in_use(None, fitting)).people == ("ann",)


def test_the_members_of_an_ensemble_and_of_a_comparison_take_it_as_well(run: Path) -> None:
    sets = ({"paths.checkpoint": "r18"}, {"name": "r18"})
    members = [{"config": "mine.yaml", "set": each} for each in sets]
    Path("both.yaml").write_text(yaml.safe_dump({"ensemble": {"members": members}}))
    settings = settings_in_use(Path("both.yaml"), ensembles=True)
    assert settings.ensemble is not None
    wanted = CompareSettings.model_validate(
        {"photos": {"people": "x"}, "systems": [{"name": f"{n}", **each} for n, each in enumerate(members)]}
    )
    _, found = ensemble_members(settings, settings.ensemble, lambda member, _: member)
    for each in [*found, *(settings_of(wanted, e) for e in wanted.systems)]:
        assert trained_header(each).people == ("ann",)
        assert (each.faces.size, each.ranking.metric) == (48, "cosine")


def test_a_folder_that_holds_a_run_goes_before_one_that_does_not(run: Path) -> None:
    Path("r18").mkdir()
    assert find_run(Path("r18"), Path("checkpoints")) == run
    Path("r18/settings.yaml").touch()
    assert find_run(Path("r18"), Path("checkpoints")) == Path("r18")


def test_a_name_that_is_none_tells_where_it_was_looked_for_and_the_nearest(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"r19 does not exist \(did you mean 'r18'\?\)") as missing:
        settings_in_use(None, ["paths.checkpoint=r19"])
    assert f"no {tmp_path}/r19 and no {tmp_path}/checkpoints/r19" in missing.value.message
    assert "default" in missing.value.hint
    with pytest.raises(FacematchError, match="cannot be looked for: File name too long"):
        settings_in_use(None, [f"paths.checkpoint={'r' * 300}"])


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("taken", ["paths.checkpoint=r18", "name=r18"])
def test_a_run_that_has_not_validated_yet_is_no_dead_end(run: Path, taken: str, last: bool) -> None:
    (run / "best.safetensors").unlink()
    if not last:
        (run / "last.safetensors").unlink()
    with pytest.raises(FacematchError, match=r"r18 holds no best\.safetensors yet: its training has not") as early:
        trained_header(settings_in_use(None, [taken]))
    hint = early.value.hint
    assert "facematch train --config checkpoints/r18/settings.yaml --resume" in hint
    assert "default, the network that comes with facematch" in hint
    assert load_settings(run / "settings.yaml").name == "r18"  # what that command line goes on with
    setting = hint.rsplit("--set ", 1)[1]
    assert setting == ("paths.checkpoint=checkpoints/r18/last.safetensors" if last else "paths.checkpoint=default")
    assert trained_header(settings_in_use(None, [setting])).people


def test_the_settings_of_a_run_that_cannot_be_read_are_named(run: Path) -> None:
    (run / "settings.yaml").write_text("faces: {sizze: 1}\n")
    with pytest.raises(FacematchError, match=r"checkpoints/r18/settings\.yaml: faces\.sizze is not a known setting"):
        settings_in_use(None, ["paths.checkpoint=r18"])
