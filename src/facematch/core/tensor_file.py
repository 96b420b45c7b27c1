"""Files of .safetensors: the header is checked before anything is made from it, and read without any tensor.

The format: 8 bytes of little-endian length, that much JSON with `__metadata__` and where each tensor is, tensors.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import NonNegativeInt

from facematch.core.foreign import LIMITS, as_kind, parse_json, reading


@dataclass(frozen=True)
class TensorPlace:
    """A tensor's type (`F32`), its shape, and where in the file it begins and ends, in bytes behind the header."""

    dtype: str
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


@dataclass(frozen=True)
class TensorHeader:
    """A file's texts, its tensors by name, and the byte behind its header."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorPlace]
    start: int

    @property
    def numbers(self) -> int:
        """Return how many numbers all tensors have."""
        return sum(prod(each.shape) for each in self.tensors.values())


def read_tensor_header(path: Path, what: str, remedy: str = "") -> TensorHeader:
    """Return a file's texts and its tensors' places. Raises FacematchError for one that is damaged or cut short."""
    with reading(path, what, remedy), path.open("rb") as opened:
        size, head = os.fstat(opened.fileno()).st_size, opened.read(8)
        start = 8 + (struct.unpack("<Q", head)[0] if len(head) == 8 else size)
        if start > size:
            raise ValueError("it is not a whole .safetensors file")
        if start > LIMITS["header"].size:
            raise ValueError("its header is too long")
        header = parse_json(opened.read(start - 8), "header")
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        texts = as_kind(dict[str, str], header.pop("__metadata__", {}))
        tensors = as_kind(dict[str, TensorPlace], header)
        end = start + max((each.data_offsets[1] for each in tensors.values()), default=0)
        if size != end:
            raise ValueError(f"it is {size} bytes long, {end} were written: cut short or changed")
        return TensorHeader(texts, tensors, start)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return all tensors of a file whose header was read. Raises what safetensors does: call it within `reading`."""
    from safetensors.numpy import load_file

    tensors: dict[str, NDArray[Any]] = load_file(path)
    return tensors
