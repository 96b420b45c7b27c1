"""What every section of the settings is, and the kinds of numbers in them."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Options = dict[str, int | float | bool | str | list[int | float | bool | str]]
Rgb = tuple[float, float, float]
# Of a tuple: a single value is short for one of it.
OneOrSeveral = BeforeValidator(lambda value: (value,) if isinstance(value, int | str | Path) else value)

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)


class Section(BaseModel):
    """One section of the YAML file: frozen, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True)
