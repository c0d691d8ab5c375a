"""Packets behind labels in GRE (RFC 4023), octet by octet, as a stranger on the underlay could make them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address

from isthmus.lab.ladder.probe import checksum, inside

PROTOCOL, UDP = 47, 17
IPV4, IPV6, MPLS, MULTICAST, ETHERNET = 0x0800, 0x86DD, 0x8847, 0x8848, 0x6558
DISCARD = 9
"""RFC 863."""


def datagram(source: str, target: str, marker: bytes) -> bytes:
    """A UDP packet that whoever checks it finds well."""
    ends = ip_address(source).packed + ip_address(target).packed
    length = 8 + len(marker)
    head = struct.pack("!HHH", 7, DISCARD, length)
    pseudo = (
        ends + struct.pack("!IHBB", length, 0, 0, UDP) if len(ends) == 32 else ends + struct.pack("!HH", UDP, length)
    )
    udp = head + checksum(pseudo + head + bytes(2) + marker) + marker
    if isinstance(ip_address(target), IPv4Address):
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, UDP, 0) + ends
        return ip[:10] + checksum(ip) + ip[12:] + udp
    return struct.pack("!IHBB", 6 << 28, length, UDP, 64) + ends + udp


def label(number: int, *, bottom: bool = True) -> bytes:
    """One entry of a stack (RFC 3032 section 2.1)."""
    return (number << 12 | bottom << 8 | 64).to_bytes(4, "big")


def header(kind: int, *, key: int | None = None) -> bytes:
    """RFC 2784, 2890."""
    return struct.pack("!HH", 0, kind) if key is None else struct.pack("!HHI", 0x2000, kind, key)


def inject(node: str, endpoint: str, payloads: Iterable[bytes]) -> None:
    """Send these in IP to an endpoint, each with the GRE header it has."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as sender:
            for payload in payloads:
                sender.sendto(payload, (endpoint, 0))

    inside(node, send)
