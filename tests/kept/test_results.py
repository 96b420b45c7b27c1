"""The kept results against the program of today: minutes, and this machine's own arithmetic, so only when asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared import shared

SCRIPT = Path(__file__).parent / "results.py"
pytestmark = pytest.mark.skipif(os.environ.get("FACEMATCH_KEPT_TESTS") != "1", reason="FACEMATCH_KEPT_TESTS is not 1")


def test_every_kept_result_is_the_same() -> None:
    shared("data")
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
