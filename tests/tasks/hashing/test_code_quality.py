"""Figures of codes against plain loops over bits and pairs, numpy's own correlation, and codes worked out by hand."""

import json
from collections import Counter
from itertools import combinations
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.ranking.codes import pack_codes, unpack_codes
from facematch.tasks.hashing.codes import CodeQuality, bit_correlations, code_quality


def tanh_outputs(seed: int, photos: int, bits: int) -> np.ndarray:
    """Values of which some columns are alike, some opposed and some constant."""
    rng = np.random.default_rng(seed)
    values = np.tanh(rng.normal(size=(photos, bits)))
    values[:, 1] = values[:, 0]
    values[:, 2] = -np.abs(values[:, 2]) - 0.1
    values[:, 3] = -values[:, 0] - 0.01
    values[rng.random(photos) < 0.3] = values[0]
    return values


def pearson(left: list[float], right: list[float]) -> float:
    count = len(left)
    a, b = sum(left) / count, sum(right) / count
    covered = sum((x - a) * (y - b) for x, y in zip(left, right, strict=True))
    scale = (sum((x - a) ** 2 for x in left) * sum((y - b) ** 2 for y in right)) ** 0.5
    return covered / scale if scale > 1e-9 else 0.0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([8, 16]))
def test_every_figure_equals_a_plain_loop(seed: int, photos: int, bits: int) -> None:
    values = tanh_outputs(seed, photos, bits)
    codes = pack_codes(values)
    found = code_quality(values)
    columns = [[1.0 if value >= 0 else -1.0 for value in column] for column in values.T]
    shares = [sum(sign > 0 for sign in column) / photos for column in columns]
    assert (found.photos, found.bits) == (photos, bits)
    assert found.balance == pytest.approx(shares)
    assert found.entropy == pytest.approx([-sum(p * log2(p) for p in (share, 1 - share) if p) for share in shares])
    alive = [column for column in columns if len(set(column)) > 1]
    assert found.constant_bits == bits - len(alive)
    naive = [[pearson(left, right) for right in columns] for left in columns]
    np.testing.assert_allclose(bit_correlations(codes), naive, atol=1e-12)
    pairs = [abs(pearson(left, right)) for left, right in combinations(alive, 2)]
    assert found.mean_correlation == (pytest.approx(np.mean(pairs)) if pairs else None)
    squares = sum(each**2 for line in naive for each in line)
    assert found.effective_bits == pytest.approx(len(alive) ** 2 / squares if squares else 0)
    shared = Counter(tuple(code) for code in codes.tolist())
    assert found.distinct == len(shared)
    assert found.largest == max(shared.values())
    assert found.collisions == sum(a == b for a, b in combinations(codes.tolist(), 2))
    cells = [value for line in values.tolist() for value in line]
    assert found.quantisation_gap == pytest.approx(np.mean([(v - (1 if v >= 0 else -1)) ** 2 for v in cells]))
    assert found.mean_magnitude == pytest.approx(np.mean([abs(v) for v in cells]))


def test_correlations_are_those_of_numpy() -> None:
    codes = pack_codes(np.random.default_rng(0).normal(size=(200, 32)))
    expected = np.corrcoef(unpack_codes(codes), rowvar=False)
    np.testing.assert_allclose(bit_correlations(codes), expected, atol=1e-6)
    assert bit_correlations(codes).diagonal().tolist() == [1.0] * 32
    values = np.linalg.eigvalsh(expected.astype(np.float64))
    assert code_quality(unpack_codes(codes)).effective_bits == pytest.approx(
        values.sum() ** 2 / (values**2).sum(), rel=1e-5
    )


def of_codes(codes: np.ndarray) -> CodeQuality:
    """What codes are worth whose values are saturated."""
    return code_quality(unpack_codes(codes))


def all_codes() -> np.ndarray:
    return np.arange(256, dtype=np.uint8)[:, None]


def test_every_code_once_is_the_best_there_is() -> None:
    found = of_codes(all_codes())
    assert found.balance == (0.5,) * 8
    assert found.entropy == (1.0,) * 8
    assert found.mean_correlation == 0
    assert found.effective_bits == 8
    assert (found.distinct, found.largest, found.collisions, found.constant_bits) == (256, 1, 0, 0)
    assert found.quantisation_gap == 0
    assert found.mean_magnitude == 1


def test_one_code_for_all_is_the_worst() -> None:
    found = of_codes(np.full((5, 2), 0b10110000, dtype=np.uint8))
    assert found.balance == (1, 0, 1, 1, 0, 0, 0, 0) * 2
    assert str(found.entropy) == str((0.0,) * 16)  # and not −0.0
    assert found.constant_bits == 16
    assert found.mean_correlation is None
    assert found.effective_bits == 0
    assert (found.distinct, found.largest, found.collisions) == (1, 5, 10)


def test_a_bit_said_eight_times_is_one_bit() -> None:
    found = of_codes(np.array([[0b11110000], [0b00001111]], dtype=np.uint8))
    assert found.effective_bits == pytest.approx(1)
    assert found.mean_correlation == pytest.approx(1)


def test_a_dead_bit_does_not_pass_for_an_independent_one() -> None:
    dead = of_codes(all_codes() & 0b01111111)
    assert dead.constant_bits == 1
    assert dead.effective_bits == 7
    same = np.where(np.arange(4)[:, None] % 2, 0b11000000, 0).astype(np.uint8)  # two equal bits, six dead
    assert of_codes(same).mean_correlation == pytest.approx(1)
    assert of_codes(same).effective_bits == pytest.approx(1)
    alone = of_codes(same & 0b10000000)
    assert (alone.constant_bits, alone.mean_correlation, alone.effective_bits) == (7, None, 1)


def test_independent_bits_of_few_photos_reach_what_chance_leaves() -> None:
    rng = np.random.default_rng(0)
    found = [code_quality(rng.normal(size=(100, 64))).effective_bits for _ in range(30)]
    assert np.mean(found) == pytest.approx(64 / (1 + 63 / 99), rel=0.02)


def test_the_gap_closes_as_tanh_saturates() -> None:
    values = np.random.default_rng(0).normal(size=(50, 16))
    codes = pack_codes(values)
    gaps = [code_quality(np.tanh(scale * values)).quantisation_gap for scale in (0.5, 1, 4, 1000)]
    assert gaps == sorted(gaps, reverse=True)  # type: ignore[type-var]
    assert of_codes(codes).quantisation_gap == 0
    assert of_codes(codes).mean_magnitude == 1


def test_zero_is_a_definite_bit() -> None:
    values = np.array([[0.0, -0.0, 1, 1, -1, -1, -1, -1]], dtype=np.float32)
    found = code_quality(values)
    assert found.balance[:2] == (1, 1)
    assert found.quantisation_gap == pytest.approx(2 / 8)


def test_as_dict_is_plain_json() -> None:
    values = tanh_outputs(0, 20, 8)
    found = code_quality(values)
    plain = found.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["balance"] == list(found.balance)
    assert plain["effective_bits"] == found.effective_bits


def test_codes_have_whole_bytes() -> None:
    with pytest.raises(FacematchError, match="a multiple of 8 bits"):
        code_quality(np.ones((3, 12)))
