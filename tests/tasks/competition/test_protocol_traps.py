"""What has cost real groups their place, each with the number it has in the list of the competition's facts."""

import json
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import Run, names
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import NetworkEmbedder
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import METRICS
from facematch.ranking.ranking import distance_estimator

REQUEST = ("request", "--config", "small.yaml")
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
SOURCE = Path(__file__).parents[3]
Images = dict[str, list[str]]


def unreachable() -> tuple[str, ...]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/results/"
    return ("--set", f"server.url={url}", "--set", "server.attempts=2", "--set", "server.backoff=0.01")


def test_trap_1_a_failed_post_throws_nothing_away(project: Path, run: Run) -> None:
    assert run(*REQUEST, *unreachable()).code == 1
    (first,) = Path("submissions").glob("*.json")
    before = first.read_bytes()
    assert len(json.loads(before)["images"]) == len(names(QUERY))
    assert run(*REQUEST, *unreachable(), "--set", "server.group=others").code == 1
    assert first.read_bytes() == before  # nothing is written over
    rows = json.loads(run("submissions", "--json").out)["submissions"]
    assert [(row["fate"], row["attempts"]) for row in rows] == [("not scored", 2), ("not scored", 2)]


def _only_first_of_each_batch(images: Images) -> None:
    for query in list(images)[1:]:
        del images[query]


def _nine(images: Images) -> None:
    for answer in images.values():
        del answer[9:]


def _empty(images: Images) -> None:
    images.clear()


def _rebuilt_from_crops(images: Images) -> None:
    for query in list(images):
        images[query] = [f"{name.split('_')[0]}.jpg" for name in [f"{images[query][0]}_{n}" for n in range(10)]]


def _own_photos(images: Images) -> None:
    images["me.jpg"] = next(iter(images.values()))


def _queries_as_gallery(images: Images) -> None:
    queries = list(images)
    for answer in images.values():
        answer[:3] = queries


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_nine, "queries without exactly 10 names"),
        (_only_first_of_each_batch, "queries of the folder that are missing: 2"),
        (_empty, "the submission has no queries"),
        (_rebuilt_from_crops, "queries that name a photo twice"),
        (_own_photos, "queries that are not in the query folder: 1 (me.jpg)"),
        (_queries_as_gallery, "names that are query photos"),
    ],
)
def test_trap_2_a_wrong_payload_is_noticed(
    project: Path, run: Run, spoil: Callable[[Images], None], words: str
) -> None:
    run(*REQUEST, "--dry-run", "--out", "mine.json")
    payload = json.loads(Path("mine.json").read_text())
    assert run("check", "mine.json").code == 0
    spoil(payload["images"])
    Path("wrong.json").write_text(json.dumps(payload))
    done = run("check", "wrong.json")
    assert done.code == 1
    assert words in done.out
    assert run("submit", "wrong.json", *unreachable()).code == 1
    assert "wrong.json" not in (row["made_by"] for row in json.loads(run("submissions", "--json").out)["submissions"])


def test_trap_2_the_group_under_a_wrong_key(project: Path, run: Run) -> None:
    run(*REQUEST, "--dry-run", "--out", "mine.json")
    payload = json.loads(Path("mine.json").read_text())
    Path("wrong.json").write_text(json.dumps({"group_name": "us", "images": payload["images"]}))
    assert "has no key 'groupname'; its keys: 'group_name', 'images'" in run("check", "wrong.json").err


def test_trap_2_the_query_folder_given_as_the_gallery(project: Path, run: Run) -> None:
    assert run(*REQUEST, "--dry-run", "--set", f"paths.gallery={QUERY}").code == 1
    swapped = ("--set", f"paths.gallery={QUERY}", "--set", f"paths.query={GALLERY}")
    assert "a submission names 10 different ones" in run(*REQUEST, "--dry-run", *swapped).err


def test_trap_2_a_folder_with_or_without_a_trailing_slash(project: Path, run: Run) -> None:
    for end in ("", "/"):
        out = f"mine{len(end)}.json"
        done = run(*REQUEST, "--dry-run", "--out", out, "--set", f"paths.query={QUERY}{end}")
        assert done.code == 0
        assert sorted(json.loads(Path(out).read_text())["images"]) == names(QUERY)


@pytest.mark.parametrize("metric", METRICS)
def test_trap_2_the_nearest_stands_first(metric: str) -> None:
    vectors = np.array([[1, 0.1 * step] for step in range(5)], np.float32)
    if metric == "hamming":
        vectors = np.array([[2**step - 1] for step in range(5)], np.uint8)
    gallery = Embeddings(tuple("dacbe"), vectors[[3, 0, 2, 1, 4]], metric, Fingerprint())
    query = Embeddings(("q",), vectors[:1], metric, Fingerprint())
    assert distance_estimator(query, gallery, 5).names(0) == tuple("abcde")


def test_trap_3_a_missing_checkpoint_is_an_error(project: Path, run: Run) -> None:
    shutil.rmtree("checkpoints")
    done = run(*REQUEST, *unreachable())
    assert done.code == 1
    assert "checkpoints/small" in done.err
    assert not Path("submissions").exists()


@pytest.mark.parametrize(
    "setting", ["faces.margin=0.1", "faces.size=40", "faces.detector=none", "network.mean=[0,0,0]"]
)
def test_trap_4_training_and_inference_prepare_photos_alike(project: Path, run: Run, setting: str) -> None:
    done = run(*REQUEST, *unreachable(), "--set", setting)
    assert done.code == 1
    assert setting.partition("=")[0] in done.err
    assert not Path("submissions").exists()


def test_trap_4_red_stays_red(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    embed = NetworkEmbedder.embed
    monkeypatch.setattr(NetworkEmbedder, "embed", lambda self, crops: [seen.append(crops), embed(self, crops)][1])
    Path("red").mkdir()
    PillowImage.fromarray(np.full((64, 64, 3), (200, 30, 10), np.uint8)).save("red/red.png")
    assert run("embed", "red", "red.safetensors", "--config", "small.yaml").code == 0
    assert seen[0][0, 16, 16].tolist() == [200, 30, 10]


def test_trap_5_validation_people_are_strangers(project: Path) -> None:
    sides = json.loads(Path("checkpoints/small/identities.json").read_text())
    assert not set(sides["training"]) & set(sides["validation"])
    trained = read_checkpoint_header(Path("checkpoints/small")).trained
    assert {"top1", "top5", "top10"} <= set(trained["validation"])  # the best by retrieval


def test_trap_6_every_photo_passes_the_network_once(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []
    embed = NetworkEmbedder.embed

    def counted(self: NetworkEmbedder, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> object:
        passed.append(len(crops))
        return embed(self, crops)

    monkeypatch.setattr(NetworkEmbedder, "embed", counted)
    monkeypatch.setenv("FACEMATCH_CACHE", str(project / "new-cache"))
    assert run(*REQUEST, "--dry-run").code == 0
    validation = sum(len(names(Path("data/faces") / person)) for person in _validation())
    assert sum(passed) == len(names(QUERY)) + len(names(GALLERY)) + validation
    assert len(passed) <= 3


def _validation() -> list[str]:
    people: list[str] = json.loads(Path("checkpoints/small/identities.json").read_text())["validation"]
    return people


def test_trap_7_no_address_and_no_absolute_path_in_the_code() -> None:
    wrong = re.compile(r"""https?://(?!127\.0\.0\.1)\d+\.\d+\.\d+\.\d+|["'](/home/|/Users/|/root/|/mnt/|[A-Z]:\\)""")
    found = [
        f"{path.name}: {line.strip()}"
        for path in [*(SOURCE / "src").rglob("*.py"), *(SOURCE / "config").glob("*.yaml"), *SOURCE.glob("*.py")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if wrong.search(line) and "For example" not in line
    ]
    assert found == []
    assert wrong.search("url = 'http://10.1.2.3/results/'")
    assert wrong.search("folder = '/home/me/photos'")
