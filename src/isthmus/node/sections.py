"""Routes as octets for another process of ours: by sets of attributes, each with its routes behind it.

    family (3) · next hop's length (1) · targets (2) · lengths: attributes (2), communities (2), routes (4)
    next hop · targets, eight octets each · attributes · communities · routes as the family's NLRI has them

Rules: what is written is what was in the table, so it is read without being judged again; only its form is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from struct import Struct
from typing import TypeAlias

from isthmus.bgp.attribute import COMMUNITY_OCTETS
from isthmus.bgp.family import Family
from isthmus.bgp.heard import Heard, is_kept_form
from isthmus.bgp.nlri import CODECS, Nlri
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

HeardRoute: TypeAlias = tuple[Heard, Nlri]

_HEAD = Struct(">HBBHHHI")
_TARGET_OCTETS = 8


class BadSection(ValueError):
    """Its octets are not routes; one sentence."""


def write(routes: Iterable[HeardRoute]) -> bytes:
    """In the order of the sets."""
    sets: dict[tuple[Family, Heard], list[bytes]] = {}
    for heard, route in routes:
        family = route.family
        sets.setdefault((family, heard), []).append(CODECS[family].encode(route))
    return b"".join(piece for (family, heard), encoded in sets.items() for piece in _one(family, heard, encoded))


def _one(family: Family, heard: Heard, encoded: list[bytes]) -> Iterator[bytes]:
    hop, behind = heard.next_hop or b"", b"".join(encoded)
    targets = sorted(heard.route_targets)
    lengths = len(heard.common), len(heard.communities), len(behind)
    yield _HEAD.pack(family.afi, family.safi, len(hop), len(targets), *lengths)
    yield from (hop, *targets, heard.common, heard.communities, behind)


def read(octets: bytes) -> list[HeardRoute]:
    """Raises BadSection, and what the family's decoder raises."""
    found: list[HeardRoute] = []
    at, end = 0, len(octets)
    shared: dict[bytes, bytes] = {}
    targets: dict[bytes, frozenset[RouteTarget]] = {}
    while at < end:
        if end - at < _HEAD.size:
            raise BadSection("it ends in the middle of a route")
        afi, safi, hop, named, *lengths = _HEAD.unpack_from(octets, at)
        ends = list(accumulate((hop, named * _TARGET_OCTETS, *lengths), initial=at + _HEAD.size))
        family = Family.of(afi, safi)
        if ends[-1] > end or family is None or family not in CODECS:
            raise BadSection("it ends in the middle of a route" if ends[-1] > end else f"AFI {afi} SAFI {safi}")
        address, raw, common, communities, routes = (octets[a:b] for a, b in pairwise(ends))
        known = targets.get(raw)
        if known is None:
            known = targets[raw] = frozenset(RouteTarget(raw[i : i + 8]) for i in range(0, len(raw), _TARGET_OCTETS))
        if (common not in shared or len(communities) % COMMUNITY_OCTETS) and not is_kept_form(common, communities):
            raise BadSection("a set of attributes in it is damaged")
        heard = Heard(shared.setdefault(common, common), communities, IpAddress(address) if hop else None, known)
        decoded = CODECS[family].decode(routes)
        if decoded.faults or decoded.skipped:
            raise BadSection(f"a route in it is damaged: {decoded.faults}")
        found += [(heard, route) for route in decoded.routes]
        at = ends[-1]
    return found
