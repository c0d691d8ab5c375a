"""What each peer shows of the hypervisors: how many beacons, in which families, and next hops that somebody has put in
their place.

Rules: follows from the table of routes, and is brought up to date with the destinations that have changed there. A
cloud has as many beacons as hypervisors, and is asked for this every second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from isthmus.bgp.family import VPNV4, VPNV6, Family
from isthmus.bgp.nlri import Destination
from isthmus.model.net import IpAddress
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.path import Path
from isthmus.vpn.beacons import led_astray, whose

_LABELS = frozenset({VPNV4, VPNV6})
"""Who speaks one of these usually speaks both, while EVPN is by itself."""


class Sight(NamedTuple):
    """A peer shows a beacon in this family: as it should be, or with a next hop in the place of its own."""

    peer: IpAddress
    family: Family
    hop: IpAddress | None = None


class Shown:
    """See the head of the file."""

    def __init__(self) -> None:
        self._at: dict[Destination, tuple[Sight, ...]] = {}
        self._counts: Counter[Sight] = Counter()

    def look(self, rib: AdjRibIn) -> None:
        """Take in what has changed since the last look. `rib` watches the beacons' target."""
        for destination in rib.take_moved():
            for gone in self._at.pop(destination, ()):
                self._counts[gone] -= 1
                if not self._counts[gone]:
                    del self._counts[gone]
            if seen := tuple(_seen(rib.paths(destination))):
                self._at[destination] = seen
                self._counts.update(seen)

    def beacons(self, peer: IpAddress) -> int:
        """How many it shows."""
        return sum(count for sight, count in self._counts.items() if sight.peer == peer and sight.hop is None)

    def astray(self, peer: IpAddress) -> set[IpAddress]:
        """What it puts in the place of beacons' next hops."""
        return {sight.hop for sight in self._counts if sight.peer == peer and sight.hop is not None}

    def kept_back(self, peer: IpAddress) -> frozenset[Family]:
        """The family of labels in which it shows nobody, while it shows hypervisors in the other one."""
        families = {sight.family for sight in self._counts if sight.peer == peer} & _LABELS
        return _LABELS - families if families else frozenset()


def _seen(paths: Iterable[Path]) -> Iterator[Sight]:
    for path in paths:
        if whose(path.nlri, path.heard) is not None:
            yield Sight(path.peer, path.nlri.family)
        elif (hop := led_astray(path.nlri, path.heard)) is not None:
            yield Sight(path.peer, path.nlri.family, hop)
