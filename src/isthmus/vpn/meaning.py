"""What a set of attributes means to this node: worked out once for all the routes that share it.

Rules: a pure function of the attributes and of who asks; what depends on the route beside them (its label, who
reflected it) is not here. Bounded: forgetting costs time only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.heard import Heard, read
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotImported
from isthmus.model.vpn import Encapsulation, SiteOfOrigin
from isthmus.rib.decision import GRACEFUL_SHUTDOWN, LLGR_STALE, LOCAL_PREF_DEFAULT
from isthmus.vpn.exports import Speaker

SETS_MAX = 16_384
"""Sets whose meaning is remembered."""


class Meaning(NamedTuple):
    """Whether a route with these attributes can be used, where it leads, and what the decision compares of them."""

    refusal: NotImported | None
    next_hop: IpAddress | None
    router_mac: Mac | None
    local_pref: int
    """As it counts here: LOCAL_PREF does not cross an eBGP session, the wish to be shut down gracefully does."""
    mobility: int
    as_path_length: int
    origin: int
    med: int
    originator: IpAddress | None
    long_lived_stale: bool
    """Where it comes from."""
    site: SiteOfOrigin | None


def meaning(heard: Heard, speaker: Speaker) -> Meaning:
    return _meaning(heard.octets, heard.next_hop, speaker.vtep, speaker.asn)


@lru_cache(SETS_MAX)
def _meaning(octets: bytes, next_hop: IpAddress | None, vtep: IpAddress, asn: int) -> Meaning:
    a = read(octets, next_hop)
    local_pref = LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref
    return Meaning(
        refusal=_refusal(a, vtep, asn),
        next_hop=a.next_hop,
        router_mac=a.router_mac,
        local_pref=0 if GRACEFUL_SHUTDOWN in a.communities else local_pref,
        mobility=a.mobility_sequence or 0,
        as_path_length=a.as_path_length,
        origin=int(a.origin),
        med=a.med or 0,
        originator=a.originator_id,
        long_lived_stale=LLGR_STALE in a.communities,
        site=a.site_of_origin,
    )


def _refusal(a: PathAttributes, vtep: IpAddress, asn: int) -> NotImported | None:
    if a.next_hop == vtep:
        return NotImported.OWN_ROUTE
    if any(asn in segment.numbers for segment in a.as_path):
        return NotImported.AS_LOOP
    if a.next_hop is None or a.next_hop.version != vtep.version or not any(a.next_hop):
        return NotImported.NEXT_HOP
    # RFC 8365 section 5.1.3 makes MPLS the default when the community is missing; the implementations in the field
    # (FRR among them) mean VXLAN, and the router's MAC that follows has no meaning with MPLS.
    if a.encapsulations and Encapsulation.VXLAN not in a.encapsulations:
        return NotImported.ENCAPSULATION
    if a.router_mac is None or a.router_mac.is_multicast or not any(a.router_mac):
        return NotImported.NO_ROUTER_MAC
    return None
