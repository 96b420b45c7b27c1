"""The values of this room: labelled photos, what there is to mend in them, and whom a network was trained on.

A file that is given away holds digests of names: whoever has a person's photos can find out whether the network knows
that name, and nobody reads the names out of it. Names that can be guessed can be tried.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from facematch.core.text import count_of, first_of, printable
from facematch.photos.photo import PhotoFile, Unreadable

Pair = tuple[PhotoFile, str]
_MARK = "sha256:"

# How each kind of problem is called in a summary: for one, for several.
_CALLED = {
    "empty identity": ("person without a photo", "people without a photo"),
    "single photo": ("person with a single photo", "people with a single photo"),
    "too few photos": ("person with too few photos", "people with too few photos"),
    "no photo left": ("person of whom no photo is left", "people of whom no photo is left"),
    "same bytes under two identities": ("photo under two people", "photos under two people"),
    "same bytes twice": ("photo that is there twice", "photos that are there twice"),
    "unreadable file": ("file that was not read", "files that were not read"),
    "hidden file": ("hidden file or folder left out", "hidden files or folders left out"),
    "loose file": ("photo outside any person's folder", "photos outside any person's folder"),
    "missing file": ("listed photo that does not exist", "listed photos that do not exist"),
    "listed twice": ("photo listed twice", "photos listed twice"),
    "listed under two identities": ("photo listed under two people", "photos listed under two people"),
    "bad line": ("line that is not `<photo> <person>`", "lines that are not `<photo> <person>`"),
}


@dataclass(frozen=True)
class LabelledPhotos:
    """Photo files, no name twice, and the identity of each. Raises ValueError otherwise."""

    files: tuple[PhotoFile, ...]
    identities: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.files) != len(self.identities):
            raise ValueError(f"{len(self.files)} photos but {len(self.identities)} identities")
        if len({file.name for file in self.files}) != len(self.files):
            raise ValueError("two photos have one name")

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> "LabelledPhotos":
        """Make the value from (file, identity) pairs, in their order."""
        given = tuple(pairs)
        return cls(tuple(file for file, _ in given), tuple(who for _, who in given))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Each file with its identity."""
        return tuple(zip(self.files, self.identities, strict=True))

    @property
    def people(self) -> tuple[str, ...]:
        """The identities, each once, sorted."""
        return tuple(sorted(set(self.identities)))

    @property
    def counts(self) -> dict[str, int]:
        """How many photos each person has, in the order of `people`."""
        return dict(sorted(Counter(self.identities).items()))

    def only(self, people: Iterable[str]) -> "LabelledPhotos":
        """Keep the photos of `people`, in the same order."""
        wanted = set(people)
        return LabelledPhotos.of(pair for pair in self.pairs if pair[1] in wanted)


@dataclass(frozen=True)
class Problem:
    """Something to mend in the labelled photos.

    `kind` is one of a few words ("single photo"), `text` names the person, file or line ("ann (1 photo)"), and
    `remedy` is what to do.
    """

    kind: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} – {self.remedy}"


def unread_file(file: Unreadable) -> Problem:
    """Return the problem that a file could not be read, with its reason."""
    return Problem("unreadable file", f"{file.name} ({file.reason})", "replace or remove it")


def summarise_problems(problems: Iterable[Problem], limit: int = 5) -> list[str]:
    """Return one line for each kind of problem: how many, the first `limit` of them, what to do.

    The lines are safe to print: a name cannot move the cursor or colour the screen.
    """
    kinds: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.kind].append(problem)
    return [
        f"{count_of(len(found), *_CALLED.get(kind, (kind, kind)))}: "
        f"{first_of([printable(problem.text) for problem in found], limit)} – {found[0].remedy}"
        for kind, found in kinds.items()
    ]


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
