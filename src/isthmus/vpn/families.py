"""What this hypervisor does with each family that it speaks: a row a family.

To speak another: its codec in `bgp.nlri`, and a row here that says which of its routes can be used, where they lead,
and whether a beacon of ours goes with them. Everything between (sessions, tables, decisions, sync) is per family
already and knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.bgp.nlri.ethernet import ESI_ZERO, MacIp
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import Hop, Inbound, InboundKey, LabelKey, LabelledHop, NextHop
from isthmus.model.reason import NotImported
from isthmus.model.vpn import Encapsulation
from isthmus.rib.adj_out import Announcement
from isthmus.rib.path import Path
from isthmus.vpn import labels
from isthmus.vpn.beacons import beacon, labelled_beacon
from isthmus.vpn.exports import Speaker
from isthmus.vpn.meaning import Meaning


@dataclass(frozen=True, slots=True)
class FamilyUse:
    """One family's row."""

    refusal: Callable[[Path, Meaning, Speaker], NotImported | None]
    """Why a route cannot be used about whose attributes nothing is wrong that all families would mind."""
    target: Callable[[Path, Meaning], Hop]
    """Where one leads that is not refused."""
    proof: Callable[[Announcement], Inbound]
    """What the switch delivers by what comes for a route of ours that was told."""
    beacon: Callable[[Speaker], Announcement] | None
    """What says in this family that we can be heard."""
    encapsulation: Encapsulation
    """What packets go there in; two families are compared by it first (`prefer`)."""


def _evpn_refusal(path: Path, means: Meaning, speaker: Speaker) -> NotImported | None:
    if (means.common.originator or path.peer_router_id) == speaker.router_id:
        return NotImported.OWN_ROUTE
    nlri = path.nlri
    if type(nlri) is EvpnPrefix:  # nearly all there are
        overlay = nlri.gateway is not None or not nlri.label or nlri.esi != ESI_ZERO
        return NotImported.OVERLAY_INDEX if overlay else means.vxlan
    if isinstance(nlri, MacIp) and not nlri.routed:
        return NotImported.BRIDGED_ONLY
    return means.vxlan


def _evpn_target(path: Path, means: Meaning) -> NextHop:
    assert means.next_hop is not None and means.router_mac is not None, "such a set of attributes is refused"
    return NextHop(means.next_hop, means.router_mac, path.nlri.vni)


def _evpn_proof(told: Announcement) -> Inbound:
    return InboundKey(told.nlri.vni, told.nlri.destination)


def _vpn_refusal(path: Path, means: Meaning, speaker: Speaker) -> NotImported | None:
    if (means.common.originator or path.peer_router_id) == speaker.router_id:
        return NotImported.OWN_ROUTE
    return labels.refusal(path.nlri.labels) or means.labelled


def _vpn_target(path: Path, means: Meaning) -> LabelledHop:
    assert means.next_hop is not None, "such a set of attributes is refused"
    return LabelledHop(means.next_hop, path.nlri.labels)


def _vpn_proof(told: Announcement) -> Inbound:
    return LabelKey(told.nlri.labels[-1], told.nlri.destination)


def _vpn(family: Family) -> FamilyUse:
    return FamilyUse(_vpn_refusal, _vpn_target, _vpn_proof, partial(labelled_beacon, family), Encapsulation.MPLS_IN_GRE)


FAMILIES: Mapping[Family, FamilyUse] = {
    EVPN: FamilyUse(_evpn_refusal, _evpn_target, _evpn_proof, beacon, Encapsulation.VXLAN),
    VPNV4: _vpn(VPNV4),
    VPNV6: _vpn(VPNV6),
}
