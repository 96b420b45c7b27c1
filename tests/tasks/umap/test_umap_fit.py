"""UMAP from known neighbours and the place of a new photo, against umap-learn. One fit serves most tests."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.umap.fit import (
    Embedding,
    UmapSettings,
    curve_of,
    epochs_of,
    fewest_rows,
    lay_out,
    memberships,
    neighbour_graph,
    place,
    prepare_numba,
    umap_module,
)
from facematch.tasks.umap.grey_pixels import Pixels
from facematch.tasks.umap.neighbours import Neighbours, find_neighbours, trustworthiness
from facematch.tasks.umap.tune import FIXED_K, SIZES, fit_all, fixed_k_for, settings_for, sweep
from umap_photos import made_pixels

pytest.importorskip("umap")
SETTINGS = UmapSettings(n_neighbors=8, n_components=3)
PIXELS = made_pixels(20, 6)
NEW = np.clip(0.6 * PIXELS[::5] + 0.4 * PIXELS[2::5], 0, 255).astype(np.uint8)


def fit_umap(neighbours: Neighbours, pixels: Pixels, settings: UmapSettings) -> Embedding:
    return lay_out(neighbour_graph(neighbours, settings), pixels, settings)


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_umap(find_neighbours(PIXELS, 10), PIXELS, SETTINGS)


@pytest.fixture(scope="module")
def theirs() -> Any:
    return umap_learns(1)


def umap_learns(seed: int) -> Any:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return umap.UMAP(n_neighbors=8, n_components=3, min_dist=0.0, random_state=seed).fit(PIXELS)


def test_the_same_seed_gives_the_same_embedding(embedding: Embedding) -> None:
    known = find_neighbours(PIXELS, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = fit_umap(known, PIXELS, SETTINGS)
        other = fit_umap(known, PIXELS, replace(SETTINGS, seed=2))
    assert embedding.dtype == np.float32
    assert embedding.shape == (120, 3)
    np.testing.assert_array_equal(again, embedding)
    assert (other != embedding).any()


def test_the_graph_and_the_curve_are_umap_learns(theirs: Any) -> None:
    ours = neighbour_graph(find_neighbours(PIXELS, 12), SETTINGS)
    ours.data[ours.data < ours.data.max() / 500] = 0  # which umap-learn leaves out of the graph that it keeps
    np.testing.assert_allclose(ours.toarray(), theirs.graph_.toarray(), atol=1e-5)
    assert curve_of(SETTINGS) == pytest.approx((theirs._a, theirs._b))


def test_the_embedding_is_as_trustworthy_as_umap_learns() -> None:
    seeds = (1, 2, 3)  # the mean of some: one alone depends on how a processor rounds
    near = find_neighbours(PIXELS, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = [fit_umap(near, PIXELS, replace(SETTINGS, seed=seed)) for seed in seeds]
    theirs = [umap_learns(seed).embedding_ for seed in seeds]
    trusted = trustworthiness(PIXELS, find_neighbours(PIXELS, 8), [*ours, *theirs], [[5, 10]] * 6)
    for k in (5, 10):
        own, reference = (np.mean([each[k] for each in some]) for some in (trusted[:3], trusted[3:]))
        assert 0.6 < reference < own + 0.03


def test_memberships_are_those_of_a_transform() -> None:
    near = find_neighbours(PIXELS, 8, NEW)
    umap = umap_module()
    sigmas, rhos = umap.smooth_knn_dist(near.distances, 8.0, local_connectivity=0.0)
    found = umap.compute_membership_strengths(near.positions, near.distances, sigmas, rhos, False, True)[2]
    np.testing.assert_allclose(memberships(near.distances), found.reshape(-1, 8), rtol=1e-3)


def test_new_photos_are_placed_where_umap_learn_places_them(theirs: Any) -> None:
    ours = place(NEW, PIXELS, theirs.embedding_, SETTINGS, curve_of(SETTINGS))
    reference = np.concatenate([theirs.transform(row[None].astype(np.float32)) for row in NEW])
    apart = np.linalg.norm(theirs.embedding_ - theirs.embedding_.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(ours - reference, axis=1).mean() < 0.15 * apart

    def nearest(points: Embedding) -> list[set[int]]:
        squared = ((points[:, None] - theirs.embedding_[None]) ** 2).sum(axis=2)
        return [set(row) for row in np.argsort(squared, axis=1)[:, :6].tolist()]

    shared = [len(a & b) / 6 for a, b in zip(nearest(ours), nearest(reference), strict=True)]
    assert np.mean(shared) > 0.8


def test_a_place_does_not_depend_on_who_is_asked_with_it(embedding: Embedding) -> None:
    curve = curve_of(SETTINGS)
    whole = place(NEW, PIXELS, embedding, SETTINGS, curve)
    alone = np.concatenate([place(row[None], PIXELS, embedding, SETTINGS, curve) for row in NEW])
    np.testing.assert_allclose(whole, alone, atol=1e-4)
    assert np.isfinite(whole).all()


def test_a_photo_that_is_there_stands_where_it_stands(embedding: Embedding) -> None:
    before = embedding.copy()
    np.testing.assert_array_equal(place(PIXELS, PIXELS, embedding, SETTINGS, curve_of(SETTINGS)), before)
    np.testing.assert_array_equal(embedding, before)


def test_the_sweep_judges_every_candidate_at_its_own_n_and_at_k(tmp_path: Path) -> None:
    every = [replace(SETTINGS, n_neighbors=n) for n in (12, 5)]
    steps: dict[str, list[int]] = {}
    kept = tmp_path / "kept.sqlite"
    found = sweep(PIXELS, every, 10, kept, lambda what, total: _Steps(steps, what, total))
    assert [each.settings.n_neighbors for each in found.candidates] == [5, 12]
    known = find_neighbours(PIXELS, 3)
    for each in found.candidates:
        n = each.settings.n_neighbors
        assert trustworthiness(PIXELS, known, [each.embedding], [[n, 10]]) == [
            {n: pytest.approx(each.own), 10: pytest.approx(each.fixed)}
        ]
    assert found.best.fixed == max(each.fixed for each in found.candidates)
    assert {what: done[-1] for what, done in steps.items()} == {
        "nearest neighbours": 120, "UMAP layouts": 1000, "trustworthiness": 120,
    }  # fmt: skip

    alone = fit_all(find_neighbours(PIXELS, 5), PIXELS, [every[1]], tmp_path / "other.sqlite")
    np.testing.assert_array_equal(alone[0], found.candidates[0].embedding)
    again = sweep(PIXELS, every, 10, kept, lambda what, total: _Steps(steps, what, total))
    np.testing.assert_array_equal(again.best.embedding, found.best.embedding)


def test_what_was_fitted_is_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facematch.tasks.umap import tune as umap_tune

    known, kept = find_neighbours(PIXELS, 9), tmp_path / "kept.sqlite"
    fitted = fit_all(known, PIXELS, [SETTINGS], kept)
    monkeypatch.setattr(umap_tune, "lay_out", None)
    np.testing.assert_array_equal(fit_all(known, PIXELS, [SETTINGS], kept)[0], fitted[0])
    with pytest.raises(TypeError):
        fit_all(known, PIXELS[::-1], [SETTINGS], kept)  # other photos


def test_an_error_in_one_fit_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fit_all(find_neighbours(PIXELS, 9), PIXELS, [SETTINGS, replace(SETTINGS, seed=5)], tmp_path / "kept", stop)


def test_sizes_are_those_for_which_the_score_is_defined() -> None:
    def sizes(rows: int, *wanted: int) -> tuple[int, ...]:
        return tuple(each.n_neighbors for each in settings_for(rows, SETTINGS, wanted or SIZES))

    assert sizes(1000) == SIZES
    assert sizes(31) == (5, 10, 15)
    assert sizes(30) == (5, 10)
    assert sizes(12, 4, 1, 4, 2) == (2, 4)
    assert sizes(11, 4, 1, 4, 2) == ()  # fewer than any fit needs
    assert settings_for(31, SETTINGS, [9]) == [replace(SETTINGS, n_neighbors=9)]
    assert [fixed_k_for(rows) for rows in (1000, 21, 20, 3)] == [FIXED_K, 10, 9, 1]
    assert (epochs_of(10_000), epochs_of(10_001)) == (500, 200)


def test_bad_settings_are_refused_and_the_fewest_photos_counted() -> None:
    for values in ({"n_neighbors": 1}, {"n_components": 0}, {"min_dist": 1.0}, {"seed": -1}):
        with pytest.raises(ValueError, match="n_neighbors from 2"):
            UmapSettings(**values)  # type: ignore[arg-type]
    assert [fewest_rows(each) for each in (SETTINGS, UmapSettings(2, 1), UmapSettings(5, 20))] == [17, 12, 42]


def test_the_fewest_photos_are_enough() -> None:
    for settings in (UmapSettings(2, 1), UmapSettings(5, 5), UmapSettings(5, 20)):
        some = PIXELS[: fewest_rows(settings)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fit_umap(find_neighbours(some, settings.n_neighbors), some, settings)
        assert np.isfinite(found).all()


def test_compiled_code_is_kept_below_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is put back
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert not prepare_numba(tmp_path)
    (tmp_path / "numba" / "module").mkdir(parents=True)
    assert not prepare_numba(tmp_path)
    (tmp_path / "numba" / "module" / "kernel.nbc").write_bytes(b"")
    assert prepare_numba(tmp_path)
    assert prepare_numba(tmp_path / "other")  # what is named first, or by the user, stays


def test_a_missing_library_is_named_with_its_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "umap", None)
    umap_module.cache_clear()
    with pytest.raises(FacematchError, match="umap-learn") as caught:
        umap_module()
    assert "pip install 'facematch[umap]'" in caught.value.hint
    umap_module.cache_clear()


class _Steps:
    # Takes the place of a progress bar.
    def __init__(self, steps: dict[str, list[int]], what: str, total: int) -> None:
        self.done = steps.setdefault(what, [])
        self.total = total

    def __enter__(self) -> Any:
        return self.done.append

    def __exit__(self, *_: object) -> None:
        assert self.done[-1] <= self.total
