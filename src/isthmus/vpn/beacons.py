"""Every hypervisor's beacon: one route that says that its agent can still be heard.

Why: when a hypervisor's agent, or a reflector between two hypervisors, dies, some reflectors withdraw at once all that
came that way (FRR does with EVPN, whatever graceful restart has agreed). To whoever hears that it looks like a hundred
addresses taken back one by one. The beacon tells the two apart: an agent that takes an address back still shows it, one
that cannot be heard does not. It is an ordinary type 5 route to the hypervisor's own tunnel endpoint with a target that
no BGPVPN has, so any reflector passes it on and nobody else looks at it.

Its number is 0, below any attachment's: a reflector that walks its tables in order withdraws it before what it stands
for. One that does not walk in order (or a policy that stops it) costs only what was lost without beacons.
"""

from __future__ import annotations

from isthmus.bgp.attribute import PathAttributes, encapsulation_community, router_mac_community
from isthmus.bgp.iana import Origin
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget
from isthmus.rib.adj_out import Announcement
from isthmus.rib.decision import LOCAL_PREF_DEFAULT
from isthmus.vpn.exports import Speaker

BEACON_TARGET = RouteTarget.parse("65535:4789")
"""Nobody's: that AS is reserved (RFC 7300)."""
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
    communities = (
        BEACON_TARGET,
        encapsulation_community(Encapsulation.VXLAN),
        router_mac_community(speaker.router_mac),
    )
    return Announcement(
        nlri,
        PathAttributes(
            origin=Origin.IGP,
            next_hop=speaker.vtep,
            local_pref=LOCAL_PREF_DEFAULT,
            communities=(),
            extended_communities=communities,
        ),
    )


def whose(nlri: EvpnPrefix, attributes: PathAttributes) -> IpAddress | None:
    """The tunnel endpoint whose beacon it is: a hypervisor's route to itself. None for any other route."""
    endpoint = attributes.next_hop
    if BEACON_TARGET not in attributes.route_targets or endpoint is None or nlri.prefix != Prefix.host(endpoint):
        return None
    return endpoint
