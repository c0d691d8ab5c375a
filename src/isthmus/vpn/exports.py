"""Local addresses into routes: one export for each (attachment, BGPVPN, address).

Exports are keyed by attachment *and* BGPVPN and carry that BGPVPN's targets, VNI and local preference, so two VPNs
behind one router never leak into each other.

Rules: a pure function of intent and ports. Every local address that a BGPVPN covers has its export, with the reason if
it cannot be announced; nothing is dropped in silence. (VNI, address) is what a packet from a tunnel is delivered by, so
two exports never share it: the higher mobility sequence wins, then the lower circuit name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from isthmus.bgp.attribute import (
    PathAttributes,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.iana import Origin
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.model.intent import AssociationIntent, AttachmentIntent
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget, SiteOfOrigin
from isthmus.rib.adj_out import Announcement
from isthmus.rib.decision import LOCAL_PREF_DEFAULT

TARGETS_MAX = 400
"""Of one route: an UPDATE has 4,096 bytes (RFC 4271 section 4), a target 8, and the other attributes need room."""


@dataclass(frozen=True, slots=True)
class Export:
    """One local address in one BGPVPN."""

    circuit: CircuitName
    attachment: str
    bgpvpn: str
    number: int
    vni: int
    targets: frozenset[RouteTarget]
    site: SiteOfOrigin
    local_pref: int
    port: str
    prefix: Prefix
    mobility: int
    why_not: NotAnnounced | None = None

    @property
    def inbound(self) -> InboundKey:
        return InboundKey(self.vni, self.prefix)


def exports(circuits: Mapping[CircuitName, AttachmentIntent], ports: Iterable[LocalPort]) -> tuple[Export, ...]:
    """Every local address in every BGPVPN that covers it, in a fixed order."""
    by_network: dict[str, list[LocalPort]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    found: dict[InboundKey, list[Export]] = {}
    for circuit, intent in circuits.items():
        for export in _attachment(circuit, intent, by_network):
            found.setdefault(export.inbound, []).append(export)
    return tuple(_one_each(found))


def served(intent: AttachmentIntent, address: IpAddress) -> bool:
    """Whether the attachment's router delivers to the address itself: it has an interface on that subnet.

    Anything else it would route onwards: to another network of its own, or out by its gateway.
    """
    host = Prefix.host(address)
    return any(subnet.covers(host) for subnet in intent.subnets)


def _attachment(
    circuit: CircuitName, intent: AttachmentIntent, by_network: Mapping[str, list[LocalPort]]
) -> Iterator[Export]:
    """One export for each (BGPVPN, address); associations of one BGPVPN that overlap are united."""
    united: dict[tuple[str, str, IpAddress], Export] = {}
    for association in intent.associations:
        if association.number is None:
            continue
        for network in association.networks:
            for port in by_network.get(network, ()):
                for address in port.addresses:
                    export = _export(circuit, intent, association, association.number, port, address)
                    key = (association.bgpvpn, port.name, address)
                    united[key] = _union(united[key], export) if key in united else export
    yield from united.values()


def _export(
    circuit: CircuitName,
    intent: AttachmentIntent,
    a: AssociationIntent,
    number: int,
    port: LocalPort,
    address: IpAddress,
) -> Export:
    why_not = None
    if not a.exports:
        why_not = NotAnnounced.NO_EXPORT_TARGET
    elif len(a.exports) > TARGETS_MAX:
        why_not = NotAnnounced.TOO_MANY_TARGETS
    elif not served(intent, address):
        why_not = NotAnnounced.NOT_SERVED
    elif not port.up:
        why_not = NotAnnounced.PORT_DOWN
    return Export(
        circuit=circuit,
        attachment=intent.attachment,
        bgpvpn=a.bgpvpn,
        number=number,
        vni=a.vni,
        targets=frozenset(a.exports),
        site=intent.site,
        local_pref=LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref,
        port=port.name,
        prefix=Prefix.host(address),
        mobility=port.revision,
        why_not=why_not,
    )


def _union(one: Export, other: Export) -> Export:
    """Two associations of one BGPVPN that both cover the address: one of them suffices to announce it."""
    chosen = one if one.why_not is None else other
    targets = one.targets | other.targets
    why_not = NotAnnounced.TOO_MANY_TARGETS if len(targets) > TARGETS_MAX else chosen.why_not
    return replace(chosen, targets=targets, local_pref=max(one.local_pref, other.local_pref), why_not=why_not)


def _one_each(found: Mapping[InboundKey, list[Export]]) -> Iterator[Export]:
    for rivals in found.values():
        ranked = sorted(rivals, key=lambda e: (e.why_not is not None, -e.mobility, e.circuit, e.port))
        yield ranked[0]
        for loser in ranked[1:]:
            clash = loser.bgpvpn != ranked[0].bgpvpn
            reason = NotAnnounced.NUMBER_CLASH if clash else NotAnnounced.DUPLICATE_ADDRESS
            yield replace(loser, why_not=loser.why_not or reason)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who announces: what every route of this node has in common."""

    router_id: IpAddress
    vtep: IpAddress
    router_mac: Mac
    asn: int


def announcement(export: Export, speaker: Speaker, *, leaving: bool = False) -> Announcement:
    """The route of an export: type 5, interface-less (RFC 9136 section 4.4.1), RD = router-id:number, label = VNI.

    `leaving` asks everybody to prefer another path while this one still works (RFC 8326).
    """
    nlri = EvpnPrefix(
        rd=RouteDistinguisher.of(speaker.router_id, export.number),
        ethernet_tag=0,
        prefix=export.prefix,
        esi=bytes(10),
        gateway=None,
        label=export.vni,
    )
    communities = (
        *sorted(export.targets),
        export.site,
        encapsulation_community(Encapsulation.VXLAN),
        router_mac_community(speaker.router_mac),
        mobility_community(export.mobility),
    )
    attributes = PathAttributes(
        origin=Origin.IGP,
        next_hop=speaker.vtep,
        local_pref=export.local_pref,
        communities=(),
        extended_communities=communities,
    )
    route = Announcement(nlri, attributes)
    return route.leaving() if leaving else route
