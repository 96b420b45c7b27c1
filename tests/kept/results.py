"""What must stay equal while the program is rebuilt, made by its command line alone.

    python tests/kept/results.py            # makes every item again and compares it with tests/kept/results/
    python tests/kept/results.py --only payload-pixels figures
    python tests/kept/results.py --write    # replaces the kept results

Real photographs and models are needed beside the project (`tests/shared.py` says where). Everything is computed in
fp32 on one thread, so that the same machine gives the same digits; another machine rounds differently: --tolerance.
All of it takes about three minutes on two idle cores.
The kept results were made on x86-64 with AVX-512.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kept_items import ITEMS, prepare
from kept_project import DATA, SHARED, WEIGHTS, CommandError, Project, without_times

RESULTS = Path(__file__).parent / "results"
_SHOWN = 5


def differences(kept: Any, made: Any, tolerance: float, where: str = "$") -> Iterator[str]:
    """Yield a line for each place where two JSON values differ; floats by more than `tolerance`."""
    if isinstance(kept, dict) and isinstance(made, dict):
        for key in [*kept, *(key for key in made if key not in kept)]:
            if key not in made or key not in kept:
                yield f"{where}.{key}: {'only kept' if key in kept else 'only made now'}"
            else:
                yield from differences(kept[key], made[key], tolerance, f"{where}.{key}")
    elif isinstance(kept, list) and isinstance(made, list):
        if len(kept) != len(made):
            yield f"{where}: {len(kept)} entries kept, {len(made)} made now"
        for number, pair in enumerate(zip(kept, made, strict=False)):
            yield from differences(*pair, tolerance, f"{where}[{number}]")
    elif not _same(kept, made, tolerance):
        yield f"{where}: kept {json.dumps(kept)}, now {json.dumps(made)}"


def _same(kept: Any, made: Any, tolerance: float) -> bool:
    if isinstance(kept, float) and isinstance(made, float):
        both_nan = math.isnan(kept) and math.isnan(made)
        return both_nan or kept == made or math.isclose(kept, made, rel_tol=tolerance, abs_tol=tolerance)
    return type(kept) is type(made) and bool(kept == made)


def show(name: str, value: Any, tolerance: float, *, write: bool, seconds: float) -> bool:
    """Write a result, or print how it differs from what is kept; return whether it is the same."""
    path = RESULTS / f"{name}.json"
    if write:
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name}: written ({seconds:.0f} s)", flush=True)
        return True
    if not path.is_file():
        print(f"{name}: nothing is kept; --write keeps it", flush=True)
        return False
    found = list(differences(json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(value)), tolerance))
    print(f"{name}: {'differs' if found else 'same'} ({seconds:.0f} s)", flush=True)
    for line in found[:_SHOWN]:
        print(f"    {line}", flush=True)
    if len(found) > _SHOWN:
        print(f"    … and {len(found) - _SHOWN} more", flush=True)
    return not found


def run(names: Sequence[str], folder: Path, tolerance: float, *, write: bool, workers: int) -> bool:
    """Make items in a project folder, `workers` at once; return whether all are the same."""
    project = Project(folder)
    prepare(project)

    def one(name: str) -> bool:
        begun = time.monotonic()
        try:
            value = without_times(ITEMS[name](project), folder)
        except CommandError as error:
            print(f"{name}: FAILED: {error}", flush=True)
            return False
        return show(name, value, tolerance, write=write, seconds=time.monotonic() - begun)

    with ThreadPoolExecutor(workers) as pool:
        return all(list(pool.map(one, names)))


def main() -> int:
    """Parse the command line, run, return the exit code: 0 all the same, 1 not, 2 without the photographs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", action="store_true", help="replace the kept results")
    parser.add_argument("--only", nargs="+", choices=list(ITEMS), metavar="NAME", help=", ".join(ITEMS))
    parser.add_argument("--tolerance", type=float, default=0.0, help="for floats, relative or absolute; 0: exactly")
    parser.add_argument("--workers", type=int, default=2, help="items that are made at once")
    parser.add_argument("--folder", type=Path, help="project folder to make and keep; default: a temporary one")
    asked = parser.parse_args()
    if not (DATA.is_dir() and WEIGHTS.is_dir()):
        print(f"{SHARED} is not on this machine: there is nothing to compare with")
        return 2
    with tempfile.TemporaryDirectory(prefix="facematch-kept-") as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        same = run(asked.only or list(ITEMS), folder, asked.tolerance, write=asked.write, workers=asked.workers)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
