"""Rank, check and send a submission: `python request_send.py` (the same as `facematch request`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from facematch.cli.start import main_of

if __name__ == "__main__":
    main_of("request")
