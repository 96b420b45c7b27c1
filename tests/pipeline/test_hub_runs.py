"""A run by its address on Hugging Face: it comes, is checked as a file, and what goes wrong is one clear sentence."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facematch import load_embedder
from facematch.core import extras
from facematch.core.console import info_once
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.models.hub import HubRun, hub_run_of
from facematch.models.local import records_here
from facematch.pipeline.default_checkpoint import find_run, first_weights, run_settings, settings_in_use
from facematch.settings.compare import CompareSettings
from facematch.settings.file import load_settings
from facematch.tasks.compare.by_name import with_named
from hub_server import COMMIT, Hub, hub_serving
from net import free_port
from small_run import SMALL, write_run

ADDRESS = "hf://ada/faces"
CARD = b"---\nlicense: mit\n---\nlicense: other\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What was published: a run without anything of its machine."""
    return write_run(tmp_path / "published")


@pytest.fixture
def hub(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Hugging Face with that run."""
    monkeypatch.chdir(tmp_path)
    info_once.cache_clear()
    files = {name: (run / name).read_bytes() for name in ("best.safetensors", "settings.yaml")}
    with hub_serving(
        monkeypatch, str(tmp_path / "cache"), repositories={"ada/faces": {**files, "README.md": CARD}}
    ) as one:
        yield one


def found(address: str = ADDRESS, what: str = "checkpoint") -> Path:
    return find_run(Path(address), Path("checkpoints"), what)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hf://ada/faces", HubRun("ada/faces")),
        (Path("hf://ada/faces"), HubRun("ada/faces")),
        ("hf://ada/faces-1.0@v1.0", HubRun("ada/faces-1.0", "v1.0")),
        (Path("hf://ada/faces@refs/pr/1"), HubRun("ada/faces", "refs/pr/1")),
        ("checkpoints/hf", None),
        ("default", None),
    ],
)
def test_an_address_is_read(given: str | Path, expected: HubRun | None) -> None:
    assert hub_run_of(given) == expected
    if expected is not None:
        assert hub_run_of(str(expected)) == expected


@pytest.mark.parametrize(
    "given", ["hf://ada", "hf://", "hf://ada/faces/best.safetensors", "hf://ada/faces@", "hf:/../x"]
)
def test_half_an_address_is_named(given: str) -> None:
    with pytest.raises(FacematchError, match="is no address of a run") as error:
        hub_run_of(given)
    assert "hf://OWNER/REPOSITORY" in error.value.hint


def test_it_comes_once_is_told_and_recorded(hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = found()
    assert (folder / "best.safetensors").read_bytes() == (run / "best.safetensors").read_bytes()
    assert {each.name for each in folder.iterdir()} == {"best.safetensors", "settings.yaml", "README.md"}
    digest = sha256_of_file(run / "best.safetensors")
    said = capsys.readouterr().err
    for words in (f"{ADDRESS}: from Hugging Face, commit {COMMIT[:12]}", digest, "its card says: mit", "3 people"):
        assert words in said
    assert records_here()[f"ada/faces@{COMMIT}"].sha256 == digest
    before = len([each for each in hub.asked if each[0] == "GET"])
    assert found() == folder
    assert len([each for each in hub.asked if each[0] == "GET"]) == before  # nothing is fetched again


def test_every_place_that_takes_a_checkpoint_takes_it(hub: Hub, run: Path) -> None:
    chosen = settings_in_use(None, [f"paths.checkpoint={ADDRESS}"])
    assert (chosen.faces.size, chosen.faces.margin, chosen.network.backbone) == (48, 0.35, "resnet18")
    assert chosen.ranking.metric == "cosine"
    assert Path(str(chosen.paths.checkpoint)).name == COMMIT
    assert run_settings(Path(ADDRESS), []).faces.size == 48
    started = load_settings(None, [f"network.init_from={ADDRESS}"])
    assert first_weights(started) == str(found())
    stage = load_embedder(ADDRESS)
    assert stage.fingerprint.settings == load_embedder(run).fingerprint.settings


def test_a_comparison_lists_it_by_its_address(hub: Hub) -> None:
    plain = {"photos": {"people": "x"}, "systems": [{"name": "pixels", "set": {"embedder.kind": "pixels"}}]}
    wanted = with_named(CompareSettings.model_validate(plain), f"{ADDRESS}, sface,{ADDRESS}@{COMMIT}")
    assert [each.name for each in wanted.systems] == ["pixels", ADDRESS, "sface", f"{ADDRESS}@{COMMIT}"[:60]]
    assert wanted.systems[1].set == {"paths.checkpoint": ADDRESS}


def test_a_commit_that_is_here_asks_nobody(hub: Hub) -> None:
    folder = found(f"{ADDRESS}@{COMMIT}")
    hub.asked.clear()
    assert found(f"{ADDRESS}@{COMMIT}") == folder
    assert hub.asked == []


def test_offline_the_cache_is_taken(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FacematchError, match="is not within reach, and it is not in the cache") as error:
        found(what="network.init_from")
    assert error.value.message.startswith(f"network.init_from: {ADDRESS} could not be fetched: ")
    assert "--set network.init_from=FOLDER" in error.value.hint
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    folder = found()
    info_once.cache_clear()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert found() == folder
    assert "from the cache, since Hugging Face is not within reach" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        ((404, "RepoNotFound"), "there is no such repository, or it is private: then a token"),
        ((401, "RepoNotFound"), "or it is private"),
        ((403, "GatedRepo"), "it is gated: its owner lets in who asks"),
        ((401, "GatedRepo"), "it is gated"),
        ((404, "RevisionNotFound"), "it has no revision main"),
        ((404, "EntryNotFound"), r"it has no best\.safetensors, so it is no run of facematch"),
        ((403, ""), "the account of the token may not"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(hub: Hub, refuse: tuple[int, str], words: str) -> None:
    hub.refuse = refuse
    with pytest.raises(FacematchError, match=words) as error:
        found()
    assert error.value.message.count("\n") == 0
    assert "Without it: bring best.safetensors and settings.yaml here" in error.value.hint
    assert "--set paths.checkpoint=FOLDER" in error.value.hint


def test_a_repository_or_a_revision_that_is_not_there(hub: Hub) -> None:
    with pytest.raises(FacematchError, match="hf://ada/other could not be fetched: there is no such repository"):
        found("hf://ada/other")
    with pytest.raises(FacematchError, match="it has no revision v7"):
        found(f"{ADDRESS}@v7")


def test_the_token_goes_along_and_is_never_printed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found()
    assert "Bearer hf_secret" in hub.tokens
    hub.refuse = (401, "")
    with pytest.raises(FacematchError) as error:
        found(f"{ADDRESS}@v2")
    assert "hf_secret" not in "".join([str(error.value), *capsys.readouterr()])


def test_what_is_not_ours_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["ada/faces"]["best.safetensors"] = b"nonsense"
    with pytest.raises(FacematchError, match=f"checkpoint: {ADDRESS} is no run of facematch: .*whole .safetensors"):
        found()


@pytest.mark.parametrize(
    ("section", "value", "key"),
    [
        ("server", {"url": "http://elsewhere/"}, "server.url"),
        ("server", {"headers": {"X": "AWS_SECRET_ACCESS_KEY"}}, "server.headers"),
        ("paths", {"submissions": "/etc"}, "paths.submissions"),
        ("embedder", {"kind": "onnx", "file": "x.onnx"}, "embedder.kind"),
        ("identities", {"train": ["/home/ada"]}, "identities.train"),
    ],
)
def test_a_stranger_s_settings_end_where_the_run_ends(hub: Hub, section: str, value: Any, key: str) -> None:
    hub.repositories["ada/faces"]["settings.yaml"] = yaml.safe_dump({**SMALL, section: value}).encode()
    with pytest.raises(
        FacematchError, match=rf"{ADDRESS}: its settings\.yaml sets {key}.* not for a run of others"
    ) as e:
        found()
    assert "copy" in e.value.hint


def test_weights_that_changed_under_one_commit_are_refused(hub: Hub) -> None:
    folder = found()
    file = (folder / "best.safetensors").resolve()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(FacematchError, match="is not the file it should be") as error:
        found(f"{ADDRESS}@{COMMIT}")
    assert f"Remove {file}" in error.value.hint


def test_a_run_without_settings_and_card_is_a_checkpoint_alone(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("settings.yaml", "README.md"):
        del hub.repositories["ada/faces"][name]
    folder = found()
    assert [each.name for each in folder.iterdir()] == ["best.safetensors"]
    assert "its card states no licence" in capsys.readouterr().err


def test_the_extra_is_named_where_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FacematchError, match="this needs huggingface_hub") as error:
        found()
    assert error.value.hint == "Run: pip install 'facematch[hub]'"
