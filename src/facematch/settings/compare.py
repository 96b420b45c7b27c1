"""The file that `facematch compare` reads: which systems, on which photos, as typed, checked values."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from facematch.core.errors import nearest_name
from facematch.settings.ensemble import MemberSettings, Method, as_overrides
from facematch.settings.root import DomainsBy
from facematch.settings.section import Positive, Section

FigureName = Literal["top-1", "top-5", "top-10", "score", "mAP", "F1"]


class SystemSettings(MemberSettings):
    """A system with its name in the comparison, or with `fuse` an ensemble of others that are listed."""

    name: str = Field(min_length=1, max_length=60)  # in the tables
    optional: bool = False  # left out with a note, instead of failing, where its model is missing
    fuse: tuple[str, ...] = ()  # the names of the systems that are fused
    method: Method = "z-score"
    weights: Literal["equal", "tuned"] | tuple[Positive, ...] = "equal"

    @model_validator(mode="after")
    def _one_kind(self) -> "SystemSettings":
        alone = {"method", "weights"} & self.model_fields_set
        if not self.fuse:
            if alone:
                raise ValueError(f"{self.name}: {min(alone)} belongs to an ensemble: name its members under fuse")
            return self
        if self.config is not None or self.set:
            raise ValueError(f"{self.name}: an ensemble is its members' settings; it has no config and no set")
        if len(set(self.fuse)) < max(2, len(self.fuse)):
            raise ValueError(f"{self.name}: an ensemble fuses two or more different systems")
        if not isinstance(self.weights, str) and len(self.weights) != len(self.fuse):
            raise ValueError(f"{self.name}: {len(self.weights)} weights for {len(self.fuse)} systems")
        return self


class PhotosSettings(Section):
    """What systems are compared on: one of three.

    `config`: the validation people of a settings file, with its distractors. `people`: folders or a list of
    people or classes, each photo a query in turn, with `distractors`. `query`, `gallery`, `truth`: fixed folders.
    `domain` and `across` are those of `identities`, in place of the settings file's.
    """

    config: Path | None = None
    people: Path | None = None
    distractors: Path | None = None  # people nobody asks for
    images: Path | None = None  # where a list's names start
    domain: DomainsBy | None = None
    across: tuple[str, str] | None = None  # photos of the first domain ask those of the second
    query: Path | None = None
    gallery: Path | None = None  # what they ask
    truth: Path | None = None  # the ground truth: for each query its right gallery photos

    @model_validator(mode="after")
    def _one_kind(self) -> "PhotosSettings":
        fixed = [self.query, self.gallery, self.truth]
        given = [self.config is not None, self.people is not None, any(fixed)]
        if sum(given) != 1:
            raise ValueError("name one of config, people, or query with gallery and truth")
        if any(fixed) and not all(fixed):
            raise ValueError("fixed folders need all of query, gallery and truth")
        if self.people is None and (self.distractors or self.images):
            raise ValueError("distractors and images belong to people")
        if any(fixed) and (self.domain is not None or self.across is not None):
            raise ValueError("domain and across belong to people or config: a truth says who asks whom")
        return self


class CompareSettings(Section):
    """A whole file for `facematch compare`; `set` holds for every system, unless its own says otherwise."""

    name: str = "compare"  # of the comparison; what is finished is kept under it
    photos: PhotosSettings  # one of three: see below
    by: FigureName = "score"  # what decides which system is better
    set: dict[str, Any] = Field(default_factory=dict)
    systems: tuple[SystemSettings, ...] = Field(min_length=1)  # each a mapping of these

    def overrides(self) -> list[str]:
        """Return `set` as `section.key=value` lines."""
        return as_overrides(self.set)

    @model_validator(mode="after")
    def _domains(self) -> "CompareSettings":
        for line in self.overrides():
            if line.startswith(("identities.domain", "identities.across")):
                name = line.partition("=")[0].split(".")[1]
                raise ValueError(f"set: identities.{name} is of no system; say photos.{name}")
        return self

    @model_validator(mode="after")
    def _names(self) -> "CompareSettings":
        names = [each.name for each in self.systems]
        if twice := next((name for number, name in enumerate(names) if name in names[:number]), None):
            raise ValueError(f"two systems are called {twice}")
        plain = [each.name for each in self.systems if not each.fuse]
        for each in self.systems:
            for member in each.fuse:
                if member not in plain:
                    other = (
                        "is an ensemble itself" if member in names else f"is not listed{nearest_name(member, plain)}"
                    )
                    raise ValueError(f"{each.name} fuses {member}, which {other}")
        return self
