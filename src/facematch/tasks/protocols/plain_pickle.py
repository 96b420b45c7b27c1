"""Pickles of plain data, read without running any code: published ground truths come as such files.

A pickle is a program that may import and call anything. Here nothing it names is imported: numpy's few
names for arrays of numbers stand for functions of this module, and every other name is refused.
"""

import pickle
import pickletools
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.text import brief

_NUMBERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


def load_plain(path: Path, data: bytes) -> object:
    """Return the containers, numbers and text in the pickle `data`, numpy arrays of numbers as lists.

    Python 2 and 3 may have written it; byte strings of Python 2 come back as text (Latin-1). `path` is for
    messages. Raises FacematchError for a pickle that names anything else, and for a damaged one.
    """
    try:
        for opcode, argument, _ in pickletools.genops(data):
            # The reader sets memory aside up to the highest memo slot, which five bytes can name.
            if "PUT" in opcode.name and int(argument or 0) > len(data):
                raise ValueError("a memo slot beyond the end of the file")
        return _PlainUnpickler(BytesIO(data), _Room(4 * len(data))).load()
    except _RefusedError as error:
        wanted = brief(error)
        raise FacematchError(
            f"{path} was not read: as a pickle it asks for {wanted}, which data do not need and which could run code.",
            "Take the file from its publishers, or convert it to JSON.",
        ) from error
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to spell
        raise FacematchError(
            f"{path} is neither JSON nor a whole pickle of plain data ({type(error).__name__}: {brief(error)}).",
            "Take the file from its publishers, or convert it to JSON.",
        ) from error


class _RefusedError(Exception):
    pass


class _Room:
    # How many bytes may still be made into numbers and text: a pickle can name the same bytes any number of times.
    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("it makes more of its bytes than it holds")
        return data


class _PlainUnpickler(pickle.Unpickler):
    # The functions are made anew for every name, so a pickle that sets their attributes changes nothing.

    def __init__(self, file: BytesIO, room: _Room) -> None:
        super().__init__(file, encoding="latin1")
        self._room = room

    def find_class(self, module: str, name: str) -> Any:
        room = self._room
        known: dict[str, Callable[..., Any] | str] = {
            "numpy.ndarray": "ndarray",
            "numpy.dtype": lambda code, *_: _NumberType(code, room),
            "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
            "numpy.core.multiarray.scalar": lambda kind, raw: kind.numbers(raw)[0].item(),
            "numpy.core.numeric._frombuffer": lambda raw, kind, shape, order: _Array(
                kind.nested(raw, shape, order == "F")
            ),
            "__builtin__.bytes": lambda: b"",  # how Python 3 writes none of them for Python 2
            "_codecs.encode": lambda text, _: room.take(str.encode(text, "latin1")),
        }
        wanted = f"{module}.{name}".replace("numpy._core.", "numpy.core.")  # its name since NumPy 2
        if wanted not in known:
            raise _RefusedError(wanted)
        return known[wanted]


class _NumberType:
    # A dtype as numpy pickles it: a code, then a state that holds the order of bytes. Numbers only.
    def __init__(self, code: str, room: _Room) -> None:
        self.code, self.order, self._room = code, "=", room

    def __setstate__(self, state: Sequence[Any]) -> None:
        self.order = state[1]

    def numbers(self, raw: bytes | str) -> NDArray[Any]:
        if self.code not in _NUMBERS or self.order not in ("<", ">", "=", "|"):
            raise _RefusedError(f"an array of type {self.order}{self.code}")
        data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        return np.frombuffer(self._room.take(data), np.dtype(self.order + self.code))

    def nested(self, raw: bytes | str, shape: tuple[int, ...], by_column: bool) -> list[Any]:
        numbers = self.numbers(raw)
        # Without numbers a shape may still ask for any number of empty lists.
        return numbers.reshape(shape, order="F" if by_column else "C").tolist() if len(numbers) else []


class _Array(list[Any]):
    # An array as numpy pickles it: made empty, then given its version, shape, type, order and bytes.
    def __setstate__(self, state: Sequence[Any]) -> None:
        _, shape, kind, by_column, raw = state
        self[:] = kind.nested(raw, shape, by_column)
