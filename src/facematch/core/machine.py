"""What this machine can do: device, precision, worker processes."""

import os
from functools import cache
from typing import Literal

import torch

from facematch.core.errors import FacematchError

Precision = Literal["auto", "bf16", "fp32"]


def choose_device(wanted: str) -> torch.device:
    """Return the device of a setting; `auto` is CUDA, then MPS, then the CPU.

    Raises FacematchError when a device is asked for that is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there.get(wanted, False):
        have = ", ".join(name for name, is_there in there.items() if is_there)
        raise FacematchError(f"training.device: {wanted} is not on this machine, which has {have}.", "Use auto.")
    return torch.device(wanted)


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Return whether a precision means bf16 on a device; `auto` does where the device gains from it."""
    return precision == "bf16" or (precision == "auto" and gains_from_bf16(device))


@cache
def gains_from_bf16(device: torch.device) -> bool:
    """Return whether bf16 arithmetic is in the hardware, so that autocast makes it faster."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as opened:  # noqa: PTH123
            flags = next((line for line in opened if line.startswith(("flags", "Features"))), "").split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))


def loader_workers(wanted: int | str, device: torch.device) -> int:
    """Return how many processes prepare batches; `auto` leaves small machines to the network."""
    if isinstance(wanted, int):
        return wanted
    cores = os.cpu_count() or 1
    if device.type == "cpu":
        return 0 if cores <= 2 else 1 + cores // 8
    return max(1, min(16, cores - 1))
