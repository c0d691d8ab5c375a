"""How near to its maximum everything is that has one.

Rules: a pure look at the node, cheap enough for every second. 80 % is a warning, what is beyond the maximum is refused;
both are states, told once when they begin and end (`shell/transitions.py`), not at every route.
"""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.model.reason import LimitState
from isthmus.node.conversation import ROOM_AGAIN
from isthmus.node.core import Node
from isthmus.node.status import LimitStatus

WARN_FROM = ROOM_AGAIN
"""Of a maximum. What a peer was refused is asked for again below the same share, so no peer is taken back into a state
that warns at once."""


def limits(node: Node) -> Iterator[LimitStatus]:
    """Those of the node, of each peer, of each view."""
    most = node.config.limits
    admitted = node.picture.admitted
    beyond, ports_beyond = len(admitted.beyond), len(admitted.ports_beyond)
    yield _limit("attachments", "", admitted.workloads - beyond, beyond, most.circuits)
    yield _limit("ports", "", admitted.members - ports_beyond, ports_beyond, most.ports)
    for peer in node.peers.values():
        taken = node.convergence.rib.count(peer.address)
        yield _limit("routes_per_peer", str(peer.address), taken, peer.refused, most.routes_per_peer)
    for number in node.tables.views:
        refused = len(node.tables.surplus(number))
        taken = node.tables.size(number) - refused
        yield _limit("routes_per_view", f"{number:#x}", taken, refused, most.routes_per_view)


def _limit(name: str, of: str, taken: int, refused: int, maximum: int) -> LimitStatus:
    below = LimitState.NEAR if taken >= maximum * WARN_FROM else LimitState.ROOM
    state = LimitState.FULL if refused else below
    return LimitStatus(name, of, taken, maximum, refused, state.name, state.value)
