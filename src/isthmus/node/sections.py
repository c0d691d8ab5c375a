"""Routes as octets for another process of ours: by sets of attributes, each with its routes behind it.

    family (3) · next hop's length (1) · targets (2) · attributes' length (2) · routes' length (4)
    next hop · targets, eight octets each · attributes · routes as the family's NLRI has them

Rules: what is written is what was in the table, so it is read without being judged again; only its form is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import TypeAlias

from isthmus.bgp.family import Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri import CODECS, Nlri
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

Route: TypeAlias = tuple[Heard, Nlri]

_HEAD = Struct(">HBBHHI")
_TARGET_OCTETS = 8


class BadSection(ValueError):
    """Its octets are not routes; one sentence."""


def write(routes: Iterable[Route]) -> bytes:
    """In the order of the sets."""
    sets: dict[tuple[Family, Heard], list[bytes]] = {}
    for heard, route in routes:
        family = route.family
        sets.setdefault((family, heard), []).append(CODECS[family].encode(route))
    return b"".join(piece for (family, heard), encoded in sets.items() for piece in _one(family, heard, encoded))


def _one(family: Family, heard: Heard, encoded: list[bytes]) -> Iterator[bytes]:
    hop, behind = heard.next_hop or b"", b"".join(encoded)
    targets = sorted(heard.route_targets)
    yield _HEAD.pack(family.afi, family.safi, len(hop), len(targets), len(heard.octets), len(behind))
    yield from (hop, *targets, heard.octets, behind)


def read(octets: bytes) -> list[Route]:
    """Raises BadSection, and what the family's decoder raises."""
    found: list[Route] = []
    at, end, known = 0, len(octets), dict[bytes, frozenset[RouteTarget]]()
    while at < end:
        if end - at < _HEAD.size:
            raise BadSection("it ends in the middle of a route")
        afi, safi, hop, targets, attributes, routes = _HEAD.unpack_from(octets, at)
        at += _HEAD.size
        ends = (at + hop, at + hop + (named := targets * _TARGET_OCTETS), at + hop + named + attributes)
        stop = ends[2] + routes
        family = Family.of(afi, safi)
        if stop > end or family is None or family not in CODECS:
            raise BadSection("it ends in the middle of a route" if stop > end else f"AFI {afi} SAFI {safi} is unknown")
        raw = octets[ends[0] : ends[1]]
        if (shared := known.get(raw)) is None:
            shared = known[raw] = frozenset(RouteTarget(raw[i : i + 8]) for i in range(0, named, _TARGET_OCTETS))
        heard = Heard(octets[ends[1] : ends[2]], IpAddress(octets[at : ends[0]]) if hop else None, shared)
        decoded = CODECS[family].decode(octets[ends[2] : stop])
        if decoded.faults or decoded.skipped:
            raise BadSection(f"a route in it is damaged: {decoded.faults}")
        found += [(heard, route) for route in decoded.routes]
        at = stop
    return found
