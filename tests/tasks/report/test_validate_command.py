"""`facematch validate`: a figure for people never seen, beside what pixels and the untrained network reach."""

import json
import shutil
from pathlib import Path

import pytest

from command_helpers import TRUTH, Run, names

VALIDATE = ("validate", "--config", "small.yaml")
FOLDERS = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery")
PEOPLE = Path("data/faces")


def test_pixels_before_and_after_stand_side_by_side(project: Path, run: Run) -> None:
    done = run(*VALIDATE)
    assert done.code == 0, done.err
    assert "8 queries, 7 gallery photos" in done.out
    for system in ("pixels", "before training", "trained"):
        assert system in done.out
    table = json.loads(run(*VALIDATE, "--json").out)
    assert len(table) == 3
    for figures in table.values():
        assert figures["score"] == pytest.approx(600 * figures["top1"] + 300 * figures["top5"] + 100 * figures["top10"])
        assert figures["interval"] is None  # of two people


def test_the_trained_row_is_what_training_saw(project: Path, run: Run) -> None:
    best = json.loads((Path("checkpoints/small/finished.json")).read_text())["best_epoch"]
    lines = [json.loads(line) for line in Path("checkpoints/small/log.jsonl").read_text().splitlines()]
    (seen,) = [line["validation"] for line in lines if "validation" in line and line["epoch"] == best]
    trained = list(json.loads(run(*VALIDATE, "--json").out).values())[-1]
    assert trained["top1"] == pytest.approx(seen["top1"])
    assert trained["queries"] == seen["queries"]


def test_refine_steps_stand_beside_what_they_refine(project: Path, run: Run) -> None:
    steps = "refine=[flip, {step: query-expansion, n: 1}, {step: k-reciprocal, k1: 3}]"
    done = run(*VALIDATE, "--set", steps, "--json")
    assert done.code == 0, done.err
    table = json.loads(done.out)
    assert list(table) == [
        "grey pixels", "before training", "trained", "trained + flip, query-expansion, k-reciprocal"
    ]  # fmt: skip
    assert {figures["queries"] for figures in table.values()} == {8}
    assert {figures["gallery"] for figures in table.values()} == {6}  # of 8 photos of 2 people, 2 ask in a fold
    fixed = json.loads(run(*VALIDATE, *FOLDERS, "--truth", TRUTH, "--set", steps, "--json").out)
    assert list(fixed) == list(table)


def test_flip_alone_leaves_every_photo_its_whole_gallery(project: Path, run: Run) -> None:
    table = json.loads(run(*VALIDATE, "--set", "refine=[flip]", "--json").out)
    assert list(table)[-1] == "trained + flip"
    assert {figures["gallery"] for figures in table.values()} == {7}


def test_fixed_folders_are_scored_by_their_ground_truth(project: Path, run: Run) -> None:
    table = json.loads(run(*VALIDATE, *FOLDERS, "--truth", TRUTH, "--json").out)
    run("request", "--config", "small.yaml", "--dry-run", "--out", "mine.json")
    images, truth = json.loads(Path("mine.json").read_text())["images"], json.loads(Path(TRUTH).read_text())
    for key, k in (("top1", 1), ("top5", 5), ("top10", 10)):
        hits = [bool(set(images[query][:k]) & set(right)) for query, right in truth.items()]
        assert list(table.values())[-1][key] == pytest.approx(sum(hits) / len(hits))
        assert list(table.values())[-1]["queries"] == 3


def test_distractors_stand_in_the_gallery_and_are_never_asked(project: Path, run: Run) -> None:
    shutil.copytree("data/test_data/gallery", "others/somebody")
    before = json.loads(run(*VALIDATE, "--json").out)
    with_others = json.loads(run(*VALIDATE, "--set", "identities.distractors=others", "--json").out)
    for name, figures in with_others.items():
        assert figures["queries"] == before[name]["queries"]
        assert figures["gallery"] == before[name]["gallery"] + 12
        assert figures["top1"] <= before[name]["top1"]


def _no_truth() -> None:
    Path(TRUTH).unlink()


def _other_truth() -> None:
    Path(TRUTH).write_text(json.dumps({"unknown.jpg": ["other.jpg"]}))


def _html_truth() -> None:
    Path(TRUTH).write_text("<html>")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (None, FOLDERS, "a fixed validation needs all of --query, --gallery and --truth"),
        (None, ("--set", "identities.validation=data/faces"), "were in the training"),
        (None, ("--set", "identities.train=nowhere"), "nowhere does not exist"),
        (None, ("--set", "paths.checkpoint=nowhere"), "nowhere"),
        (None, ("--set", "faces.size=64"), "size"),
        (None, ("--query", "nowhere", *FOLDERS[2:], "--truth", TRUTH), "nowhere cannot be searched for photos"),
        (_no_truth, (*FOLDERS, "--truth", TRUTH), "does not exist"),
        (_html_truth, (*FOLDERS, "--truth", TRUTH), "is damaged, or of another kind"),
        (_other_truth, (*FOLDERS, "--truth", TRUTH), "unknown.jpg"),
        (None, ("--set", "embedder.kind=onnx"), "embedder.file names no model"),
        (None, ("--set", "embedder.kind=onnx", "--set", "embedder.file=no.onnx"), "no.onnx"),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, change: object, options: object, words: str) -> None:
    if callable(change):
        change()
    assert isinstance(options, tuple)
    done = run(*VALIDATE, *options)
    assert done.code == 1, done.text
    assert words in done.err


def test_people_who_were_all_trained_on_cannot_validate(project: Path, run: Run) -> None:
    trained = json.loads(Path("checkpoints/small/identities.json").read_text())["training"]
    for name in set(names(PEOPLE)) - set(trained):
        shutil.rmtree(PEOPLE / name)
    done = run(*VALIDATE)
    assert done.code == 1
    assert "nobody to validate on" in done.err


def test_the_same_photos_are_embedded_once(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*VALIDATE, "--json").out
    from facematch.embedders.network import NetworkEmbedder

    def embedded(*_: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(NetworkEmbedder, "embed", embedded)
    assert run(*VALIDATE, "--json").out == first
