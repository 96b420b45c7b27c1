"""One epoch of UMAP's layout, compiled. Import it inside functions: it needs numba, of the extra `umap`.

The rule is umap-learn's (`umap.layouts`, after McInnes, Healy & Melville, arXiv:1802.03426): each edge that is due
pulls its ends together, and its head is pushed away from rows drawn by lot. Three things make it several times faster.
The strengths of pull and push depend on the squared distance alone and are read from tables, 64 points an octave with
straight lines between them (relative error below 1e-4), instead of two powers for each pair. The number of
dimensions is known when it is compiled. And the pushes of one edge all start from where the pull left its head, so that
none waits for the one before; umap-learn moves the head after each. No lock of Python is held, so candidates of a sweep
run in threads.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_DROPPED = 17  # of a float32's 23 bits of fraction; the 6 that stay number the points of an octave
_LOWEST, _HIGHEST = (127 - 30) << 6, (127 + 30) << 6  # squared distances from 2^-30 to 2^30
_LOW_BITS, _PART = (1 << _DROPPED) - 1, np.float32(1 / (1 << _DROPPED))


@numba.njit(fastmath=True, nogil=True, cache=True)
def _read(table, squared):  # type: ignore[no-untyped-def]
    # The value of a table at a squared distance above 0.
    bits = np.float32(squared).view(np.int32)
    at = min(table.shape[0] - 2, max(0, (bits >> _DROPPED) - _LOWEST))
    # An int32 times a float32 would be a double, and so would everything after it.
    return table[at] + np.float32(bits & _LOW_BITS) * _PART * (table[at + 1] - table[at])


def strengths(a: float, b: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the tables (N numbers each) of pull and push, for UMAP's curve 1 / (1 + a d^2b).

    The gradients of the attractive and repulsive terms, with 0.001 that keeps the latter finite, as umap-learn.
    """
    points = np.arange(_LOWEST, _HIGHEST, dtype=np.int32) << _DROPPED
    squared = points.view(np.float32).astype(np.float64)
    power = squared**b
    pull = -2 * a * b * power / (squared * (a * power + 1))
    push = 2 * b / ((0.001 + squared) * (a * power + 1))
    return pull.astype(np.float32), push.astype(np.float32)


@cache
def epoch_kernel(dimensions: int) -> Any:
    """Return the compiled epoch for embeddings of so many dimensions; its arguments are those of `run_epoch`."""
    return numba.njit(fastmath=True, nogil=True, error_model="numpy", cache=True)(_epoch_of(dimensions))


def _epoch_of(dimensions: int) -> Any:
    # What is compiled; plain Python runs it, too.
    def run_epoch(moving, fixed, head, tail, every, due, every_push, due_push, states, pull, push, alpha, epoch, both):  # type: ignore[no-untyped-def]
        rows = np.uint64(fixed.shape[0])
        limit = np.float32(4)
        pushed = np.empty(dimensions, np.float32)
        for edge in range(head.shape[0]):
            if due[edge] > epoch:
                continue
            j, k = head[edge], tail[edge]
            squared = np.float32(0)
            for c in range(dimensions):
                difference = moving[j, c] - fixed[k, c]
                squared += difference * difference
            if squared > 0:
                strength = _read(pull, squared)
                for c in range(dimensions):
                    step = strength * (moving[j, c] - fixed[k, c])
                    step = min(limit, max(-limit, step)) * alpha
                    moving[j, c] += step
                    if both:
                        fixed[k, c] -= step
            due[edge] += every[edge]
            pushes = int((epoch - due_push[edge]) / every_push[edge])
            state = states[j]
            pushed[:] = 0
            for _ in range(pushes):
                state ^= state << np.uint64(13)  # xorshift64, Marsaglia 2003
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                k = np.int64(((state >> np.uint64(32)) * rows) >> np.uint64(32))
                squared = np.float32(0)
                for c in range(dimensions):
                    difference = moving[j, c] - fixed[k, c]
                    squared += difference * difference
                if squared > 0:
                    strength = _read(push, squared)
                    for c in range(dimensions):
                        step = strength * (moving[j, c] - fixed[k, c])
                        pushed[c] += min(limit, max(-limit, step))
            for c in range(dimensions):
                moving[j, c] += pushed[c] * alpha
            states[j] = state
            due_push[edge] += pushes * every_push[edge]

    return run_epoch
