"""The ROxford protocol against the published evaluator, written out here, and against the published lists."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.ranking.ranking import Ranking
from facematch.tasks.protocols.revisited import (
    DIFFICULTIES,
    Difficulty,
    RevisitedQuery,
    RevisitedTruth,
    landmarks,
    load_ground_truth,
    revisited_figures,
    revisited_task,
)
from shared import shared

Numbers = NDArray[np.int64]
KAPPAS = (1, 5, 10)


def published_average_precision(positions: Numbers, relevant: int) -> float:
    """`compute_ap` of revisitop's evaluate.py: trapezoids over 0-based positions of the positives."""
    area = 0.0
    for j, rank in enumerate(positions):
        before = 1.0 if rank == 0 else j / rank
        area += (before + (j + 1) / (rank + 1)) / relevant / 2
    return area


def published_evaluation(ranks: Numbers, answers: list[tuple[Numbers, Numbers]]) -> tuple[float, Numbers, list[float]]:
    """`compute_map` of revisitop's evaluate.py, with np.isin for np.in1d: mAP, mP@k; `ranks` is database × queries."""
    precisions, areas = [], []
    for query, (positive, junk) in enumerate(answers):
        if not len(positive):
            continue
        at = np.flatnonzero(np.isin(ranks[:, query], positive))
        junk_at = np.flatnonzero(np.isin(ranks[:, query], junk))
        at = np.array([place - sum(j < place for j in junk_at) for place in at])
        areas.append(published_average_precision(at, len(positive)))
        from_one = at + 1
        row = []
        for kappa in KAPPAS:
            within = min(max(from_one), kappa)
            row.append((from_one <= within).sum() / within)
        precisions.append(row)
    return float(np.mean(areas)), np.mean(precisions, axis=0), areas


def published_figures(content: dict[str, Any], ranks: Numbers) -> list[float]:
    """`example_evaluate.py`: easy, medium and hard, each mAP and mP@1, 5, 10."""
    figures: list[float] = []
    for positive, junk in ((["easy"], ["junk", "hard"]), (["easy", "hard"], ["junk"]), (["hard"], ["junk", "easy"])):
        answers = [tuple(np.concatenate([g[k] for k in keys]) for keys in (positive, junk)) for g in content["gnd"]]
        mean, precisions, _ = published_evaluation(ranks, answers)  # type: ignore[arg-type]
        figures += [mean, *precisions]
    return figures


def random_content(seed: int, queries: int = 12, photos: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    kinds = [rng.choice(4, photos, p=[0.1, 0.15, 0.15, 0.6]) for _ in range(queries)]
    gnd = [{k: np.flatnonzero(kind == i).tolist() for i, k in enumerate(("easy", "hard", "junk"))} for kind in kinds]
    for number, answer in enumerate(gnd):
        answer["bbx"] = [1.5, 2, 30 + number, 40.25]
    gnd[0]["easy"] = []  # a query without positives leaves the mean of easy
    return {
        "imlist": [f"all_souls_{i:06}" for i in range(photos)],
        "qimlist": [f"oxford_{i:06}" for i in range(queries)],
        "gnd": gnd,
    }


def written(folder: Path, content: object) -> Path:
    path = folder / "gnd_roxford5k.json"
    path.write_text(json.dumps(content))
    return path


def ranking_of(content: dict[str, Any], distances: NDArray[np.float32], suffix: str = "") -> tuple[Ranking, Numbers]:
    order = np.argsort(distances, axis=1, kind="stable").astype(np.int64)
    ranking = Ranking(
        tuple(f"{name}{suffix}" for name in content["qimlist"]),
        tuple(f"{name}{suffix}" for name in content["imlist"]),
        order,
        np.take_along_axis(distances, order, 1),
        "cosine",
    )
    return ranking, order.T


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_figures_equal_the_published_evaluator(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    content = random_content(seed)
    truth = load_ground_truth(written(tmp_path_factory.mktemp("gnd"), content))
    distances = np.random.default_rng(seed).integers(0, 30, (12, 40)).astype(np.float32)
    ranking, ranks = ranking_of(content, distances, ".jpg")
    found = revisited_figures(ranking, truth, rounds=10)
    assert [figure.value for figure in found] == pytest.approx(published_figures(content, ranks))


@pytest.mark.parametrize(
    ("name", "places", "queries"), [("roxford5k", 12, (68, 70, 70)), ("rparis6k", 11, (70, 70, 70))]
)
def test_the_published_lists_give_the_published_figures(name: str, places: int, queries: tuple[int, ...]) -> None:
    path = shared(f"data/roxford_gnd/gnd_{name}.json")
    content, truth = json.loads(path.read_text()), load_ground_truth(path)
    rng = np.random.default_rng(0)
    # Somewhere between random and ideal: right photos are nearer by as much as the noise.
    distances = rng.normal(size=(70, len(content["imlist"]))).astype(np.float32)
    for row, answer in enumerate(content["gnd"]):
        distances[row, answer["easy"]] -= 2
        distances[row, answer["hard"]] -= 1
    ranking, ranks = ranking_of(content, distances)
    found = revisited_figures(ranking, truth, rounds=100)
    assert [figure.value for figure in found] == pytest.approx(published_figures(content, ranks))
    assert [figure.name for figure in found[:5]] == ["mAP easy", "mP@1 easy", "mP@5 easy", "mP@10 easy", "mAP medium"]
    assert [found[at].count for at in (0, 4, 8)] == list(queries)
    assert found[4].people == places  # 11 landmarks; one of ROxford has two sides
    assert found[4].interval is not None


def test_the_ideal_ranking_is_exactly_1() -> None:
    path = shared("data/roxford_gnd/gnd_roxford5k.json")
    content, truth = json.loads(path.read_text()), load_ground_truth(path)
    for difficulty, right in (("easy", ["easy"]), ("medium", ["easy", "hard"]), ("hard", ["hard"])):
        distances = np.ones((70, len(content["imlist"])), np.float32)
        for row, answer in enumerate(content["gnd"]):
            distances[row, [number for kind in right for number in answer[kind]]] = 0
        found = revisited_figures(ranking_of(content, distances)[0], truth, rounds=10)
        values = {figure.name: figure.value for figure in found if figure.name.endswith(difficulty)}
        assert values == {f"{figure} {difficulty}": 1.0 for figure in ("mAP", "mP@1", "mP@5", "mP@10")}


TRUTH = RevisitedTruth(
    ("a", "b", "c", "d"),
    (
        RevisitedQuery("q", frozenset("a"), frozenset("b"), frozenset("c")),
        RevisitedQuery("r", frozenset(), frozenset("d"), frozenset()),
    ),
)


@pytest.mark.parametrize(
    ("difficulty", "relevant", "ignored"),
    [("easy", ["a", ""], ["bc", "d"]), ("medium", ["ab", "d"], ["c", ""]), ("hard", ["b", "d"], ["ac", ""])],
)
def test_what_is_relevant_and_what_is_ignored(difficulty: Difficulty, relevant: list[str], ignored: list[str]) -> None:
    (division,) = revisited_task(TRUTH, difficulty, "abcd").divisions
    assert division.queries == ("q", "r")
    assert division.relevant == tuple(frozenset(names) for names in relevant)
    assert division.ignored == tuple(frozenset(names) for names in ignored)


def test_names_are_compared_without_folder_and_suffix_and_queries_in_any_order() -> None:
    ranking = Ranking(
        ("queries/r.jpg", "queries/q.jpg"),
        ("jpg/a.jpg", "jpg/b.jpg", "jpg/c.jpg", "jpg/d.jpg", "more/z.jpg"),
        np.array([[4, 3, 0, 1, 2], [2, 0, 4, 1, 3]]),
        np.tile(np.arange(5, dtype=np.float32), (2, 1)),
        "euclidean",
    )
    values = {figure.name: figure.value for figure in revisited_figures(ranking, TRUTH)}
    # q: c is junk, so a is first and b third; r: the photo that is not in the lists stands before d.
    assert values["mAP easy"] == pytest.approx(1)
    assert values["mAP medium"] == pytest.approx(((1 + (1 / 2 + 2 / 3) / 2) / 2 + (0 + 1 / 2) / 2) / 2)
    assert values["mAP hard"] == pytest.approx(((0 + 1 / 2) / 2 + (0 + 1 / 2) / 2) / 2)
    assert values["mP@5 medium"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_a_ranking_of_other_photos_is_refused() -> None:
    def ranking(queries: str, gallery: str, k: int = 9) -> Ranking:
        k = min(k, len(gallery))
        indices = np.tile(np.arange(k), (len(queries), 1))
        return Ranking(tuple(queries), tuple(gallery), indices, indices.astype(np.float32), "cosine")

    revisited_figures(ranking("qr", "abcd"), TRUTH, rounds=5)
    for found, problem in (
        (ranking("q", "abcd"), "the 2 queries of the ground truth: 1 are missing, r first"),
        (ranking("qr", "abd"), "the 4 gallery photos of the ground truth: 1 are missing, c first"),
        (ranking("qrr", "abcd"), "the 2 queries of the ground truth: a name appears twice"),
        (ranking("qr", "abcd", k=2), "needs the whole ranking"),
    ):
        with pytest.raises(FacematchError, match=problem):
            revisited_figures(found, TRUTH)


def test_queries_that_share_half_their_photos_show_one_landmark() -> None:
    def query(name: str, easy: str, hard: str = "") -> RevisitedQuery:
        return RevisitedQuery(name, frozenset(easy), frozenset(hard), frozenset())

    queries = (query("1", "abcd"), query("2", "xyz", "a"), query("3", "zy"), query("4", ""), query("5", "d", "c"))
    assert landmarks(RevisitedTruth(tuple("abcdxyz"), queries)) == (0, 1, 1, 2, 0)
    chain = (query("1", "ab"), query("2", "cd"), query("3", "abcd"))
    assert landmarks(RevisitedTruth(tuple("abcd"), chain)) == (0, 0, 0)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("arrays", [False, True])
def test_the_published_pickle_is_read_as_the_json(tmp_path: Path, protocol: int, arrays: bool) -> None:
    content = random_content(protocol)
    expected = load_ground_truth(written(tmp_path, content))
    if arrays:
        content["gnd"] = [{key: np.array(values) for key, values in answer.items()} for answer in content["gnd"]]
        content["gnd"][1]["bbx"] = [np.float64(side) for side in content["gnd"][1]["bbx"]]
    path = tmp_path / "gnd_roxford5k.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    assert load_ground_truth(path) == expected
    assert expected.queries[1].box == (1.5, 2.0, 31.0, 40.25)


def broken(**parts: object) -> dict[str, object]:
    return {"imlist": ["a", "b"], "qimlist": ["q"], "gnd": [{"easy": [0], "hard": [1], "junk": []}]} | parts


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"imlist": ["a"]}, "qimlist: Field required"),
        (broken(imlist=[]), "imlist: Tuple should have at least 1 item"),
        (broken(imlist=["a", "a"]), "imlist: .*it does not hold names, each once"),
        (broken(qimlist="q"), "qimlist: Input should be a valid tuple"),
        (broken(qimlist=[3]), "qimlist.0: Input should be a valid string"),
        (broken(qimlist=["q", "r"]), r"2 queries \(qimlist\) and 1 answers"),
        (broken(gnd=[[0]]), "gnd.0: Input should be a valid dictionary"),
        (broken(gnd=[{"easy": [0]}]), "gnd.0.hard: Field required"),
        (broken(gnd=[{"easy": [2], "hard": [], "junk": []}]), "easy of q does not hold numbers from 0 to 1"),
        (broken(gnd=[{"easy": [], "hard": [True], "junk": []}]), "gnd.0.hard.0: Input should be a valid integer"),
        (broken(gnd=[{"easy": [], "hard": [], "junk": [0.0]}]), "gnd.0.junk.0: Input should be a valid integer"),
        (broken(gnd=[{"easy": [1], "hard": [1], "junk": []}]), "a photo is in two of easy, hard and junk of q"),
        (broken(gnd=[{"easy": [1], "hard": [], "junk": [], "bbx": [1, 2]}]), "gnd.0.bbx.2: Field required"),
        (
            broken(gnd=[{"easy": [1], "hard": [], "junk": [], "bbx": [1, 2, 3, "4"]}]),
            "gnd.0.bbx.3: ",
        ),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(FacematchError, match=f"is not a ground truth of ROxford or RParis: .*{problem}"):
        load_ground_truth(written(tmp_path, content))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"nowhere\.pkl does not exist"):
        load_ground_truth(tmp_path / "nowhere.pkl")
    path = tmp_path / "gnd.json"
    path.write_text('{"imlist": [')
    with pytest.raises(FacematchError, match="is damaged, or of another kind: Expecting value"):
        load_ground_truth(path)
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(FacematchError, match="longer than 16 MB"):
        load_ground_truth(path)
    assert DIFFICULTIES == ("easy", "medium", "hard")
