"""The people a network was trained on, by name or by the digest of a name, and who of others is among them.

A file that is given away holds digests: whoever has a person's photos can find out whether the network knows that name,
and nobody reads the names out of it. Names that can be guessed can be tried.
"""

import hashlib
from collections.abc import Iterable

_MARK = "sha256:"


def person_digest(name: str) -> str:
    """Return `sha256:` and the SHA-256 of a name's UTF-8 bytes; what is a digest already stays as it is."""
    if name.startswith(_MARK):
        return name
    return _MARK + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def trained_among(people: Iterable[str], trained_on: Iterable[str]) -> set[str]:
    """Return those of `people`, given by name, that are among `trained_on`, names or digests."""
    known = set(trained_on)
    by_digest = any(each.startswith(_MARK) for each in known)
    return {name for name in people if name in known or (by_digest and person_digest(name) in known)}
