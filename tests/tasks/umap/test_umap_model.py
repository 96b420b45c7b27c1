"""A model on disk: saved, loaded, queried, updated. Embeddings are drawn by lot; nothing is fitted here."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.umap.fit import UmapSettings
from facematch.tasks.umap.grey_pixels import GreyPixels, distinct
from facematch.tasks.umap.model import (
    FILE,
    Changes,
    Hit,
    UmapModel,
    compare,
    load_model,
    query_model,
    save_model,
    update_model,
)
from umap_photos import made_pixels

pytest.importorskip("numba")
PIXELS = made_pixels(6, 4)
SETTINGS = UmapSettings(n_neighbors=4, n_components=3)


def photos(names: str, rows: list[int]) -> GreyPixels:
    """Files a, b, … that show rows of PIXELS; a file's digest tells its name and row."""
    pixels, found = distinct(PIXELS[rows])
    return GreyPixels(tuple(names), tuple(f"{name}{row}" for name, row in zip(names, rows, strict=True)), found, pixels)


def model(files: GreyPixels | None = None) -> UmapModel:
    files = files or photos("abcdefghijkl", [*range(0, 20, 2), 0, 21])
    rows = len(files.pixels)
    embedding = np.random.default_rng(1).normal(size=(rows, 3)).astype(np.float32)
    return UmapModel(SETTINGS, files, embedding, np.ones(rows, bool), rows, (1.93, 0.79), {4: 0.9, 10: 0.8}, 10)


def test_a_model_saved_and_loaded_is_equal(tmp_path: Path) -> None:
    before = replace(model(), fitted=np.arange(11) % 2 == 0, fitted_rows=9)
    save_model(tmp_path / "new", before)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]
    after = load_model(tmp_path / "new")
    for name in ("settings", "fitted_rows", "curve", "trust", "k"):
        assert getattr(after, name) == getattr(before, name)
    np.testing.assert_array_equal(after.embedding, before.embedding)
    np.testing.assert_array_equal(after.fitted, before.fitted)
    np.testing.assert_array_equal(after.photos.pixels, before.photos.pixels)
    np.testing.assert_array_equal(after.photos.rows, before.photos.rows)
    assert (after.photos.names, after.photos.sha256) == (before.photos.names, before.photos.sha256)


def test_a_file_that_is_cut_changed_or_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="holds no model of UMAP") as caught:
        load_model(tmp_path)
    assert "facematch umap fit PHOTOS" in caught.value.hint
    save_model(tmp_path, model())
    whole = (tmp_path / FILE).read_bytes()
    changed = bytearray(whole)
    changed[-7] ^= 1
    for data, words in (
        (whole[:-3], "cut short or changed"),
        (whole[:5], "is not a whole .safetensors file"),
        (b"", "is not a whole .safetensors file"),
        (bytes(changed), "are not those that were written"),
        (whole.replace(b"facematch umap 1", b"facematch umap 7"), "reads 'facematch umap 1'; the file says 'facema"),
        (whole.replace(b'\\"seed\\": 1', b'\\"sed\\":  1'), "is damaged"),
        (whole.replace(b'\\"n_neighbors\\": 4', b'\\"n_neighbors\\": 0'), "is damaged"),
    ):
        assert data != whole
        (tmp_path / FILE).write_bytes(data)
        with pytest.raises(FacematchError, match=words):
            load_model(tmp_path)


def test_embeddings_of_another_kind_are_no_model(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, tmp_path / FILE, metadata={"metric": json.dumps({})})
    with pytest.raises(FacematchError, match="the file says 'nothing'"):
        load_model(tmp_path)


def test_parts_that_do_not_belong_together_are_refused() -> None:
    good = model()
    for bad in (
        {"embedding": good.embedding[:-1]},
        {"embedding": np.full_like(good.embedding, np.nan)},
        {"fitted": good.fitted[:-1]},
        {"curve": (1.0, float("nan"))},
        {"photos": replace(good.photos, sha256=good.photos.sha256[1:])},
        {"photos": replace(good.photos, rows=good.photos.rows + 1)},
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
            replace(good, **bad)  # type: ignore[arg-type]


def test_an_image_that_is_there_finds_itself_first_then_its_copies() -> None:
    made = model()
    for name, row, other in (("a", 0, "k"), ("k", 0, "a")):
        hits = query_model(made, PIXELS[row], f"{name}0", 3)
        assert hits[:2] == [Hit(name, 0.0), Hit(other, 0.0)]
        assert hits[2].distance > 0
    assert query_model(made, PIXELS[0], "another file of these pixels", 2) == [Hit("a", 0.0), Hit("k", 0.0)]
    for row, name in zip(range(0, 20, 2), "abcdefghij", strict=True):
        assert query_model(made, PIXELS[row], f"{name}{row}", 1) == [Hit(name, 0.0)]


def test_hits_are_sorted_by_distance_in_the_embedding() -> None:
    made = model()
    at = made.embedding[3].astype(float)
    far = {
        name: float(np.linalg.norm(made.embedding[row] - at))
        for name, row in zip(made.photos.names, made.photos.rows.tolist(), strict=True)
    }
    hits = query_model(made, PIXELS[6], "d6", 100)
    assert [hit.name for hit in hits] == sorted(far, key=lambda name: (far[name], name))
    assert [hit.distance for hit in hits] == pytest.approx(sorted(far.values()))


def test_changes_are_told_by_name_and_bytes() -> None:
    made = model(photos("abcdef", [0, 1, 2, 3, 4, 5]))
    now = photos("abdefgh", [0, 9, 3, 4, 5, 2, 10])
    assert compare(made, now) == Changes(new=("g", "h"), changed=("b",), deleted=("c",), unchanged=4)
    same = compare(made, photos("abcdef", [0, 1, 2, 3, 4, 5]))
    assert same == Changes((), (), (), 6)
    assert not same


def test_an_update_places_what_is_new_and_forgets_what_is_gone() -> None:
    made = model(photos("abcdefghij", list(range(10))))
    now = photos("abdefgh", [0, 12, 3, 4, 5, 2, 13])  # b changed, g is c under another name, h is new
    after = update_model(made, now)
    assert (after.photos.names, after.photos.sha256) == (now.names, now.sha256)
    np.testing.assert_array_equal(after.photos.pixels[after.photos.rows], PIXELS[[0, 12, 3, 4, 5, 2, 13]])
    for name, row in {"a": 0, "d": 3, "e": 4, "f": 5, "g": 2}.items():
        here = after.photos.rows[after.photos.names.index(name)]
        np.testing.assert_array_equal(after.embedding[here], made.embedding[row])
        assert after.fitted[here]
    placed = [after.photos.rows[after.photos.names.index(name)] for name in "bh"]
    assert not after.fitted[placed].any()
    assert np.isfinite(after.embedding).all()
    assert (after.fitted_rows, after.drift) == (10, (2 + 5) / 10)
    assert query_model(after, PIXELS[13], "h13", 1) == [Hit("h", 0.0)]
    again = update_model(after, now)
    np.testing.assert_array_equal(again.embedding, after.embedding)


def test_an_update_by_copies_only_changes_no_place() -> None:
    made = model(photos("abc", [0, 1, 2]))
    after = update_model(made, photos("abcde", [0, 1, 2, 1, 1]))
    np.testing.assert_array_equal(after.embedding, made.embedding)
    assert after.photos.rows.tolist() == [0, 1, 2, 1, 1]
    assert after.drift == 0
