"""The attribute sets of one session: what is kept of each is `Heard`, with the faults that RFC 7606 counts.

Of the sets of a cloud nearly all differ in their extended communities only. So the others are judged together, once for
all sets that have the same, and a set costs what its communities do. What is malformed goes the long way.

Rules: bounded, whatever a peer says; forgetting costs time and never meaning.
"""

from __future__ import annotations

from typing import NamedTuple

from isthmus.bgp.attribute import COMMUNITY_OCTETS, ROUTE_TARGET_HEADS
from isthmus.bgp.attribute_reader import (
    EXTENDED_COMMUNITIES,
    EXTENDED_COMMUNITIES_FLAGS,
    KIND_BITS,
    AttributeReader,
    Attributes,
    Rules,
    Split,
    combine,
    missing,
)
from isthmus.bgp.attribute_writer import keep
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.heard import Heard
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

SETS_MAX = 8192
"""Distinct sets of attributes without communities that are remembered, and distinct sets of targets; beyond that the
memory starts anew."""

Read = tuple[Heard | None, tuple[AttributeFault, ...]]


class _Last(NamedTuple):
    """The set that was read last: a reflector packs the routes of a set into messages that follow each other."""

    rest: bytes
    next_hop: IpAddress | None
    read: Read


class AttributeTable:
    """See the head of the file."""

    def __init__(self, agreed: Agreed) -> None:
        rules = Rules.of(agreed)
        self._reader = AttributeReader(rules)
        self._mandatory = rules.mandatory
        self._plain = agreed.four_octet_as
        """Whether octets without a fault are in the form that is kept."""
        self._common: dict[bytes, bytes] = {}
        """Good attributes without communities, as they came and as they are kept."""
        self._targets: dict[bytes, frozenset[RouteTarget]] = {}
        self._last = _Last(b"", None, (None, ()))

    def read(self, parts: Split, next_hop: IpAddress | None) -> Read:
        """The attributes that `split` left over, for routes with this next hop; None when none are announced.

        No attributes come back when nothing is announced or a fault asks for treat-as-withdraw. Raises MessageError.
        """
        last = self._last
        if next_hop is not None and last.rest == parts.rest and last.next_hop == next_hop:
            return last.read
        read = self._quickly(parts, next_hop) or self._whole(parts.rest, next_hop)
        self._last = _Last(parts.rest, next_hop, read)
        return read

    def _quickly(self, parts: Split, next_hop: IpAddress | None) -> Read | None:
        """None if something is unusual about it."""
        rest, piece = parts.rest, parts.communities
        if piece is None or next_hop is None:
            return None
        if (piece.stop - piece.start) % COMMUNITY_OCTETS or piece.start == piece.stop:
            return None
        if rest[piece.at] & KIND_BITS != EXTENDED_COMMUNITIES_FLAGS:
            return None
        others = rest[: piece.at] + rest[piece.stop :]
        common = self._common.get(others) or self._judge(others)
        if common is None:
            return None
        communities = rest[piece.start : piece.stop]
        return Heard(common, communities, next_hop, self._targets_of(communities)), ()

    def _judge(self, others: bytes) -> bytes | None:
        """The kept form of attributes without communities; None if there is anything wrong with them."""
        read = self._reader.read(others)
        if read.faults or EXTENDED_COMMUNITIES in read.values or any(missing(read.values, self._mandatory)):
            return None
        if len(self._common) >= SETS_MAX:
            self._common.clear()
        kept = self._common[others] = others if self._plain else keep(combine(read.values, None))
        return kept

    def _targets_of(self, communities: bytes) -> frozenset[RouteTarget]:
        """The same object for all that have the same."""
        each = [communities[at : at + COMMUNITY_OCTETS] for at in range(0, len(communities), COMMUNITY_OCTETS)]
        found = b"".join([community for community in each if community[:2] in ROUTE_TARGET_HEADS])
        targets = self._targets.get(found)
        if targets is None:
            if len(self._targets) >= SETS_MAX:
                self._targets.clear()
            split = (RouteTarget(found[at : at + 8]) for at in range(0, len(found), 8))
            targets = self._targets[found] = frozenset(split)
        return targets

    def _whole(self, rest: bytes, next_hop: IpAddress | None) -> Read:
        read: Attributes = self._reader.read(rest)
        if next_hop is not None and not read.withdraws:
            read.faults.extend(missing(read.values, self._mandatory))
        if next_hop is None or read.withdraws:
            return None, tuple(read.faults)
        return Heard.of(combine(read.values, next_hop)), tuple(read.faults)
