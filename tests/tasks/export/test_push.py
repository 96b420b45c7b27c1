"""`facematch push`: what goes to Hugging Face names nobody and no file, and whoever takes it has the same network."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_helpers import Run
from facematch import load_embedder
from facematch.core import extras
from facematch.core.console import info_once
from facematch.core.files import sha256_of_file
from facematch.identities.values import person_digest
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header
from facematch.networks.embedding import weights_digest
from facematch.pipeline.hub_runs import require_published
from hub_server import COMMIT, Hub, hub_serving
from net import free_port
from small_run import FILE, PEOPLE, write_run

LINE = ("push", "small", "hf://ada/faces", "--licence", "cc-by-nc-4.0")
DRY = Path("results/push/ada--faces")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a teacher and first weights of this machine, and three people by name."""
    monkeypatch.chdir(tmp_path)
    info_once.cache_clear()
    teacher = {"embedder": {"kind": "onnx", "file": "/home/ada/teacher.onnx"}}
    folder = write_run(
        tmp_path / "checkpoints/small",
        paths={"query": "/home/ada/query"},
        server={"url": "http://secret.example/", "group": "group-of-mine"},
        identities={"train": ["/home/ada/faces"]},
        loss={"teacher": teacher},
        network={"backbone": "resnet18", "embedding": 8, "weights": FILE},
    )
    (folder / "photos.json").write_text(json.dumps({"photos": {"ab" * 32: "/home/ada/faces/Zoë/1.jpg"}}))
    return folder


@pytest.fixture
def hub(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_serving(monkeypatch, str(tmp_path / "cache")) as one:
        monkeypatch.setenv("HF_TOKEN", one.token)
        yield one


def require_clean(files: dict[str, bytes]) -> None:
    """Nothing of the machine and nobody's name is in these bytes, in any way that JSON writes them."""
    for name, data in files.items():
        for each in (*PEOPLE, "Alan Turing", "/home/", "secret.example", "group-of-mine", "teacher.onnx"):
            assert each.encode() not in data, (name, each)
            assert json.dumps(each)[1:-1].encode() not in data, (name, each)


def test_a_dry_run_writes_what_would_go_and_asks_nobody(run: Run, small: Path, hub: Hub) -> None:
    done = run(*LINE, "--dry-run", "--private")
    assert done.code == 0, done.err
    assert hub.asked == []
    files = {each.name: each.read_bytes() for each in DRY.iterdir()}
    assert set(files) == {"best.safetensors", "settings.yaml", "README.md"}
    require_clean(files)
    assert f"nothing was sent; what would go to hf://ada/faces (private) is in {DRY}" in done.out
    assert "not published, since it is of this machine: network.weights, loss.teacher" in " ".join(done.err.split())
    header = read_checkpoint_header(DRY / "best.safetensors")
    assert header.people == tuple(sorted(map(person_digest, PEOPLE)))
    assert header.origin["source"] == "none"
    assert weights_digest(load_checkpoint(DRY / "best.safetensors")) == weights_digest(load_checkpoint(small))
    told = yaml.safe_load((DRY / "settings.yaml").read_text())
    assert not {"paths", "server", "identities", "models", "embedder"} & set(told)
    require_published(DRY / "settings.yaml", "it")
    again = run(*LINE, "--dry-run", "--json")
    value = json.loads(again.out)
    assert (value["sent"], value["left_out"]) == (False, ["network.weights", "loss.teacher"])
    assert [each["name"] for each in value["files"]] == ["best.safetensors", "settings.yaml", "README.md"]


def test_the_card_tells_counts_figures_and_limits(run: Run, small: Path) -> None:
    assert run(*LINE, "--dry-run").code == 0
    card = (DRY / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["library_name"]) == ("cc-by-nc-4.0", "facematch")
    assert "face-recognition" in front["tags"]
    for words in (
        "# ada/faces",
        "3 people, 1 photo. No name",
        "--set paths.checkpoint=hf://ada/faces",
        "| top-1 | 0.750 |",
        "| score | 800 |",
        "| epochs | 30 at most |",
        "| 1 | 0.500 |",
        "not for deciding anything",
        "| not published | network.weights, loss.teacher |",
    ):
        assert words in card, words
    (digest,) = re.findall(r"^    ([0-9a-f]{64})$", card, re.MULTILINE)
    assert digest == sha256_of_file(DRY / "best.safetensors")


def test_a_card_tells_no_recipe_that_the_settings_do_not_tell(run: Run, small: Path) -> None:
    kept = yaml.safe_load((small / "settings.yaml").read_text())
    alone = {name: kept[name] for name in ("faces", "network", "ranking", "refine")}
    (small / "settings.yaml").write_text(yaml.safe_dump(alone))
    assert run(*LINE, "--dry-run").code == 0
    card = (DRY / "README.md").read_text()
    assert "| crops | 48 pixels, margin 0.35 |" in card
    assert "| epochs |" not in card


def test_what_was_pushed_is_the_same_network_elsewhere(run: Run, small: Path, hub: Hub) -> None:
    done = run(*LINE, "--private", "--json")
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert (value["sent"], value["commit"], value["url"]) == (True, COMMIT, f"{hub.url}/ada/faces")
    files = hub.repositories["ada/faces"]
    assert set(files) == {"best.safetensors", "settings.yaml", "README.md"}
    require_clean(files)
    assert hub.private == {"ada/faces"}
    assert hub.token not in done.out + done.err
    assert load_embedder("hf://ada/faces").fingerprint.settings == load_embedder(small).fingerprint.settings
    assert (small / "best.safetensors").is_file()
    assert not DRY.exists()


def test_a_repository_that_is_there_is_only_added_to_when_asked(run: Run, small: Path, hub: Hub) -> None:
    hub.repositories["ada/faces"] = {"other.txt": b"kept"}
    done = run(*LINE)
    assert done.code == 1
    assert "hf://ada/faces was not published: the repository is there already" in done.err
    assert hub.repositories["ada/faces"] == {"other.txt": b"kept"}
    assert run(*LINE, "--force").code == 0
    assert set(hub.repositories["ada/faces"]) == {"other.txt", "best.safetensors", "settings.yaml", "README.md"}


def test_no_token_a_wrong_one_and_one_that_may_not(
    run: Run, small: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.may_write = False
    done = run(*LINE)
    assert "the account of the token may not" in done.err
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = run(*LINE)
    assert done.code == 1
    assert "was not published" in done.err
    assert "token" in done.err
    assert "hf_wrong" not in done.err
    monkeypatch.delenv("HF_TOKEN")
    done = run(*LINE)
    assert "there is no token" in done.err
    assert "$HF_TOKEN" in done.err
    assert hub.repositories == {}


def test_the_network_ends(run: Run, small: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
    hub.broken = True
    done = run(*LINE)
    assert done.code == 1
    assert "hf://ada/faces was not published: " in done.err
    assert "push again with --force" in done.err
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert "is not within reach" in run(*LINE).err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Zoë"}, "name names one of the people"),
        (
            {"augment": [{"name": "Overlay", "path": "/home/ada/noise.png"}]},
            "augment.path is '/home/ada/noise.png', a path",
        ),
    ],
)
def test_what_names_somebody_or_a_path_is_not_sent(
    run: Run, small: Path, hub: Hub, changes: dict[str, Any], words: str
) -> None:
    kept = yaml.safe_load((small / "settings.yaml").read_text())
    (small / "settings.yaml").write_text(yaml.safe_dump({**kept, **changes}))
    done = run(*LINE)
    assert done.code == 1
    assert words in " ".join(done.err.split())
    assert "nothing was sent" in " ".join(done.err.split())
    assert hub.asked == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("push", "small", "ada/faces", "--licence", "mit"), "is no address to publish at"),
        (("push", "small", "hf://ada/faces@v1", "--licence", "mit"), "is no address to publish at"),
        (("push", "small", "hf://ada", "--licence", "mit"), "is no address of a run"),
        (("push", "small", "hf://ada/faces", "--licence", "My own"), "is no licence that Hugging Face knows"),
        (("push", "smal", "hf://ada/faces", "--licence", "mit"), "push: smal does not exist (did you mean 'small'?)"),
    ],
)
def test_a_line_that_is_wrong_is_told(run: Run, small: Path, line: tuple[str, ...], words: str) -> None:
    done = run(*line, "--dry-run")
    assert done.code == 1
    assert words in " ".join(done.err.split())


def test_weights_without_settings_and_a_missing_library(run: Run, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small / "settings.yaml").unlink()
    assert "it has no settings.yaml" in run(*LINE, "--dry-run").err
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert "pip install 'facematch[hub]'" in run(*LINE).err
