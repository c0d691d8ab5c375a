"""What is odd about routes though nothing is wrong with any: looked for when somebody asks, of those that are imported.

Rules: pure questions. Our own clouds' routes name their site; who does not is another maker's PE.
"""

from __future__ import annotations

from isthmus.bgp.family import EVPN, Family
from isthmus.fib.entries import ViewId
from isthmus.model.net import IpAddress
from isthmus.model.reason import Note
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node.core import Node
from isthmus.rib.path import Path
from isthmus.vpn.meaning import meaning


class Oddities:
    """As things stand when it is made."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._vnis = {number: _vnis(node, number) for number in node.tables.views}
        self._shared = _shared(node)

    def of(self, path: Path, view: ViewId | None) -> Note | None:
        """Of a route that is used in a view."""
        if (path.nlri.family, path.nlri.distinguisher.rd) in self._shared:
            return Note.SHARED_DISTINGUISHER
        if view is None or path.nlri.family != EVPN or path.nlri.vni in self._vnis.get(view, ()):
            return None
        return Note.OTHER_VNI if meaning(path.heard, self._node.speaker).site is None else None


def _vnis(node: Node, number: ViewId) -> frozenset[int]:
    """By which packets into this view's VPNs come here."""
    intents = (node.asked.circuits.get(name) for name in node.tables.views[number].circuits)
    return frozenset(a.vni for intent in intents if intent is not None for a in intent.associations)


def _shared(node: Node) -> frozenset[tuple[Family, RouteDistinguisher]]:
    """Route distinguishers by which routes lead to two next hops."""
    imported = node.tables.imported()
    seen: dict[tuple[Family, RouteDistinguisher], IpAddress | None] = {}
    found: set[tuple[Family, RouteDistinguisher]] = set()
    for path in node.convergence.rib:
        if imported.isdisjoint(path.heard.route_targets):
            continue
        key = path.nlri.family, path.nlri.distinguisher.rd
        if seen.setdefault(key, path.heard.next_hop) != path.heard.next_hop:
            found.add(key)
    return frozenset(found)
