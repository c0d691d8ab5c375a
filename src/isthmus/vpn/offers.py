"""What this node would tell others, whoever comes up with it.

An offer is a route, the inbound entry that proves that what comes for it can be forwarded, and the reason if it is not
to be told at all. Today's only producer is `vpn.exports`; another (MPLS, floating IPs, MACs) makes offers, and nothing
else changes: who confirms, waits, tells, drains and withdraws does not look at where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from isthmus.fib.entries import Inbound
from isthmus.model.reason import NotAnnounced
from isthmus.rib.adj_out import Announcement, RouteKey
from isthmus.vpn.exports import Export, Speaker, announcement


class Offer(NamedTuple):
    """One route of ours."""

    route: Announcement
    proof: Inbound
    """Told is only what the switch has confirmed this for."""
    why_not: NotAnnounced | None = None

    @property
    def key(self) -> RouteKey:
        return self.route.nlri.key()


def of_export(export: Export, speaker: Speaker) -> Iterator[Offer]:
    """The offers of a local address: one for each family and encapsulation that it is reachable by."""
    yield Offer(announcement(export, speaker), export.inbound, export.why_not)
