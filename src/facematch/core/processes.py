"""What the system knows: which processes of this machine are alive, which hosts answer."""

import os
import socket
import sys
import zlib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

_SECONDS = 3.0  # for a host to answer


def alive(process: int) -> bool:
    """Return whether a process with this number runs on this machine; anybody's counts."""
    if process == os.getpid():
        return True
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # to ask for its state only
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    if process < 1:  # a group of processes
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True


@cache
def here() -> str:
    """Return eight hex digits for where process numbers mean what they mean now: this host, this container."""
    numbers = Path("/proc/self/ns/pid")
    space = numbers.readlink() if numbers.is_symlink() else ""
    return f"{zlib.crc32(f'{socket.gethostname()} {space}'.encode()):08x}"


def within_reach(address: str) -> bool:
    """Return whether the host of a URL, or the proxy set for it, takes a connection within seconds.

    Libraries would try for a minute.
    """
    url = urlsplit(getproxies().get(urlsplit(address).scheme, address))
    try:
        with socket.create_connection((url.hostname, url.port or 443), timeout=_SECONDS):
            return True
    except OSError:
        return False


def hub_address() -> str:
    """Return where Hugging Face's files are fetched: $HF_ENDPOINT, else its own address."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def hub_within_reach(address: str) -> bool:
    """Return whether files may be fetched from Hugging Face ($HF_HUB_OFFLINE) and its address answers."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and within_reach(address)
