"""What `request_send.py` imports before it begins to work: little, so that help and mistakes are said at once."""

import subprocess
import sys
from pathlib import Path

from tiny_project import TINY

MOST = 62  # modules of facematch
_CODE = """
import sys
from facematch.core.console import Stopwatch
from facematch.cli.start import main_of

def begins(self, stage):
    own = [name for name in sys.modules if name.partition(".")[0] == "facematch"]
    print(stage, len(own), *sorted({"requests", "torch", "scipy", "rich.table"} & set(sys.modules)), sep="\\n")
    raise SystemExit

Stopwatch.stage = begins
main_of("request")
"""


def test_few_modules_are_imported_before_the_folders_are_looked_at(tiny: Path) -> None:
    command = [sys.executable, "-c", _CODE, *TINY, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stage, count, *heavy = done.stdout.split("\n")[:-1]
    assert stage == "checking folders"
    assert heavy == ["rich.table"]  # for the check itself: what is there is seen
    assert 20 < int(count) <= MOST
