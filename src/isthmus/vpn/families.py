"""What this hypervisor does with each family that it speaks: a row a family.

To speak another: its codec in `bgp.nlri`, and a row here that says which of its routes can be used, where they lead,
and whether a beacon of ours goes with them. Everything between (sessions, tables, decisions, sync) is per family
already and knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.nlri.ethernet import MacIp
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import Inbound, InboundKey, NextHop, Target
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
    proof: Callable[[Announcement], Inbound]
    """What the switch delivers by what comes for a route of ours that was told."""
    beacon: Callable[[Speaker], Announcement] | None
    """What says in this family that we can be heard."""


def _evpn_refusal(path: Path, means: Meaning, speaker: Speaker) -> NotImported | None:
    if (means.originator or path.peer_router_id) == speaker.router_id:
        return NotImported.OWN_ROUTE
    match path.nlri:
        case MacIp():
            return None if path.nlri.routed else NotImported.BRIDGED_ONLY
        case EvpnPrefix():
            follows = path.nlri.gateway is not None or not path.nlri.label or any(path.nlri.esi)
            return NotImported.OVERLAY_INDEX if follows else None
    return None


def _evpn_target(path: Path, means: Meaning) -> Target:
    assert means.next_hop is not None and means.router_mac is not None, "such a set of attributes is refused"
    return NextHop(means.next_hop, means.router_mac, path.nlri.vni)


def _evpn_proof(told: Announcement) -> InboundKey:
    return InboundKey(told.nlri.vni, told.nlri.destination)


FAMILIES: Mapping[Family, FamilyUse] = {EVPN: FamilyUse(_evpn_refusal, _evpn_target, _evpn_proof, beacon)}
