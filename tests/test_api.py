"""What `import facematch` promises: its names, their examples, and that nothing is printed."""

import doctest
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

import facematch
from facematch import api, datasets, errors, samplers
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.task import leave_one_out
from facematch.faces.values import Crop, Miss
from facematch.losses import module
from facematch.photos.photo import Photo, PhotoFile, Unreadable, read_photo
from facematch.tasks.sample.plan import FACES, make_plan
from facematch.tasks.sample.write import render_photo

PIXELS = {"embedder__kind": "pixels", "faces__size": 32}
FINDS = {"ann": 0, "bob": 1}

KINDS = ("DamagedError", "MismatchError", "MissingError", "SettingsError")
DOCS = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    """Six photographs of the sample, three of each of two people, with faces that the cascade finds."""
    plan = [photo for photo in make_plan(2026).photos if photo.path.startswith(FACES)]
    people = list(dict.fromkeys(Path(photo.path).parent.name for photo in plan))[:2]
    found: dict[str, bytes] = {}
    for name, person in zip(FINDS, people, strict=True):
        own = [photo for photo in plan if Path(photo.path).parent.name == person][:3]
        found |= {f"photos/{name}/{number}.jpg": render_photo(photo, 2026) for number, photo in enumerate(own)}
    return found


@pytest.fixture
def folder(drawn: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `photos/ann` and `photos/bob` as the current one."""
    for name, data in drawn.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pixels(**settings: object) -> PhotoEmbedder:
    """An embedder that needs no network."""
    return facematch.load_embedder("default", **(PIXELS | settings))


def image(name: str) -> np.ndarray:  # type: ignore[type-arg]
    photo = read_photo(PhotoFile(name, name))
    assert isinstance(photo, Photo)
    return photo.image


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("room", [api, module, samplers, datasets], ids=lambda room: str(room.__name__))
def test_the_examples_of_promised_names_run(folder: Path, room: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = doctest.testmod(room, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0, capsys.readouterr().out


def test_fifteen_names_are_promised_and_each_is_there() -> None:
    assert len(facematch.__all__) == 15
    assert set(facematch.__all__) <= set(dir(facematch))
    for name in facematch.__all__:
        assert getattr(facematch, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'embedd'"):
        facematch.embedd  # noqa: B018


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (errors.SettingsError, lambda: facematch.load_embedder("default", faces__sise=3)),
        (errors.SettingsError, lambda: facematch.load_embedder("default", faces__size=-3)),
        (errors.MissingError, lambda: facematch.load_embedder("none.safetensors")),
        (errors.MissingError, lambda: facematch.load_embedder("default", config="config/none.yaml")),
        (errors.DamagedError, lambda: facematch.load_embedder("damaged.safetensors")),
        (errors.MismatchError, lambda: facematch.load_embedder("default", faces__size=64)),
    ],
)
def test_errors_are_of_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], wrong: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.safetensors").write_bytes(b"no header")
    assert issubclass(kind, facematch.FacematchError)
    with pytest.raises(kind):
        wrong()
    assert all(f"`{name}`" in DOCS for name in KINDS)


def test_importing_loads_nothing() -> None:
    loaded = python("import facematch, sys; print(*sys.modules)").split()
    assert not {"torch", "numpy", "cv2", "pydantic"} & set(loaded)
    assert [each for each in loaded if each.startswith("facematch")] == ["facematch"]


def test_ranking_needs_no_torch() -> None:
    assert "torch" not in python("import facematch, sys; facematch.rank([[0.0]], [[1.0]]); print(*sys.modules)").split()


def test_files_arrays_and_pil_images_are_the_same_photos(folder: Path) -> None:
    stage, names = pixels(faces__detector="none"), ["photos/ann/0.jpg", "photos/bob/1.jpg"]
    of_files = facematch.embed(names, stage)
    of_arrays = facematch.embed([image(name) for name in names], stage)
    of_images = facematch.embed({name: Image.fromarray(image(name)) for name in names}, stage)
    assert (of_files.names, of_arrays.names, of_images.names) == (tuple(names), ("0", "1"), tuple(names))
    np.testing.assert_array_equal(of_files.vectors, of_arrays.vectors)
    np.testing.assert_array_equal(of_files.vectors, of_images.vectors)
    np.testing.assert_array_equal(facematch.embed(image(names[0]), stage).vectors, of_files.vectors[:1])
    done: list[int] = []
    whole = facematch.embed(Path("photos"), stage, on_progress=done.append)
    assert done == [1, 2, 3, 4, 5, 6]
    assert whole.names == tuple(f"{name}/{number}.jpg" for name in FINDS for number in range(3))
    np.testing.assert_array_equal(whole.vectors[[0, 4]], of_files.vectors)


def test_a_photo_without_an_embedding_is_a_warning_and_no_row(folder: Path) -> None:
    Path("photos/broken.jpg").write_bytes(b"no photo")
    with pytest.warns(UserWarning, match=r"1 photos have no embedding, first broken\.jpg \("):
        found = facematch.embed("photos", pixels())
    assert len(found) == 6
    with pytest.warns(UserWarning, match="first 0 "):
        assert len(facematch.embed([np.zeros((50, 50, 3), np.uint8)], pixels(faces__miss="skip"))) == 0


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ([], "there are no photos"),
        (["photos/ann/0.jpg", "photos/ann/0.jpg"], "1 photos are given twice"),
        ([np.zeros((4, 4), np.uint8)], r"photo 0 is uint8 of shape \(4, 4\); H×W×3 uint8 RGB"),
        (np.zeros((4, 4, 3)), "photo 0 is float64"),
        ("nowhere", "cannot be searched"),
    ],
)
def test_what_is_no_photo_is_named(folder: Path, photos: Any, message: str) -> None:
    with pytest.raises(facematch.FacematchError, match=message):
        facematch.embed(photos, pixels())


def test_crops_are_what_the_command_makes_each_with_its_reason(folder: Path) -> None:
    Path("photos/ann/broken.jpg").write_bytes(b"no photo")
    Path("photos/ann/black.png").write_bytes(b"")
    Image.new("RGB", (60, 60)).save("photos/ann/black.png")
    found = {each.name: each for each in facematch.crop("photos/ann", faces__size=48, faces__miss="skip")}
    assert isinstance(found["broken.jpg"], Unreadable)
    assert isinstance(found["black.png"], Miss)
    crop = found["0.jpg"]
    assert isinstance(crop, Crop)
    assert crop.image.shape == (48, 48, 3)
    with pytest.raises(facematch.FacematchError, match=r"faces\.sise"):
        facematch.crop("photos", faces__sise=48)


def test_an_embedder_is_a_run_a_checkpoint_or_a_model(folder: Path) -> None:
    with pytest.raises(facematch.FacematchError, match="nowhere"):
        facematch.load_embedder("nowhere")
    with pytest.raises(facematch.FacematchError, match=r"none\.onnx"):
        facematch.embed("photos", "none.onnx")
    assert "embedder.view" not in pixels().fingerprint.settings


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.integers(1, 12))
def test_ranking_arrays_is_brute_force(seed: int, queries: int, photos: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = (rng.normal(size=(count, 3)).astype(np.float32) for count in (queries, photos))
    ranking = facematch.rank(query, gallery, k)
    apart = np.linalg.norm(query[:, None].astype(np.float64) - gallery[None], axis=2).astype(np.float32)
    for row in range(queries):
        names = sorted(range(photos), key=lambda each: (apart[row, each], str(each)))[:k]
        assert ranking.names(row) == tuple(map(str, names))
    assert ranking.as_dict() == {str(row): ranking.names(row) for row in range(queries)}


def test_labels_a_truth_and_a_task_give_the_same_figures() -> None:
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(12), 4)
    vectors = rng.normal(size=(12, 5))[people] + 0.8 * rng.normal(size=(48, 5))
    by_rows = facematch.evaluate(vectors, people.tolist())
    names = [str(row) for row in range(48)]
    shown = dict(zip(names, map(str, people), strict=True))
    assert facematch.evaluate(vectors, shown) == by_rows
    assert facematch.evaluate(vectors, leave_one_out(shown, names)) == by_rows
    assert 0 < (by_rows["top-1"].value or 0) < 1
    assert by_rows["top-1"].interval is not None

    query, gallery = vectors[::4], np.delete(vectors, slice(0, None, 4), axis=0)
    labels = people[::4].tolist(), np.delete(people, slice(0, None, 4)).tolist()
    pair = facematch.evaluate(query, labels, gallery)
    truth = {str(row): [str(n) for n, who in enumerate(labels[1]) if who == own] for row, own in enumerate(labels[0])}
    assert facematch.evaluate(query, truth, gallery)["top-1"].value == pair["top-1"].value
    nearest = np.linalg.norm(query[:, None] - gallery[None], axis=2).argmin(1)
    hits = [labels[1][place] == own for place, own in zip(nearest, labels[0], strict=True)]
    assert pair["top-1"].value == pytest.approx(np.mean(hits))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0], [1.0]], ["ann"]), "1 labels for 2 photos"),
        (([[0.0], [1.0]], {"0": "ann"}), "1 of 2 photos have no label, first 1"),
        (([[0.0]], {"1": ["0"]}, [[1.0]]), "the ground truth lacks 1 queries, first 0"),
        (([[0.0]], [["ann"]], [[1.0]]), "1 sequences of labels; a pair is needed"),
        (([[0.0], [1.0]], ["ann", "bob"]), "no query with a right answer"),
    ],
)
def test_answers_that_do_not_fit_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(facematch.FacematchError, match=message):
        facematch.evaluate(*arguments)


def test_verification_takes_all_pairs_or_those_given() -> None:
    vectors, people = [[0.0], [0.1], [1.0], [1.3]], ["ann", "ann", "bob", "bob"]
    apart = facematch.verify(vectors, people)
    assert (apart["ROC AUC"].value, apart["ROC AUC"].count) == (1.0, 6)
    assert facematch.verify(vectors, people, [[0, 1], [0, 3]])["ROC AUC"].count == 2
    for pairs, message in (([[0, 4]], "pairs hold row 4"), ([[0.0, 1.0]], "pairs are float64"), ([0, 1], "P×2")):
        with pytest.raises(facematch.FacematchError, match=message):
            facematch.verify(vectors, people, pairs)


def test_data_frames_and_texts_say_what_the_values_hold() -> None:
    ranking = facematch.rank([[0.0], [5.0]], [[1.0], [2.0], [4.0]], k=2)
    table = ranking.to_frame()
    assert table.to_dict("list") == {
        "query": ["0", "0", "1", "1"], "place": [1, 2, 1, 2], "photo": ["0", "1", "2", "1"], "distance": [1, 2, 1, 3],
    }  # fmt: skip
    assert repr(ranking).splitlines()[:2] == [
        "<2 queries, the nearest 2 of 3 photos, euclidean",
        "  0: 0 1.000, 1 2.000",
    ]
    photos = facematch.Embeddings(("a", "b"), np.eye(2, dtype=np.float32), "cosine", pixels().fingerprint)
    assert photos.to_frame().loc["b"].tolist() == [0, 1]
    assert repr(photos) == "<2 embeddings of 2 dimensions, compared by cosine: a, b>"
    estimate = facematch.Estimate("top-1", 0.5, (0.4, 0.6), 10, 12)
    assert estimate.to_frame().loc[0].to_dict() == {
        "name": "top-1", "value": 0.5, "low": 0.4, "high": 0.6, "count": 10, "people": 12, "note": "",
    }  # fmt: skip


def test_a_training_is_silent_and_its_run_embeds(
    folder: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    small = {
        "identities__train": ["photos"], "identities__validation": "photos2", "faces__detector": "none",
        "faces__size": 32, "network__backbone": "resnet18", "network__weights": "none", "network__embedding": 8,
        "training__epochs": 1, "training__identities_per_batch": 2, "training__photos_per_identity": 2,
        "training__precision": "fp32", "loss__classifier_epochs": 0,
    }  # fmt: skip
    for number, name in enumerate(sorted(Path("photos").rglob("*.jpg"))):
        target = Path("photos2") / f"{name.parent.name}2" / name.name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(name).rotate(5 + number).save(target)
    run = facematch.train(name="mine", **small)
    assert run == Path("checkpoints/mine")
    assert facematch.embed("photos", run).vectors.shape == (6, 8)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(facematch.FacematchError, match="already holds a run"):
        facematch.train(name="mine", **small)


def test_photos_are_embedded_from_several_threads(folder: Path) -> None:
    stage, found = pixels(), dict[int, Any]()
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: facematch.embed("photos", stage)}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for each in found.values():
        np.testing.assert_array_equal(each.vectors, found[0].vectors)


def test_a_folder_of_people_feeds_batches_of_identities(folder: Path) -> None:
    Image.new("RGB", (60, 60)).save("photos/ann/black.png")
    with pytest.warns(UserWarning, match="2 of 7 photos show no face"):
        faces = facematch.datasets.FaceFolder("photos", faces__size=32)
    assert (faces.classes, faces.labels) == (("ann", "bob"), [0, 0, 0, 1, 1])
    sampler = facematch.samplers.PKSampler(faces.labels, 2, 2)
    for workers in (0, 1):
        batches = list(DataLoader(faces, batch_sampler=sampler, num_workers=workers))
        assert len(batches) == len(sampler)
        for images, labels in batches:
            assert images.shape == (4, 3, 32, 32)
            assert sorted(labels.tolist()) == [0, 0, 1, 1]
    (crop,) = facematch.crop("photos/bob/2.jpg", faces__size=32)
    assert isinstance(crop, Crop)
    kept = facematch.datasets.FaceFolder("photos/..", faces__size=32, transform=lambda image: image)
    assert kept.classes == ("photos",)
    np.testing.assert_array_equal(kept[kept.names.index("photos/bob/2.jpg")][0], crop.image)
    Path("photos/bob/2.jpg").write_bytes(b"no photo")
    with pytest.raises(facematch.FacematchError, match="no longer the photo it was"):
        kept[kept.names.index("photos/bob/2.jpg")]


def test_epochs_of_a_sampler_are_told_apart_and_repeatable() -> None:
    sampler = facematch.samplers.PKSampler([number // 3 for number in range(30)], 4, 2, seed=5)
    first, second = list(sampler), list(sampler)
    assert first != second
    sampler.set_epoch(1)
    assert list(sampler) == first
