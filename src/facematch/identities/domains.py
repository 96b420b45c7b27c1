"""Which pictures are of which domain: photographs, drawings, what a generator made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

PHOTO = "photo"  # what nothing calls otherwise


@dataclass(frozen=True)
class Domains:
    """How a picture's domain is told; what none of it names is a `photo`.

    `by` is `folder`: the folder directly below its person's (`ann/synthetic/1.jpg`), or the first of a list's name;
    `column`: the last field of each line of a list; `names`: the first of `globs` (shell patterns by domain) that
    matches its file name, or its name below the person's folder.
    """

    by: Literal["folder", "column", "names"]
    globs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, below: str) -> str:
        """Return the domain of a picture by its name below its person's folder, or by its name in a list."""
        first, _, rest = below.partition("/")
        if self.by == "folder":
            return first if rest else PHOTO
        names = (below, below.rpartition("/")[2])
        for domain, globs in self.globs.items():
            if any(fnmatchcase(name, glob) for name in names for glob in globs):
                return domain
        return PHOTO
