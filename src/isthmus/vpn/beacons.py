"""Every hypervisor's beacon: one route that says that its agent can still be heard.

Why: when a hypervisor's agent, or a reflector between two hypervisors, dies, some reflectors withdraw at once all that
came that way (FRR does with EVPN, whatever graceful restart has agreed). To whoever hears that it looks like a hundred
addresses taken back one by one. The beacon tells the two apart: an agent that takes an address back still shows it, one
that cannot be heard does not. It is an ordinary type 5 route to the hypervisor's own tunnel endpoint with a target that
no BGPVPN has, so any reflector passes it on and nobody else looks at it.

Each family has its own, in its own form: an IPv4 endpoint is an address in IPv6's clothes to VPNv6.

Its number is 0, below any attachment's: a reflector that walks its tables in order withdraws it before what it stands
for. One that does not walk in order (or a policy that stops it) costs only what was lost without beacons.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from isthmus.bgp.attribute import PathAttributes, encapsulation_community, router_mac_community
from isthmus.bgp.family import VPNV6, Family
from isthmus.bgp.iana import Origin
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.model.net import MAPPED, IpAddress, Prefix
from isthmus.model.vpn import BEACON_TARGET, Encapsulation, ExtendedCommunity, RouteDistinguisher, RouteTarget
from isthmus.rib.adj_out import Announcement
from isthmus.rib.decision import LOCAL_PREF_DEFAULT
from isthmus.vpn import labels
from isthmus.vpn.exports import Speaker

BEACON_VNI = 0xFFFFFF
"""Nothing is ever sent with it; RFC 9136 section 3.2 wants a label where there is no gateway."""


def beacon(speaker: Speaker) -> Announcement:
    """Ours."""
    nlri = EvpnPrefix(
        rd=RouteDistinguisher.of(speaker.router_id, 0),
        ethernet_tag=0,
        prefix=Prefix.host(speaker.vtep),
        esi=bytes(10),
        gateway=None,
        label=BEACON_VNI,
    )
    how = encapsulation_community(Encapsulation.VXLAN), router_mac_community(speaker.router_mac)
    return _said(nlri, speaker, *how)


def labelled_beacon(family: Family, speaker: Speaker) -> Announcement:
    """Ours in a family with labels."""
    plain, mapped = forms(speaker.vtep)
    host = mapped if family == VPNV6 else plain
    label = labels.label(labels.NOBODYS, host.version)
    nlri = VpnPrefix(RouteDistinguisher.of(speaker.router_id, labels.NOBODYS), host, (label,))
    return _said(nlri, speaker, encapsulation_community(Encapsulation.MPLS_IN_GRE))


def _said(nlri: Nlri, speaker: Speaker, *how: ExtendedCommunity) -> Announcement:
    return Announcement(
        nlri,
        PathAttributes(
            origin=Origin.IGP,
            next_hop=speaker.vtep,
            local_pref=LOCAL_PREF_DEFAULT,
            communities=(),
            extended_communities=(BEACON_TARGET, *how),
        ),
    )


def forms(endpoint: IpAddress) -> tuple[Prefix, Prefix]:
    """Where beacons of an endpoint lead to: to itself, and in VPNv6 to itself in IPv6's clothes."""
    return Prefix.host(endpoint), Prefix.host(IpAddress(MAPPED + endpoint))


def shown(destination: Prefix) -> IpAddress | None:
    """The endpoint that a beacon to there stands for."""
    address = destination.address
    if not destination.is_host:
        return None
    return IpAddress(address[len(MAPPED) :]) if address.startswith(MAPPED) and len(address) == 16 else address


class Announcer(NamedTuple):
    """Which hypervisor a route is of: its tunnel endpoint, and the router-id that its distinguishers begin with."""

    endpoint: IpAddress
    router_id: IpAddress


class Attributed(Protocol):
    """Of a route's attributes what a beacon is known by."""

    @property
    def next_hop(self) -> IpAddress | None: ...

    @property
    def route_targets(self) -> frozenset[RouteTarget]: ...


def announcer(nlri: Nlri, told: Attributed) -> Announcer | None:
    """None if the route does not say: its distinguisher is not of type 1."""
    rd = nlri.distinguisher.rd
    return None if told.next_hop is None or rd[:2] != b"\x00\x01" else Announcer(told.next_hop, IpAddress(rd[2:6]))


def led_astray(nlri: Nlri, told: Attributed) -> IpAddress | None:
    """The next hop that somebody on the way has put in the place of a hypervisor's own: of a beacon it is known what it
    was. None for what is no beacon, or one as it should be."""
    rd = nlri.distinguisher.rd
    if BEACON_TARGET not in told.route_targets or rd[:2] != b"\x00\x01" or rd[6:] != b"\x00\x00":
        return None
    return told.next_hop if told.next_hop is None or shown(nlri.destination) != told.next_hop else None


def whose(nlri: Nlri, told: Attributed) -> Announcer | None:
    """Whose beacon it is; None for any other route."""
    if BEACON_TARGET not in told.route_targets:
        return None
    found = announcer(nlri, told)
    if found is None or nlri.distinguisher.rd != RouteDistinguisher.of(found.router_id, 0):
        return None
    return found if shown(nlri.destination) == found.endpoint else None
