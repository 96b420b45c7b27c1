"""Train a network: `python train.py --config config/triplet.yaml` (the same as `facematch train`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from facematch.cli.start import main_of

if __name__ == "__main__":
    main_of("train")
