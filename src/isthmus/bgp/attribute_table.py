"""The attribute sets of one session: each is read once, and what is kept of it is `Heard`.

Rules: bounded, whatever a peer says; forgetting costs time and never meaning.
"""

from __future__ import annotations

from isthmus.bgp.attribute import route_targets
from isthmus.bgp.attribute_reader import EXTENDED_COMMUNITIES, AttributeReader, Rules, combine, missing
from isthmus.bgp.attribute_writer import keep
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.heard import Heard
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget

TABLE_SETS_MAX = 8192
"""Distinct attribute sets remembered by their octets; beyond that the memory starts anew."""


class AttributeTable:
    """Reads attribute sets of one session: `heard` for the routes, and the faults that RFC 7606 counts. Sets that were
    read a moment ago are the same object again."""

    def __init__(self, agreed: Agreed) -> None:
        rules = Rules.of(agreed)
        self._reader = AttributeReader(rules)
        self._mandatory = rules.mandatory
        self._plain = agreed.four_octet_as
        """Whether octets without a fault are in the form that is kept."""
        self._read: dict[tuple[bytes, bytes], tuple[Heard | None, tuple[AttributeFault, ...]]] = {}
        self._targets: dict[frozenset[RouteTarget], frozenset[RouteTarget]] = {}

    def read(self, rest: bytes, next_hop: bytes) -> tuple[Heard | None, tuple[AttributeFault, ...]]:
        """The attributes that `split` left over, for routes with this next hop; empty when none are announced.

        No attributes come back when nothing is announced or a fault asks for treat-as-withdraw. Raises MessageError.
        """
        key = (rest, next_hop)
        known = self._read.get(key)
        if known is None:
            if len(self._read) >= TABLE_SETS_MAX:
                self._read.clear()
                self._targets.clear()
            known = self._read[key] = self._read_anew(rest, next_hop)
        return known

    def _read_anew(self, rest: bytes, next_hop: bytes) -> tuple[Heard | None, tuple[AttributeFault, ...]]:
        read = self._reader.read(rest)
        if next_hop and not read.withdraws:
            read.faults.extend(missing(read.values, self._mandatory))
        if not next_hop or read.withdraws:
            return None, tuple(read.faults)
        hop = IpAddress(next_hop) if len(next_hop) in (4, 16) else None
        octets = rest if self._plain and not read.faults else keep(combine(read.values, hop))
        targets = route_targets(read.values.get(EXTENDED_COMMUNITIES) or ())
        return Heard(octets, hop, self._targets.setdefault(targets, targets)), tuple(read.faults)
