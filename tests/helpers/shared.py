"""Real photographs and models that lie beside the project on some machines; tests skip without them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "shared"


def shared(name: str) -> Path:
    """Return the path of a shared file or folder, or skip the test where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return path
