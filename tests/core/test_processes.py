"""Whether a host answers: a real one on this machine, and a port that nobody listens on."""

import socket

from facematch.core.processes import within_reach


def test_a_host_is_within_reach_while_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/file"
        assert within_reach(address)
    assert not within_reach(address)
