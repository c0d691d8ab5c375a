"""The lane of each network behind a router: by which next hop its packets come to the circuit. Pure.

Rules: a network's number follows from its id, so what happens to other networks and to associations does not move its
packets. Only where two of one router fall on one number (one pair in four thousand) the later by id takes the next one
that is free. Form 1 of a row has no words for lanes, so its rows have none. There are more lanes than networks fit a
row; of a router with more still nothing does, as with any row that is full (`fitting`).
"""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.model.intent import LANE_MAX, LANE_MIN, BadIntent

_MANY = LANE_MAX - LANE_MIN + 1


def lanes(networks: Iterable[str], form: int) -> dict[str, int]:
    """By network id. Raises BadIntent where there are more networks than lanes."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    behind = sorted(set(networks)) if form > 1 else []
    if len(behind) > _MANY:
        raise BadIntent("isthmus:lanes", f"one router has {len(behind)} networks; at most {_MANY} have a lane")
    for network in behind:
        at = int(network.replace("-", ""), 16)
        number = next(n for step in range(_MANY) if (n := LANE_MIN + (at + step) % _MANY) not in taken)
        found[network] = number
        taken.add(number)
    return found
