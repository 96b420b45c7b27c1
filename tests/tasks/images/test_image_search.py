"""The nearest photos of a folder, however the image is turned."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.pipeline.images import ImageSet, embed_images, image_sets, image_stage, load_image_settings
from facematch.tasks.images.edits import ORIENTATIONS, UPRIGHT, Orientation, oriented
from facematch.tasks.images.search import Hit, embed_queries, nearest_images, search_sets
from image_folders import made_folder, saved
from leak_photos import made_photo

SYSTEMS = ("pixels", "phash", "dhash", "whash")


def test_there_are_eight_ways_the_plainest_first() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    made = [oriented(picture, turn) for turn in ORIENTATIONS]
    assert ORIENTATIONS[0] == UPRIGHT == Orientation(0, mirrored=False)
    np.testing.assert_array_equal(made[0], picture)
    assert len({each.tobytes() + bytes(each.shape) for each in made}) == len({str(turn) for turn in ORIENTATIONS}) == 8
    assert all(each.flags.c_contiguous for each in made)


@pytest.mark.parametrize(
    ("turn", "words", "expected"),
    [
        (Orientation(0), "", [[1, 2], [3, 4]]),
        (Orientation(1), "turned 90° clockwise", [[3, 1], [4, 2]]),
        (Orientation(2), "turned upside down", [[4, 3], [2, 1]]),
        (Orientation(3), "turned 90° anticlockwise", [[2, 4], [1, 3]]),
        (Orientation(0, mirrored=True), "mirrored", [[2, 1], [4, 3]]),
        (Orientation(1, mirrored=True), "mirrored, then turned 90° clockwise", [[4, 2], [3, 1]]),
        (Orientation(2, mirrored=True), "mirrored top to bottom", [[3, 4], [1, 2]]),
        (Orientation(3, mirrored=True), "mirrored, then turned 90° anticlockwise", [[1, 3], [2, 4]]),
    ],
)
def test_the_words_say_what_is_done(turn: Orientation, words: str, expected: list[list[int]]) -> None:
    picture = np.repeat(np.array([[1, 2], [3, 4]], np.uint8)[..., None], 3, axis=2)
    assert oriented(picture, turn)[..., 0].tolist() == expected
    assert str(turn) == words


def searched(system: str, image: Path, folder: Path, k: int, *, turned: bool = True) -> tuple[Hit, ...]:
    stage = image_stage(load_image_settings(None), system)
    (query,) = embed_queries(stage, [image], turned=turned)
    return nearest_images(query, embed_images(stage, folder), k)


@pytest.mark.parametrize("turn", ORIENTATIONS, ids=lambda turn: f"{turn.quarters}{turn.mirrored}")
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_turned_copy_is_found_and_told(tmp_path: Path, system: str, turn: Orientation) -> None:
    folder = made_folder(tmp_path / "in")
    image = made_photo(77, 96, 64)
    query = saved(tmp_path, "query.png", image)
    saved(folder, "copy.png", oriented(image, turn))
    found = searched(system, query, folder, 3)
    assert found[0].file.name == "copy.png"
    assert found[0].distance < found[1].distance / 4
    assert found[0].orientation == turn
    plain = searched(system, query, folder, 1, turned=False)
    assert plain[0].orientation == UPRIGHT
    assert (plain[0].distance == found[0].distance) == (turn == UPRIGHT)


@pytest.mark.parametrize("k", [1, 4, 6, 50])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_nearest_equal_a_naive_search(tmp_path: Path, system: str, k: int) -> None:
    folder = made_folder(tmp_path / "in", count=6)
    query = saved(tmp_path, "query.png", made_photo(5, 60, 80))
    stage = image_stage(load_image_settings(None), system)
    (asked,) = embed_queries(stage, [query], turned=True)
    images = embed_images(stage, folder)
    found = nearest_images(asked, images, k)
    naive = naive_search(asked.embeddings.as_floats(), images, coded=system != "pixels")
    assert [hit.file.name for hit in found] == [name for _, name, _ in naive[:k]]
    np.testing.assert_allclose([hit.distance for hit in found], [each for each, _, _ in naive[:k]], rtol=1e-6)
    assert [hit.orientation for hit in found] == [ORIENTATIONS[row] for _, _, row in naive[:k]]


def naive_search(queries: np.ndarray, images: ImageSet, *, coded: bool) -> list[tuple[float, str, int]]:
    found = []
    for name, vector in zip(images.embeddings.names, images.embeddings.as_floats(), strict=True):
        distances = []
        for query in queries.astype(np.float64):
            difference = query - vector
            distances.append(float((difference != 0).sum() if coded else np.float32(np.sqrt((difference**2).sum()))))
        found.append((min(distances), name, distances.index(min(distances))))
    return sorted(found)


@given(seed=st.integers(0, 1000), columns=st.integers(1, 40), rows=st.integers(1, 40))
def test_turning_four_times_or_mirroring_twice_changes_nothing(seed: int, columns: int, rows: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    for turn in ORIENTATIONS:
        back = turn if turn.mirrored else Orientation(-turn.quarters % 4)  # a reflection undoes itself
        np.testing.assert_array_equal(oriented(oriented(image, turn), back), image)


def test_a_symmetric_picture_is_told_as_it_is(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "in", count=2)
    half = made_photo(3, 40, 40)
    image = saved(tmp_path, "query.png", np.ascontiguousarray(np.hstack([half, half[:, ::-1]])))
    saved(folder, "copy.png", np.ascontiguousarray(np.hstack([half, half[:, ::-1]])))
    assert searched("dhash", image, folder, 1)[0].orientation == UPRIGHT


def test_equal_distances_stand_by_name(tmp_path: Path) -> None:
    image = made_photo(1, 64, 48)
    for name in ("c.png", "a.png", "b.png"):
        saved(tmp_path / "in", name, image)
    found = searched("phash", saved(tmp_path, "query.png", image), tmp_path / "in", 2)
    assert [(hit.file.name, hit.distance) for hit in found] == [("a.png", 0), ("b.png", 0)]


def test_the_image_itself_is_told_and_not_left_out(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "in", count=3)
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    saved(folder, "near.png", np.clip(made_photo(1, 96, 64).astype(int) + 3, 0, 255).astype(np.uint8))
    found = searched("pixels", folder / "1.png", folder, 3)
    assert [(hit.file.name, hit.identical) for hit in found] == [
        ("1.png", "the very same file"),
        ("copy.png", "the same bytes"),
        ("near.png", None),
    ]


@pytest.mark.parametrize("turned", [True, False])
def test_several_images_are_asked_in_their_order(tmp_path: Path, turned: bool) -> None:
    folder = made_folder(tmp_path / "in")
    stage = image_stage(load_image_settings(None), "pixels")
    queries = embed_queries(stage, [folder / "3.png", folder / "0.png"], turned=turned)
    images = embed_images(stage, folder)
    assert [nearest_images(query, images, 1)[0].file.name for query in queries] == ["3.png", "0.png"]
    assert [len(query.embeddings) for query in queries] == [8 if turned else 1] * 2


def test_an_image_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    stage = image_stage(load_image_settings(None), "pixels")
    with pytest.raises(FacematchError, match=r"nope\.png is no photo that can be read: it does not exist"):
        embed_queries(stage, [tmp_path / "nope.png"], turned=True)
    with pytest.raises(FacematchError, match="is a folder, not an image"):
        embed_queries(stage, [tmp_path], turned=True)
    (tmp_path / "a.jpg").write_bytes(b"no photo at all")
    with pytest.raises(FacematchError, match=r"a\.jpg is no photo that can be read: not an image"):
        embed_queries(stage, [tmp_path / "a.jpg"], turned=True)


@pytest.mark.parametrize("system", ["pixels", "dhash"])
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_parts_of_a_folder_give_what_the_whole_gives(tmp_path: Path, system: str, at_once: int) -> None:
    folder = tmp_path / "photos"
    for number in range(7):
        saved(folder, f"{number}.png", made_photo(number % 5, 60, 48))  # two are twice there: they tie
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much more")
    (folder / "notes.txt").write_text("no photo")
    stage = image_stage(load_image_settings(None), system)
    queries = embed_queries(stage, [folder / "1.png", folder / "4.png"], turned=True)
    seen: list[int] = []
    found = search_sets(queries, image_sets(stage, folder, seen.append, at_once=at_once), 5)
    whole = embed_images(stage, folder)
    assert found.nearest == tuple(nearest_images(query, whole, 5) for query in queries)
    assert (found.photos, found.unread) == (7, whole.unread)
    assert seen == sorted(seen)
    assert seen[-1] == 100
