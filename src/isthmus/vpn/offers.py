"""What this node would tell others, whoever comes up with it.

An offer is a route, the inbound entry that proves that what comes for it can be forwarded, and the reason if it is not
to be told at all. Today's only producer is `vpn.exports`; another (MPLS, floating IPs, MACs) makes offers, and nothing
else changes: who confirms, waits, tells, drains and withdraws does not look at where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.fib.entries import Inbound, LabelKey
from isthmus.model.reason import NotAnnounced
from isthmus.rib.adj_out import Announcement, RouteKey
from isthmus.vpn.exports import Export, Speaker, announcement, labelled


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
    """The offers of a local address: one in each family of its IP version that is spoken and may tell it."""
    for family in _families(export, speaker):
        if (proof := _proof(export, family)) is not None:
            make = announcement if family == EVPN else labelled
            yield Offer(make(export, speaker), proof, export.why_not)


def delivered_by(export: Export, speaker: Speaker) -> Iterator[Inbound]:
    """What comes for an export by whatever family: the proofs of its offers."""
    found = (_proof(export, family) for family in _families(export, speaker))
    return (proof for proof in found if proof is not None)


def untold(export: Export, speaker: Speaker) -> NotAnnounced | None:
    """Why there is no offer of an export, if its BGPVPN is to blame that asks for certain families."""
    if export.families is None or any(True for _ in delivered_by(export, speaker)):
        return None
    carry = {EVPN, _WITH_LABELS[export.prefix.version]}
    others = export.families and carry.isdisjoint(export.families)  # none: a newer release's, which nobody here speaks
    return NotAnnounced.FAMILY_OF_OTHER_VERSION if others else NotAnnounced.FAMILY_NOT_SPOKEN


def _families(export: Export, speaker: Speaker) -> Iterator[Family]:
    return (family for family in speaker.families if export.families is None or family in export.families)


def _proof(export: Export, family: Family) -> Inbound | None:
    """None: the family carries no address of that version."""
    if family == EVPN:
        return export.inbound
    return LabelKey(export.label, export.prefix) if family == _WITH_LABELS[export.prefix.version] else None


_WITH_LABELS = {4: VPNV4, 6: VPNV6}
