"""Exact neighbours, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facematch.tasks.umap import neighbours as module
from facematch.tasks.umap.neighbours import Neighbours, blocks, find_neighbours, squared_distances

ROWS = arrays(np.uint8, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(0, 255))


@given(ROWS, ROWS)
def test_squared_distances_are_those_of_a_loop(left: np.ndarray, right: np.ndarray) -> None:
    expected = [[sum((int(a) - int(b)) ** 2 for a, b in zip(x, y, strict=True)) for y in right] for x in left]
    assert squared_distances(left, right).tolist() == expected


def test_squared_distances_are_exact_where_float32_is_not() -> None:
    rng = np.random.default_rng(2)
    pixels = np.concatenate([np.zeros((1, 4096)), np.full((1, 4096), 255), rng.integers(0, 256, (40, 4096))])
    pixels = pixels.astype(np.uint8)
    expected = ((pixels[:, None].astype(np.int64) - pixels[None]) ** 2).sum(axis=2)
    assert expected.max() == 4096 * 255**2
    np.testing.assert_array_equal(squared_distances(pixels, pixels), expected)
    assert np.any(expected != ((pixels[:, None].astype(np.float32) - pixels[None]) ** 2).sum(axis=2, dtype=np.float32))


def test_tiles_of_columns_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (23, 50), np.uint8)
    whole = squared_distances(pixels, pixels)
    for name, value in {"_COLUMNS": 7, "_EXACT": 16, "_ROWS": (2, 4), "_CELLS": 60}.items():
        monkeypatch.setattr(module, name, value)
    np.testing.assert_array_equal(squared_distances(pixels, pixels), whole)
    parts = list(blocks(pixels, pixels))
    assert [rows.start for rows, _ in parts] == list(range(0, 23, 2))
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), whole)


@settings(max_examples=60)
@given(ROWS, st.data())
def test_neighbours_are_sorted_by_distance_then_position_itself_first(pixels: np.ndarray, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(pixels)))
    found = find_neighbours(pixels, k)
    for row, one in enumerate(pixels.astype(int)):
        squared = [int(((one - other) ** 2).sum()) for other in pixels.astype(int)]
        order = sorted(range(len(pixels)), key=lambda other: (other != row, squared[other], other))[:k]
        assert found.positions[row].tolist() == order
        np.testing.assert_allclose(found.distances[row], np.sqrt([squared[other] for other in order]), rtol=1e-7)


@given(ROWS, ROWS, st.data())
def test_nearest_rows_are_those_of_a_loop(query: np.ndarray, pixels: np.ndarray, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(pixels)))
    found = find_neighbours(pixels, k, query)
    for row, one in enumerate(query.astype(int)):
        squared = [int(((one - other) ** 2).sum()) for other in pixels.astype(int)]
        assert found.positions[row].tolist() == sorted(range(len(pixels)), key=lambda i: (squared[i], i))[:k]


def test_progress_ends_at_all_rows_and_fewer_neighbours_are_the_first() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (9, 5), np.uint8)
    done: list[int] = []
    found = find_neighbours(pixels, 6, on_progress=done.append)
    assert done[-1] == 9
    np.testing.assert_array_equal(found.positions[:, :3], find_neighbours(pixels, 3).positions)


def test_the_largest_distance_of_the_widest_rows_is_exact() -> None:
    ends = np.array([np.zeros(32_768), np.full(32_768, 255)], np.uint8)
    assert squared_distances(ends, ends).tolist() == [[0, 32_768 * 255**2], [32_768 * 255**2, 0]]


def test_they_are_what_umap_learn_takes_as_precomputed() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (30, 64), np.uint8)
    found: Neighbours = find_neighbours(pixels, 5)
    assert found.positions.dtype == np.int32
    assert found.distances.dtype == np.float32
    assert (found.positions[:, 0] == np.arange(30)).all()
    assert not found.distances[:, 0].any()
    assert (np.diff(found.distances, axis=1) >= 0).all()
