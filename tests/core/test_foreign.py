"""The door for files that others wrote: a value, or one error that names file, finding and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.foreign import (
    LIMITS,
    Limits,
    parse_json,
    read_json,
    read_limited,
    reading,
    require_limits,
    require_shape,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def depth_of(value: Any) -> int:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, held), default=0) if isinstance(value, dict | list) else 0


def count_of(value: Any) -> int:
    held = list(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return len(held) + sum(map(count_of, held))


@given(PLAIN, st.integers(0, 4), st.integers(0, 12))
def test_limits_are_those_of_a_naive_count(value: Any, depth: int, values: int) -> None:
    within = depth_of(value) <= depth and count_of(value) <= values
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("facematch.core.foreign.LIMITS", {"k": Limits(1000, depth, values)})
        if within:
            require_limits(value, "k")
        else:
            with pytest.raises(ValueError, match=r"deep|holds more"):
                require_limits(value, "k")


MARKS = st.text('[]{},:"\\\\ a\\n\u20ac')
MARKED = st.recursive(st.none() | st.integers() | MARKS, lambda inner: st.lists(inner) | st.dictionaries(MARKS, inner))


@given(MARKED, st.integers(0, 4), st.booleans(), st.sampled_from(["utf-8", "utf-16", "utf-32-le"]))
def test_the_depth_of_a_text_is_that_of_its_value(value: Any, depth: int, ascii_: bool, encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("facematch.core.foreign.LIMITS", {"k": Limits(1000, depth)})
        for each in (text, text.encode(encoding)):
            if depth_of(value) <= depth:
                require_shape(each, "k")
            else:
                with pytest.raises(ValueError, match="deep"):
                    require_shape(each, "k")


@given(PLAIN, st.integers(0, 12))
def test_a_text_of_more_values_than_its_limit_is_refused_before_it_is_parsed(value: Any, values: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("facematch.core.foreign.LIMITS", {"k": Limits(10_000, 99, values)})
        if count_of(value) > values:
            with pytest.raises(ValueError, match="holds more"):
                parse_json(json.dumps(value), "k")


@given(PLAIN)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert parse_json(json.dumps(value), "note") == value


def test_an_alias_that_doubles_at_each_level_is_refused_at_once() -> None:
    value: list[Any] = ["x"] * 9
    for _ in range(20):
        value = [value] * 9
    with pytest.raises(ValueError, match="holds more than 100,000 values"):
        require_limits(value, "settings")


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"\xff\xfe", b'{"a": 1', b"[" * 200_000, b"[" * 300 + b"]" * 300, b"9" * 6_000],
    ids=["empty", "html", "utf-16", "cut", "200,000 deep", "300 deep", "6,000 digits"],
)
def test_what_is_no_json_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.json").write_bytes(data)
    with pytest.raises(FacematchError, match=r"^the truth: .*v\.json is damaged, or of another kind: ") as caught:
        read_json(tmp_path / "v.json", "the truth", "Write it anew.")
    assert caught.value.hint == "Write it anew."
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    with pytest.raises(FacematchError, match="does not exist"):
        read_json(tmp_path / "absent.json", "the truth")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "v.json", "it") == {"a": 1}


def test_a_file_beyond_its_limit_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as opened:
        opened.truncate(LIMITS["settings"].size + 1)  # a hole: nothing of it lies on the disk
    with pytest.raises(ValueError, match="longer than 1 MB"):
        read_limited(tmp_path / "big", "settings")


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("maximum"),
        MemoryError(),
        KeyError("metric"),
        TypeError("x" * 10_000),
        RuntimeError("a\nb\x1b[31m"),
        OverflowError("big"),
        ZeroDivisionError(),
    ],
)
def test_any_failure_of_a_reader_is_one_short_sentence(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(FacematchError) as caught, reading(tmp_path / "f", "it", "Make it again."):
        raise error
    message = caught.value.message
    assert message.startswith(f"it: {tmp_path / 'f'} is damaged, or of another kind: ")
    assert message.isprintable()
    assert len(message) < 500 + len(str(tmp_path))


def test_an_error_that_says_it_well_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"^well said$"), reading(tmp_path, "it", ""):
        raise FacematchError("well said")
