"""Ports of servers that are started again: nobody's own connection takes one while its server is away."""

from __future__ import annotations

import contextlib
import socket

from tests.ports import EPHEMERAL, free_port, taken


def test_a_port_is_never_one_that_the_kernel_gives_to_clients() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    assert all(free_port() < lowest for _ in range(50))


def test_a_port_somebody_listens_at_is_taken_until_he_stops() -> None:
    port = free_port()
    with contextlib.closing(socket.socket()) as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert taken(port)
    assert not taken(port)
