"""How a network is built: known without torch, so that a checkpoint can be checked before any compute."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from facematch.core.fingerprint import Fingerprint

WEIGHTS_KEY = "network.weights_sha256"

_Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class NetworkSpec:
    """What is needed to build a network again: everything but its weights.

    `embedding` is the size of the linear embedding; `features` says that there is none, and what the backbone has
    before its last layer is the embedding. `mean` and `std` normalise RGB channels scaled to 0–1. With `tanh` the
    embedding's signs are a code.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    backbone: str
    embedding: Annotated[int, Field(ge=1)] | Literal["features"]
    normalise: bool
    mean: _Rgb
    std: _Rgb
    tanh: bool = False

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the network's part of a fingerprint, all but its weights."""
        return Fingerprint({f"network.{key}": value for key, value in self.as_dict().items()})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; without `tanh` where it is not used, as before there was one."""
        values = {**asdict(self), "mean": list(self.mean), "std": list(self.std)}
        return values if self.tanh else {key: value for key, value in values.items() if key != "tanh"}
