"""Addresses as the wire carries them.

The values here are `bytes` in network order, so that a table key hashes in tens of nanoseconds and a decoder slices
them out of a message without conversion. Text is made only on demand.

Rules: `parse` reads text and raises `ValueError` with a sentence fit for a user; constructors check only the length.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, Self

VNI_MAX = 2**24 - 1
"""Largest VXLAN network identifier: 24 bits (RFC 7348 section 5)."""


class Mac(bytes):
    """An Ethernet address: 6 bytes."""

    __slots__ = ()

    def __new__(cls, raw: bytes) -> Self:
        if len(raw) != 6:
            raise ValueError(f"a MAC address has 6 bytes, not {len(raw)}")
        return super().__new__(cls, raw)

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.split(":")
        if len(parts) != 6 or not all(len(p) == 2 for p in parts):
            raise ValueError(f"'{text}' is not a MAC address (six hexadecimal pairs joined by colons)")
        try:
            return cls(bytes(int(p, 16) for p in parts))
        except ValueError:
            raise ValueError(f"'{text}' is not a MAC address (six hexadecimal pairs joined by colons)") from None

    @property
    def is_multicast(self) -> bool:
        """The group bit (IEEE 802): never valid as somebody's own address."""
        return bool(self[0] & 1)

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"Mac({self})"


MAPPED = bytes(10) + b"\xff\xff"
"""What an IPv4 address in IPv6's clothes begins with (RFC 4291 section 2.5.5.2)."""


class IpAddress(bytes):
    """An IPv4 (4 bytes) or IPv6 (16 bytes) address."""

    __slots__ = ()

    def __new__(cls, raw: bytes) -> Self:
        if len(raw) not in (4, 16):
            raise ValueError(f"an IP address has 4 or 16 bytes, not {len(raw)}")
        return super().__new__(cls, raw)

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            return cls(ipaddress.ip_address(text).packed)
        except ValueError:
            raise ValueError(f"'{text}' is not an IP address") from None

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self) == 4 else 6

    @property
    def is_link_local(self) -> bool:
        return ipaddress.ip_address(bytes(self)).is_link_local

    @property
    def is_reserved(self) -> bool:
        """Whether no machine can have it and be reached over routers."""
        return Prefix.host(self).is_reserved

    @property
    def can_be_endpoint(self) -> bool:
        return not self.is_reserved

    def __str__(self) -> str:
        """As inet_ntop(3) writes it, which is what Open vSwitch prints: an IPv4 address embedded in an IPv6 one is
        dotted. Python's own spelling of those differs, and differs between releases."""
        if len(self) == 4:
            a, b, c, d = self
            return f"{a}.{b}.{c}.{d}"
        if len(self) == 16 and (self[:12] == MAPPED or (self[:12] == bytes(12) and any(self[12:14]))):
            return ("::ffff:" if self[:12] == MAPPED else "::") + str(ipaddress.IPv4Address(self[12:]))
        return str(ipaddress.ip_address(bytes(self)))

    def __repr__(self) -> str:
        return f"IpAddress({self})"


LARGEST = 8
"""Prefix length of the largest networks that were ever given to anybody (RFC 1466)."""


class Prefix(NamedTuple):
    """An IP prefix; host bits are zero. Sorts by address, then length."""

    address: IpAddress
    length: int

    @classmethod
    def of(cls, address: bytes, length: int) -> Prefix:
        """The prefix that `address` lies in: host bits are cleared. Raises ValueError on an impossible length."""
        bits = len(address) * 8
        if not 0 <= length <= bits:
            raise ValueError(f"a prefix length of {length} is not within 0 to {bits}")
        shift = bits - length
        number = int.from_bytes(address, "big") >> shift << shift
        return cls(IpAddress(number.to_bytes(len(address), "big")), length)

    @classmethod
    def host(cls, address: IpAddress) -> Prefix:
        """The /32 or /128 of one address."""
        return cls(address, len(address) * 8)

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """`10.0.0.0/24`; host bits set are an error, because a typed prefix with host bits is a typing mistake."""
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is not an IP prefix: {error}") from None
        return cls(IpAddress(network.network_address.packed), network.prefixlen)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def is_host(self) -> bool:
        return self.length == len(self.address) * 8

    @property
    def is_reserved(self) -> bool:
        """Whether nothing in it can be one machine's and others reach it over routers."""
        if self.address[0] not in _RESERVED_HEADS[len(self.address)]:  # asked for each route, and nearly all end here
            return False
        return any(one.covers(self) for one in RESERVED)

    @property
    def is_default_route(self) -> bool:
        """Whether it leads everywhere, at least in pieces (0.0.0.0/1, 2000::/3): no network is larger than a /8."""
        return self.length < LARGEST

    def covers(self, other: Prefix) -> bool:
        """Whether `other` lies inside this prefix (equal counts)."""
        return (
            len(self.address) == len(other.address)
            and self.length <= other.length
            and Prefix.of(other.address, self.length).address == self.address
        )

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


RESERVED = tuple(
    Prefix.parse(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"),
    )
)
"""RFC 6890's without the private ones: this host, loopback, link-local (metadata servers among them), multicast, and
what is reserved with the broadcast address; IPv6's likewise, and IPv4 in IPv6's clothes."""
_RESERVED_HEADS = {4: frozenset({0, 127, 169, *range(224, 256)}), 16: frozenset({0, 0xFE, 0xFF})}
"""What their first octet may be."""
