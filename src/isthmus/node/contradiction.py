"""Whom a peer may contradict: reflectors are not replicas of each other.

A peer in sync has said all *it* knows. That is the whole truth about a hypervisor that it shows, and says nothing of
one that it does not hear of: its session with the other cloud may be down, or a policy may stop that cloud's routes.

Rules: a peer speaks for a tunnel endpoint while it shows that endpoint's beacon; where nobody shows one (another
maker's PE), while it shows any route to it. What appears after the peer had said all is the whole only SETTLE_S later.
What it may not say (vpn/trust.py), or said without its being taken in (rib/budget.py), its silence is about no more
than ours. Its own earlier words a peer contradicts whatever it shows, others' no sooner than LOST_TOO_S
after their session ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isthmus.bgp.family import Family
from isthmus.model.net import IpAddress
from isthmus.node.order import LOST_TOO_S, SETTLE_S
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.path import Channel, Path, Standing
from isthmus.vpn.beacons import whose

Endpoint = IpAddress | None


def contradicted(
    rib: AdjRibIn, settled: Mapping[Channel, float], now: float, would_be_here: Callable[[Channel, Path], bool]
) -> Callable[[Path], bool]:
    """Whether a stale path is not so: by the word of one of those that have settled, and since when each has.
    `would_be_here`: whether a path would be in the table if that one said it."""
    spoken_for = _spoken_for(rib, settled, now)

    def is_not_so(path: Path) -> bool:
        if path.channel in settled:
            return True
        if path.stale_since is not None and now < path.stale_since + LOST_TOO_S:
            return False
        speaking = spoken_for.get((path.nlri.family, path.heard.next_hop), ())
        return any(would_be_here(channel, path) for channel in speaking)

    return is_not_so


Spoken = dict[tuple[Family, Endpoint], set[Channel]]


def _spoken_for(rib: AdjRibIn, settled: Mapping[Channel, float], now: float) -> Spoken:
    """For which families and endpoints each of these speaks in full."""
    shine: set[Endpoint] = set()
    by_beacon, by_route = Spoken(), Spoken()
    for path in rib:
        beacon = whose(path.nlri, path.heard) is not None
        endpoint = path.heard.next_hop
        if beacon:
            shine.add(endpoint)
        since = settled.get(path.channel)
        if since is None or path.standing is not Standing.FRESH:
            continue
        if path.since <= since or now >= path.since + SETTLE_S:
            (by_beacon if beacon else by_route).setdefault((path.nlri.family, endpoint), set()).add(path.channel)
    return {one: speaking for one, speaking in by_route.items() if one[1] not in shine} | by_beacon
