"""The line of one POST: what goes out is known byte by byte, what comes in is bounded. Nothing is judged here."""

import http.client
import io
import socket
import threading
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3 import exceptions as broken

MAX_ANSWER = 1_000_000  # bytes
_MOST = 4 * MAX_ANSWER  # with heads, interim answers, chunks' sizes, trailers
_LINE = 65_536  # bytes
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Gate(io.BytesIO):
    """The payload as a file: notes in `taken` when its first byte is taken, and gives none once it is shut."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self._lock = threading.Lock()
        self.is_shut = False
        self.taken = False

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; raises OSError once the gate is shut."""
        with self._lock:
            if self.is_shut:
                raise OSError("given up")
            self.taken = True
            return super().read(size)

    def shut(self) -> bool:
        """Give no more bytes, and end the reading of an answer; return whether one was taken before."""
        with self._lock:
            self.is_shut = True
            return self.taken


class Line(requests.Session):
    """A session for one POST of a payload. Touches the network.

    Interim answers (1xx) are read past, redirects are not followed. Proxies and certificates of the environment are
    honoured, `.netrc` is not: its password would replace the header's token, or go where nobody asked for it.
    """

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.gate = Gate(payload)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self.gate))

    def send_once(
        self, url: str, headers: dict[str, str], timeouts: tuple[float, float], verify: bool | str
    ) -> requests.Response:
        """Post and return the answer with its body unread; `timeouts` are of connecting and of reading, in seconds."""
        user = ("", "") if "authorization" in map(str.lower, headers) else get_auth_from_url(url)
        return self.post(
            url,
            data=self.gate,
            headers=headers,
            timeout=timeouts,
            allow_redirects=False,
            stream=True,
            verify=None if verify is True else verify,  # None: REQUESTS_CA_BUNDLE is honoured
            # A proxy cannot reach this machine's own addresses, so none is asked to.
            proxies={"no_proxy": ",".join(_LOOPBACK)} if urlsplit(url).hostname in _LOOPBACK else None,
            auth=user if any(user) else lambda request: request,  # None would bring .netrc in
        )

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: requests would read the whole body of a redirect, however long, to know where it leads."""


def read_body(response: requests.Response, timeout: float) -> tuple[bytes, tuple[str, str] | None]:
    """Return the body of an answer, and what went wrong with it as (kind, words); ends within about `timeout` seconds.

    At most a little more than MAX_ANSWER bytes are held.
    """
    # read1 returns what is there, so a server that drips cannot hold us longer than the deadline.
    deadline = time.monotonic() + timeout
    body = b""
    try:
        while block := response.raw.read1(65_536, decode_content=True):
            body += block
            if len(body) > MAX_ANSWER:
                return body, ("too-long", f"is longer than {MAX_ANSWER} bytes")
            if time.monotonic() > deadline:
                return body, ("drip", f"did not end within {timeout:g} s")
    except broken.ReadTimeoutError:
        return body, ("stopped", f"stopped for {timeout:g} s")
    except Exception:  # of the connection, of a decoder, of http.client: the rest of it is lost
        return body, ("cut-short", f"was cut short after {len(body)} bytes")
    return body, None


class _Final(http.client.HTTPResponse):
    # The final answer, read through bounds: http.client reads past 100 Continue only, but past any number of them, and
    # through trailers without end.
    def __init__(self, gate: Gate, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Bounded(self.fp, gate))

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == 101 or not 100 <= status < 200:
                return version, status, reason
            while self.fp.readline(_LINE) not in (b"\r\n", b"\n", b""):
                pass  # headers of an interim answer


class _Bounded(io.RawIOBase):
    # What a server sends, head and all: no more than _MOST bytes, and nothing once the gate is shut.
    def __init__(self, source: io.BufferedReader, gate: Gate) -> None:
        self._source, self._gate, self._left = source, gate, _MOST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._gate.is_shut or self._left <= 0:
            raise OSError(f"more than {_MOST} bytes came, and no whole answer")
        count = self._source.readinto1(buffer)
        self._left -= count
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


class _Adapter(HTTPAdapter):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._final = staticmethod(partial(_Final, gate))

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        pool.ConnectionCls = type("Connection", (pool.ConnectionCls,), {"response_class": self._final})
        return pool
