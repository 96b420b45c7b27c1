"""Whether a host answers, asked before a library that would try for a minute."""

import socket
from urllib.parse import urlsplit

_SECONDS = 3.0


def within_reach(address: str) -> bool:
    """Return whether the host of a URL takes a connection within seconds."""
    url = urlsplit(address)
    try:
        with socket.create_connection((url.hostname, url.port or 443), timeout=_SECONDS):
            return True
    except OSError:
        return False
