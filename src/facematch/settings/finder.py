"""How a face detector of one's own is trained: `config/finder.yaml`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from facematch.settings.section import Count, OneOrSeveral, Section, Share

LandmarkDetector = Literal["yunet", "centerface"]


class FinderSettings(Section):
    """What the finder learns from: photos whose faces two other detectors agree on, and pictures without faces."""

    init_from: Literal["default"] | Path | None = None  # a finder's ONNX file to go on from
    teachers: dict[LandmarkDetector, Path]  # ONNX files
    photos: Annotated[tuple[Path, ...], OneOrSeveral]
    backgrounds: Annotated[tuple[Path, ...], OneOrSeveral] = ()
    validation: Annotated[tuple[Path, ...], OneOrSeveral] = ()  # photos beside those held out, and never trained on
    held_out: Path | None = None  # a text file: photos that are for validation only, one name below its folder a line
    left_out: Annotated[tuple[str, ...], OneOrSeveral] = ()  # patterns of names below a folder: never trained on
    background_share: Annotated[float, Field(gt=0, lt=1)] = 0.1  # of the backgrounds: for validation
    agreement: Share = 0.5  # intersection over union of two boxes of one face
    side: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 256  # of a scene, in pixels
    scenes: Count = 8000  # in an epoch
    batch: Count = 32
    width: Annotated[int, Field(ge=8, le=256)] = 64  # channels of the network
    rendered: Share = 0.4  # this share of scenes is drawn, painted or printed
    validation_photos: Count = 600  # at most

    @model_validator(mode="after")
    def _two_teachers(self) -> "FinderSettings":
        if len(self.teachers) != 2:
            raise ValueError("finder.teachers: two detectors that must agree: {yunet: FILE, centerface: FILE}")
        return self
