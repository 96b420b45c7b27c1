"""How an ONNX file of `facematch export` describes itself, read without onnx, onnxruntime or torch.

Any program can read it: a JSON text under the key `facematch` of the file's `metadata_props`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import AliasPath, Field, FiniteFloat, PositiveInt

from facematch.core.fingerprint import StoredFingerprint
from facematch.core.foreign import as_kind, parse_json, reading
from facematch.ranking.metrics import Metric

Rgb = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Precision = Literal["float32", "float16", "int8"]
KEY = "facematch"
INPUT, OUTPUT = "image", "embedding"  # names in the graph
_METADATA_PROPS = 14  # the field's number in onnx.proto's ModelProto
_LONGEST = 1 << 26  # bytes of one entry


def _in(*place: str) -> Any:
    return Field(validation_alias=AliasPath(*place))  # where in the JSON text a field is


@dataclass(frozen=True)
class OnnxMetadata:
    """How the input of an exported network is made, and what its output is.

    The input is float32 N×3×S×S, RGB, (pixel − `mean`) / `std` with pixels from 0 to 255 and S = `size`. The output
    is float32 N×`dimension`, of length 1 with `normalise`, compared by `metric`. `crops` is the fingerprint of the
    cropper it was trained with, `network` that of the network with the digest of its weights, `people` those it was
    trained on, by name or by digest (`identities.trained`). `precision` is that of the arithmetic: float32, float16 or
    int8.
    """

    size: Annotated[PositiveInt, _in("input", "size")]
    mean: Annotated[Rgb, _in("input", "mean")]
    std: Annotated[Rgb, _in("input", "std")]
    normalise: Annotated[bool, _in("output", "normalise")]
    metric: Annotated[Metric, _in("output", "metric")]
    dimension: Annotated[PositiveInt, _in("output", "dimension")]
    crops: StoredFingerprint
    network: StoredFingerprint
    people: tuple[str, ...]
    precision: Precision
    format: Literal["facematch onnx 1"] = "facematch onnx 1"

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of `embedder:` that the file decides, by name."""
        return {
            "size": self.size,
            "layout": "nchw",
            "channels": "rgb",
            "mean": self.mean,
            "std": self.std,
            "normalise": self.normalise,
        }

    def as_json(self) -> str:
        """Return the text that is kept in the file."""
        side = self.size
        given = {key: value for key, value in self.settings.items() if key != "normalise"}
        values = {
            "format": self.format,
            "what": "a network that turns the picture of a face into an embedding, written by `facematch export`",
            "input": {
                "name": INPUT,
                "how": f"crop the face, resize it to {side}x{side} pixels, RGB from 0 to 255; value = (pixel - mean) / "
                f"std for each channel; float32 in the order photo, channel, row, column: N x 3 x {side} x {side}",
                **given,
            },
            "output": {
                "name": OUTPUT,
                "how": f"float32 N x {self.dimension}; near by the metric means alike"
                + ("; each has length 1 already" if self.normalise else ""),
                "dimension": self.dimension,
                "normalise": self.normalise,
                "metric": self.metric,
            },
            "precision": self.precision,
            "crops": dict(self.crops.settings),
            "network": dict(self.network.settings),
            "people": list(self.people),
        }
        return json.dumps(values, ensure_ascii=False, indent=1)


def read_onnx_metadata(file: Path) -> OnnxMetadata | None:
    """Return how a file of `facematch export` describes itself; None for any other file, and where there is none.

    Raises FacematchError when it was written by another version of facematch, or is damaged.
    """
    with reading(file, "embedder.file", "Export it again."):
        text = _description(file)
        return None if text is None else as_kind(OnnxMetadata, parse_json(text, "header"))


def _description(file: Path) -> str | None:
    # The entry of ModelProto.metadata_props, of several the last. The graph with its weights is one field and is passed
    # over. A file that is no protobuf has none; that it is no model either, ONNX Runtime says.
    if not file.is_file():
        return None
    found = {}
    with file.open("rb") as opened:
        end = opened.seek(0, 2)
        opened.seek(0)
        try:
            for number, length in _fields(opened, end):
                if number == _METADATA_PROPS and length <= _LONGEST:
                    pair = {part: opened.read(size).decode() for part, size in _fields(opened, opened.tell() + length)}
                    found[pair.get(1, "")] = pair.get(2, "")
        except ValueError:
            return None
    return found.get(KEY)


def _fields(opened: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    # Yields (field number, length) of each length-delimited field up to `end`, the file standing at its first byte;
    # goes on behind it, however much of it was read. Raises ValueError for what is no protobuf.
    while opened.tell() < end:
        tag = _varint(opened)
        kind = tag & 7
        if kind == 0:
            _varint(opened)
            continue
        length = {1: 8, 5: 4}.get(kind, -1) if kind != 2 else _varint(opened)
        start = opened.tell()
        if length < 0 or start + length > end:
            raise ValueError("no protobuf")
        if kind == 2:
            yield tag >> 3, length
        opened.seek(start + length)


def _varint(opened: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = opened.read(1)
        if not byte:
            raise ValueError("no protobuf")
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return value
    raise ValueError("no protobuf")
