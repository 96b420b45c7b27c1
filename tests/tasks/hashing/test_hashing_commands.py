"""Learning to hash from the command line: classes that training, database and test share, and codes that rank."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from command_helpers import TRUTH, Run, write_project
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.ranking.codes import hamming_distances, unpack_codes
from facematch.ranking.embeddings import load_embeddings
from facematch.tasks.training.start import hashing_overrides, train_command

HASHING = ("--config", "hashing.yaml")
SMALL = """
name: hashing
identities: {train: [data/faces], split_by: photo, test_share: 0.25}
faces: {detector: none, size: 32}
augment: []
network: {backbone: resnet18, weights: none, embedding: 16, tanh: true, normalise: false}
loss: {mining: batch-all, distance: squared, reduction: valid, margin: auto, quantisation: 0.1}
training: {epochs: 2, identities_per_batch: 4, photos_per_identity: 2, workers: 0, optimiser: adam,
  betas: [0.9, 0.98], schedule: inverse-sqrt, warmup_updates: 3, choose_by: mAP}
ranking: {metric: hamming}
"""
BY_PERSON = ("--set", "identities.split_by=person", "--set", "identities.test_share=0", "--set", "name=people")


@pytest.fixture(scope="session")
def _hashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hashed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        write_project(folder)
        (folder / "hashing.yaml").write_text(SMALL)
        train_command(Path("hashing.yaml"), [], resume=False, fresh=False)
    return folder


@pytest.fixture
def hashed(_hashed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of a project whose hash network was trained on classes, as the current folder."""
    folder = tmp_path / "hashed"
    shutil.copytree(_hashed, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
    yield folder
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def test_the_test_photos_ask_once_when_training_has_ended(hashed: Path, run: Run) -> None:
    kept = json.loads(Path("checkpoints/hashing/test.json").read_text())
    assert kept["metric"] == "hamming"
    figures = {each["name"]: each for each in kept["figures"]}
    assert figures["mAP"]["count"] == 8  # a photo of each of eight people
    worst, best = (figures[f"mAP, ties at their {end}"]["value"] for end in ("worst", "best"))
    assert worst <= figures["mAP"]["value"] <= best
    assert run("embed", "data/faces", "all.safetensors", *HASHING).code == 0
    codes = load_embeddings(Path("all.safetensors"))
    assert (codes.metric, codes.dimensions) == ("hamming", 16)
    log = (Path("checkpoints/hashing/log.jsonl")).read_text().splitlines()
    validations = [line["validation"] for line in map(json.loads, log) if "validation" in line]
    chosen = read_checkpoint_header(Path("checkpoints/hashing")).trained["validation"]
    assert chosen["mean_average_precision"] == max(each["mean_average_precision"] for each in validations)


def test_training_tells_what_it_validates_on(hashed: Path, run: Run) -> None:
    done = run("train", *HASHING, "--set", "name=again", "--set", "training.epochs=1")
    assert done.code == 0, done.err
    assert "before training: held-out photos: mAP 0." in done.err
    assert "epoch 1/1  loss" in done.err
    assert "held-out photos: mAP" in done.err
    assert "8 photos ask 24 training photos; distance hamming" in done.out
    assert "mAP@10 over found, queries without a hit dropped" in done.out


def test_the_original_command_line_is_short_for_settings(hashed: Path, run: Run) -> None:
    shutil.copytree(Path(__file__).parents[3] / "config", "config")
    small = [f"--set={each}" for each in ("faces.size=32", "training.epochs=1", "network.weights=none", "augment=[]")]
    original = ("--exp_name", "CUB_16", "--code_size", "16", "--triplet_margin", "4", "--dataset_name", "faces")
    done = run("train", *original, *small)
    assert done.code == 0, done.err
    settings = yaml.safe_load(Path("checkpoints/CUB_16/settings.yaml").read_text())
    assert settings["name"] == "CUB_16"
    assert settings["network"]["embedding"] == 16
    assert settings["loss"]["margin"] == 4.0
    assert settings["identities"]["train"] == ["data/faces"]
    assert settings["training"]["warmup_updates"] == 4000
    assert Path("checkpoints/CUB_16/test.json").is_file()


def test_a_published_set_that_is_not_there_says_where_to_get_it(hashed: Path, run: Run) -> None:
    shutil.copytree(Path(__file__).parents[3] / "config", "config")
    done = run("train", "--exp_name", "CUB_32", "--code_size", "32", "--dataset_name", "CUB_200_2011")
    assert done.code == 1
    assert "CUB_200_2011.tgz" in done.err
    assert not Path("checkpoints/CUB_32").exists()


def test_original_options_alone_make_it_hashing() -> None:
    assert hashing_overrides(None, None, None, None) == []
    assert hashing_overrides("a", 48, 12.0, "Stanford_Dogs") == [
        "name=a",
        "network.embedding=48",
        "loss.margin=12.0",
        "identities.dataset=Stanford_Dogs",
    ]


def test_codes_rank_and_submit_as_any_other_system(hashed: Path, run: Run) -> None:
    assert run("train", *HASHING, *BY_PERSON).code == 0
    paths = ("--set", "paths.query=data/test_data/query", "--set", "paths.gallery=data/test_data/gallery")
    done = run("request", *HASHING, *BY_PERSON, *paths, "--dry-run", "--out", "payload.json")
    assert done.code == 0, done.err
    for side in ("query", "gallery"):
        folder = f"data/test_data/{side}"
        assert run("embed", folder, f"{side}.safetensors", *HASHING, *BY_PERSON).code == 0
    query, gallery = (load_embeddings(Path(f"{side}.safetensors")) for side in ("query", "gallery"))
    images = json.loads(Path("payload.json").read_text())["images"]
    distances = hamming_distances(query.vectors, gallery.vectors)
    assert np.array_equal(distances, (unpack_codes(query.vectors)[:, None] != unpack_codes(gallery.vectors)).sum(-1))
    for row, name in enumerate(query.names):
        wanted = sorted(zip(distances[row].tolist(), gallery.names, strict=True))[:10]
        assert images[name] == [photo for _, photo in wanted]
    done = run("validate", *HASHING, *BY_PERSON, "--query", "data/test_data/query", "--gallery",
               "data/test_data/gallery", "--truth", TRUTH)  # fmt: skip
    assert done.code == 0, done.err


@pytest.mark.parametrize("command", [("validate",), ("figures",), ("report", "--out", "report.html")])
def test_held_out_photos_can_be_looked_at(hashed: Path, run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, *HASHING)
    assert done.code == 0, done.err
    if command[0] == "figures":
        assert "held-out photos ask the training photos" in done.err
        assert "mAP, ties at their worst" in done.out
    if command[0] == "validate":
        assert "8 queries, 16 gallery photos" in done.out


def test_what_needs_unseen_people_says_so(hashed: Path, run: Run) -> None:
    done = run("tune", *HASHING)
    assert done.code == 1
    assert "identities.split_by is photo" in done.err


def test_tuning_codes_tries_flip_alone(hashed: Path, run: Run) -> None:
    assert run("train", *HASHING, *BY_PERSON).code == 0
    done = run("tune", *HASHING, *BY_PERSON)
    assert done.code == 0, done.err
    assert "flip" in done.out
    assert "whiten" not in done.out + done.err


def test_a_photo_in_training_and_test_is_named(hashed: Path, run: Run) -> None:
    source = sorted(Path("data/faces").iterdir())[0]
    shutil.copytree(source, f"test/{source.name}")
    done = run("train", *HASHING, "--set", "identities.test_share=0", "--set", "identities.test=test", "--fresh")
    assert done.code == 1
    assert "4 photos of the test are also in the training" in done.err
