"""Sends as much as passes, or takes it; a program of its own, run inside a VM's namespace. Standard library only.

    python -m benchmarks.pump sink ADDRESS PORT                     a TCP connection's octets, and how long they took
    python -m benchmarks.pump tcp ADDRESS PORT SECONDS
    python -m benchmarks.pump udp ADDRESS PORT SECONDS OCTETS RATE  RATE packets a second; 0: as many as possible

What it found is one line of JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from contextlib import suppress

BLOCK = bytes(1 << 16)
BURST_S = 0.001


def sink(address: str, port: int) -> dict[str, float]:
    with socket.create_server((address, port), family=_family(address)) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
    buffer, octets, begun = bytearray(1 << 18), 0, 0.0
    with connection:
        while read := connection.recv_into(buffer):
            begun = begun or time.monotonic()
            octets += read
    return {"octets": octets, "seconds": time.monotonic() - begun}


def tcp(address: str, port: int, seconds: float) -> dict[str, float]:
    octets, end = 0, time.monotonic() + seconds
    with socket.socket(_family(address), socket.SOCK_STREAM) as connection:
        connection.connect((address, port))
        while time.monotonic() < end:
            connection.sendall(BLOCK)
            octets += len(BLOCK)
    return {"octets": octets}


def udp(address: str, port: int, seconds: float, octets: int, rate: int) -> dict[str, float]:
    sent, begun, packet = 0, time.monotonic(), bytes(octets)
    with socket.socket(_family(address), socket.SOCK_DGRAM) as out:
        out.connect((address, port))
        while (passed := time.monotonic() - begun) < seconds:
            due = int(passed * rate) - sent if rate else 64
            for _ in range(due):
                with suppress(OSError):
                    out.send(packet)
            sent += max(0, due)
            if rate:
                time.sleep(BURST_S)
    return {"packets": sent, "seconds": time.monotonic() - begun}


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def main() -> None:
    act, address, port, *numbers = sys.argv[1:]
    match act, [float(n) for n in numbers]:
        case "sink", []:
            found = sink(address, int(port))
        case "tcp", [seconds]:
            found = tcp(address, int(port), seconds)
        case "udp", [seconds, octets, rate]:
            found = udp(address, int(port), seconds, int(octets), int(rate))
        case _:
            sys.exit(__doc__)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
