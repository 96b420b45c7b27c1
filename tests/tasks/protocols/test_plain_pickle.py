"""Pickles of plain data are read as they were written; none of a row of hostile ones runs anything."""

import os
import pickle
import struct
import subprocess
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facematch.core.errors import FacematchError
from facematch.tasks.protocols.plain_pickle import load_plain

HERE = Path("data.pkl")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
NUMBERS = ["<i4", ">i8", "u1", "i1", "<f4", ">f8"]


@settings(deadline=None)
@given(plain, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_come_back(content: object, protocol: int) -> None:
    assert load_plain(HERE, pickle.dumps(content, protocol)) == content


@settings(deadline=None)
@given(st.data(), st.sampled_from(NUMBERS), st.integers(0, pickle.HIGHEST_PROTOCOL), st.booleans())
def test_arrays_of_numbers_come_back_as_lists(data: st.DataObject, kind: str, protocol: int, by_column: bool) -> None:
    shape = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
    values = data.draw(arrays.arrays(np.dtype(kind), shape, elements={"allow_nan": False} if "f" in kind else None))
    content = [np.asfortranarray(values) if by_column else values, values.ravel()[0]]
    assert load_plain(HERE, pickle.dumps(content, protocol)) == [values.tolist(), values.ravel()[0].item()]


def test_an_empty_array_is_an_empty_list() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert load_plain(HERE, pickle.dumps(np.zeros(0, np.int64), protocol)) == []


def python2_array(values: bytes, code: bytes = b"i8", shape: int | None = None) -> bytes:
    """An array as Python 2 and NumPy 1 wrote it: byte strings for its type and its numbers."""
    count = len(values) // 8 if shape is None else shape
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        + b"J" + struct.pack("<i", count) + b"\x85"
        + b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\x00K\x01\x87R"
        + b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89U" + bytes([len(values)]) + values + b"tb"
    )  # fmt: skip


def test_the_same_bytes_are_not_made_into_numbers_again_and_again() -> None:
    count = struct.pack("<i", 2**16)
    raw = b"T" + struct.pack("<i", 8 * 2**16) + bytes(8 * 2**16) + b"q\0"
    kind = b"cnumpy\ndtype\n(U\x02i8K\0K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbq\x01"
    array = b"cnumpy.core.numeric\n_frombuffer\n(h\0h\x01(J" + count + b"tU\x01CtR"
    assert load_plain(HERE, b"\x80\x02](" + raw + kind + array + b"e.")[2:] == [[0] * 2**16]  # type: ignore[index]
    with pytest.raises(FacematchError, match="makes more of its bytes than it holds"):
        load_plain(HERE, b"\x80\x02](" + raw + kind + 1000 * array + b"e.")


def test_an_array_written_by_python_2_is_read() -> None:
    numbers = struct.pack("<3q", 7, 200, -1)
    assert load_plain(HERE, b"\x80\x02}U\x04easy" + python2_array(numbers) + b"s.") == {"easy": [7, 200, -1]}
    assert pickle.loads(b"\x80\x02" + python2_array(numbers) + b".", encoding="latin1").tolist() == [7, 200, -1]


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "function",
    [os.system, eval, exec, subprocess.check_output, getattr, __import__, np.load, np.ndarray, np.array, OrderedDict],
)
def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path, function: Any, protocol: int) -> None:
    made = tmp_path / "made"
    text = f"touch {made}" if function in (os.system, subprocess.check_output) else f"open({str(made)!r}, 'w')"
    with pytest.raises(FacematchError, match=r"could run code|not callable"):
        load_plain(HERE, pickle.dumps({"gnd": Calls(function, text)}, protocol))
    assert not made.exists()


def test_what_is_refused_is_named() -> None:
    hostile = pickle.dumps(Calls(os.system, "true"), 2)
    with pytest.raises(FacematchError, match=r"data\.pkl was not read: as a pickle it asks for (posix|nt)\.system"):
        load_plain(HERE, hostile)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("an array of objects", b"\x80\x02" + python2_array(b"A" * 8, b"O8") + b"."),
        ("an array of records", b"\x80\x02" + python2_array(b"A" * 8, b"V8") + b"."),
        ("numpy.ndarray itself called", b"\x80\x02cnumpy\nndarray\n(K\x01tR."),
        ("an attribute of a stand-in", b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__class__\x93."),
        ("globals by a dotted name", b"\x80\x04\x8c\x05numpy\x8c\x11dtype.__globals__\x93."),
        ("an extension code", b"\x80\x02\x82\x01."),
        ("a persistent name", b"\x80\x02Pevil\n."),
        ("an instance", b"(ios\nsystem\n."),
        ("an object", b"\x80\x02(cos\nsystem\nU\x04trueo."),
        ("a text longer than the file", b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x."),
        ("a shape larger than its numbers", b"\x80\x02" + python2_array(b"A" * 8, shape=2**31 - 1) + b"."),
        ("no end", pickle.dumps([1, 2, 3])[:-1]),
        ("nothing", b""),
        ("text", b"photo,age\nann,31\n"),
    ],
)  # fmt: skip
def test_hostile_and_damaged_files_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(FacematchError, match=r"data\.pkl (was not read|is neither JSON nor a whole pickle)"):
        load_plain(HERE, data)


@pytest.mark.parametrize("data", [b"\x80\x02K\x01r\xff\xff\xff\x7f.", b"I1\np99999999999\n."])
def test_a_far_memo_slot_takes_no_memory(data: bytes) -> None:
    with pytest.raises(FacematchError, match="a memo slot beyond the end of the file"):
        load_plain(HERE, data)


def test_many_empty_lists_are_not_made_of_a_shape() -> None:
    content = pickle.dumps(np.zeros((10**6, 0), np.int64), 2)
    assert load_plain(HERE, content) == []


def test_a_pickle_that_alters_a_stand_in_alters_nothing() -> None:
    dtype = b"cnumpy\ndtype\n"
    load_plain(HERE, b"\x80\x02" + dtype + b"(N}U\x0c__defaults__)stb0" + dtype + b"}U\x01xK\x01sb.")
    test_an_array_written_by_python_2_is_read()


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_a_damaged_file_is_read_or_refused(seed: int, changes: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(pickle.dumps({"gnd": [{"easy": np.arange(20), "bbx": [1.5, 2.5]}], "imlist": ["a", "b"]}, 2))
    for at in rng.integers(0, len(data), changes):
        data[at] = rng.integers(0, 256)
    with suppress(FacematchError):  # and nothing else is raised
        load_plain(HERE, bytes(data))
