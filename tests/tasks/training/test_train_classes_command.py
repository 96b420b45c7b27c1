"""`train.py` with other things to learn from: people as classes, losses by name, a teacher, an earlier run."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors import safe_open
from safetensors.torch import load_file

from command_helpers import Run, names
from facematch.embedders.network import run_network
from facematch.networks.checkpoint import load_checkpoint, read_checkpoint_header
from facematch.pipeline.people import training_and_validation
from facematch.pipeline.run_folder import RunFolder, read_log
from facematch.settings.file import load_settings
from facematch.tasks.export.published import write_weights
from facematch.tasks.training.loop import Trainer
from hash_project import write_photos
from shared import shared

RUN = Path("checkpoints/classes")
CONFIG = """
name: classes
identities: {train: [faces], seen_share: 0.2, validation_share: 0.25}
faces: {detector: none, size: 32}
augment: [{name: HorizontalFlip, p: 0.0}]
network: {backbone: shufflenet_v2_x0_5, weights: none, embedding: features, normalise: false}
loss: {name: cross-entropy, label_smoothing: 0.1}
training:
  {epochs: 5, sampling: balanced, identities_per_batch: 4, photos_per_identity: 2, workers: 0, patience: null,
   learning_rate: {backbone: 1.0e-3, head: 1.0e-2}}
ranking: {metric: cosine}
"""
TRAIN = ("train", "--config", "classes.yaml")


@pytest.fixture
def classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve people of six photos, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "cache"))
    write_photos(Path("faces"), 12, seed=1)
    Path("classes.yaml").write_text(CONFIG)
    return tmp_path


def sets(*overrides: str) -> list[str]:
    return [part for each in overrides for part in ("--set", each)]


def grey_model(path: Path) -> Path:
    """A teacher: the mean of each of 16 squares of the picture, N×48."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 48])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["pooled"], ["out"]),
    ]
    graph = helper.make_graph(nodes, "squares", [image], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def accuracy_by_hand() -> float:
    """The share of held-out photos for whom the kept classifier names the right person."""
    settings = load_settings(Path("classes.yaml"))
    seen = training_and_validation(settings)[1].seen
    images = np.stack([cv2.imread(str(file.path))[..., ::-1] for file in seen.files])
    weights = load_file(RUN / "best-classes.safetensors")
    with safe_open(RUN / "best-classes.safetensors", "pt") as opened:
        people = json.loads(opened.metadata()["people"])
    features = torch.from_numpy(run_network(load_checkpoint(RUN), images))
    logits = features @ weights["classifier.weight"].T + weights["classifier.bias"]
    named = [people[row] for row in logits.argmax(dim=1).tolist()]
    return float(np.mean([who == shown for who, shown in zip(named, seen.identities, strict=True)]))


def test_a_classifier_tells_both_figures_and_can_start_triplets(classes: Path, run: Run) -> None:
    Path("classes.yaml").write_text(CONFIG.replace("shufflenet_v2_x0_5", "resnet18"))  # learns within seconds
    done = run(*TRAIN)
    assert done.code == 0, done.err
    assert "seen people: accuracy" in done.err
    assert "unseen people: top-1" in done.err
    epochs = [line for line in map(json.loads, (RUN / "log.jsonl").read_text().splitlines()) if line["kind"] == "epoch"]
    header = read_checkpoint_header(RUN)
    best = epochs[header.trained["epoch"] - 1]
    assert (best["seen"]["count"], best["seen"]["people"]) == (9, 9)  # one photo in five of nine people
    assert f"accuracy on seen people at that epoch: {best['seen']['value']:.3f}" in done.out
    assert accuracy_by_hand() == pytest.approx(best["seen"]["value"])
    assert epochs[-1]["seen"]["value"] > 0.5  # of nine people
    assert header.spec.embedding == "features"

    validated = run("validate", "--config", "classes.yaml", "--json")
    assert validated.code == 0, validated.err

    triplets = ("loss.name=triplet", "identities.seen_share=0", "training.sampling=identities", "training.epochs=1")
    warm = run(*TRAIN, *sets(*triplets, "name=warm", "network.embedding=8", f"network.init_from={RUN}"))
    assert warm.code == 0, warm.err
    assert "! weights: backbone of checkpoints/classes/best.safetensors; it has no head" in warm.err
    assert "! loss.label_smoothing: not used by loss.name: triplet" in warm.err
    assert set(header.people) <= set(read_checkpoint_header(Path("checkpoints/warm")).people)

    seen = run(*TRAIN, *sets(*triplets, "name=other", "seed=9", f"network.init_from={RUN}"))
    assert seen.code == 1
    assert "people of the validation were in the training of checkpoints/classes" in seen.err

    Path("checkpoints/nameless").mkdir()  # as published: digests of their names
    write_weights(header, Path("checkpoints/nameless/best.safetensors"))
    seen = run(*TRAIN, *sets(*triplets, "name=other", "seed=9", "network.init_from=nameless"))
    assert "people of the validation were in the training of checkpoints/nameless" in seen.err
    again = run(*TRAIN, *sets(*triplets, "name=again", "network.embedding=8", "network.init_from=nameless"))
    assert again.code == 0, again.err
    assert read_checkpoint_header(Path("checkpoints/again")).people == header.people  # each once, by name


def test_held_out_photos_of_seen_people_are_not_trained_on(classes: Path) -> None:
    train, validation = training_and_validation(load_settings(Path("classes.yaml")))
    assert set(validation.seen.identities) == set(train.identities)
    assert not set(validation.seen.files) & set(train.files)
    assert not set(validation.queries.identities) & set(train.identities)
    assert len(train.files) + len(validation.seen.files) + len(validation.queries.files) == 72


def test_a_loss_by_name_keeps_its_proxies_through_a_resumption(
    classes: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = sets("loss.name=arcface", "loss.options={scale: 16}", "loss.label_smoothing=0", "training.epochs=2")
    assert run(*TRAIN, *chosen, *sets("name=whole")).code == 0
    validated = Trainer._validate

    def stopped(self: Trainer, *rest: object) -> None:
        validated(self, *rest)  # type: ignore[arg-type]
        self.at.epoch, self.at.batch = 2, 0
        self.save_state()
        raise SystemExit(130)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_validate", stopped)
        assert run(*TRAIN, *chosen).code == 130
    resumed = run(*TRAIN, *chosen, "--resume")
    assert resumed.code == 0, resumed.err
    whole = Path("checkpoints/whole")
    for name in ("last.safetensors", "last-classes.safetensors"):
        ours, theirs = load_file(RUN / name), load_file(whole / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert "best-classes.safetensors" in names(RUN)


@pytest.mark.parametrize("labels", ["none", "cross-entropy"])
def test_a_teacher_is_learned_from_with_and_without_labels(classes: Path, run: Run, labels: str) -> None:
    grey_model(Path("teacher.onnx"))
    taught = sets(
        f"loss.name={labels}",
        "loss.label_smoothing=0",
        f"identities.seen_share={0.2 if labels == 'cross-entropy' else 0}",
        "loss.teacher.embedder.file=teacher.onnx",
        "loss.teacher.embedder.size=32",
        "loss.teacher.kind=both",
    )
    done = run(*TRAIN, *taught)
    assert done.code == 0, done.err
    assert "embeddings of 48 numbers" in done.err
    log = [line for line in map(json.loads, (RUN / "log.jsonl").read_text().splitlines()) if line["kind"] == "step"]
    distances = [line["teacher_cosine"] for line in log]
    assert np.mean(distances[-6:]) < np.mean(distances[:6])
    assert ("batch_accuracy" in log[0]) == (labels == "cross-entropy")
    weights = load_file(RUN / "best.safetensors")
    assert not any("projection" in name for name in weights)


def test_a_teacher_is_asked_about_blended_faces(project: Path, run: Run) -> None:
    grey_model(Path("teacher.onnx"))
    chosen = sets(
        "name=taught",
        "loss.teacher.embedder.file=teacher.onnx",
        "loss.teacher.embedder.size=32",
        f"loss.teacher.faces={{detector: yunet, yunet_file: {shared('weights/yunet_n_640_640.onnx')}, size: 32}}",
        "loss.teacher.blends=0.5",
    )
    done = run("train", "--config", "small.yaml", *chosen)
    assert done.code == 0, done.err
    steps = [line for line in read_log(RunFolder(Path("checkpoints/taught"))) if line["kind"] == "step"]
    assert all(0 <= line["teacher_cosine"] < 2 and line["triplet_loss"] >= 0 for line in steps)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["loss.name=arcfacee", "loss.label_smoothing=0"], "did you mean 'ArcFaceLoss'?"),
        (["loss.name=arcface", "loss.options={mragin: 1}"], "did you mean 'margin'?"),
        (["loss.options={margin: 1}"], "loss.options are for losses of plug-ins or pytorch"),
        (["loss.name=supcon"], "loss.name: supcon does not classify"),
        (["loss.name=none"], "set loss.teacher.embedder.file"),
        (["loss.name=triplet"], "set training.sampling: identities, or grouped"),
        (["training.sizes={1: 2000}"], "training.sizes.1"),
        (["training.sizes={1: 900}"], "training.sizes: 900 is more than faces.size"),
        (["network.normalise=true"], "set network.normalise: false, or loss.name: NormalizedSoftmaxLoss"),
        (["network.init_from=nowhere"], "nowhere does not exist"),
        (["loss.teacher=nowhere.onnx"], "nowhere.onnx does not exist"),
        (["loss.teacher.embedder.kind=network"], "export it first"),
        (["loss.teacher.embedder.file=t.onnx", "loss.teacher.blends=0.5"], "loss.teacher.faces.detector: yunet"),
    ],
)
def test_each_mistake_is_named_before_training(
    classes: Path, run: Run, monkeypatch: pytest.MonkeyPatch, overrides: list[str], words: str
) -> None:
    def trained(*_: object) -> None:
        raise AssertionError("training began before the mistake was found")

    monkeypatch.setattr(Trainer, "run", trained)
    done = run(*TRAIN, *sets(*overrides))
    assert done.code == 1, done.text
    assert words in done.err
    assert not RUN.exists()
