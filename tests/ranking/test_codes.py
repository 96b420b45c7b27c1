"""Codes: the sign of each number as a bit, packed; Hamming distances against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facematch.core.errors import FacematchError
from facematch.ranking.codes import differing_bits, hamming_distances, pack_codes, unpack_codes

SIZES = (8, 16, 32, 48, 64, 72)


@st.composite
def sides(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    width = draw(st.sampled_from(SIZES)) // 8
    rows = st.integers(1, 12)
    one, other = (draw(hnp.arrays(np.uint8, (draw(rows), width))) for _ in range(2))
    return one, other


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.sampled_from(SIZES)), elements=st.floats(-1, 1, width=32))
)
def test_a_bit_is_the_sign_and_signs_come_back(values: np.ndarray) -> None:  # type: ignore[type-arg]
    codes = pack_codes(values)
    assert codes.dtype == np.uint8
    assert codes.shape == (len(values), values.shape[1] // 8)
    signs = unpack_codes(codes)
    assert np.array_equal(signs, np.where(values >= 0, 1, -1))
    assert np.array_equal(pack_codes(signs), codes)


def test_zero_and_minus_zero_are_one_definite_bit() -> None:
    assert pack_codes(np.array([[0.0, -0.0, -1e-30, 1e-30, -1, 1, 0, -1]])).tolist() == [[0b11010110]]


@pytest.mark.parametrize("shape", [(3, 12), (3, 0), (8,)])
def test_a_code_has_whole_bytes(shape: tuple[int, ...]) -> None:
    with pytest.raises(FacematchError, match="multiple of 8 bits"):
        pack_codes(np.ones(shape))


@given(sides())
def test_distances_are_counted_bit_by_bit(both: tuple[np.ndarray, np.ndarray]) -> None:  # type: ignore[type-arg]
    query, gallery = both
    wanted = [[sum((int(a) ^ int(b)).bit_count() for a, b in zip(q, g, strict=True)) for g in gallery] for q in query]
    assert hamming_distances(query, gallery).tolist() == wanted
    assert differing_bits(query[:, None], gallery).tolist() == wanted


@given(sides())
def test_a_hamming_distance_is_a_quarter_of_the_squared_distance_of_signs(both: tuple[np.ndarray, np.ndarray]) -> None:  # type: ignore[type-arg]
    query, gallery = both
    squared = ((unpack_codes(query)[:, None] - unpack_codes(gallery)) ** 2).sum(axis=-1)
    assert np.array_equal(4 * hamming_distances(query, gallery), squared)


def test_codes_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="16 and 8 bits"):
        differing_bits(np.zeros((1, 2), np.uint8), np.zeros((1, 1), np.uint8))


def test_many_photos_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    query, gallery = (rng.integers(0, 256, (count, 4), dtype=np.uint8) for count in (13, 50))
    whole = hamming_distances(query, gallery)
    monkeypatch.setattr("facematch.ranking.codes._CELLS", 300)
    assert np.array_equal(hamming_distances(query, gallery), whole)
