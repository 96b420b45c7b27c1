"""Certificates are checked unless the user says otherwise, and a CA bundle of one's own is honoured."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from facematch.settings.competition import CompetitionForm
from facematch.tasks.competition.address import Destination
from facematch.tasks.competition.answer import Outcome
from facematch.tasks.competition.exchange import exchange
from net import SCORE, response


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def url(authority: trustme.CA) -> Iterator[str]:
    with serving(authority.issue_cert("127.0.0.1")) as (address, _):
        yield address


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[tuple[str, list[bytes]]]:
    """A server with this certificate: yields its address and what it read."""
    context, seen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    certificate.configure_cert(context)

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listening.accept()
                with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                    connection.settimeout(5)
                    data = b""
                    while b"payload" not in data and (block := connection.recv(65_536)):
                        data += block
                    seen.append(data)
                    connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + response("200 OK", SCORE))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/results/", seen
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def once(url: str, verify: bool | str = True) -> Outcome:
    return exchange(b"payload", Destination(url, CompetitionForm(), "results", verify=verify), timeout=5)


def test_an_unknown_certificate_is_refused(url: str) -> None:
    outcome = once(url)
    assert (outcome.kind, outcome.fate, outcome.again) == ("tls", "not scored", False)
    assert "certificate verify failed" in outcome.message
    assert "server.ca_bundle" in outcome.hint


@pytest.mark.parametrize("name", ["elsewhere.example", "127.0.0.2", "expired"])
def test_nothing_is_sent_to_a_wrong_certificate(authority: trustme.CA, bundle: str, name: str) -> None:
    past = datetime.now(timezone.utc) - timedelta(days=1)
    wrong = authority.issue_cert("127.0.0.1", not_after=past) if name == "expired" else authority.issue_cert(name)
    with serving(wrong) as (address, seen):
        outcome = once(address, bundle)
    assert (outcome.kind, outcome.fate, outcome.again) == ("tls", "not scored", False)
    assert b"payload" not in b"".join(seen)


def test_a_bundle_of_ones_own_is_trusted(url: str, bundle: str) -> None:
    assert once(url, bundle).fate == "scored"


def test_the_environments_bundle_is_trusted(url: str, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    assert once(url).fate == "scored"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_checking_can_be_turned_off(url: str) -> None:
    assert once(url, False).fate == "scored"


def test_a_tunnel_of_a_proxy_is_gone_through(url: str, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may send interim answers, too."""
    target, asked = url.split("/")[2].replace("127.0.0.1:", ""), []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65_536):
                sink.sendall(block)

    def tunnel(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", int(target))) as server:
            threading.Thread(target=copy, args=(client, server), daemon=True).start()
            copy(server, client)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def proxy() -> None:
            client, _ = listening.accept()
            with client:
                asked.append(client.recv(65_536))
                tunnel(client)

        thread = threading.Thread(target=proxy, daemon=True)
        thread.start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setattr("facematch.tasks.competition.line._LOOPBACK", ())
        assert once(url, bundle).fate == "scored"
        thread.join(5)
    assert asked[0].startswith(f"CONNECT 127.0.0.1:{target} HTTP/1.".encode())
