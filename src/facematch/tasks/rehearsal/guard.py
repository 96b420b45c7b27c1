"""Whom the server answers: requests that name it as their host, and posts that no foreign page makes.

A page of another site can let its own name point here (DNS rebinding) and read what is served, or post here blindly.
A browser names both: in Host the server it means, in Origin and Sec-Fetch-Site the page that sends. Programs send no
Origin and pass.
"""

import ipaddress
import re
import socket
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::\d*)?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Guard:
    """An ASGI application around another, which sees only requests that `refusal` lets pass; `served` is its host."""

    def __init__(self, app: Any, served: str) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        refused = refusal(scope["method"], Headers(scope=scope), self.served) if scope["type"] == "http" else None
        if refused is None:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(f"{refused[1]}\n", refused[0])(scope, receive, send)


def refusal(method: str, headers: Headers, served: str) -> tuple[int, str] | None:
    """Return the status and the words that refuse a request, None where it is to be answered.

    `served` is the address the server listens on. Known hosts are those of this machine alone (localhost, 127.0.0.1,
    [::1]) and `served`; where it listens on all addresses (0.0.0.0, ::) also every address in figures, since no name
    can be made to point elsewhere then, and this machine's own name.
    """
    hosts = headers.getlist("host")
    name = _name(hosts[0]) if len(hosts) == 1 else None
    if name is None or not (_local(name) or _served(name, served)):
        host = repr(hosts[0][:80]) if hosts else "no host"
        return 421, f"This server does not answer for {host}. Ask http://localhost, or start it with --host HOST"
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if method not in ("GET", "HEAD") and (
        origin not in (None, f"http://{hosts[0]}", f"https://{hosts[0]}") or site not in (None, "same-origin", "none")
    ):
        return 403, "A page of another site may not post here; programs send no Origin"
    return None


def on_this_machine(request: Request) -> bool:
    """Return whether a request comes from this machine, to a host that can only mean it."""
    client, name = _address(request.client.host if request.client else ""), _name(request.headers.get("host", ""))
    return client is not None and client.is_loopback and name is not None and _local(name)


def _name(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").removesuffix(".").lower() if found else None


def _local(name: str) -> bool:
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def everywhere(served: str) -> bool:
    """Return whether a server that listens on `served` listens on every address of this machine."""
    listening = _address(served)
    return not served or (listening is not None and listening.is_unspecified)


def _served(name: str, served: str) -> bool:
    if not everywhere(served):
        return (_address(name) or name) == (_address(served) or served.lower())
    own = socket.gethostname().lower()
    return _address(name) is not None or name in (own, f"{own.partition('.')[0]}.local")


def _address(name: str) -> Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
