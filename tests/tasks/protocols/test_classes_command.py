"""`facematch classes`: precision and recall by hand, times apart, and no network that was trained on a query."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from command_helpers import Run
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Fingerprint
from facematch.identities.sources import load_identities
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import METRICS
from facematch.settings.file import load_settings
from facematch.tasks.protocols.class_photos import class_photos, require_untrained
from facematch.tasks.protocols.classes_command import search_seconds
from image_folders import saved

COLOURS = {"cane": (200, 40, 40), "gatto": (40, 200, 40), "ragno": (40, 40, 200)}


def gradient(colour: tuple[int, int, int], seed: int) -> np.ndarray:
    """A picture of one class: the same gradient with a little noise."""
    ramp = np.linspace(0, 1, 48)[:, None] ** (1 + colour.index(max(colour)))
    image = ramp[:, :, None] * np.array(colour) * np.linspace(0.2, 1, 64)[None, :, None] ** (1 + colour[0] / 100)
    noise = np.random.default_rng(seed).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        for number in range(8):
            saved(tmp_path / "animals", f"{name}/{number}.png", gradient(colour, 10 * len(name) + number))
    return tmp_path / "animals"


def naive(distances: np.ndarray, classes: list[str], sha256: list[str], k: int, limit: float) -> dict[str, list[int]]:
    """A, B and C of each class at k and at a distance, every photo asking all others."""
    found: dict[str, list[int]] = {name: [0] * 6 for name in classes}
    for query, name in enumerate(classes):
        others = [row for row in range(len(classes)) if sha256[row] != sha256[query]]
        nearest = sorted(others, key=lambda row: (distances[query, row], row))
        relevant = sum(classes[row] == name for row in others)
        for offset, taken in ((0, nearest[:k]), (3, [row for row in nearest if distances[query, row] <= limit])):
            found[name][offset] += sum(classes[row] == name for row in taken)
            found[name][offset + 1] += len(taken)
            found[name][offset + 2] += relevant
    return found


def test_a_b_and_c_equal_a_naive_count(animals: Path, run: Run) -> None:
    shutil.copy(animals / "cane" / "0.png", animals / "cane" / "copy.png")  # the query again: never a hit
    done = run("classes", animals, animals, "--system", "pixels", "-k", 4, "--threshold", "0.2", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    from facematch.pipeline.images import embed_images, image_stage, load_image_settings

    images = embed_images(image_stage(load_image_settings(None), "pixels"), animals)
    vectors = images.embeddings.vectors.astype(np.float64)
    distances = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1)).astype(np.float32)
    english = {"cane": "dog", "gatto": "cat", "ragno": "spider"}
    classes = [english[name.split("/")[0]] for name in images.embeddings.names]
    expected = naive(distances, classes, [images.sha256[name] for name in images.embeddings.names], 4, 0.2)
    for offset, rows in ((0, told["at_k"]), (3, told["at_threshold"])):
        assert [row["name"] for row in rows] == ["cat", "dog", "spider", "all classes"]
        for row in rows[:-1]:
            a, b, c = expected[row["name"]][offset : offset + 3]
            assert (row["a"], row["b"], row["c"]) == (a, b, c)
            assert row["precision"]["value"] == (pytest.approx(a / b) if b else None)
            assert row["recall"]["value"] == pytest.approx(a / c)
        assert [rows[-1][key] for key in "abc"] == [sum(row[key] for row in rows[:-1]) for key in "abc"]
    assert rows[-1]["recall"]["interval"][0] <= rows[-1]["recall"]["value"] <= rows[-1]["recall"]["interval"][1]
    assert (told["queries"], told["database"], told["threshold_chosen"]) == (25, 25, "as given")


def test_queries_are_drawn_by_class_and_the_rest_answers(animals: Path) -> None:
    photos = class_photos(animals, None, 6, None, seed=1)
    asked = [file.path for file in photos.queries.files]
    assert photos.queries.counts == {"cat": 2, "dog": 2, "spider": 2}
    assert photos.database.counts == {"cat": 6, "dog": 6, "spider": 6}
    assert not {file.path for file in photos.database.files} & set(asked)
    assert [file.path for file in class_photos(animals, None, 6, None, seed=1).queries.files] == asked
    assert [file.path for file in class_photos(animals, None, 6, None, seed=2).queries.files] != asked
    few = class_photos(animals, None, 6, 9, seed=1)
    assert few.database.counts == {"cat": 3, "dog": 3, "spider": 3}
    assert len(class_photos(animals, None, None, None, seed=1).queries.files) == 3  # at least one of each class


def test_the_table_and_the_times_are_printed(animals: Path, run: Run) -> None:
    done = run("classes", animals, "--system", "pixels", "-k", 2, "--query-count", 6)
    assert done.code == 0
    assert "6 queries, 18 photos in the database (drawn from" in done.out
    for word in ("precision A/B", "the first 2", "the best macro-F1 among photos of the database", "photos a second"):
        assert word in done.out
    assert "the first batch, with the model's loading, is left out" in done.err
    assert "classes of Animals-10" in done.err
    cached = run("classes", animals, "--system", "pixels", "-k", 2, "--query-count", 6, "--cached")
    assert "photos a second" not in cached.out
    assert cached.out.split("time")[0] == done.out.split("time")[0]


def test_a_threshold_chosen_on_the_queries_is_said_to_flatter(animals: Path, run: Run) -> None:
    assert "its figures flatter" in run("classes", animals, animals, "--system", "pixels", "--cached").err
    assert "its figures flatter" not in run("classes", animals, "--system", "pixels", "--cached").err


def test_the_queries_are_not_looked_at_for_the_threshold(animals: Path, run: Run, tmp_path: Path) -> None:
    for number in range(3):
        saved(tmp_path / "odd", f"cane/{number}.png", gradient(COLOURS["gatto"], number))
    limits = {
        json.loads(run("classes", animals, asked, "--system", "pixels", "--cached", "--json").out)["threshold"]
        for asked in (tmp_path / "odd", animals)
    }
    assert len(limits) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{in}/cane"], "error: "),
        (["{in}", "{in}/nowhere"], "does not exist"),
        (["{in}", "{in}", "--query-count", "3"], "counts are drawn from one folder"),
        (["{in}", "--query-count", "100"], "holds 24 photos, not 100 queries"),
        (["{in}", "{in}/../odd"], "holds no photo of wolf"),
        (["{in}/../one"], "holds one class, wolf"),
        (["{in}", "--system", "pxels"], "did you mean 'pixels'"),
    ],
)
def test_a_mistake_is_named(animals: Path, run: Run, arguments: list[str], message: str) -> None:
    saved(animals.parent / "odd", "wolf/a.png", gradient((1, 2, 3), 1))
    saved(animals.parent / "odd", "dog/a.png", gradient((1, 2, 3), 1))
    saved(animals.parent / "one", "wolf/a.png", gradient((1, 2, 3), 1))
    done = run("classes", *(each.replace("{in}", str(animals)) for each in arguments))
    assert done.code == 1
    assert message in done.err
    assert done.out == ""


def test_a_network_that_was_trained_on_a_query_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(Path("small.yaml"))
    trained = json.loads((project / "checkpoints" / "small" / "photos.json").read_text())["photos"]
    for number, path in enumerate(list(trained.values())[:3]):
        (project / "asked" / str(number)).mkdir(parents=True)
        shutil.copy(path, project / "asked" / str(number) / "another name.jpg")
    with pytest.raises(
        FacematchError, match=r"small was trained on 3 of the 3 photos that ask: 0/another name\.jpg = "
    ):
        require_untrained(settings, load_identities(project / "asked")[0])
    saved(project / "new", "0/0.png", gradient((200, 10, 10), 1))
    unseen = load_identities(project / "new")[0]
    require_untrained(settings, unseen)
    assert f"no query is among the {len(trained)} photos of the training" in capsys.readouterr().err
    (project / "checkpoints" / "small" / "photos.json").unlink()
    require_untrained(settings, unseen)
    assert "does not tell the photos of its training" in capsys.readouterr().err


def test_a_run_tells_every_photo_of_its_training(project: Path) -> None:
    told = json.loads((project / "checkpoints" / "small" / "photos.json").read_text())["photos"]
    others = json.loads((project / "checkpoints" / "small" / "identities.json").read_text())["validation"]
    photos = [path for path in (project / "data" / "faces").rglob("*.jpg") if path.parent.name not in others]
    assert sorted(told) == sorted(sha256_of_file(path) for path in photos)


def test_every_metric_is_timed() -> None:
    vectors = np.random.default_rng(1).normal(size=(20, 16)).astype(np.float32)
    names = tuple(map(str, range(20)))
    for metric in METRICS:
        plain = Embeddings(names, vectors, "euclidean" if metric == "hamming" else metric, Fingerprint({}))
        side = plain.as_codes() if metric == "hamming" else plain
        assert all(seconds > 0 for seconds in search_seconds(side, side, 50))


def test_a_folder_that_is_no_class_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FacematchError):
        class_photos(tmp_path, None, None, None, seed=1)
