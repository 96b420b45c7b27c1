"""`facematch verify`: a table or JSON of labelled pairs, every pair that is left out named, every mistake too."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.evaluation.verification import pairs_of_ranking
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.protocols.verify import verify_command
from plain_verification import auc, eer

PEOPLE, PHOTOS = 14, 3
Verify = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fourteen people of three photos, each a pattern with noise; a configuration of grey pixels."""
    rng = np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)
    for person in range(PEOPLE):
        (tmp_path / "images" / f"p{person:02d}").mkdir(parents=True)
        pattern = rng.integers(60, 190, (8, 8)).repeat(4, 0).repeat(4, 1)
        for number in range(PHOTOS):
            noisy = np.clip(pattern + rng.normal(0, 110, pattern.shape), 0, 255).astype(np.uint8)
            PillowImage.fromarray(noisy).save(tmp_path / "images" / name(person, number))
    (tmp_path / "grey.yaml").write_text(
        "name: grey\nembedder: {kind: pixels}\nfaces: {detector: none, size: 32}\nranking: {metric: cosine}\n"
    )
    return tmp_path


@pytest.fixture
def verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run the command with --json and return what it prints."""

    def run(pairs: Path = Path("pairs.csv"), images: Path | None = None, *overrides: str) -> dict[str, Any]:
        capsys.readouterr()
        verify_command(pairs, images, Path("grey.yaml"), overrides, as_json=True)
        values: dict[str, Any] = json.loads(capsys.readouterr().out)
        return values

    return run


def name(person: int, number: int) -> str:
    return f"p{person:02d}/{number}.png"


def write(rows: Sequence[tuple[object, ...]], header: str = "a,b,same", path: str = "pairs.csv") -> None:
    Path(path).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def neighbours() -> list[tuple[str, str, int]]:
    """Two same pairs of each person; each even person beside the next."""
    rows = [(name(p, 0), name(p, number), 1) for p in range(PEOPLE) for number in (1, 2)]
    return rows + [(name(p, i), name(p + 1, j), 0) for p in range(0, PEOPLE, 2) for i in range(2) for j in range(2)]


def everything() -> list[tuple[str, str, int]]:
    photos = [(p, n) for p in range(PEOPLE) for n in range(PHOTOS)]
    return [(name(*a), name(*b), int(a[0] == b[0])) for i, a in enumerate(photos) for b in photos[:i]]


def figure(values: dict[str, Any], wanted: str) -> dict[str, Any]:
    return next(each for each in values["figures"] if each["name"] == wanted)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "jaccard", "manhattan"])
def test_all_pairs_are_those_of_a_ranking(verify: Verify, metric: str) -> None:
    from facematch.photos.photo import find_photos
    from facematch.pipeline.build import build_embedder, photo_embedder
    from facematch.settings.file import load_settings

    write(everything())
    values = verify(Path("pairs.csv"), None, f"ranking.metric={metric}")
    settings = load_settings(Path("grey.yaml"), [f"ranking.metric={metric}"])
    embedded = photo_embedder(settings, build_embedder(settings)).run(find_photos(Path("images")).files)
    side: Embeddings = embedded.embeddings
    ranking = distance_estimator(side, side, len(side), exclude_same_name=True)
    people = [photo.split("/")[0] for photo in side.names]
    pairs = pairs_of_ranking(ranking, people, people)
    assert len(pairs) == values["pairs"] == 42 * 41 // 2
    assert figure(values, "ROC AUC")["value"] == pytest.approx(auc(pairs))
    assert figure(values, "EER")["value"] == pytest.approx(eer(pairs))
    assert values["metric"] == metric
    assert (values["same"], values["different"], values["people"]) == (42, 819, 14)
    low, high = figure(values, "ROC AUC")["interval"]
    assert 0.5 < low < auc(pairs) < high <= 1
    assert (values["left_out"], values["unusable"]) == (0, {})


def test_pairs_of_separate_people_have_an_accuracy(verify: Verify) -> None:
    write(neighbours())
    values = verify()
    assert len(values["accuracy"]["accuracies"]) == 7
    assert values["accuracy"]["mean"] == pytest.approx(np.mean(values["accuracy"]["accuracies"]))
    assert values["accuracy"]["mean"] > 0.6
    assert values["notes"][0].startswith("7 folds in place of 10")


def test_folds_of_the_file_are_kept(verify: Verify) -> None:
    rows = [(*row, int(row[0][1:3]) % 4 // 2) for row in neighbours()]
    write(rows, "a,b,same,fold")
    values = verify()
    assert len(values["accuracy"]["accuracies"]) == 2
    assert not any("more than one fold" in text for text in values["notes"])
    write([(*row, number % 2) for number, row in enumerate(neighbours())], "a,b,same,fold")
    assert any(text.startswith("14 people stand in more than one fold") for text in verify()["notes"])


def test_lfws_own_file(verify: Verify) -> None:
    for person in range(4):
        for number in range(3):
            Path(f"images/n{person}").mkdir(exist_ok=True)
            Path(f"images/n{person}/n{person}_{number:04d}.jpg").write_bytes(
                (Path("images") / name(person, number)).read_bytes()  # a PNG by another name is told by content
            )
    Path("pairs.txt").write_text("2\t2\nn0 0 1\nn1 0 1\nn0 0 n1 0\nn0 1 n1 1\nn2 0 1\nn3 0 1\nn2 0 n3 0\nn2 1 n3 1\n")
    values = verify(Path("pairs.txt"))
    assert (values["pairs"], values["same"], values["people"]) == (8, 4, 4)
    assert len(values["accuracy"]["accuracies"]) == 2


def test_the_table_says_what_json_says(verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    write(everything())
    values = verify()
    verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [], as_json=False)
    shown = capsys.readouterr()
    assert "861 pairs, 42 same, 819 different; 14 people; cosine" in shown.out
    for each in values["figures"][:4]:
        line = next(line for line in shown.out.splitlines() if f" {each['name']} " in line)
        assert f"{each['value']:.4f}" in line
        assert f"[{each['interval'][0]:.4f}–{each['interval'][1]:.4f}]" in line
    assert "insufficient data" in next(line for line in shown.out.splitlines() if "accuracy" in line)
    assert "1 fold in place of 10" in shown.err
    assert "TAR@FAR=0.001: insufficient data: 819 different pairs, a FAR of 0.001 needs at least 1000" in shown.err
    assert "left out" not in shown.err


def test_pairs_that_cannot_be_used_are_counted_and_named(verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    write(neighbours())
    whole = verify()
    (Path("images") / name(0, 0)).write_bytes(b"")
    (Path("images") / name(3, 2)).write_text("no photo")
    values = verify()
    # Person 0's photo 0 stands in two same and two different pairs, person 3's photo 2 in one same pair.
    assert (values["left_out"], values["pairs"], values["same"]) == (5, whole["pairs"] - 5, whole["same"] - 3)
    assert values["unusable"].keys() == {name(0, 0), name(3, 2)}
    assert values["unusable"][name(0, 0)] == "empty file"
    assert all(values["unusable"].values())
    verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [], as_json=False)
    err = capsys.readouterr().err
    assert "pairs left out: 5; photos without an embedding: 2" in err
    assert f"{name(0, 0)}: empty file" in err


def test_pairs_left_out_leave_the_folds_of_the_others(verify: Verify) -> None:
    rows = [(*row, int(row[0][1:3]) // 5) for row in neighbours()]
    write([row for row in rows if name(1, 0) not in row], "a,b,same,fold")
    without = verify()
    write(rows, "a,b,same,fold")
    (Path("images") / name(1, 0)).write_bytes(b"")
    values = verify()
    assert values["left_out"] == 4
    assert values["accuracy"] == without["accuracy"]
    assert [each["value"] for each in values["figures"]] == [each["value"] for each in without["figures"]]


def test_a_photo_without_a_face_is_left_out_where_the_settings_say_so(verify: Verify) -> None:
    write(neighbours())
    assert verify(Path("pairs.csv"), None, "faces.detector=haar")["left_out"] == 0  # the whole photo stands in
    with pytest.raises(FacematchError, match=r"none of 56 pairs has two photos with an embedding; first p00/0\.png: "):
        verify(Path("pairs.csv"), None, "faces.detector=haar", "faces.miss=skip")


def test_many_unusable_photos_are_not_all_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(everything())
    for person in range(5):
        for number in range(PHOTOS):
            (Path("images") / name(person, number)).write_bytes(b"")
    verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [], as_json=False)
    err = capsys.readouterr().err
    assert "and 5 more; --json names all" in err
    assert err.count(": empty file") == 10


def test_names_start_from_the_folder_that_is_there(verify: Verify, folder: Path) -> None:
    write(neighbours())
    beside = verify()
    (folder / "elsewhere").mkdir()
    (folder / "pairs.csv").rename(folder / "elsewhere" / "pairs.csv")
    assert verify(Path("elsewhere/pairs.csv"), Path("images")) == beside
    (folder / "elsewhere" / "pairs.csv").rename(folder / "images" / "pairs.csv")
    assert verify(Path("images/pairs.csv")) == beside


def test_of_the_refine_steps_only_flip_is_used(verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    write(neighbours())
    plain = verify()
    shown = {}
    for steps in ("[query-expansion]", "[flip]", "[flip, query-expansion]"):
        verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [f"refine={steps}"], as_json=True)
        printed = capsys.readouterr()
        shown[steps] = json.loads(printed.out)
        assert ("only flip is used" in printed.err) == ("expansion" in steps)
    assert shown["[query-expansion]"] == plain
    assert shown["[flip]"] == shown["[flip, query-expansion]"] != plain


def test_a_second_run_takes_embeddings_from_the_cache(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    write(neighbours())
    first = verify()
    monkeypatch.setattr("facematch.embedders.pixels.PixelEmbedder.embed", None)
    assert verify() == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"pairs\.csv does not exist"),
        ("", r"pairs\.csv is empty"),
        ("a,b,same\np00/0.png,p00/1.png\n", "line 2: found"),
        (
            "a,b,same\np00/0.png,p00/9.png,1\np01/0.png,p07/8.png,0\np02/7.png,p03/0.png,0\np02/6.png,p03/0.png,0\n",
            r"4 of 7 photos named in pairs\.csv do not exist in images: p00/9\.png, p07/8\.png, p02/7\.png, …\.",
        ),
        ("a,b,same\np00/0.png/x,p00/1.png,1\n", "1 of 2 photos named"),
        ("a,b,same\np00/0.png,p00/1.png,1\np00/1.png,p01/0.png,1\np00/0.png,p01/0.png,0\n", "contradict others"),
        ("a,b,same\np00,p00/1.png,0\n", "none of 1 pairs has two photos with an embedding; first p00: a folder"),
    ],
)
def test_each_mistake_has_its_message(folder: Path, text: str | None, words: str) -> None:
    if text is not None:
        Path("pairs.csv").write_text(text)
    with pytest.raises(FacematchError, match=words):
        verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [], as_json=True)


def test_a_name_that_cannot_be_opened_is_an_unreadable_photo(verify: Verify) -> None:
    write([*neighbours(), ("x" * 300 + "/1.png", name(0, 0), 0)])
    values = verify()
    assert values["left_out"] == 1
    assert values["unusable"]["x" * 300 + "/1.png"]


def test_a_photo_of_one_colour_has_no_cosine(folder: Path) -> None:
    PillowImage.new("L", (32, 32), 77).save(Path("images") / name(0, 0))
    write(neighbours())
    with pytest.raises(FacematchError, match=r"p00/0\.png has a zero embedding"):
        verify_command(Path("pairs.csv"), None, Path("grey.yaml"), [], as_json=True)
