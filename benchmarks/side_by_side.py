"""What the benchmarks share: two ways of one job, timed in turn in one run."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from facematch.pipeline import timing


@dataclass(frozen=True)
class Times:
    """Seconds of each round of both ways, and how many times faster the first is, round by round."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def faster(self) -> tuple[float, ...]:
        """Return peer's seconds divided by ours, of each round."""
        return tuple(peer / ours for ours, peer in zip(self.ours, self.peer, strict=True))

    def __str__(self) -> str:
        ratio = statistics.median(self.faster)
        return (
            f"ours {shown(self.ours)}, peer {shown(self.peer)}: {ratio:.2f} times faster "
            f"[{min(self.faster):.2f}–{max(self.faster):.2f}], medians of {len(self.ours)}"
        )


def in_turn(ours: Callable[[], object], peer: Callable[[], object], rounds: int) -> Times:
    """Do both once to warm up, then in turn, `rounds` times each."""
    return Times(**timing.in_turn({"ours": ours, "peer": peer}, rounds))


def shown(times: tuple[float, ...]) -> str:
    """Return a median in seconds or milliseconds."""
    median = statistics.median(times)
    return f"{median:.2f} s" if median >= 1 else f"{median * 1000:.1f} ms"
