"""What this hypervisor does with each family that it speaks: a row a family.

To speak another: its codec in `bgp.nlri`, and a row here that says which of its routes can be used, where they lead,
and whether a beacon of ours goes with them. Everything between (sessions, tables, decisions, sync) is per family
already and knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.nlri.evpn import ESI_ZERO
from isthmus.fib.entries import InboundKey, NextHop, Target
from isthmus.model.reason import NotImported
from isthmus.rib.adj_out import Announcement
from isthmus.rib.path import Path
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from isthmus.vpn.meaning import Meaning


@dataclass(frozen=True, slots=True)
class FamilyUse:
    """One family's row."""

    refusal: Callable[[Path, Meaning, Speaker], NotImported | None]
    """Why a route cannot be used whose attributes can."""
    target: Callable[[Path, Meaning], Target]
    """Where one leads that is not refused."""
    proof: Callable[[Announcement], InboundKey]
    """What the switch delivers by what comes for a route of ours that was told."""
    beacon: Callable[[Speaker], Announcement] | None
    """What says in this family that we can be heard."""


def _evpn_refusal(path: Path, means: Meaning, speaker: Speaker) -> NotImported | None:
    if (means.common.originator or path.peer_router_id) == speaker.router_id:
        return NotImported.OWN_ROUTE
    nlri = path.nlri
    if nlri.gateway is not None or not nlri.label or nlri.esi != ESI_ZERO:
        return NotImported.OVERLAY_INDEX
    return None


def _evpn_target(path: Path, means: Meaning) -> Target:
    assert means.next_hop is not None and means.router_mac is not None, "such a set of attributes is refused"
    return NextHop(means.next_hop, means.router_mac, path.nlri.label)


def _evpn_proof(told: Announcement) -> InboundKey:
    return InboundKey(told.nlri.label, told.nlri.prefix)


FAMILIES: Mapping[Family, FamilyUse] = {EVPN: FamilyUse(_evpn_refusal, _evpn_target, _evpn_proof, beacon)}
