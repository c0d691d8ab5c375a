"""EVPN routes: type 5, the IP prefix (RFC 9136 section 3). Other types are skipped by their length.

      0                   1
    +--------------------+--------------------+
    | route type (1) = 5 | length (1) = 34|58 |
    +--------------------+--------------------+-------------------+
    | route distinguisher (8)                                      |
    | Ethernet segment identifier (10)                             |
    | Ethernet tag (4)                                             |
    | prefix length (1) | prefix (4 or 16) | gateway (4 or 16)     |
    | label (3): the VNI as it is                                  |
    +--------------------------------------------------------------+

Rules: the route's key is RD, Ethernet tag and prefix; everything else is what a new announcement replaces. Bits behind
the prefix length are cleared, so that equal routes have equal keys. A route that cannot be a key (impossible length of
the route or of its prefix) is a fault by itself: its octets are counted, so its neighbours are still readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import EvpnRouteType
from isthmus.bgp.nlri.decoded import BoundaryLost
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteDistinguisher

ESI_ZERO = bytes(10)
REMEMBERED = 8192
"""Route distinguishers and labels that are one object for all routes which have them."""
_IP_PREFIX = EvpnRouteType.IP_PREFIX.value
_IPV4_LENGTH, _IPV6_LENGTH = 34, 58
# RD, ESI, Ethernet tag, prefix length, prefix, gateway, upper 16 and lower 8 bits of the label
_IPV4 = Struct(">8s10sIB4s4sHB")
_IPV6 = Struct(">8s10sIB16s16sHB")
_LAYOUT = {_IPV4_LENGTH: (_IPV4, 32, bytes(4)), _IPV6_LENGTH: (_IPV6, 128, bytes(16))}


class EvpnDistinguisher(NamedTuple):
    """What tells the routes of one peer to one prefix apart."""

    rd: RouteDistinguisher
    ethernet_tag: int


class EvpnKey(NamedTuple):
    """What makes two announcements the same route (RFC 9136 section 3.1)."""

    rd: RouteDistinguisher
    ethernet_tag: int
    prefix: Prefix

    @property
    def family(self) -> Family:
        return EVPN

    def __str__(self) -> str:
        return f"{self.rd} {self.prefix}"


class EvpnPrefix(NamedTuple):
    """Route type 5. `gateway` None is the all-zero address; `label` is the 24-bit field as a number."""

    rd: RouteDistinguisher
    ethernet_tag: int
    prefix: Prefix
    esi: bytes
    gateway: IpAddress | None
    label: int

    @property
    def family(self) -> Family:
        return EVPN

    @property
    def destination(self) -> Prefix:
        return self.prefix

    @property
    def distinguisher(self) -> EvpnDistinguisher:
        return EvpnDistinguisher(self.rd, self.ethernet_tag)

    def key(self) -> EvpnKey:
        return EvpnKey(self.rd, self.ethernet_tag, self.prefix)

    def __str__(self) -> str:
        text = f"rd {self.rd} tag {self.ethernet_tag} {self.prefix} label {self.label}"
        if self.gateway is not None:
            text += f" gateway {self.gateway}"
        return text if self.esi == ESI_ZERO else f"{text} esi {self.esi.hex(':')}"


class EvpnRoutes(NamedTuple):
    """What one attribute's NLRI held."""

    routes: list[EvpnPrefix]
    faults: list[AttributeFault]
    skipped: int
    """Routes of types this speaker does not read (RFC 7606 section 5.4: discarded, not an error)."""


_rd = lru_cache(REMEMBERED)(RouteDistinguisher)


@lru_cache(REMEMBERED)
def _label(number: int) -> int:
    """The same object again: a VPN's routes share it."""
    return number


def decode(raw: bytes) -> EvpnRoutes:
    """All routes of an NLRI field. Raises BoundaryLost."""
    routes: list[EvpnPrefix] = []
    faults: list[AttributeFault] = []
    skipped, at, end = 0, 0, len(raw)
    while at < end:
        if end - at < 2 or (after := at + 2 + raw[at + 1]) > end:
            raise BoundaryLost(f"an EVPN route at octet {at} runs over the end of {end} octets")
        if raw[at] != _IP_PREFIX:
            skipped += 1
        elif (layout := _LAYOUT.get(after - at - 2)) is None:
            faults.append(_bad_length(after - at - 2))
        else:
            struct, bits, zero = layout
            rd, esi, tag, length, address, gateway, high, low = struct.unpack_from(raw, at + 2)
            if length > bits:
                faults.append(_bad_prefix(length, bits))
            else:
                prefix = Prefix(IpAddress(address), length) if length == bits else Prefix.of(address, length)
                via = None if gateway == zero else IpAddress(gateway)
                label = _label(high << 8 | low)
                routes.append(EvpnPrefix(_rd(rd), tag, prefix, ESI_ZERO if esi == ESI_ZERO else esi, via, label))
        at = after
    return EvpnRoutes(routes, faults, skipped)


def _bad_length(length: int) -> AttributeFault:
    text = f"a type 5 route of {length} octets; only {_IPV4_LENGTH} and {_IPV6_LENGTH} exist"
    return AttributeFault(FaultKind.ROUTE_LENGTH, FaultAction.TREAT_AS_WITHDRAW, text)


def _bad_prefix(length: int, bits: int) -> AttributeFault:
    text = f"a type 5 route with a prefix of {length} bits out of {bits}"
    return AttributeFault(FaultKind.PREFIX_LENGTH, FaultAction.TREAT_AS_WITHDRAW, text)


def check(routes: Sequence[EvpnPrefix], heard: Heard) -> list[tuple[EvpnPrefix, AttributeFault]]:
    """Announced routes that RFC 9136 section 3.2 has treated as withdrawn, each with its fault."""
    bad = []
    for route in routes:
        if route.esi is not ESI_ZERO and route.esi != ESI_ZERO:
            kind = FaultKind.TWO_OVERLAY_INDEXES if route.gateway is not None else None
        else:
            nothing = route.label == 0 and route.gateway is None and not any(heard.read().router_mac or b"")
            kind = FaultKind.NO_OVERLAY_INDEX if nothing else None
        if kind is not None:
            bad.append((route, AttributeFault(kind, FaultAction.TREAT_AS_WITHDRAW, str(route))))
    return bad


def encode(route: EvpnPrefix) -> bytes:
    """One route as MP_REACH_NLRI carries it."""
    rd, tag, (address, length), esi, gateway, label = route
    struct, via = (_IPV4, bytes(4)) if len(address) == 4 else (_IPV6, bytes(16))
    if gateway is not None:
        assert len(gateway) == len(address), f"prefix and gateway of {route} must be of one family"
        via = gateway
    return bytes((_IP_PREFIX, struct.size)) + struct.pack(rd, esi, tag, length, address, via, label >> 8, label & 0xFF)


def encode_key(key: EvpnKey) -> bytes:
    """One route as MP_UNREACH_NLRI carries it: what is not part of the key is zero."""
    rd, tag, prefix = key
    return encode(EvpnPrefix(rd, tag, prefix, ESI_ZERO, None, 0))
