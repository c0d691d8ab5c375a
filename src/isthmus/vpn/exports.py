"""Local addresses into routes: one export for each (attachment, BGPVPN, address).

Exports are keyed by attachment *and* BGPVPN and carry that BGPVPN's targets, VNI and local preference, so two VPNs
behind one router never leak into each other.

Rules: a pure function of intent and ports. Every local address that a BGPVPN covers has its export, with the reason if
it cannot be announced; nothing is dropped in silence. (VNI, address) is what a packet from a tunnel is delivered by, so
two exports never share it: who has it stays, else the lower circuit name wins. What changes at one circuit is one call
of `of_circuit` and one of `one_each` for each address it concerns; `exports` of everything gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from isthmus.bgp.attribute import (
    PathAttributes,
    claimant_community,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.bgp.iana import Origin
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.model.intent import AssociationIntent, AttachmentIntent, FamilyName
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.reason import Contested, NotAnnounced
from isthmus.model.vpn import Claimant, Encapsulation, ExtendedCommunity, RouteDistinguisher, RouteTarget, SiteOfOrigin
from isthmus.rib.adj_out import Announcement
from isthmus.rib.decision import LOCAL_PREF_DEFAULT
from isthmus.vpn.labels import label

TARGETS_MAX = 400
"""Of one route: an UPDATE has 4,096 bytes (RFC 4271 section 4), a target 8, and the other attributes need room."""

PREFER = (Encapsulation.VXLAN, Encapsulation.MPLS_IN_GRE)
"""All there are, in the order in which they count where the operator says nothing."""


FAMILY_OF = {FamilyName.EVPN: EVPN, FamilyName.VPNV4: VPNV4, FamilyName.VPNV6: VPNV6}


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
    claimant: Claimant
    heard_with: frozenset[RouteTarget]
    """Routes with one of these lead to the same VPN: what its BGPVPN imports and exports."""
    families: frozenset[Family] | None = None
    """In which alone it may be told; None: in all that are spoken."""
    mobility: int = 1
    """The sequence of its claim (`claims.py`); as long as nobody has judged it, of one that was first."""
    why_not: NotAnnounced | None = None
    contested: Contested | None = None

    @property
    def inbound(self) -> InboundKey:
        """What makes it itself on this hypervisor; in VXLAN also what it is delivered by."""
        return InboundKey(self.vni, self.prefix)

    @property
    def label(self) -> int:
        return label(self.number, self.prefix.version)


class Occupant(NamedTuple):
    """Who has an address here."""

    claimant: Claimant
    circuit: CircuitName


class Issuer(Protocol):
    """What a node adds of its own to what the cloud says."""

    def number(self, attachment: str, association: AssociationIntent) -> int | None:
        """Of (attachment, BGPVPN) in this hypervisor's route distinguishers; None if there is none left."""


class AsGiven:
    """Nothing of its own: the cloud's number."""

    def number(self, attachment: str, association: AssociationIntent) -> int:
        assert association.number is not None, "the cloud has given none; a node issues its own"
        return association.number


AS_GIVEN = AsGiven()


def exports(
    circuits: Mapping[CircuitName, AttachmentIntent],
    ports: Iterable[LocalPort],
    issued: Issuer = AS_GIVEN,
    occupant: Callable[[InboundKey], Occupant | None] = lambda _key: None,
) -> tuple[Export, ...]:
    """Every local address in every BGPVPN that covers it, in a fixed order."""
    by_network: dict[str, list[LocalPort]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    found: dict[InboundKey, list[Export]] = {}
    for circuit, intent in circuits.items():
        for export in of_circuit(circuit, intent, by_network, issued):
            found.setdefault(export.inbound, []).append(export)
    return tuple(export for key, rivals in found.items() for export in one_each(rivals, occupant(key)))


def served(intent: AttachmentIntent, address: IpAddress) -> bool:
    """Whether the attachment's router delivers to the address itself: it has an interface on that subnet.

    Anything else it would route onwards: to another network of its own, or out by its gateway.
    """
    host = Prefix.host(address)
    return any(subnet.covers(host) for subnet in intent.subnets)


def of_circuit(
    circuit: CircuitName,
    intent: AttachmentIntent,
    by_network: Mapping[str, Iterable[LocalPort]],
    issued: Issuer = AS_GIVEN,
) -> tuple[Export, ...]:
    """One export for each (BGPVPN, address); associations of one BGPVPN that overlap are united. Rivals of other
    circuits are not looked at."""
    united: dict[tuple[str, str, IpAddress], Export] = {}
    for association in intent.associations:
        for network in association.networks:
            for port in by_network.get(network, ()):
                for address in port.addresses:
                    export = _export(circuit, intent, association, port, address, issued)
                    key = (association.bgpvpn, port.name, address)
                    united[key] = _union(united[key], export) if key in united else export
    return tuple(united.values())


def _export(
    circuit: CircuitName,
    intent: AttachmentIntent,
    a: AssociationIntent,
    port: LocalPort,
    address: IpAddress,
    issued: Issuer,
) -> Export:
    why_not, number = port.why_not, issued.number(intent.attachment, a)
    if why_not is not None:
        pass
    elif number is None:
        why_not = NotAnnounced.NO_NUMBER
    elif not a.exports:
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
        number=number or 0,
        vni=a.vni,
        targets=frozenset(a.exports),
        site=intent.site,
        local_pref=LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref,
        port=port.name,
        prefix=Prefix.host(address),
        claimant=Claimant.of(port.network),
        heard_with=frozenset(a.exports).union(a.imports),
        families=None if a.families is None else frozenset(FAMILY_OF[name] for name in a.families),
        why_not=why_not,
    )


def _union(one: Export, other: Export) -> Export:
    """Two associations of one BGPVPN that both cover the address: one of them suffices to announce it."""
    chosen = one if one.why_not is None else other
    targets, heard_with = one.targets | other.targets, one.heard_with | other.heard_with
    why_not = NotAnnounced.TOO_MANY_TARGETS if len(targets) > TARGETS_MAX else chosen.why_not
    prefer = max(one.local_pref, other.local_pref)
    return replace(chosen, targets=targets, heard_with=heard_with, local_pref=prefer, why_not=why_not)


def one_each(rivals: Sequence[Export], occupant: Occupant | None = None) -> Iterator[Export]:
    """The exports of one (VNI, address): one that may have it, and the others with the reason why they do not. A
    newcomer takes it from nobody who has it."""
    if len(rivals) == 1:
        yield rivals[0]
        return
    first, *others = sorted(rivals, key=lambda e: (e.why_not is not None, *_newcomer(e, occupant), e.circuit, e.port))
    yield first
    for loser in others:
        clash = loser.bgpvpn != first.bgpvpn
        yield replace(
            loser,
            why_not=loser.why_not or (NotAnnounced.NUMBER_CLASH if clash else NotAnnounced.DUPLICATE_ADDRESS),
        )


def _newcomer(export: Export, occupant: Occupant | None) -> tuple[bool, bool]:
    if occupant is None:
        return False, False
    return export.claimant != occupant.claimant, export.circuit != occupant.circuit


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who announces: what every route of this node has in common."""

    router_id: IpAddress
    vtep: IpAddress
    router_mac: Mac
    asn: int
    internal: frozenset[IpAddress] = frozenset()
    """The peers of its own AS."""
    reflectors: frozenset[IpAddress] = frozenset()
    """The peers whose address is no tunnel endpoint."""
    foreign: Mapping[IpAddress, int] = field(default_factory=dict)
    """The peers that are another cloud's, and the AS of each."""
    own_as: Mapping[IpAddress, int] = field(default_factory=dict)
    """How often a peer may say our AS in a path."""
    families: tuple[Family, ...] = (EVPN,)
    """Those that some peer is told of."""
    prefer: tuple[Encapsulation, ...] = PREFER
    """The first before the others, where routes differ in it."""
    multipath: int = 1
    """How many PEs may share a line (`vpn/multipath.py`)."""


def labelled(export: Export, speaker: Speaker) -> Announcement:
    """The route of an export with a label (RFC 4364): by its label packets are known, as by the VNI in VXLAN."""
    nlri = VpnPrefix(RouteDistinguisher.of(speaker.router_id, export.number), export.prefix, (export.label,))
    return Announcement(nlri, _attributes(export, speaker, encapsulation_community(Encapsulation.MPLS_IN_GRE)))


def announcement(export: Export, speaker: Speaker) -> Announcement:
    """The route of an export: type 5, interface-less (RFC 9136 section 4.4.1), RD = router-id:number, label = VNI."""
    nlri = EvpnPrefix(
        rd=RouteDistinguisher.of(speaker.router_id, export.number),
        ethernet_tag=0,
        prefix=export.prefix,
        esi=bytes(10),
        gateway=None,
        label=export.vni,
    )
    how = encapsulation_community(Encapsulation.VXLAN), router_mac_community(speaker.router_mac)
    return Announcement(nlri, _attributes(export, speaker, *how))


def _attributes(export: Export, speaker: Speaker, *how: ExtendedCommunity) -> PathAttributes:
    """`how`: packets are sent to it."""
    return PathAttributes(
        origin=Origin.IGP,
        next_hop=speaker.vtep,
        local_pref=export.local_pref,
        communities=(),
        extended_communities=(
            *sorted(export.targets),
            export.site,
            *how,
            mobility_community(export.mobility),
            claimant_community(export.claimant),
        ),
    )
