"""Why a route can never be used by this node, whatever view imports its targets.

Rules: pure. Judged by what the attributes mean, by the route itself, and by how far its peer is trusted.
"""

from __future__ import annotations

from collections.abc import Set

from isthmus.model.intent import CIRCUITS_IPV6
from isthmus.model.reason import NotImported
from isthmus.model.vpn import BEACON_TARGET, SiteOfOrigin
from isthmus.rib.path import Path
from isthmus.vpn.beacons import whose
from isthmus.vpn.exports import Speaker
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.meaning import Meaning, answerable, meaning

_CIRCUITS_HEAD = CIRCUITS_IPV6.address[0]


def refusal(path: Path, speaker: Speaker, sites: Set[SiteOfOrigin] = frozenset()) -> NotImported | None:
    """None when it can be used. `sites`: the names of this cloud."""
    return NotImported.BEACON if is_beacon(path) else unusable(path, meaning(path.heard, speaker), speaker, sites)


def is_beacon(path: Path) -> bool:
    return BEACON_TARGET in path.heard.route_targets and whose(path.nlri, path.heard) is not None


def unusable(path: Path, means: Meaning, speaker: Speaker, sites: Set[SiteOfOrigin]) -> NotImported | None:
    """Of a route that is no beacon."""
    if means.refusal is not None:
        return means.refusal
    own_as = means.common.own_as
    if own_as and own_as > speaker.own_as.get(path.peer, 0):
        return NotImported.AS_LOOP
    if means.site in sites and (own_as or answerable(path.peer, means, speaker)):
        return NotImported.SITE_LOOP
    if means.next_hop in speaker.reflectors:
        return NotImported.REFLECTOR_NEXT_HOP
    destination = path.nlri.destination
    if destination.is_reserved or (destination.address[0] == _CIRCUITS_HEAD and CIRCUITS_IPV6.covers(destination)):
        return NotImported.RESERVED_PREFIX
    return FAMILIES[path.nlri.family].refusal(path, means, speaker)
