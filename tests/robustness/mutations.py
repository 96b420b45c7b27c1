"""Files with seeded damage: bytes changed, cut out, put in, repeated, the end cut off."""

import os
import random
from collections.abc import Iterator

# How many of each kind a test tries; FACEMATCH_FUZZ=N tries N times as many.
COUNT = 150 * int(os.environ.get("FACEMATCH_FUZZ", "1"))


def mutations(whole: bytes, seed: int, count: int = COUNT) -> Iterator[bytes]:
    """Yield damaged copies of a file; the same seed gives the same ones."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            _damage(data, rng)
        yield bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


def _damage(data: bytearray, rng: random.Random) -> None:
    place, kind = rng.randrange(len(data) + 1), rng.randrange(5)
    if kind == 0 and place < len(data):
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[place : place + 1] = bytes([rng.randrange(256)])
    elif kind == 2:
        del data[place : place + rng.choice((1, 7, 100, 4096))]
    elif kind == 3:
        data[place:place] = rng.randbytes(rng.choice((1, 4, 50)))
    else:
        other = rng.randrange(len(data) + 1)
        data[place : place + 64] = data[other : other + 64]
