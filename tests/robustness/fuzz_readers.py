"""Every reader of files that others write, on thousands of damaged ones: a value or a FacematchError, never else.

    python tests/robustness/fuzz_readers.py                      # all readers, 100 inputs of each
    python tests/robustness/fuzz_readers.py --count 400 --seed 7 yaml checkpoint
    python tests/robustness/fuzz_readers.py --only 31 yaml       # one input again, as it is, with its traceback

The last line of output is JSON: for each reader how many inputs it was given, refused, and failed. Memory is limited to
what the process has when it begins and 2 GB more.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from reader_seeds import READERS, Reader

from facematch.core.errors import FacematchError, is_plain

_ROOM = 2_000_000_000  # bytes of addresses above those at the beginning
_LONGEST = 60  # seconds for one input; an alarm, so that one that never ends is a failure


class BrokenLawError(Exception):
    """What a reader did that none may do."""


def damaged(reader: Reader, seeds: list[bytes], seed: int, number: int) -> bytes:
    """Return the input of a number: one of the seeds, changed once or more often."""
    rng = random.Random(f"{seed} {reader.name} {number}")
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2))):
        try:
            data = rng.choice(reader.mutations)(rng, data)
        except (ValueError, KeyError, RecursionError, OverflowError, NotImplementedError, EOFError) as error:
            del error  # what is no JSON or archive any more is changed by its bytes
            data = reader.mutations[0](rng, data)
        except Exception:  # zipfile's and struct's own
            data = reader.mutations[0](rng, data)
    return data


def tried(reader: Reader, path: Path) -> bool:
    """Read a file; return whether it was refused. Raises BrokenLawError for whatever a reader may not do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except FacematchError as error:
        text = str(error)
        if len(text) > 2000:
            raise BrokenLawError(f"an error of {len(text):,} characters") from error
        if not all(map(is_plain, text)):
            raise BrokenLawError(f"an error that cannot be printed: {text[:300]!r}") from error
        if "weights_only" in text or "allow_pickle=True" in text:
            raise BrokenLawError(f"advice to read it unsafely: {text}") from error
        return True
    except Exception as error:
        raise BrokenLawError(f"{type(error).__name__}: {str(error)[:300]}") from error
    return False


def fuzz(reader: Reader, count: int, seed: int, folder: Path, only: int | None = None) -> Counter[str]:
    """Try a reader; print each failure with what brings it back."""
    seeds, told = reader.seeds(folder), Counter(tried=0, refused=0, failed=0)
    path = folder / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        path.write_bytes(data)
        assert not tried(reader, path), f"{reader.name}: what is whole is read"
    for number in range(count) if only is None else [only]:
        path.write_bytes(damaged(reader, seeds, seed, number))
        told["tried"] += 1
        signal.alarm(_LONGEST)
        try:
            told["refused"] += tried(reader, path)
        except BrokenLawError as failure:
            told["failed"] += 1
            print(f"{reader.name}: {failure}\n  again: --seed {seed} --only {number} {reader.name}", flush=True)
            if only is not None:
                traceback.print_exc()
        finally:
            signal.alarm(0)
    return told


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + _ROOM, resource.RLIM_INFINITY))


def _peak_mb() -> int:
    # On Linux getrusage begins with the peak of the process that forked this one; VmHWM is its own.
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) // 1000


def main() -> None:
    """Fuzz the readers named, all without names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", help=", ".join(READERS))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", type=int)
    asked = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACEMATCH_CACHE"] = str(Path(folder, "cache"))
        os.chdir(folder)
        chosen = [READERS[name] for name in asked.readers or READERS]
        for reader in chosen:
            reader.prepare()
        _limit()
        for reader in chosen:
            begun = time.monotonic()
            place = Path(folder, reader.name)
            place.mkdir()
            count = max(1, round(asked.count * reader.share))
            told = fuzz(reader, count, asked.seed, place, asked.only)
            result[reader.name] = {**told, "seconds": round(time.monotonic() - begun, 1), "peak_mb": _peak_mb()}
    print(json.dumps(result))
    sys.exit(any(each["failed"] for each in result.values()))


if __name__ == "__main__":
    main()
