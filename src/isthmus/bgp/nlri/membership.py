"""Route target membership (RFC 4684 section 4): who wants to hear routes with which targets.

    +-----------------------------------------------+
    | prefix length in bits (1): 0, or 32 to 96     |
    | origin AS (4)                                 |
    | route target (8), as many bits as are left    |
    +-----------------------------------------------+

Rules: no route to a destination, so it is in no table of routes: it asks for routes. Length 0 is the default: whatever
has a target. We say whole targets only (GoBGP 3.36 takes a shorter prefix for the default); shorter ones are
understood. A length between 1 and 31, or beyond 96, is a fault by itself: its octets are counted all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri.decoded import BoundaryLost, Decoded
from isthmus.model.vpn import RouteTarget

_AS_BITS, WHOLE_BITS = 32, 96
_OCTETS = WHOLE_BITS // 8


class Membership(NamedTuple):
    """A prefix of (origin AS, route target): 12 octets, of which `length` bits count; the others are zero."""

    octets: bytes
    length: int

    @classmethod
    def of(cls, asn: int, target: RouteTarget) -> Membership:
        """One target, whole."""
        return cls(asn.to_bytes(4, "big") + target, WHOLE_BITS)

    @property
    def family(self) -> Family:
        return ROUTE_TARGET_CONSTRAIN

    @property
    def is_default(self) -> bool:
        return self.length == 0

    def key(self) -> Membership:
        return self

    def __str__(self) -> str:
        if self.is_default:
            return "every target"
        origin, rest = int.from_bytes(self.octets[:4], "big"), self.length - _AS_BITS
        if self.length == WHOLE_BITS:
            return f"{RouteTarget(self.octets[4:])} of AS {origin}"
        return f"targets {self.octets[4:].hex()}/{rest} of AS {origin}"


DEFAULT = Membership(bytes(_OCTETS), 0)


def decode(raw: bytes) -> Decoded[Membership]:
    """All of an NLRI field. Raises BoundaryLost."""
    found: list[Membership] = []
    faults: list[AttributeFault] = []
    at, end = 0, len(raw)
    while at < end:
        length = raw[at]
        after = at + 1 + (length + 7) // 8
        if after > end:
            raise BoundaryLost(f"a route target membership at octet {at} runs over the end of {end} octets")
        if length > WHOLE_BITS or 0 < length < _AS_BITS:
            text = f"a route target membership of {length} bits; it has none, or {_AS_BITS} to {WHOLE_BITS}"
            faults.append(AttributeFault(FaultKind.PREFIX_LENGTH, FaultAction.TREAT_AS_WITHDRAW, text))
        else:
            spare = WHOLE_BITS - length
            number = int.from_bytes(raw[at + 1 : after].ljust(_OCTETS, b"\0"), "big") >> spare << spare
            found.append(Membership(number.to_bytes(_OCTETS, "big"), length))
        at = after
    return Decoded(found, faults)


def check(wanted: Sequence[Membership], heard: Heard) -> list[tuple[Membership, AttributeFault]]:
    """Nothing about a membership depends on its attributes."""
    return []


def encode(membership: Membership) -> bytes:
    """One as MP_REACH_NLRI and MP_UNREACH_NLRI carry it."""
    return bytes((membership.length,)) + membership.octets[: (membership.length + 7) // 8]
