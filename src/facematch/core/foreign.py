"""The one door for files that others wrote or a disk has damaged: settings, checkpoints, lists, models, journals.

Whatever such a file holds, reading it ends as a value or as one FacematchError that names the file, what was found
and what to do. Its size is checked before it is read, its depth and number before anything is built from it.
"""

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from facematch.core.errors import DamagedError, FacematchError, MissingError
from facematch.core.text import LONGEST, brief

T = TypeVar("T")

_NO_BRACKET = re.compile(r'"[^"]*"?|[^\[\]{}"]+')  # texts, and whatever else is between brackets
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # makes each once: that takes milliseconds
_DIGITS = 40  # of a whole number in JSON
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = LONGEST - 2


@dataclass(frozen=True)
class Limits:
    """What a file of one kind may hold: bytes, levels of lists in lists, values in all of them together."""

    size: int
    depth: int = 32
    values: int = 100_000


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "settings": Limits(1_000_000),  # YAML: settings, a form, augmentation
        "header": Limits(100_000_000, values=5_000_000),  # of .safetensors, whose own limit this is, and of ONNX files
        "record": Limits(500_000_000, values=20_000_000),  # JSON: ground truths, payloads, a run's people, tuned steps
        "landmarks": Limits(16_000_000, values=4_000_000),  # ROxford's and RParis's ground truths, less than 1 MB
        "list": Limits(500_000_000),  # text with a line for each photo, pair or value
        "submission": Limits(16 * 2**20, depth=8, values=1_000_000),  # 6,355 queries with ten names each are 3.4 MB
        "weights": Limits(100_000_000),  # of dlib's network, 22 MB
        "note": Limits(100_000_000, values=20_000_000),  # JSON in a row of a cache or the journal
    }
)


def quoted(value: object) -> str:
    """Return how a value from a file is written in Python, cut to what an error has room for."""
    return brief(_SHORT.repr(value))


@contextmanager
def reading(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn whatever reading `path` raises into one FacematchError; `what` names the file's kind, `remedy` is the hint.

    A FacematchError passes as it is. Libraries raise many kinds for damage (RecursionError, MemoryError and their own
    among them), so all are taken.
    """
    try:
        yield
    except FacematchError:
        raise
    except FileNotFoundError:
        raise MissingError(f"{what}: {path} does not exist.", remedy) from None
    except OSError as error:
        raise DamagedError(f"{what}: {path} cannot be read: {brief(error.strerror or error)}.", remedy) from error
    except Exception as error:
        words = brief(error, 2 * LONGEST).rstrip(".") or type(error).__name__
        if isinstance(error, KeyError):
            words = f"{words} is missing"
        elif isinstance(error, RecursionError):
            words = "its lists are nested too deep"
        elif isinstance(error, MemoryError):
            words = "it asks for more memory than there is"
        raise DamagedError(f"{what}: {path} is damaged, or of another kind: {words}.", remedy) from error


def read_limited(path: Path, kind: str) -> bytes:
    """Return a file's bytes. Raises ValueError where it holds more than `LIMITS[kind]`, OSError as the system does."""
    limit = LIMITS[kind].size
    with path.open("rb") as opened:
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it is longer than {limit // 1_000_000:,} MB")
    return data


def read_text(path: Path) -> str:
    """Return the text of a list in UTF-8, without a byte-order mark; line ends of any system are \\n.

    Raises ValueError for anything else, OSError as the system does.
    """
    return read_limited(path, "list").decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str | bytes, kind: str) -> Any:
    """Return the value of a JSON text within `LIMITS[kind]`. Raises ValueError that says what is wrong with it."""
    limits = LIMITS[kind]
    if len(text) > limits.size:
        raise ValueError(f"it is longer than {limits.size // 1_000_000:,} MB")
    require_shape(text, kind)
    return json.loads(text, parse_int=_whole_number)


def require_shape(text: str | bytes, kind: str) -> None:
    """Raise ValueError where a JSON text has deeper lists than `LIMITS[kind]`, or more values; nothing is built of it.

    Values are counted by the marks before them; one within a name counts, too. A text that is no JSON may pass:
    parsing names what is wrong with it.
    """
    limits = LIMITS[kind]
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    if sum(map(text.count, "[{,")) > limits.values:
        raise ValueError(f"it holds more than {limits.values:,} values")
    brackets = _NO_BRACKET.sub("", text.replace("\\\\", "").replace('\\"', "")).replace("{", "[").replace("}", "]")
    for _ in range(limits.depth):
        brackets = brackets.replace("[]", "")
    if "[]" in brackets or brackets.count("[") > limits.depth:  # fewer were left open, and the parser says so
        raise ValueError(f"its lists are nested more than {limits.depth} deep")


def require_limits(value: Any, kind: str) -> None:
    """Raise ValueError where a value of lists and mappings is deeper than `LIMITS[kind]`, or holds more.

    A list that is in several places (an alias in YAML) is counted in each.
    """
    limits, depth, count, level = LIMITS[kind], 0, 0, _containers([value])
    while level:
        depth += 1
        if depth > limits.depth:
            raise ValueError(f"its lists are nested more than {limits.depth} deep")
        inner: list[Any] = []
        for each in level:
            count += len(each)
            if count > limits.values:
                raise ValueError(f"it holds more than {limits.values:,} values")
            inner += _containers(each.values() if isinstance(each, dict) else each)
        level = inner


def as_kind(kind: type[T] | TypeAdapter[T], value: Any) -> T:
    """Return a value as what it has to be. Raises ValueError that names the first mistake and what was found."""
    try:
        adapter: TypeAdapter[T] = kind if isinstance(kind, TypeAdapter) else _adapter(kind)
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = brief(".".join(map(str, first["loc"])))
        raise ValueError(f"{place}: {brief(first['msg'])} (found {quoted(first['input'])})".lstrip(": ")) from error


def read_json(path: Path, what: str, remedy: str = "") -> Any:
    """Return the value of a JSON file; a byte-order mark is passed over. `what` names it in the error.

    Raises FacematchError when it is missing, not JSON, or beyond `LIMITS["record"]`.
    """
    with reading(path, what, remedy):
        return parse_json(read_limited(path, "record").decode("utf-8-sig"), "record")


def read_as(kind: type[T], path: Path, what: str, remedy: str = "") -> T:
    """Return the value of a JSON file as what it has to be. Raises FacematchError as `read_json`, and for another."""
    with reading(path, what, remedy):
        return as_kind(kind, read_json(path, what, remedy))


def _whole_number(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits):,} digits")
    return int(digits)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [each for each in values if isinstance(each, dict | list | tuple)]
