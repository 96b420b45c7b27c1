"""Augmentation described by name and arguments: an albumentations pipeline whose result a seed decides."""

import inspect
import os
import random
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torchvision.utils import make_grid

from facematch.core.errors import FacematchError, nearest_name
from facematch.photos.renderings import RENDERING_NAMES, render, require_rendering

_QUIET = "NO_ALBUMENTATIONS_UPDATE"  # without it the import asks a server for news
_UNSET = _QUIET not in os.environ
os.environ.setdefault(_QUIET, "1")

import albumentations as alb  # noqa: E402

if _UNSET:
    del os.environ[_QUIET]

Image = NDArray[np.uint8]
Step = Mapping[str, object]

GROUPS = ("OneOf", "SomeOf", "RandomOrder", "Sequential")  # these hold further steps under `transforms`
_EXAMPLE = "A step is written {name: HorizontalFlip, p: 0.5}: an albumentations class and its arguments."
_BUILDING = threading.Lock()  # warnings are caught while a pipeline is made, which is for one thread at a time
_GAP = 2  # white pixels between the pictures of a preview

FACE_DEFAULT: tuple[dict[str, object], ...] = (
    {"name": "HorizontalFlip", "p": 0.5},
    # A Haar box is off by about this much: the network must not mind where in the crop the face is.
    {
        "name": "Affine",
        "scale": [0.88, 1.14],
        "translate_percent": {"x": [-0.06, 0.06], "y": [-0.06, 0.06]},
        "rotate": [-10, 10],
        "keep_ratio": True,
        "border_mode": cv2.BORDER_REPLICATE,
        "p": 0.8,
    },
    {"name": "RandomBrightnessContrast", "brightness_limit": 0.2, "contrast_limit": 0.25, "p": 0.6},
    {"name": "RandomGamma", "gamma_limit": [70, 140], "p": 0.3},
    {"name": "HueSaturationValue", "hue_shift_limit": 6, "sat_shift_limit": 25, "val_shift_limit": 0, "p": 0.4},
    {"name": "ToGray", "p": 0.1},
    {
        "name": "OneOf",
        "transforms": [
            {"name": "GaussianBlur", "blur_limit": [3, 7], "sigma_limit": [0.4, 1.6]},
            {"name": "MotionBlur", "blur_limit": [3, 7]},
            {
                "name": "Downscale",
                "scale_range": [0.4, 0.8],
                "interpolation_pair": {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR},
            },
        ],
        "p": 0.3,
    },
    {"name": "GaussNoise", "std_range": [0.01, 0.05], "p": 0.2},
    {"name": "ImageCompression", "quality_range": [35, 95], "p": 0.3},
    # Hair, hands, glasses, microphones: one flat patch, up to a third of the side.
    {
        "name": "CoarseDropout",
        "num_holes_range": [1, 2],
        "hole_height_range": [0.1, 0.33],
        "hole_width_range": [0.1, 0.33],
        "fill": "random_uniform",
        "p": 0.3,
    },
)


class Rendering(alb.ImageOnlyTransform):  # type: ignore[misc]  # albumentations has no types
    """One of `names` (None: of all), a rendering of `photos.renderings`, with a strength drawn from `strength_range`.

    It is made of the picture enlarged by a factor from `scale_range` (1 to 4), and reduced again: the larger, the finer
    its lines and dots. Raises FacematchError for an unknown name and ValueError for a range out of its bounds.
    """

    def __init__(
        self,
        names: Sequence[str] | None = None,
        strength_range: Sequence[float] = (0.0, 1.0),
        scale_range: Sequence[float] = (1.0, 1.0),
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        self.strength_range = _range("strength_range", strength_range, 0, 1)
        self.scale_range = _range("scale_range", scale_range, 1, 4)
        self.names, self.applied = tuple(RENDERING_NAMES if names is None else names), False
        for name in self.names:
            require_rendering(name)

    def get_params(self) -> dict[str, Any]:
        """Return what is drawn anew for each picture."""
        ranges = {"strength": self.strength_range, "scale": self.scale_range}
        drawn = {name: self.py_random.uniform(*each) for name, each in ranges.items()}
        return drawn | {"name": self.py_random.choice(self.names), "seed": self.py_random.getrandbits(31)}

    def apply(self, img: Image, name: str, strength: float, scale: float, seed: int, **_: Any) -> Image:
        """Return the picture, rendered."""
        self.applied = True
        if scale == 1:
            return render(img, name, strength, seed)
        height, width = img.shape[:2]
        large = cv2.resize(img, (round(scale * width), round(scale * height)), interpolation=cv2.INTER_CUBIC)
        made = render(np.asarray(large, np.uint8), name, strength, seed)
        return np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _renderings(steps: Iterable[Any]) -> Iterator[Rendering]:
    for step in steps:
        yield from [step] if isinstance(step, Rendering) else _renderings(getattr(step, "transforms", ()))


def _range(name: str, given: Sequence[float], low: float, high: float) -> tuple[float, float]:
    least, most = given
    if not low <= least <= most <= high:
        raise ValueError(f"{name}: from {low} to {high}, the smaller first, found {list(given)}")
    return least, most


_OWN: dict[str, type[alb.BasicTransform]] = {"Rendering": Rendering}


@dataclass(frozen=True)
class Augmentation:
    """A checked pipeline, made by `build_augmentation`: a picture and a seed in, a picture out.

    Safe to share between threads and to send to another process.
    """

    steps: tuple[Step, ...]
    _own: threading.local = field(default_factory=threading.local, init=False, repr=False, compare=False)

    def __call__(self, image: Image, seed: int) -> Image:
        """Return a new S×S×3 `uint8` picture, the same for the same picture and `seed` (≥ 0) anywhere.

        Raises FacematchError when a step changes the picture's size or type.
        """
        pipeline = self._pipeline()
        # One generator for all steps: with a seed for each step, as albumentations would set it, all
        # of them would draw the same numbers, and every flipped picture would be a bright one.
        pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        for rendering in self._own.renderings:
            rendering.applied = False
        made: Image = pipeline(image=image.copy())["image"]
        if made.shape != image.shape or made.dtype != np.uint8:
            raise _changed("augment", image, made)
        return made

    @property
    def rendered(self) -> bool:
        """Return whether the last picture of this thread was made by a `Rendering`."""
        return any(each.applied for each in getattr(self._own, "renderings", ()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.steps,)

    def _pipeline(self) -> Any:
        if not hasattr(self._own, "pipeline"):
            with _BUILDING:
                steps = [_transform(step, f"augment step {i}") for i, step in enumerate(self.steps, 1)]
            self._own.pipeline, self._own.renderings = alb.Compose(steps), list(_renderings(steps))
        return self._own.pipeline


def build_augmentation(steps: Sequence[Step] | None, size: int = 112) -> Augmentation:
    """Check `steps`, by default FACE_DEFAULT, and return the pipeline; each is `{name: <albumentations class>, …}`.

    `OneOf`, `SomeOf`, `RandomOrder` and `Sequential` take further steps under `transforms`. Where `p`
    is not given it is albumentations' own (mostly 0.5). No steps: pictures stay as they are. Every
    step is tried on a picture of `size` × `size` pixels. Raises FacematchError that names the step for
    an unknown name or argument (with the nearest), a wrong value, or a result that is not a picture
    of the same size.
    """
    steps = FACE_DEFAULT if steps is None else steps
    for number, step in enumerate(steps, start=1):
        _try(_transform(step, f"augment step {number}"), f"augment step {number}", size)
    return Augmentation(tuple(steps))


def preview(images: Sequence[Image], augmentation: Augmentation, columns: int = 8, seed: int = 0) -> Image:
    """Return a grid: one row for each S×S×3 picture, the original on the left and then variants of it.

    The picture is R·(S+2)+2 high and `columns`·(S+2)+2 wide, for R pictures.
    """
    shown = [
        augmentation(image, int(np.random.SeedSequence((seed, row, column)).generate_state(1)[0])) if column else image
        for row, image in enumerate(images)
        for column in range(columns)
    ]
    channels_first = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2)
    grid = make_grid(channels_first, nrow=columns, padding=_GAP, pad_value=255)
    return np.ascontiguousarray(grid.permute(1, 2, 0).numpy())


@cache
def transform_names() -> tuple[str, ...]:
    """Return the names a step may have: albumentations' transforms of pictures, the groups, and `Rendering`."""
    left_out = {alb.BasicTransform, alb.DualTransform, alb.ImageOnlyTransform, alb.Lambda}
    left_out |= {alb.ToTensorV2, alb.ToTensor3D}
    found = [
        name
        for name, value in vars(alb).items()
        if inspect.isclass(value)
        and issubclass(value, alb.BasicTransform)
        and not issubclass(value, alb.Transform3D)
        and value not in left_out
    ]
    return tuple(sorted([*found, *GROUPS, *_OWN]))


def _transform(step: object, where: str) -> Any:
    if not isinstance(step, Mapping) or not isinstance(step.get("name"), str):
        raise FacematchError(f"{where} has no name: found {step!r}.", _EXAMPLE)
    name, arguments = step["name"], {key: value for key, value in step.items() if key != "name"}
    where = f"{where} ({name})"
    if name not in transform_names():
        raise FacematchError(
            f"{where}: there is no such augmentation{nearest_name(name, transform_names())}.", _EXAMPLE
        )
    made = _OWN.get(name) or getattr(alb, name)
    known = [key for key in inspect.signature(made.__init__).parameters if key != "self"]
    takes = f"{name} takes {', '.join(known)}."
    for argument in arguments:
        if argument not in known:
            raise FacematchError(f"{where} has no argument {argument!r}{nearest_name(str(argument), known)}.", takes)
    if name in GROUPS:
        arguments["transforms"] = _group(arguments.get("transforms"), where)
    return _made(made, arguments, where, takes)


def _group(steps: object, where: str) -> list[Any]:
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise FacematchError(
            f"{where} needs a list of steps under transforms: found {steps!r}.",
            "Write transforms: [{name: GaussianBlur}, {name: MotionBlur}].",
        )
    return [_transform(step, f"{where} step {number}") for number, step in enumerate(steps, start=1)]


def _made(made: Any, arguments: dict[str, Any], where: str, takes: str) -> Any:
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            transform = made(**arguments)
    except Exception as error:  # whatever albumentations raises about the user's values
        found = error.__cause__ if isinstance(error.__cause__, ValidationError) else None
        reason = "; ".join(_complaint(one) for one in found.errors()) if found else str(error)
        raise FacematchError(f"{where} cannot be made: {reason.rstrip('.')}.", takes) from error
    for warning in raised:
        if "adjusted" in str(warning.message):  # a value other than the one asked for would be used
            raise FacematchError(f"{where} cannot be made: {str(warning.message).rstrip('.')}.", takes)
        warnings.warn(warning.message, stacklevel=2)
    return transform


def _complaint(error: Any) -> str:
    if error["type"] == "missing":
        return f"argument {error['loc'][0]} is missing"
    words = error["msg"].removeprefix("Value error, ")
    return f"{error['loc'][0]}: {words}, found {error['input']!r}" if error["loc"] else words


def _try(transform: Any, where: str, size: int) -> None:
    """Apply each transform once, whatever its probability, so that a mistake shows before training."""
    if isinstance(transform, alb.BaseCompose):
        for number, part in enumerate(transform.transforms, start=1):
            _try(part, f"{where} ({type(transform).__name__}) step {number}", size)
        return
    where = f"{where} ({type(transform).__name__})"
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    transform.set_random_seed(0)
    try:
        made = transform(image=picture.copy(), force_apply=True)["image"]
    except Exception as error:  # whatever albumentations raises while it works
        raise FacematchError(
            f"{where} failed on a trial picture of {size}×{size}: {error}", "Mend its arguments or remove it."
        ) from error
    if not isinstance(made, np.ndarray) or made.shape != picture.shape or made.dtype != np.uint8:
        raise _changed(where, picture, made)


def _changed(where: str, image: Image, made: Any) -> FacematchError:
    return FacematchError(
        f"{where} makes {getattr(made, 'dtype', type(made).__name__)} {tuple(getattr(made, 'shape', ()))} "
        f"of a uint8 {image.shape} picture.",
        "Augmentation keeps size and type: the network's own normalisation comes after it.",
    )
