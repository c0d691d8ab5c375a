"""How near to its maximum everything is that has one.

Rules: a pure look at the node, cheap enough for every second. 80 % is a warning, what is beyond the maximum is refused;
both are states, told once when they begin and end (`shell/transitions.py`), not at every route.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from isthmus.model.net import IpAddress
from isthmus.model.reason import LimitState, NotAccepted
from isthmus.model.vpn import RouteTarget
from isthmus.node.conversation import ROOM_AGAIN
from isthmus.node.core import Node
from isthmus.node.peers import Peer
from isthmus.node.status import LimitStatus
from isthmus.rib.budget import OF_PEER, OF_TARGET

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
    yield from _of_targets(node)
    for peer in node.peers.values():
        yield from _of_peer(node, peer)
    for number in node.tables.views:
        refused = len(node.tables.surplus(number))
        taken = node.tables.size(number) - refused
        yield _limit("routes_per_view", f"{number:#x}", taken, refused, most.routes_per_view)


_PER_PEER = ("routes_per_peer", "octets_per_peer", "next_hops_per_peer")
_PER_TARGET = ("routes_per_target", "octets_per_target", "next_hops_per_target")


def _of_peer(node: Node, peer: Peer) -> Iterator[LimitStatus]:
    budget, refused, of = node.convergence.rib.budget, peer.not_taken, str(peer.address)
    for name, taken, most, why in zip(_PER_PEER, budget.usage(peer.address), budget.of_peer, OF_PEER, strict=False):
        yield _limit(name, of, taken, refused[why], most)
    whys, most_paths = (OF_PEER.paths, OF_TARGET.paths), (budget.of_peer.paths, budget.of_target.paths)
    names, taken_paths = ("paths_per_prefix", "paths_per_target"), budget.most_paths(peer.address)
    for name, taken, most, why in zip(names, taken_paths, most_paths, whys, strict=True):
        yield _limit(name, of, taken, refused[why], most)


def _of_targets(node: Node) -> Iterator[LimitStatus]:
    """Of the many that there are only those that are not far from a maximum."""
    budget = node.convergence.rib.budget
    refused = Counter[tuple[IpAddress, RouteTarget, NotAccepted]]()
    for address, peer in node.peers.items():
        for refusal, count in peer.budget_refusals:
            if isinstance(refusal.of, RouteTarget):
                refused[address, refusal.of, refusal.why] += count
    for address, target in sorted({*budget.near(WARN_FROM), *((by, target) for by, target, _ in refused)}):
        usage = budget.usage(address, target)
        for name, taken, most, why in zip(_PER_TARGET, usage, budget.of_target, OF_TARGET, strict=False):
            beyond = refused[address, target, why]
            if beyond or taken >= most * WARN_FROM:
                yield _limit(name, f"{address} {target}", taken, beyond, most)


def _limit(name: str, of: str, taken: int, refused: int, maximum: int) -> LimitStatus:
    below = LimitState.NEAR if taken >= maximum * WARN_FROM else LimitState.ROOM
    state = LimitState.FULL if refused else below
    return LimitStatus(name, of, taken, maximum, refused, state.name, state.value)
