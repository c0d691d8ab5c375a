"""Received routes and local addresses into a view: which path of a prefix wins, and where it leads.

Rules: a pure function of the candidates of one prefix. Whatever does not win keeps its reason. A route that could not
be forwarded (no router MAC, another encapsulation, …) is no candidate at all, so it cannot displace one that could.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from isthmus.bgp.attribute import PathAttributes
from isthmus.fib.entries import CircuitName, Deliver, NextHop, Target
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.reason import NotBest, Note, NotImported, NotInstalled
from isthmus.model.vpn import Encapsulation
from isthmus.rib.adj_in import Path
from isthmus.rib.decision import GRACEFUL_SHUTDOWN, LLGR_STALE, LOCAL_PREF_DEFAULT, Rank, choose
from isthmus.vpn.beacons import whose
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.views import View

Candidate = Path | Export


@dataclass(frozen=True, slots=True)
class Entry:
    """One prefix of one view: the winner, where it leads, and the story of the others."""

    best: Candidate
    target: Target
    losers: tuple[tuple[Candidate, NotBest], ...]
    hidden: NotInstalled | None
    note: Note | None


def refusal(path: Path, speaker: Speaker) -> NotImported | None:
    """Why a path can never be used by this node; None when it can."""
    a = path.attributes
    if whose(path.nlri, a) is not None:
        return NotImported.BEACON
    if a.next_hop == speaker.vtep or path.originator == speaker.router_id:
        return NotImported.OWN_ROUTE
    if any(speaker.asn in segment.numbers for segment in a.as_path):
        return NotImported.AS_LOOP
    if a.next_hop is None or a.next_hop.version != speaker.vtep.version or not any(a.next_hop):
        return NotImported.NEXT_HOP
    if path.nlri.gateway is not None or any(path.nlri.esi) or not path.nlri.label:
        return NotImported.OVERLAY_INDEX
    # RFC 8365 section 5.1.3 makes MPLS the default when the community is missing; the implementations in the field
    # (FRR among them) mean VXLAN, and the router's MAC that follows has no meaning with MPLS.
    if a.encapsulations and Encapsulation.VXLAN not in a.encapsulations:
        return NotImported.ENCAPSULATION
    if a.router_mac is None or a.router_mac.is_multicast or not any(a.router_mac):
        return NotImported.NO_ROUTER_MAC
    return None


def decide(
    view: View,
    prefix: Prefix,
    paths: Iterable[Path],
    local: Iterable[Export],
    speaker: Speaker,
    silent: Collection[IpAddress] = (),
    plugged: Collection[CircuitName] | None = None,
) -> Entry | None:
    """The entry of a prefix in a view, or None when nothing usable has one of its targets. `silent`: the tunnel
    endpoints that answered once and do not any more. `plugged`: the circuits that can be delivered to; None: all."""
    mine = [e for e in local if e.why_not is None and e.targets & view.imports]
    candidates: list[Candidate] = [e for e in mine if plugged is None or e.circuit in plugged]
    candidates += [p for p in paths if p.attributes.route_targets & view.imports and refusal(p, speaker) is None]
    # A machine that has just come here displaces nobody before its circuit is there.
    candidates = candidates or [*mine]
    if not candidates:
        return None
    best, reasons = choose([_local_rank(c) if isinstance(c, Export) else _rank(c, silent) for c in candidates])
    return Entry(
        best=candidates[best],
        target=_target(candidates[best]),
        losers=tuple((c, why) for c, why in zip(candidates, reasons, strict=True) if why is not None),
        hidden=NotInstalled.HIDDEN_BY_ROUTER if view.hides(prefix) else None,
        note=_note(prefix, candidates),
    )


def local_pref(a: PathAttributes) -> int:
    """As it counts here: LOCAL_PREF does not cross an eBGP session, the wish to be shut down gracefully does."""
    if GRACEFUL_SHUTDOWN in a.communities:
        return 0
    return LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref


def _rank(path: Path, silent: Collection[IpAddress]) -> Rank:
    a = path.attributes
    return Rank(
        remote=True,
        silent=a.next_hop in silent,
        long_lived_stale=path.long_lived or LLGR_STALE in a.communities,
        local_pref=-local_pref(a),
        mobility=-(a.mobility_sequence or 0),
        as_path_length=a.as_path_length,
        origin=int(a.origin),
        med=a.med or 0,
        router_id=path.originator,
        route_distinguisher=path.nlri.rd,
        ethernet_tag=path.nlri.ethernet_tag,
        peer=path.peer,
        name=b"",
    )


def _local_rank(export: Export) -> Rank:
    """Several local exports of one address (behind two routers): the number decides, which the cloud gave."""
    return Rank(
        remote=False,
        silent=False,
        long_lived_stale=False,
        local_pref=-export.local_pref,
        mobility=-export.mobility,
        as_path_length=0,
        origin=0,
        med=0,
        router_id=b"",
        route_distinguisher=export.number.to_bytes(4, "big"),
        ethernet_tag=0,
        peer=b"",
        name=f"{export.port} {export.circuit} {export.bgpvpn} {export.vni}".encode(),
    )


def _target(best: Candidate) -> Target:
    if isinstance(best, Export):
        return Deliver(best.circuit)
    a = best.attributes
    assert a.next_hop is not None and a.router_mac is not None, "refusal() lets no such path through"
    return NextHop(a.next_hop, a.router_mac, best.nlri.label)


def _note(prefix: Prefix, candidates: Iterable[Candidate]) -> Note | None:
    """The same address in two sites is somebody's mistake; a prefix in two sites is a design (anycast, ECMP)."""
    if not prefix.is_host:
        return None
    sites = {
        c.site if isinstance(c, Export) else c.attributes.site_of_origin
        for c in candidates
        if isinstance(c, Export) or not c.held
    }
    return Note.DUPLICATE_ADDRESS if len(sites - {None}) > 1 else None


def endpoints(entry: Entry) -> frozenset[IpAddress]:
    """The tunnel endpoints of all candidates, winner or not."""
    candidates = (entry.best, *(loser for loser, _ in entry.losers))
    return frozenset(c.attributes.next_hop for c in candidates if isinstance(c, Path) and c.attributes.next_hop)
