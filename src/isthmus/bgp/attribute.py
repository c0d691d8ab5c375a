"""Path attributes as one immutable value, shared by all routes that have them.

Rules: what every route of a set of attributes will be asked for (its targets, its tunnel, its path length) is worked
out when the value is made, never per route. What nobody imports stays octets and never becomes such a value
(heard.py). Order within a list is the sender's and part of the
value. How attributes look on the wire is in attribute_reader.py and attribute_writer.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.bgp.iana import AsSegmentType, Origin
from isthmus.model.net import IpAddress, Mac
from isthmus.model.vpn import Claimant, Encapsulation, ExtendedCommunity, RouteTarget, SiteOfOrigin

_AS_SPECIFIC_TYPES = (0x00, 0x01, 0x02)
"""Two-octet AS, IPv4 address, four-octet AS: the transitive types a target and a site of origin come in (RFC 4360)."""
_OPAQUE, _ENCAPSULATION = 0x03, 0x0C
_EVPN, _MAC_MOBILITY, _ROUTER_MAC = 0x06, 0x00, 0x03
_STICKY = 0x01
_EXPERIMENTAL, _CLAIMANT = 0x8F, 0x49
"""Transitive, and of the range that IANA leaves to experiments (RFC 7153 section 4)."""


class AsSegment(NamedTuple):
    """One segment of an AS path; numbers are never zero."""

    kind: AsSegmentType
    numbers: tuple[int, ...]

    @property
    def length(self) -> int:
        """How much it counts when paths are compared: RFC 4271 section 9.1.2.2, RFC 5065 section 5.3."""
        if self.kind is AsSegmentType.AS_SEQUENCE:
            return len(self.numbers)
        return 1 if self.kind is AsSegmentType.AS_SET else 0

    def __str__(self) -> str:
        numbers = " ".join(str(n) for n in self.numbers)
        match self.kind:
            case AsSegmentType.AS_SEQUENCE:
                return numbers
            case AsSegmentType.AS_SET:
                return f"{{{numbers}}}"
            case AsSegmentType.AS_CONFED_SEQUENCE:
                return f"({numbers})"
            case AsSegmentType.AS_CONFED_SET:
                return f"[{numbers}]"


class RawAttribute(NamedTuple):
    """An optional transitive attribute that nobody here reads; it travels with the route."""

    flags: int
    code: int
    value: bytes


class Said(NamedTuple):
    """What extended communities say beside targets, in the order of PathAttributes' fields."""

    encapsulations: frozenset[int]
    router_mac: Mac | None
    site_of_origin: SiteOfOrigin | None
    mobility_sequence: int | None
    claimant: Claimant | None


def typed_community(raw: bytes) -> ExtendedCommunity:
    """Eight octets off the wire as the most telling class; equality stays byte equality."""
    if raw[0] in _AS_SPECIFIC_TYPES:
        if raw[1] == RouteTarget.SUBTYPE:
            return RouteTarget(raw)
        if raw[1] == SiteOfOrigin.SUBTYPE:
            return SiteOfOrigin(raw)
    return ExtendedCommunity(raw)


COMMUNITY_OCTETS = 8
"""Of an extended community (RFC 4360 section 2)."""


ROUTE_TARGET_HEADS = frozenset(bytes((kind, RouteTarget.SUBTYPE)) for kind in _AS_SPECIFIC_TYPES)
"""What a target begins with."""


def read_communities(communities: bytes) -> Said:
    """The attribute's value. Of several site, MAC or mobility communities the first counts; none of their RFCs gives
    several a meaning."""
    encapsulations: list[int] = []
    mac: Mac | None = None
    site: SiteOfOrigin | None = None
    sequence: int | None = None
    claimant: Claimant | None = None
    for at in range(0, len(communities), COMMUNITY_OCTETS):
        kind, subtype, end = communities[at], communities[at + 1], at + COMMUNITY_OCTETS
        if kind in _AS_SPECIFIC_TYPES:
            if subtype == SiteOfOrigin.SUBTYPE and site is None:
                site = SiteOfOrigin(communities[at:end])
        elif kind == _OPAQUE and subtype == _ENCAPSULATION:
            encapsulations.append(int.from_bytes(communities[at + 6 : end], "big"))
        elif kind == _EVPN and subtype == _ROUTER_MAC and mac is None:
            mac = Mac(communities[at + 2 : end])
        elif kind == _EVPN and subtype == _MAC_MOBILITY and sequence is None:
            sequence = int.from_bytes(communities[at + 4 : end], "big")
        elif kind == _EXPERIMENTAL and subtype == _CLAIMANT and claimant is None:
            said = communities[at + 2 : end]
            # OpenBGPD 7.7 passes the type on and zeros instead of the value: nobody's, and not one network's.
            claimant = Claimant(said) if any(said) else None
    return Said(frozenset(encapsulations), mac, site, sequence, claimant)


@dataclass(frozen=True, slots=True)
class PathAttributes:
    """What an UPDATE says of all its routes. `next_hop` is MP_REACH_NLRI's."""

    origin: Origin = Origin.IGP
    as_path: tuple[AsSegment, ...] = ()
    next_hop: IpAddress | None = None
    med: int | None = None
    local_pref: int | None = None
    communities: tuple[int, ...] = ()
    originator_id: IpAddress | None = None
    cluster_list: tuple[IpAddress, ...] = ()
    extended_communities: tuple[ExtendedCommunity, ...] = ()
    large_communities: tuple[bytes, ...] = ()
    """Twelve octets each (RFC 8092)."""
    unknown: tuple[RawAttribute, ...] = ()

    route_targets: frozenset[RouteTarget] = field(init=False, compare=False, repr=False)
    encapsulations: frozenset[int] = field(init=False, compare=False, repr=False)
    """Tunnel types; numbers nobody here knows are kept as they are."""
    router_mac: Mac | None = field(init=False, compare=False, repr=False)
    site_of_origin: SiteOfOrigin | None = field(init=False, compare=False, repr=False)
    mobility_sequence: int | None = field(init=False, compare=False, repr=False)
    claimant: Claimant | None = field(init=False, compare=False, repr=False)
    as_path_length: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        write, said = object.__setattr__, read_communities(b"".join(self.extended_communities))
        targets = frozenset(RouteTarget(c) for c in self.extended_communities if c[:2] in ROUTE_TARGET_HEADS)
        write(self, "route_targets", targets)
        write(self, "encapsulations", said.encapsulations)
        write(self, "router_mac", said.router_mac)
        write(self, "site_of_origin", said.site_of_origin)
        write(self, "mobility_sequence", said.mobility_sequence)
        write(self, "claimant", said.claimant)
        write(self, "as_path_length", sum([s.length for s in self.as_path]) if self.as_path else 0)


def encapsulation_community(encapsulation: Encapsulation) -> ExtendedCommunity:
    """RFC 9012 section 4.1: which tunnel the next hop understands."""
    return ExtendedCommunity(bytes((_OPAQUE, _ENCAPSULATION, 0, 0, 0, 0)) + encapsulation.to_bytes(2, "big"))


def router_mac_community(mac: Mac) -> ExtendedCommunity:
    """RFC 9135 section 8.1: the inner destination MAC of packets sent to a type 5 route's next hop."""
    return ExtendedCommunity(bytes((_EVPN, _ROUTER_MAC)) + mac)


def mobility_community(sequence: int, sticky: bool = False) -> ExtendedCommunity:
    """RFC 7432 section 7.7: how often the address has moved."""
    return ExtendedCommunity(bytes((_EVPN, _MAC_MOBILITY, _STICKY if sticky else 0, 0)) + sequence.to_bytes(4, "big"))


def claimant_community(claimant: Claimant) -> ExtendedCommunity:
    """ADR 11: in whose name the address is announced."""
    return ExtendedCommunity(bytes((_EXPERIMENTAL, _CLAIMANT)) + claimant)
