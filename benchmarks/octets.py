"""What another PE says, in octets made without this project's codec: EVPN type 5 with VXLAN, four-octet AS numbers.

So two builds are asked the same, and a light speaker costs next to nothing. RFC 4271 section 4.3 (UPDATE), RFC 4760
section 3 (MP_REACH_NLRI), RFC 9136 section 3.1 (the route), RFC 7432 section 7.7 (mobility).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ASN = 64512
MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
MESSAGE_BYTES_MAX = 4096
EVPN = struct.pack("!HBB", 25, 0, 70)
ROUTE_BYTES = 36
"""Type, length, and a type 5 route of IPv4."""


class Said(NamedTuple):
    """What routes have in common that share attributes."""

    target: int
    next_hop: str
    sequence: int | None = None
    """MAC mobility: how often the address has moved."""
    as_path: tuple[int, ...] = ()


class Route(NamedTuple):
    """One prefix of IPv4."""

    prefix: str
    number: int
    """Of the route distinguisher, behind the next hop."""
    vni: int


def message(kind: int, body: bytes = b"") -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def updates(said: Said, routes: Iterable[Route]) -> Iterator[bytes]:
    """As few messages as hold them."""
    attributes = _attributes(said)
    encoded = [_route(said, route) for route in routes]
    room = (MESSAGE_BYTES_MAX - 19 - 4 - 4 - 9 - len(attributes)) // ROUTE_BYTES
    for at in range(0, len(encoded), room):
        yield _update(_reach(said, b"".join(encoded[at : at + room])) + attributes)


def withdrawal(said: Said, routes: Iterable[Route]) -> bytes:
    """One message: of few routes."""
    value = EVPN[:2] + EVPN[3:] + b"".join(_route(said, route) for route in routes)
    return _update(_attribute(0x90, 15, value))


def end_of_rib() -> bytes:
    """RFC 4724 section 2."""
    return _update(_attribute(0x90, 15, EVPN[:2] + EVPN[3:]))


def _update(attributes: bytes) -> bytes:
    return message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes)


def _reach(said: Said, routes: bytes) -> bytes:
    hop = ipaddress.IPv4Address(said.next_hop).packed
    return _attribute(0x90, 14, EVPN[:2] + EVPN[3:] + bytes((len(hop),)) + hop + b"\0" + routes)


def _route(said: Said, route: Route) -> bytes:
    network = ipaddress.IPv4Network(route.prefix)
    distinguisher = b"\0\1" + ipaddress.IPv4Address(said.next_hop).packed + route.number.to_bytes(2, "big")
    body = distinguisher + bytes(14) + bytes((network.prefixlen,)) + network.network_address.packed + bytes(4)
    return bytes((5, len(body) + 3)) + body + route.vni.to_bytes(3, "big")


def _attributes(said: Said) -> bytes:
    communities = [
        struct.pack("!HHI", 0x0002, ASN, said.target),
        struct.pack("!HHI", 0x0003, ASN + 1, 1),  # site of origin: of another site than ours
        bytes.fromhex("030c000000000008"),  # VXLAN
        b"\x06\x03\x02\x78" + ipaddress.IPv4Address(said.next_hop).packed,  # the router's MAC
    ]
    if said.sequence is not None:
        communities.append(b"\x06\0\0\0" + said.sequence.to_bytes(4, "big"))
    path = struct.pack(f"!BB{len(said.as_path)}I", 2, len(said.as_path), *said.as_path) if said.as_path else b""
    return b"".join(
        (
            _attribute(0x40, 1, b"\0"),
            _attribute(0x40, 2, path),
            _attribute(0x40, 5, struct.pack("!I", 100)),
            _attribute(0xC0, 16, b"".join(communities)),
        )
    )


def _attribute(flags: int, kind: int, value: bytes) -> bytes:
    if flags & 0x10:
        return struct.pack("!BBH", flags, kind, len(value)) + value
    return bytes((flags, kind, len(value))) + value
