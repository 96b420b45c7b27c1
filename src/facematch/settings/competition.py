"""The competition's form as data: addresses, paths, keys, list length, answers and the score's weights.

`config/competition.yaml` holds it, so that a form known only on the day needs no code.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.shipped import find_settings, log_taken
from facematch.settings.file import explain, read_yaml
from facematch.settings.section import Section

FORM_FILE = Path("config/competition.yaml")
KS = (1, 5, 10)


class AnswerForm(Section):
    """Where the score is in an answer: a list of shares (top-1, top-5, top-10), or the score itself."""

    key: Annotated[str, Field(min_length=1)] = "results"  # where the score is in an answer
    form: Literal["shares", "score"] = "shares"  # shares: top-1, top-5, top-10; score: the weighted sum


class Dialect(Section):
    """One way of asking and answering."""

    path: Annotated[str, Field(pattern=r"^/\S*$")] = "/results/"  # behind the address
    group_key: Annotated[str, Field(min_length=1)] = "groupname"  # the payload's key of the group's name
    images_key: Annotated[str, Field(min_length=1)] = "images"  # the payload's key of the answers
    names: Annotated[int, Field(ge=1, le=1000)] = 10  # gallery names for each query
    content_type: str | None = None  # None: no Content-Type header, as the official example sends it
    answer: AnswerForm = AnswerForm()  # how the server answers


def _known() -> dict[str, Dialect]:
    return {
        "results": Dialect(),
        "retrieval": Dialect(path="/retrieval/", answer=AnswerForm(key="accuracy", form="score")),
    }


class CompetitionForm(Section):
    """What the organisers announce: `address` on the day, the rest before."""

    address: str | None = None  # http://HOST:PORT; server.url wins over it
    weights: tuple[float, float, float] = (600.0, 300.0, 100.0)  # of top-1, top-5 and top-10 in the score
    dialects: dict[str, Dialect] = Field(default_factory=_known)  # by name, which server.dialect gives

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError("three weights, none negative and not all zero")
        return weights

    @property
    def best(self) -> float:
        """Return the score of an answer without a mistake."""
        return sum(self.weights)

    def score(self, top1: float, top5: float, top10: float) -> float:
        """Return the weighted sum of the three shares (0–1), which are cumulative."""
        return sum(weight * share for weight, share in zip(self.weights, (top1, top5, top10), strict=True))

    def dialect(self, name: str) -> Dialect:
        """Return a dialect by its name; raises FacematchError for an unknown one."""
        if name not in self.dialects:
            raise FacematchError(
                f"server.dialect: {name!r} is not known{nearest_name(name, self.dialects)}; "
                f"known are {', '.join(self.dialects)}.",
                f"Describe it under `dialects:` in {FORM_FILE}.",
            )
        return self.dialects[name]


def load_form(path: Path | None) -> CompetitionForm:
    """Read the competition's form; None is `config/competition.yaml`, here or as it comes with facematch.

    One that was changed and is taken from another folder is logged.
    Raises FacematchError that names the file, the key, what was found and the nearest known key.
    """
    found = path or find_settings(FORM_FILE)
    try:
        form = CompetitionForm.model_validate(read_yaml(found))
    except ValidationError as error:
        raise FacematchError(f"{found}: {'; '.join(explain(error, CompetitionForm))}.") from error
    if form != CompetitionForm():
        log_taken(path or FORM_FILE, found)
    return form
