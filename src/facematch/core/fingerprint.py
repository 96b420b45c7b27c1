"""What decides an embedding, as a flat list of settings with a digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core.core_schema import no_info_plain_validator_function

from facematch.core.errors import MismatchError
from facematch.core.foreign import as_kind, quoted
from facematch.core.text import brief

Value = str | int | float | bool | None | list["Value"]


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides an embedding: detector, crop, normalisation, network and weights.

    `settings` maps a dotted name (`faces.margin`) to its value. Two embeddings may be compared only
    when their fingerprints are equal; `difference` names the first setting that is not.
    """

    settings: Mapping[str, Value] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the settings as canonical JSON, 64 hex digits."""
        text = json.dumps(dict(self.settings), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def __or__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint({**self.settings, **other.settings})

    def only(self, *prefixes: str) -> "Fingerprint":
        """Keep the settings whose dotted name begins with one of `prefixes`."""
        return Fingerprint({key: value for key, value in self.settings.items() if key.startswith(prefixes)})

    def difference(self, other: "Fingerprint") -> tuple[str, Value, Value] | None:
        """Return the first setting that differs as (name, ours, theirs), or None when all agree."""
        for key in [*self.settings, *(key for key in other.settings if key not in self.settings)]:
            ours, theirs = self.settings.get(key), other.settings.get(key)
            if ours != theirs:
                return key, ours, theirs
        return None


def fingerprint_of(settings: Any) -> Fingerprint:
    """Return the fingerprint whose settings a file holds. Raises ValueError for anything but names and values."""
    return Fingerprint(as_kind(dict[str, Any], settings))


# As a field of what a file holds.
StoredFingerprint = Annotated[
    Fingerprint, GetPydanticSchema(lambda kind, handler: no_info_plain_validator_function(fingerprint_of))
]


def require_same(ours: Fingerprint, our_name: str, theirs: Fingerprint, their_name: str, remedy: str = "") -> None:
    """Raise MismatchError naming the first setting in which two fingerprints differ; `remedy` is its hint."""
    difference = ours.difference(theirs)
    if difference is None:
        return
    key, left, right = difference
    raise MismatchError(
        f"{our_name} and {their_name} were not made in the same way: "
        f"{brief(key)} is {quoted(left)} in {our_name} and {quoted(right)} in {their_name}.",
        remedy or f"Give both the same {brief(key)}, or make one of them again with the other's settings.",
    )
