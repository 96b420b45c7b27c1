"""`python request_send.py`: every query answered, nothing lost, and each mistake named before any compute."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image as PillowImage

from command_helpers import TRUTH, Run, names
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.score import read_ground_truth
from facematch.tasks.rehearsal.server import create_app
from shared import shared

REQUEST = ("request", "--config", "small.yaml")
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")


@pytest.fixture
def address(project: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = create_app(read_ground_truth(project / TRUTH), log=lambda line: None)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("dialect", ["results", "retrieval"])
def test_a_submission_is_kept_sent_and_scored(project: Path, run: Run, address: str, dialect: str) -> None:
    sets = ("--set", f"server.url={address}/{dialect}/", "--set", f"server.dialect={dialect}")
    done = run(*REQUEST, *sets, "--set", "server.group=us", "--out", "mine.json")
    assert done.code == 0, done.err
    payload = json.loads(Path("mine.json").read_text())
    assert payload["groupname"] == "us"
    assert sorted(payload["images"]) == names(QUERY)
    for answer in payload["images"].values():
        assert len(set(answer)) == 10
        assert set(answer) <= set(names(GALLERY))
    (kept,) = Path("submissions").glob("*.json")
    assert kept.read_bytes() == Path("mine.json").read_bytes()
    (row,) = json.loads(run("submissions", "--json").out)["submissions"]
    assert (row["fate"], row["attempts"]) == ("scored", 1)
    assert f"score {row['score']:.0f} of 1000" in done.out
    assert f"submission 1: {kept}" in done.out
    assert "expected: score" in done.out
    assert row["expected"] is not None
    assert ("top-1" in done.out.splitlines()[-1]) == (dialect == "results")


def test_a_dry_run_needs_no_address_and_sends_nothing(project: Path, run: Run) -> None:
    done = run(*REQUEST, "--dry-run")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "not sent (--dry-run)"
    assert len(list(Path("submissions").glob("*.json"))) == 1
    assert run("submissions").err == ""  # nothing is unfinished


def test_the_second_run_is_the_same_and_loads_no_torch(project: Path, run: Run) -> None:
    run(*REQUEST, "--dry-run", "--out", "first.json")
    code = (
        "import sys; from facematch.cli.app import main; "
        "sys.argv[1:] = ['request', '--config', 'small.yaml', '--dry-run', '--out', 'second.json']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'albumentations', 'onnxruntime', 'skimage'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("first.json").read_bytes() == Path("second.json").read_bytes()


def test_a_server_that_is_down_loses_nothing(project: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    quick = ("--set", "server.attempts=2", "--set", "server.backoff=0.01")
    done = run(*REQUEST, "--set", f"server.url=http://127.0.0.1:{port}/results/", *quick)
    (kept,) = Path("submissions").glob("*.json")
    assert done.code == 1
    assert "cannot be reached" in done.err
    assert "attempt 2 of 2 in" in done.err
    assert "It is kept as submission 1: facematch resend 1" in done.err
    assert len(json.loads(kept.read_text())["images"]) == 3


def test_a_query_that_cannot_be_read_is_answered_all_the_same(project: Path, run: Run) -> None:
    broken = QUERY / "0000.jpg"
    broken.write_bytes((QUERY / names(QUERY)[0]).read_bytes()[:500])
    (QUERY / "notes.txt").write_text("not a query")
    done = run(*REQUEST, "--dry-run", "--out", "mine.json")
    assert done.code == 0, done.err
    images = json.loads(Path("mine.json").read_text())["images"]
    assert images["0000.jpg"] == names(GALLERY)[:10]
    assert "notes.txt" not in images
    assert "1 of 4 queries have no embedding; their 10 names are a guess: 0000.jpg" in done.err
    assert "0000.jpg (file is cut short)" in done.err
    assert "notes.txt (" in done.err


def test_a_gallery_photo_that_cannot_be_read_is_never_named(project: Path, run: Run) -> None:
    (GALLERY / "0000.jpg").write_bytes(b"\xff\xd8\xff nothing")
    done = run(*REQUEST, "--dry-run", "--out", "mine.json")
    assert done.code == 0, done.err
    assert "0000.jpg" not in Path("mine.json").read_text()
    assert "gallery: not read, 1: 0000.jpg (" in done.err


@pytest.mark.parametrize("choice", ["whole", "centre", "skip", "error"])
def test_a_photo_without_a_face_becomes_what_the_user_chose(project: Path, run: Run, choice: str) -> None:
    PillowImage.fromarray(np.full((90, 120, 3), 128, np.uint8)).save(QUERY / "wall.png")
    done = run(*REQUEST, "--dry-run", "--out", "mine.json", "--set", f"faces.miss={choice}")
    if choice == "error":
        assert done.code == 1
        assert "wall.png: no face found" in done.err
        assert not list(Path("submissions").glob("*.json"))
        return
    assert done.code == 0, done.err
    assert len(json.loads(Path("mine.json").read_text())["images"]) == 4
    assert "3 faces in 4 photos (75.0%)" in done.err
    assert ("their 10 names are a guess: wall.png" in done.err) == (choice == "skip")


def test_another_system_is_compared_with_the_best_so_far(project: Path, run: Run) -> None:
    first = run(*REQUEST, "--dry-run")
    assert "against submission" not in first.out
    second = run(*REQUEST, "--dry-run", "--set", "embedder.kind=pixels")
    assert second.code == 0, second.err
    assert "against submission 1, the best so far (not scored yet): " in second.out
    assert "on the same 8 validation queries" in second.out
    assert "p = " in second.out
    shown = [row["expected"] for row in json.loads(run("submissions", "--json").out)["submissions"]]
    assert len(shown) == 2
    for text, expected in zip((second.out, first.out), shown, strict=True):
        assert f"expected: score {expected:.0f} of 1000" in text


def test_too_few_people_give_no_interval(project: Path, run: Run) -> None:
    done = run(*REQUEST, "--dry-run")
    assert "in 95 of 100" not in done.out
    assert "only 2 people with two or more photos were validated on: too few for an interval" in done.err


def test_nobody_to_validate_on_is_said_and_does_not_stop(project: Path, run: Run) -> None:
    shutil.rmtree("data/faces")
    done = run(*REQUEST, "--dry-run")
    assert done.code == 0, done.err
    assert "expected: unknown: labelled photos: data/faces does not exist" in done.out


def test_photos_in_subfolders_go_by_their_base_names(project: Path, run: Run) -> None:
    moved = GALLERY / "more"
    moved.mkdir()
    for name in names(GALLERY)[:3]:
        (GALLERY / name).rename(moved / name)
    expected = sorted(path.name for path in GALLERY.rglob("*.jpg"))
    done = run(*REQUEST, "--dry-run", "--out", "mine.json")
    assert done.code == 0, done.err
    named = {name for answer in json.loads(Path("mine.json").read_text())["images"].values() for name in answer}
    assert named <= set(expected)


def _copy_of_a_query() -> None:
    shutil.copy(QUERY / names(QUERY)[0], GALLERY / "another-name.jpg")


def _same_name() -> None:
    shutil.copy(GALLERY / names(GALLERY)[1], GALLERY / names(QUERY)[0])


def _few() -> None:
    for name in names(GALLERY)[9:]:
        (GALLERY / name).unlink()


def _two_of_a_name() -> None:
    (GALLERY / "again").mkdir()
    shutil.copy(GALLERY / names(GALLERY)[1], GALLERY / "again" / names(GALLERY)[0])


def _emptied(folder: Path) -> Callable[[], None]:
    def empty() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / ".DS_Store").write_bytes(b"x")

    return empty


def _cut_checkpoint() -> None:
    best = Path("checkpoints/small/best.safetensors")
    best.write_bytes(best.read_bytes()[:2000])


def _not_a_checkpoint() -> None:
    Path("checkpoints/small/best.safetensors").write_text("<html>not found</html>")


def _no_checkpoint() -> None:
    shutil.rmtree("checkpoints")


def _misspelt() -> None:
    Path("small.yaml").write_text("name: small\nfaces: {siez: 32}\n")


def _submissions_is_a_file() -> None:
    Path("submissions").write_text("")


def _nothing() -> None:
    return


@pytest.mark.parametrize(
    ("change", "sets", "words"),
    [
        (_no_checkpoint, (), "checkpoints/small"),
        (_no_checkpoint, ("paths.checkpoint=old/best.safetensors",), "old/best.safetensors"),
        (_cut_checkpoint, (), "best.safetensors"),
        (_not_a_checkpoint, (), "best.safetensors"),
        (_nothing, ("faces.margin=0.3",), "margin"),
        (_nothing, ("faces.detector=none",), "detector"),
        (_nothing, ("network.embedding=32",), "embedding"),
        (_nothing, ("network.backbone=resnet34",), "backbone"),
        (_nothing, (f"paths.query={GALLERY}",), "are the same folder"),
        (_nothing, ("paths.query=data/test_data",), "or one holds the other"),
        (_nothing, ("paths.query=nowhere",), "paths.query: nowhere is not a folder"),
        (_nothing, ("paths.gallery=small.yaml",), "paths.gallery: small.yaml is not a folder"),
        (_emptied(QUERY), (), "data/test_data/query holds no photos; 1 files cannot be used"),
        (_emptied(GALLERY), (), "data/test_data/gallery holds no photos; 1 files cannot be used"),
        (_copy_of_a_query, (), "1 gallery photos have the same bytes as a query"),
        (_same_name, (), "1 names are in the query and in the gallery folder"),
        (_few, (), "holds 9 photos; a submission names 10 different ones"),
        (_two_of_a_name, (), "so the two cannot be told apart"),
        (_misspelt, (), "did you mean 'size'?"),
        (_nothing, ("server.urll=http://x",), "did you mean 'url'?"),
        (_nothing, ("server.url=10.0.0.1:8000/results/",), "has no http:// or https://"),
        (_nothing, ("server.url=http://h/retrieval/",), "the path of the dialect retrieval"),
        (_nothing, ("server.dialect=result",), "did you mean 'results'?"),
        (_nothing, ("server.form=nowhere.yaml",), "nowhere.yaml does not exist"),
        (_nothing, ("server.headers={Authorization: NO_SUCH_TOKEN}",), "NO_SUCH_TOKEN, which is not set"),
        (_nothing, ("server.ca_bundle=nowhere.pem",), "nowhere.pem does not exist"),
        (_submissions_is_a_file, (), "journal.sqlite cannot be used"),
        (_nothing, ("server.url=null",), "server.url is not set"),
    ],
)
def test_each_mistake_is_named_before_any_compute(
    project: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[], None],
    sets: tuple[str, ...],
    words: str,
) -> None:
    def computed(*_: object) -> None:
        raise AssertionError("photos were embedded before the mistake was found")

    monkeypatch.setattr(PhotoEmbedder, "run", computed)
    change()
    options = [part for each in ("server.url=http://127.0.0.1:9/", *sets) for part in ("--set", each)]
    done = run(*REQUEST, *options)
    assert done.code == 1
    assert words in done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert not Path("submissions").is_dir()


def test_a_place_that_cannot_be_written_is_named(project: Path, run: Run) -> None:
    _submissions_is_a_file()
    done = run(*REQUEST, "--dry-run")
    assert done.code == 1
    assert "submissions/journal.sqlite cannot be used" in done.err


def test_ctrl_c_leaves_no_submission_behind(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PhotoEmbedder, "run", pressed)
    done = run(*REQUEST, "--dry-run")
    assert done.code == 130
    assert "nothing is half written" in done.err
    assert not list(Path("submissions").glob("*.json"))


@pytest.mark.parametrize("detector", ["haar", "yunet"])
def test_a_face_model_on_real_photographs_reaches_its_figures(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, detector: str
) -> None:
    model, data = shared("weights/mobilefacenet.onnx"), shared("data/competition")
    truth = read_ground_truth(data / "ground_truth.json")
    chosen = sorted(truth)[::4]  # a quarter of the queries, against the whole gallery
    query = tmp_path / "query"
    query.mkdir()
    for name in chosen:
        shutil.copy(data / "query" / name, query / name)
    config = Path(__file__).parents[3] / "config/onnx.yaml"
    sets = [f"embedder.file={model}", f"paths.query={query}", f"paths.gallery={data / 'gallery'}"]
    if detector == "yunet":
        sets += ["faces.detector=yunet", f"faces.yunet_file={next(shared('weights').glob('*yunet*.onnx'))}"]
    monkeypatch.chdir(tmp_path)
    options = [part for each in sets for part in ("--set", each)]
    done = run("request", "--config", config, "--dry-run", "--out", "mine.json", *options)
    assert done.code == 0, done.err
    images = json.loads(Path("mine.json").read_text())["images"]
    top1 = sum(images[name][0] in truth[name] for name in chosen) / len(chosen)
    assert top1 >= {"haar": 0.949, "yunet": 1.0}[detector]
