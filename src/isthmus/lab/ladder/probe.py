"""What an observer inside a VM can try and see: ping, ask the service, send a stream, listen on the wire.

Rules: a probe says what it saw in words and decides nothing. What should work is polled until it does or a deadline
has passed; what must not work is tried for as long as a working path would need several times over.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from isthmus.lab.ladder.service import PORT
from isthmus.lab.network import namespace_of
from isthmus.lab.process import within

T = TypeVar("T")

PINGS_AT_ONCE = 12
ETHERNET_ALL = 0x0003
"""ETH_P_ALL (linux/if_ether.h)."""
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Trip(NamedTuple):
    """From a node to an address; `name` says whose it is."""

    node: str
    address: str
    name: str

    def __str__(self) -> str:
        return f"{self.node} -> {self.name} ({self.address})"


def unreached(trips: Sequence[Trip], *, wait_s: float = 1.0) -> list[Trip]:
    """Those whose ping is not answered, tried once, several at a time."""
    with ThreadPoolExecutor(PINGS_AT_ONCE) as pool:
        answered = pool.map(lambda trip: _ping(trip, wait_s), trips)
        return [trip for trip, ok in zip(trips, answered, strict=True) if not ok]


def reached(trips: Sequence[Trip]) -> list[Trip]:
    """Those that are answered although nobody should answer: each is tried three times in two seconds."""
    with ThreadPoolExecutor(PINGS_AT_ONCE) as pool:
        answered = pool.map(lambda trip: _ping(trip, 1.0, count=3), trips)
        return [trip for trip, ok in zip(trips, answered, strict=True) if ok]


def _ping(trip: Trip, wait_s: float, count: int = 1) -> bool:
    words = ["ping", "-n", "-q", "-c", str(count), "-i", "0.3", "-W", str(wait_s), trip.address]
    done = subprocess.run(within(trip.node, words), capture_output=True)
    return done.returncode == 0


def inside(node: str, act: Callable[[], T]) -> T:
    """Run `act` with the network of that node: a thread of its own enters the namespace and ends with it."""

    def enter() -> T:
        handle = os.open(Path("/run/netns") / namespace_of(node), os.O_RDONLY)
        try:
            if _libc.setns(handle, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the namespace of {node}")
        finally:
            os.close(handle)
        return act()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result()


def ask(node: str, address: str, *, stream: bytes | None = None, timeout_s: float = 3.0) -> dict[str, Any]:
    """What the service at that address answers to a question from that node. Raises OSError."""

    def talk() -> dict[str, Any]:
        with socket.create_connection((address, PORT), timeout=timeout_s) as connection:
            if stream is None:
                connection.sendall(b"who\n")
            else:
                connection.settimeout(60.0)
                connection.sendall(b"take %d\n" % len(stream))
                connection.sendall(stream)
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline() or b"{}")
            return answer

    return inside(node, talk)


def fingerprint(stream: bytes) -> str:
    return hashlib.sha256(stream).hexdigest()


class Ear:
    """Listens on a device of a node for frames that hold a marker."""

    def __init__(self, node: str, device: str, marker: bytes) -> None:
        def listen() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERNET_ALL))
            made.bind((device, 0))
            return made

        self.where = f"{node} {device}"
        self._marker = marker
        self._socket = inside(node, listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def heard(self, within_s: float) -> bool:
        """Whether such a frame comes by within that time."""
        return self.next(within_s) is not None

    def next(self, within_s: float) -> bytes | None:
        """The next such frame, if it comes by within that time."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if self._marker in (frame := self._socket.recv(1 << 17)):
                    return frame
            except TimeoutError:
                return None
        return None


@dataclass(frozen=True, slots=True)
class Frame:
    """A UDP packet in an Ethernet frame in VXLAN, as a stranger on the underlay could make it."""

    vni: int
    to_mac: bytes
    to_address: str
    from_address: str
    marker: bytes

    def octets(self) -> bytes:
        """VXLAN header (RFC 7348 section 5), Ethernet, IPv4, UDP to the discard port."""
        udp = (7).to_bytes(2, "big") + (9).to_bytes(2, "big") + (8 + len(self.marker)).to_bytes(2, "big") + bytes(2)
        payload = udp + self.marker
        head = bytes((0x45, 0)) + (20 + len(payload)).to_bytes(2, "big") + bytes((0, 0, 0x40, 0, 64, 17, 0, 0))
        head += socket.inet_aton(self.from_address) + socket.inet_aton(self.to_address)
        head = head[:10] + checksum(head) + head[12:]
        ethernet = self.to_mac + bytes.fromhex("0200000000aa") + b"\x08\x00"
        return b"\x08\0\0\0" + self.vni.to_bytes(3, "big") + b"\0" + ethernet + head + payload


def inject(node: str, endpoint: str, frames: Iterable[Frame], source: str = "") -> None:
    """Send these to the tunnel port of an endpoint, from a node of the underlay; `source`: an address of its own."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            for frame in frames:
                sender.sendto(frame.octets(), (endpoint, 4789))

    inside(node, send)


def checksum(head: bytes) -> bytes:
    head += bytes(len(head) % 2)
    total = sum(int.from_bytes(head[i : i + 2], "big") for i in range(0, len(head), 2))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
