"""Libraries that not every installation has: which extra brings each, and one sentence where it is missing."""

from collections.abc import Mapping
from importlib.util import find_spec

from facematch.core.errors import FacematchError

# Ranking, submitting and all that reads files needs none of them.
EXTRAS: Mapping[str, str] = {
    "torch": "train",
    "torchvision": "train",
    "albumentations": "train",
    "tensorboard": "train",
    "skimage": "serve",
    "fastapi": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "huggingface_hub": "hub",
    "pooch": "hub",
}


def require(*names: str) -> None:
    """Raise FacematchError for the first library that is not installed, with the extra that brings it."""
    for name in names:
        if find_spec(name) is None:
            raise _error(name)


def missing(error: ModuleNotFoundError) -> FacematchError | None:
    """Return what a user is told of a library that could not be imported; None where no extra brings it."""
    name = (error.name or "").partition(".")[0]
    return _error(name) if name in EXTRAS else None


def _error(name: str) -> FacematchError:
    return FacematchError(
        f"this needs {name}, which is not installed.", f"Run: pip install 'facematch[{EXTRAS.get(name, name)}]'"
    )
