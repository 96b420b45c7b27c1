"""`python train.py`: the run folder, going on after a signal, and each mistake before any training."""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_helpers import Run, names
from facematch.core.errors import FacematchError
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.tasks.training.loop import Trainer

TRAIN = ("train", "--config", "small.yaml")
RUN = Path("checkpoints/small")
PEOPLE = Path("data/faces")
MAIN = [sys.executable, "-m", "facematch", *TRAIN]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_folder_holds_everything(project: Path) -> None:
    expected = ["best.safetensors", "finished.json", "identities.json", "last.safetensors", "log.jsonl"]
    assert names(RUN) == [*expected, "photos.json", "settings.yaml", "tensorboard"]
    header = read_checkpoint_header(RUN)
    people = json.loads((RUN / "identities.json").read_text())
    assert len(header.people) == 6
    assert set(people["training"]) <= set(header.people)  # who had faces enough
    assert set(people["validation"]) == set(names(PEOPLE)) - set(header.people)
    epochs = [line for line in map(json.loads, (RUN / "log.jsonl").read_text().splitlines()) if "validation" in line]
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert max(line["validation"]["top1"] for line in epochs) == header.trained["validation"]["top1"]


def test_the_progress_is_told(untrained: Path, run: Run) -> None:
    done = run(*TRAIN)
    assert done.code == 0, done.err
    for words in (
        "faces in",
        "weights: random (network.weights: none)",
        "before training: unseen people: top-1",
        "epoch 1/2  loss",
        "epoch 2/2  loss",
        "photos/s",
        "seconds: reading and cropping",
    ):
        assert words in done.err
    assert "finished: all 2 epochs done. Best epoch" in done.out
    assert "weights, settings and log: checkpoints/small" in done.out


def test_each_photo_is_opened_once_before_the_first_step(
    untrained: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:  # which cannot be taken away again
        if watching and event == "open" and isinstance(arguments[0], str | Path):
            opened.append(str(arguments[0]))

    def begun(*_: object) -> None:
        watching.clear()
        raise FacematchError("it would begin now")

    monkeypatch.setattr(Trainer, "run", begun)
    sys.addaudithook(watch)
    assert "it would begin now" in run(*TRAIN).err
    assert Counter(each for each in opened if Path(each).suffix in (".jpg", ".png")) == Counter(
        str(path) for path in PEOPLE.rglob("*.*")
    )
    assert len(json.loads((RUN / "photos.json").read_text())["photos"]) == 6 * 4


def test_the_same_settings_give_the_same_weights(untrained: Path, run: Run) -> None:
    run(*TRAIN, "--set", "name=one")
    run(*TRAIN, "--set", "name=two")
    assert digest(Path("checkpoints/one/last.safetensors")) == digest(Path("checkpoints/two/last.safetensors"))


def test_a_run_is_never_overwritten(project: Path, run: Run) -> None:
    before = {path: digest(path) for path in RUN.rglob("*") if path.is_file()}
    done = run(*TRAIN)
    assert done.code == 1
    assert "checkpoints/small already holds a run" in done.err
    assert "--resume" in done.err
    assert run(*TRAIN, "--fresh", "--set", "training.epochs=1").code == 0
    aside = RUN.with_name("small.1")
    assert {aside / path.relative_to(RUN): found for path, found in before.items()} == {
        path: digest(path) for path in aside.rglob("*") if path.is_file()
    }


def test_a_finished_run_is_not_resumed(project: Path, run: Run) -> None:
    before = digest(RUN / "last.safetensors")
    done = run(*TRAIN, "--resume")
    assert (done.code, done.out) == (0, "checkpoints/small is finished: all 2 epochs done\n")
    assert digest(RUN / "last.safetensors") == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_and_resumed_run_ends_with_the_same_bits(untrained: Path, run: Run) -> None:
    sets = ["--set", "training.epochs=6", "--set", "training.patience=null"]
    sets += ["--set", "training.precision=fp32"]  # the killed run is a process of its own, without conftest.py
    assert run(*TRAIN, *sets, "--set", "name=whole").code == 0
    log = RUN / "log.jsonl"
    process = subprocess.Popen([*MAIN, *sets], stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if log.is_file() and log.stat().st_size:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, told
    again = shlex.split(told.split("stopped and saved. Go on with: ")[1])
    assert again == [*MAIN, *sets, "--resume"]
    assert "state.pt" in names(RUN)
    assert "finished.json" not in names(RUN)
    resumed = run(*again[3:])
    assert resumed.code == 0, resumed.err
    assert "resumed at epoch" in resumed.err
    whole = Path("checkpoints/whole")
    assert digest(RUN / "last.safetensors") == digest(whole / "last.safetensors")
    steps = [json.loads(line).get("step") for line in log.read_text().splitlines()]
    assert steps == [json.loads(line).get("step") for line in (whole / "log.jsonl").read_text().splitlines()]


def _person(name: str, photos: int, source: int = 0) -> None:
    (PEOPLE / name).mkdir()
    for number, path in enumerate(sorted((PEOPLE / names(PEOPLE)[source]).iterdir())[:photos]):
        data = path.read_bytes()
        (PEOPLE / name / f"{number}.jpg").write_bytes(data + bytes([number]))  # other bytes, the same picture


def _no_people() -> None:
    shutil.rmtree(PEOPLE)


def _empty() -> None:
    shutil.rmtree(PEOPLE)
    PEOPLE.mkdir()


def _one_person() -> None:
    for name in names(PEOPLE)[1:]:
        shutil.rmtree(PEOPLE / name)


def _seen_in_validation() -> None:
    shutil.copytree(PEOPLE / names(PEOPLE)[0], Path("unseen") / names(PEOPLE)[0])


def _photo_in_validation() -> None:
    Path("unseen/somebody").mkdir(parents=True)
    first = sorted((PEOPLE / names(PEOPLE)[0]).iterdir())[0]
    shutil.copy(first, Path("unseen/somebody/1.jpg"))


def _nothing() -> None:
    return


@pytest.mark.parametrize(
    ("change", "sets", "words"),
    [
        (_no_people, (), "data/faces does not exist"),
        (_empty, (), "data/faces"),
        (_one_person, (), "1 of 1 people and 4 of 4 photos can be used, 2 people are needed"),
        (_nothing, ("identities.min_photos=5",), "8 people with too few photos"),
        (_seen_in_validation, ("identities.validation=unseen",), "in training and in validation"),
        (_photo_in_validation, ("identities.validation=unseen",), "The same bytes cannot show two people"),
        (_nothing, ("identities.train=people.txt",), "people.txt"),
        (_nothing, ("augment=[{name: HorizontalFlipp}]",), "did you mean 'HorizontalFlip'?"),
        (_nothing, ("network.backbone=resnet51",), "did you mean 'resnet50'?"),
        (_nothing, ("network.weights=nowhere.pth",), "nowhere.pth"),
        (_nothing, ("network.freeze=[layer9]",), "layer9"),
        (_nothing, ("loss.mining=semihard",), "loss.mining"),
        (_nothing, ("loss.margin=soft",), "soft has no margin"),
        (_nothing, ("training.epochs=0",), "training.epochs"),
        (_nothing, ("faces.cascade=nose.xml",), "nose.xml"),
        (_nothing, ("faces.detector=yunet",), "faces.yunet_file"),
        (_nothing, ("faces.detector=yunet", "faces.yunet_file=y.onnx"), "y.onnx"),
        (_nothing, ("training.device=cuda",), "cuda"),
    ],
)
def test_each_mistake_is_named_before_training(
    untrained: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[], None],
    sets: tuple[str, ...],
    words: str,
) -> None:
    def trained(*_: object) -> None:
        raise AssertionError("training began before the mistake was found")

    monkeypatch.setattr(Trainer, "run", trained)
    change()
    done = run(*TRAIN, *(part for each in sets for part in ("--set", each)))
    assert done.code == 1, done.text
    assert words in done.err
    assert "error: " in done.err


def test_what_is_wrong_with_labelled_photos_is_said_and_training_goes_on(untrained: Path, run: Run) -> None:
    people = names(PEOPLE)
    _person("single", 1)
    (PEOPLE / "empty").mkdir()
    (PEOPLE / people[1] / "cut.jpg").write_bytes(b"")
    shutil.copy(sorted((PEOPLE / people[2]).iterdir())[0], PEOPLE / people[3] / "copy.jpg")
    done = run(*TRAIN, "--set", "training.epochs=1")
    assert done.code == 0, done.err
    for words in ("single", "empty", "cut.jpg (empty file)", "1 photo under two people"):
        assert words in done.err
    trained = json.loads((RUN / "identities.json").read_text())
    assert "single" not in trained["training"] + trained["validation"]


def test_other_photos_are_not_resumed_with(untrained: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Trainer, *_: object) -> None:
        self.save_state()
        raise SystemExit(130)

    monkeypatch.setattr(Trainer, "run", stopped)
    assert run(*TRAIN).code == 130
    trained = json.loads((RUN / "identities.json").read_text())["training"]
    photo = sorted((PEOPLE / trained[0]).iterdir())[0]
    photo.unlink()
    done = run(*TRAIN, "--resume")
    assert done.code == 1
    assert "the training photos are not those checkpoints/small was started with" in done.err


def test_other_settings_are_not_resumed_with(untrained: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(*TRAIN, "--resume")
    assert done.code == 1
    assert "there is no run to resume in checkpoints/small" in done.err
    assert run(*TRAIN, "--set", "training.epochs=1").code == 0
    (RUN / "finished.json").unlink()
    done = run(*TRAIN, "--resume", "--set", "training.weight_decay=0.5")
    assert done.code == 1
    assert "was started with training.weight_decay: 0.0001, but now it is 0.5" in done.err


def test_a_finished_run_is_made_longer(untrained: Path, run: Run) -> None:
    assert run(*TRAIN, "--set", "training.epochs=1").code == 0
    done = run(*TRAIN, "--set", "training.epochs=1", "--resume")
    assert (done.code, done.out) == (0, "checkpoints/small is finished: all 1 epochs done\n")
    done = run(*TRAIN, "--resume")
    assert done.code == 0, done.err
    assert "resumed at epoch 2, batch 0" in done.err
    assert "finished: all 2 epochs done" in done.out
    assert "epochs: 2" in (RUN / "settings.yaml").read_text()
    done = run(*TRAIN, "--set", "training.epochs=1", "--resume")
    assert done.code == 1
    assert "training.epochs is 1, but the run in checkpoints/small is in epoch 2 of 2." in done.err


def test_a_start_that_fails_early_stands_in_nobodys_way(
    untrained: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*TRAIN, "--set", "identities.min_photos=5").code == 1
    assert not RUN.exists()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "run", interrupted)
        assert run(*TRAIN).code == 130
    assert "identities.json" in names(RUN)
    assert run(*TRAIN, "--set", "training.epochs=1").code == 0
    assert names(Path("checkpoints")) == ["small"]


@pytest.mark.parametrize("options", [(), ("--fresh",), ("--resume",)])
def test_a_run_in_the_hands_of_another_process_is_refused_at_once(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(
        "facematch.tasks.training.command.training_and_validation", None
    )  # it comes too late to be called
    before = {path: digest(path) for path in RUN.rglob("*") if path.is_file()}
    code = (
        "from pathlib import Path; from facematch.tasks.training.run_lock import holding\n"
        f"with holding(Path({str(RUN)!r})): print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        done = run(*TRAIN, *options)
        other.kill()
    assert done.code == 1
    assert f"checkpoints/small is being trained: process {other.pid} on " in done.err
    assert {path: digest(path) for path in RUN.rglob("*") if path.is_file()} == before


def test_a_celeba_list_names_the_people(untrained: Path, run: Run) -> None:
    images = Path("img")
    images.mkdir()
    lines = []
    for label, person in enumerate(names(PEOPLE), start=1):
        for path in sorted((PEOPLE / person).iterdir()):
            name = f"{len(lines) + 1:06d}.jpg"
            shutil.copy(path, images / name)
            lines.append(f"{name} {label}\n")
    Path("identity_CelebA.txt").write_text("".join(lines))
    sets = ("--set", "identities.train=identity_CelebA.txt", "--set", "identities.images=img")
    done = run(*TRAIN, *sets, "--set", "training.epochs=1")
    assert done.code == 0, done.err
    assert len(json.loads((RUN / "identities.json").read_text())["training"]) == 6


def test_weights_of_an_earlier_run_are_a_start(project: Path, run: Run) -> None:
    sets = ("--set", "name=second", "--set", f"network.weights={RUN / 'best.safetensors'}")
    done = run(*TRAIN, *sets, "--set", "training.epochs=1")
    assert done.code == 0, done.err
    assert str(RUN / "best.safetensors") in done.err


def test_train_py_runs_from_a_checkout_without_installation(untrained: Path) -> None:
    root = Path(__file__).parents[3]
    arguments = [sys.executable, "-S", "-c", "import sys; print(sys.path)"]
    assert subprocess.run(arguments, check=True, capture_output=True).stdout
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, str(root / "train.py"), "--config", "small.yaml", "--set", "training.epochs=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert (RUN / "best.safetensors").is_file()


def test_every_shipped_recipe_can_be_read() -> None:
    from facematch.settings.file import load_settings

    folder = Path(__file__).parents[3] / "config"
    files = [path for path in folder.glob("*.yaml") if path.stem not in ("competition", "compare")]
    read = {path.name: load_settings(path, ensembles=True) for path in files}
    assert {"triplet.yaml", "triplet-original.yaml", "sample.yaml", "scratch.yaml", "onnx.yaml"} <= set(read)
    assert len({settings.name for settings in read.values()}) == len(read)
    original = read["triplet-original.yaml"]
    assert (original.network.backbone, original.network.embedding) == ("resnet50", 256)
    assert (original.training.learning_rate.backbone, original.training.learning_rate.head) == (1e-5, 1e-4)
