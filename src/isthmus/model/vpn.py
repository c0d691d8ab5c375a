"""The words of BGP VPNs: route distinguisher, route target, site of origin, encapsulation.

A route distinguisher and an extended community are 8 bytes and stay so; equality is byte equality, as in every
implementation on the market (a 2-octet-AS target and the 4-octet spelling of the same numbers are *different* targets).

Rules: text is `<administrator>:<number>` in decimal, without leading zeros or blanks, as the BGPVPN API has it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from enum import IntEnum
from typing import Self

from isthmus.model.net import IpAddress

_TEXT = re.compile(r"(0|[1-9][0-9]{0,9}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}):(0|[1-9][0-9]{0,9})")

RULE = "it must be <2-byte AS>:<32-bit number>, <4-byte AS>:<16-bit number> or <IPv4 address>:<16-bit number>"


class Encapsulation(IntEnum):
    """Tunnel types of the Encapsulation extended community (RFC 9012 section 4.1, IANA BGP Tunnel Encapsulation)."""

    GRE = 2
    VXLAN = 8
    NVGRE = 9
    MPLS = 10
    MPLS_IN_GRE = 11
    VXLAN_GPE = 12
    MPLS_IN_UDP = 13
    GENEVE = 19


def _split(text: str) -> tuple[int, bytes]:
    """`(format, six bytes)` of `administrator:number`; the format is 0, 1 or 2 as in RFC 4360 and RFC 5668."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(RULE)
    head, number = match.group(1), int(match.group(2))
    if "." in head:
        try:
            address = ipaddress.IPv4Address(head)
        except ValueError:
            raise ValueError(RULE) from None
        kind, admin, width = 1, address.packed, 2
    elif int(head) < 2**16:
        kind, admin, width = 0, int(head).to_bytes(2, "big"), 4
    elif int(head) < 2**32:
        kind, admin, width = 2, int(head).to_bytes(4, "big"), 2
    else:
        raise ValueError(RULE)
    if number >= 2 ** (8 * width):
        raise ValueError(RULE)
    return kind, admin + number.to_bytes(width, "big")


def _join(kind: int, body: bytes) -> str:
    if kind == 0:
        return f"{int.from_bytes(body[:2], 'big')}:{int.from_bytes(body[2:], 'big')}"
    if kind == 1:
        return f"{IpAddress(body[:4])}:{int.from_bytes(body[4:], 'big')}"
    return f"{int.from_bytes(body[:4], 'big')}:{int.from_bytes(body[4:], 'big')}"


class _Octets8(bytes):
    """Eight bytes with a meaning."""

    __slots__ = ()

    def __new__(cls, raw: bytes) -> Self:
        if len(raw) != 8:
            raise ValueError(f"{cls.__name__} has 8 bytes, not {len(raw)}")
        return super().__new__(cls, raw)

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self!s})"


class RouteDistinguisher(_Octets8):
    """RFC 4364 section 4.2: two bytes of type (0, 1, 2), six of value."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            kind, body = _split(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not a route distinguisher: {error}") from None
        return cls(kind.to_bytes(2, "big") + body)

    @classmethod
    def of(cls, router_id: IpAddress, number: int) -> Self:
        """Type 1: an IPv4 address and a 16-bit number. Ours are `router-id:n`."""
        if len(router_id) != 4:
            raise ValueError("a router-id is an IPv4 address")
        return cls(b"\x00\x01" + router_id + number.to_bytes(2, "big"))

    def __str__(self) -> str:
        kind = int.from_bytes(self[:2], "big")
        return _join(kind, self[2:]) if kind <= 2 else self.hex()


class ExtendedCommunity(_Octets8):
    """RFC 4360: type, subtype, six bytes of value. The subclasses below are the ones Isthmus reads or writes."""

    __slots__ = ()


class RouteTarget(ExtendedCommunity):
    """RFC 4360 section 4: subtype 0x02 of the transitive types 0x00 (2-octet AS), 0x01 (IPv4), 0x02 (4-octet AS)."""

    __slots__ = ()

    SUBTYPE = 0x02

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            kind, body = _split(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not a route target: {error}") from None
        return cls(bytes((kind, cls.SUBTYPE)) + body)

    def __str__(self) -> str:
        return _join(self[0], self[2:]) if self[0] <= 2 else self.hex()


BEACON_TARGET = RouteTarget.parse("65535:4789")
"""Of the hypervisors' beacons (vpn/beacons.py), and of no BGPVPN. That AS is reserved (RFC 7300)."""


class Claimant(bytes):
    """Six octets that stand for a Neutron network: within one, Neutron lets one port have an address (ADR 11)."""

    __slots__ = ()

    @classmethod
    def of(cls, network: str) -> Self:
        return cls(hashlib.blake2b(network.encode(), digest_size=6).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        raw = bytes.fromhex(text)
        if len(raw) != 6:
            raise ValueError(f"'{text}' is not a claimant: it has six octets in hexadecimal")
        return cls(raw)

    def said_by(self, asn: int) -> Claimant:
        """As it counts when another AS says it; 0: ours. Whoever hears a claimant can repeat it, so the same six octets
        are the same network only while one AS says them."""
        return Claimant(self + asn.to_bytes(4, "big")) if asn else self

    def __str__(self) -> str:
        return self.hex()


class SiteOfOrigin(ExtendedCommunity):
    """RFC 4360 section 5 (Route Origin): subtype 0x03. Names the cloud a route was born in."""

    __slots__ = ()

    SUBTYPE = 0x03

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            kind, body = _split(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not a site of origin: {error}") from None
        return cls(bytes((kind, cls.SUBTYPE)) + body)

    def __str__(self) -> str:
        return _join(self[0], self[2:]) if self[0] <= 2 else self.hex()
