"""What a set of attributes means to this node: worked out once for all the routes that share it.

Rules: a pure function of the attributes and of who asks; what depends on the route beside them (its label, who
reflected it) is not here. Bounded, and what is long is not remembered: forgetting costs time only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from isthmus.bgp.attribute import COMMUNITY_OCTETS, ROUTE_TARGET_HEADS, Said, read_communities
from isthmus.bgp.attribute_reader import combine
from isthmus.bgp.heard import Heard, read_common, remembering
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotImported
from isthmus.model.vpn import Claimant, Encapsulation, SiteOfOrigin
from isthmus.rib.decision import GRACEFUL_SHUTDOWN, LLGR_STALE, LOCAL_PREF_DEFAULT
from isthmus.vpn.exports import Speaker

SETS_MAX = 16_384
"""Sets whose meaning is remembered."""
_NO_MAC = Mac(bytes(6))


class Common(NamedTuple):
    """What is said by the attributes that are the same for all that comes the same way."""

    local_pref: int
    """As it counts here: LOCAL_PREF does not cross an eBGP session, the wish to be shut down gracefully does."""
    as_path_length: int
    origin: int
    med: int
    originator: IpAddress | None
    own_as: int
    """How often our AS is in its path."""
    neighbour_as: int
    """Whose it is where it comes into our AS; 0: it was born in it."""
    long_lived_stale: bool


class Meaning(NamedTuple):
    """Whether a route with these attributes can be used, where it leads, and what the decision compares of them."""

    refusal: NotImported | None
    """Whatever the route is."""
    vxlan: NotImported | None
    """Why nothing could be sent to it in VXLAN, if nothing else is wrong with the route."""
    labelled: NotImported | None
    """Why nothing with a label could, in GRE."""
    next_hop: IpAddress | None
    router_mac: Mac | None
    mobility: int
    site: SiteOfOrigin | None
    """Where it comes from."""
    claimant: Claimant | None
    """In whose name it is announced; None: an older release of ours, or another maker's."""
    common: Common


def meaning(heard: Heard, speaker: Speaker) -> Meaning:
    work_out = remembering(_meaning, len(heard.common) + len(heard.communities))
    return work_out(heard.common, heard.communities, heard.next_hop, speaker.vtep, speaker.asn)


def answerable(peer: IpAddress, means: Meaning, speaker: Speaker) -> int:
    """The AS that answers for what a route says of itself: whose it is where it comes into ours. 0: ours; or nobody
    can tell, for a reflector of ours that is of another AS puts that in front of everything."""
    return means.common.neighbour_as if peer in speaker.internal else speaker.foreign.get(peer, 0)


@lru_cache(SETS_MAX)
def _meaning(common: bytes, communities: bytes, next_hop: IpAddress | None, vtep: IpAddress, asn: int) -> Meaning:
    at = 0
    while communities[at : at + 2] in ROUTE_TARGET_HEADS:
        at += COMMUNITY_OCTETS
    rest = communities[at:]
    said = remembering(_said, len(rest))(rest)
    return Meaning(
        refusal=_hop(next_hop, vtep),
        vxlan=_vxlan(said),
        labelled=_labelled(said),
        next_hop=next_hop,
        router_mac=said.router_mac,
        mobility=said.mobility_sequence or 0,
        site=said.site_of_origin,
        claimant=said.claimant,
        common=remembering(_common, len(common))(common, asn),
    )


@lru_cache(SETS_MAX)
def _said(communities: bytes) -> Said:
    """Targets, which speakers put first (they sort), are left out: a PE says the rest with all of its own."""
    return read_communities(communities)


@lru_cache(SETS_MAX)
def _common(common: bytes, asn: int) -> Common:
    a = combine(read_common(common), None)
    local_pref = LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref
    return Common(
        local_pref=0 if GRACEFUL_SHUTDOWN in a.communities else local_pref,
        as_path_length=a.as_path_length,
        origin=int(a.origin),
        med=a.med or 0,
        originator=a.originator_id,
        own_as=sum(segment.numbers.count(asn) for segment in a.as_path),
        neighbour_as=next((segment.numbers[0] for segment in a.as_path if segment.length), 0),
        long_lived_stale=LLGR_STALE in a.communities,
    )


@lru_cache(SETS_MAX)
def _hop(next_hop: IpAddress | None, vtep: IpAddress) -> NotImported | None:
    if next_hop == vtep:
        return NotImported.OWN_ROUTE
    if next_hop is None or not next_hop.can_be_endpoint:
        return NotImported.NEXT_HOP
    return None if next_hop.version == vtep.version else NotImported.NEXT_HOP_VERSION


_VXLAN = frozenset({Encapsulation.VXLAN})
_GRE = frozenset({Encapsulation.GRE, Encapsulation.MPLS_IN_GRE})
"""With a label in it both are the same octets (RFC 4023 section 3)."""


def _vxlan(said: Said) -> NotImported | None:
    # RFC 8365 section 5.1.3 makes MPLS the default when the community is missing; the implementations in the field
    # (FRR among them) mean VXLAN, and the router's MAC that follows has no meaning with MPLS.
    if (why := _asks_for_others(said, _VXLAN)) is not None:
        return why
    mac = said.router_mac
    return NotImported.NO_ROUTER_MAC if mac is None or mac.is_multicast or mac == _NO_MAC else None


def _labelled(said: Said) -> NotImported | None:
    """Nearly nobody says how: then it is GRE, the only way there is here (ADR 12)."""
    return _asks_for_others(said, _GRE)


def _asks_for_others(said: Said, ours: frozenset[Encapsulation]) -> NotImported | None:
    """If encapsulations are named at all, and not one of these."""
    if not said.encapsulations or said.encapsulations & ours:
        return None
    only_udp = said.encapsulations == {Encapsulation.MPLS_IN_UDP}
    return NotImported.MPLS_IN_UDP if only_udp else NotImported.ENCAPSULATION
