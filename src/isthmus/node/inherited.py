"""Whom an earlier run served: read off the switch, which is the only memory that a restart cannot lose.

Rules: pure; a hint of who was there first, never of what is right. A port whose BGPVPNs import nothing leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set

from isthmus.fib.entries import CircuitName, SourceKey
from isthmus.flows.layout import Table
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import CIRCUIT_LANE
from isthmus.model.port import LocalPort

_LANES = (None, CIRCUIT_LANE)
"""Every source has a flow with one of these (`vpn.views.doors_of`)."""


def ours(flows: Mapping[FlowKey, Installed], table: Table) -> Set[FlowKey]:
    return {key for key, flow in flows.items() if flow.ours and key.table == table}


def served(
    ports: Iterable[LocalPort],
    doors: Set[FlowKey],
    behind: Callable[[Iterable[str]], Collection[CircuitName]],
    renderer: Renderer,
) -> frozenset[str]:
    """The ports whose packets some circuit leads into a view. `doors`: the flows that do; `behind`: the circuits of
    some networks."""
    return frozenset(
        port.name
        for port in ports
        for circuit in behind((port.network,))
        if any(renderer.source_key(SourceKey(circuit, a, lane)) in doors for a in port.addresses for lane in _LANES)
    )
