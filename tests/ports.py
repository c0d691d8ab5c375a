"""TCP ports for servers that tests start, and start again: below the kernel's ephemeral range, so that nobody's own
connection (a client that asks while the server is away, too) takes the port in between."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 10_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
TRIES = 1_000


def free_port(address: str = "127.0.0.1") -> int:
    """One that nobody listens on at this address."""
    above = min(int(EPHEMERAL.read_text().split()[0]), 1 << 16)
    assert above > LOWEST, f"every port above {LOWEST} is ephemeral here"
    for _ in range(TRIES):
        port = random.randrange(LOWEST, above)
        if not taken(port, address):
            return port
    raise AssertionError(f"no free port at {address} in {TRIES} tries")


def taken(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could not listen there now; connections that only rest (TIME-WAIT) do not count."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError:
            return True
        return False


def check_free(port: int, address: str = "127.0.0.1") -> None:
    """For `eventually`: a killed server's children let go of its port a moment after it."""
    assert not taken(port, address), f"somebody still listens at {address}:{port}"
