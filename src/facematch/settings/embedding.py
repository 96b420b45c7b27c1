"""How a photo becomes a crop, and a crop an embedding, as typed, checked settings."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from facematch.core.kinds import known_kind, own_names, require_kind
from facematch.settings.section import Count, OneOrSeveral, Options, Positive, Rgb, Section, Share, Short

MissChoice = Literal["whole", "centre", "skip", "error"]
WholePhoto = Literal["pad", "squash", "centre"]
EmbedderKind = Annotated[str, AfterValidator(known_kind("embedders")), Short({"enum": list(own_names("embedders"))})]
DetectorKind = Annotated[str, AfterValidator(known_kind("detectors")), Short({"enum": list(own_names("detectors"))})]
BY_FILE = ("yunet", "centerface", "scrfd", "retinaface")  # detectors that others published: each has its file here
_WITH_POINTS = (*BY_FILE, "finder")  # of our detectors, those that give five points
Terms = Literal["free", "research", "unstated"]  # of published weights, which often differ from the code's
DetectSize = Annotated[int, Field(ge=64, le=4096)]


class FaceSettings(Section):
    """How a photo becomes a square crop."""

    detector: DetectorKind = "haar"
    # One with five points, behind haar: where that finds nothing, and for the points.
    second_look: DetectorKind = "none"
    options: Options = Field(default_factory=dict)  # of a detector that a plug-in brings
    size: Annotated[int, Field(ge=16, le=1024)] = 112  # crop side in pixels
    margin: Annotated[float, Field(gt=-0.5, le=2)] = 0.2  # of the box's side, both sides together
    template: Literal["arcface", "facenet", "dlib", "own"] = "arcface"  # where five points come in a crop
    max_roll: Annotated[float, Field(ge=0, le=180)] | None = None  # degrees: doubtful points turn a face by no more
    choose: Literal["largest", "central"] = "largest"
    # Long sides of the copies that are searched, until one has a face.
    detect_size: Annotated[tuple[DetectSize, ...], OneOrSeveral] = (128, 320)
    cascade: str = "haarcascade_frontalface_default.xml"  # OpenCV's file
    fallback_cascades: tuple[str, ...] = ("haarcascade_frontalface_alt2.xml",)  # asked where it finds nothing
    scale_factor: Annotated[float, Field(gt=1.0, le=2)] = 1.1  # from one size of face that is looked for to the next
    min_neighbors: Annotated[int, Field(ge=0)] = 5  # how many finds have to agree on a face
    overlap: Share | None = None  # haar: of faces that overlap more, only the surest counts; None: all count
    min_size: Positive = 0.15  # below 1: share of the photo's shorter side; else pixels of the photo
    whole: WholePhoto = "pad"  # how a whole photo becomes a square: by its edge pixels, its sides changed, its centre
    yunet_file: Path | None = None  # its ONNX file, or its name among the published models
    yunet_score: Share = 0.6  # the least score of a face
    centerface_file: Path | None = None  # its ONNX file, or its name among the published models
    centerface_score: Share = 0.5  # the least score of a face
    scrfd_file: Path | None = None  # its ONNX file, or its name among the published models
    scrfd_score: Share = 0.5  # the least score of a face
    retinaface_file: Path | None = None  # its ONNX file, or its name among the published models
    retinaface_score: Share = 0.5  # the least score of a face
    finder_file: Path | None = None  # None: the one that comes with facematch
    finder_score: Share = 0.48  # one false face in a hundred pictures
    miss: MissChoice = "whole"  # what a query, gallery or validation photo without a face becomes
    miss_training: MissChoice = "skip"  # what a training photo without a face becomes

    @field_validator("detect_size")
    @classmethod
    def _from_small_to_large(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or list(sizes) != sorted(set(sizes)):
            raise ValueError(f"faces.detect_size is a size or sizes that rise, such as [128, 320]; found {list(sizes)}")
        return sizes

    @model_validator(mode="after")
    def _check(self) -> "FaceSettings":
        for key, kind in (("detector", self.detector), ("second_look", self.looking_behind)):
            if kind in BY_FILE and getattr(self, f"{kind}_file") is None:
                raise ValueError(f"faces.{key}: {kind} needs faces.{kind}_file, the path of its ONNX file")
        if self.second_look != "none" and not _gives_points(self.second_look):
            raise ValueError(
                f"faces.second_look: {self.second_look} gives no five points; expected one of none, "
                f"{', '.join(_WITH_POINTS)}, or a plug-in that does"
            )
        if self.options and all(each in own_names("detectors") for each in (self.detector, self.looking_behind)):
            raise ValueError(f"faces.options are for a detector of a plug-in, and faces.detector is {self.detector}")
        return self

    @property
    def gives_points(self) -> bool:
        """Return whether the detector itself gives five points for each face."""
        return _gives_points(self.detector)

    @property
    def aligns(self) -> bool:
        """Return whether crops are aligned by five points."""
        return self.gives_points or self.looking_behind != "none"

    @property
    def looking_behind(self) -> str:
        """Return what looks behind the cascade; other detectors need nobody."""
        return self.second_look if self.detector == "haar" else "none"


def _gives_points(detector: str) -> bool:
    if detector in own_names("detectors"):
        return detector in _WITH_POINTS
    return bool(getattr(require_kind("detectors", detector).loaded, "gives_points", False))


class EmbedderSettings(Section):
    """What turns crops into embeddings: a trained network, an ONNX file, dlib, CLIP, pixels, a hash or a plug-in."""

    kind: EmbedderKind = "network"  # what makes the vectors: one of these, or a plug-in's name
    options: Options = Field(default_factory=dict)  # of an embedder that a plug-in brings
    file: Path | None = None  # onnx; dlib, where it is not that of face_recognition_models
    # clip: open_clip's name, such as ViT-B-32, or the JSON file of a configuration; timm: timm's name.
    model: str = "RN50"
    weights: str = "openai"  # clip: a pretrained tag of open_clip, a local file, or none: random; timm: that file
    size: Annotated[int, Field(ge=8, le=1024)] = 112  # onnx: input side in pixels
    layout: Literal["nchw", "nhwc"] = "nchw"  # onnx: order of the input's axes
    channels: Literal["rgb", "bgr"] = "rgb"  # onnx: order of the colours
    mean: Rgb = (127.5, 127.5, 127.5)  # in units of 0–255
    std: Rgb = (128.0, 128.0, 128.0)  # in the same units
    batch: Count = 32  # photos in one call; 1 for a model of fixed batch 1
    normalise: bool = True  # vectors get length 1

    @model_validator(mode="after")
    def _check(self) -> "EmbedderSettings":
        if self.options and self.kind in own_names("embedders"):
            raise ValueError(f"embedder.options are for an embedder of a plug-in, and embedder.kind is {self.kind}")
        return self


class ModelSettings(Section):
    """Published models that are fetched by name."""

    terms: Annotated[tuple[Terms, ...], OneOrSeveral] = ("free",)
