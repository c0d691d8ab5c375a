"""Received routes and local addresses into a view: which path of a prefix wins, and where it leads.

Rules: a pure function of the candidates of one destination. Whatever does not win keeps its reason. A route that could
not be forwarded (no router MAC, another encapsulation, …) is no candidate at all, so it cannot displace one that could.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import CircuitName, Deliver, NextHop, Target
from isthmus.model.net import IpAddress
from isthmus.model.reason import NotBest, Note, NotImported, NotInstalled
from isthmus.model.vpn import BEACON_TARGET
from isthmus.rib.adj_in import Path, Standing
from isthmus.rib.decision import Rank, choose
from isthmus.vpn.beacons import whose
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.meaning import meaning
from isthmus.vpn.views import View

Candidate = Path | Export


class Entry(NamedTuple):
    """One destination of one view: the winner, where it leads, and the story of the others."""

    best: Candidate
    target: Target
    losers: tuple[tuple[Candidate, NotBest], ...] = ()
    hidden: NotInstalled | None = None
    note: Note | None = None


def refusal(path: Path, speaker: Speaker) -> NotImported | None:
    """Why a path can never be used by this node; None when it can."""
    if _is_beacon(path):
        return NotImported.BEACON
    means = meaning(path.heard, speaker)
    return means.refusal or FAMILIES[path.nlri.family].refusal(path, means, speaker) or means.tunnel


def decide(
    view: View,
    destination: Destination,
    paths: Sequence[Path],
    local: Sequence[Export],
    speaker: Speaker,
    silent: Collection[IpAddress] = (),
    plugged: Collection[CircuitName] | None = None,
) -> Entry | None:
    """The entry of a destination in a view, or None when nothing usable has one of its targets. `silent`: the tunnel
    endpoints that answered once and do not any more. `plugged`: the circuits that can be delivered to; None: all."""
    if len(paths) == 1 and not local:  # nearly all there are: nothing is compared, nobody loses
        return _only(view, destination, paths[0], speaker)
    mine = [e for e in local if e.why_not is None and not e.targets.isdisjoint(view.imports)]
    candidates: list[Candidate] = [e for e in mine if plugged is None or e.circuit in plugged]
    candidates += [p for p in paths if _may(view, p) and refusal(p, speaker) is None]
    # A machine that has just come here displaces nobody before its circuit is there.
    candidates = candidates or [*mine]
    if not candidates:
        return None
    ranks = [_local_rank(c) if isinstance(c, Export) else _rank(c, speaker, silent) for c in candidates]
    best, reasons = choose(ranks)
    return Entry(
        best=candidates[best],
        target=_target(candidates[best], speaker),
        losers=tuple((c, why) for c, why in zip(candidates, reasons, strict=True) if why is not None),
        hidden=_hidden(view, destination),
        note=_note(destination, candidates, speaker),
    )


def _only(view: View, destination: Destination, path: Path, speaker: Speaker) -> Entry | None:
    heard, nlri = path.heard, path.nlri
    if view.imports.isdisjoint(heard.route_targets):
        return None
    means, use = meaning(heard, speaker), FAMILIES[nlri.family]
    if means.refusal or means.tunnel or use.refusal(path, means, speaker) or _is_beacon(path):
        return None
    return Entry(path, use.target(path, means), (), _hidden(view, destination), _wide(destination))


def _is_beacon(path: Path) -> bool:
    return BEACON_TARGET in path.heard.route_targets and whose(path.nlri, path.heard) is not None


def _may(view: View, path: Path) -> bool:
    return not view.imports.isdisjoint(path.heard.route_targets)


def _hidden(view: View, destination: Destination) -> NotInstalled | None:
    return NotInstalled.HIDDEN_BY_ROUTER if view.hides(destination) else None


def _rank(path: Path, speaker: Speaker, silent: Collection[IpAddress]) -> Rank:
    means = meaning(path.heard, speaker)
    return Rank(
        remote=True,
        silent=means.next_hop in silent,
        long_lived_stale=path.least_preferred or means.long_lived_stale,
        local_pref=-means.local_pref,
        mobility=-means.mobility,
        as_path_length=means.as_path_length,
        origin=means.origin,
        med=means.med,
        router_id=means.originator or path.peer_router_id,
        route_distinguisher=path.nlri.distinguisher.rd,
        ethernet_tag=path.nlri.distinguisher.ethernet_tag,
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


def _target(best: Candidate, speaker: Speaker) -> Target:
    if isinstance(best, Export):
        return Deliver(best.circuit)
    return FAMILIES[best.nlri.family].target(best, meaning(best.heard, speaker))


def _note(destination: Destination, candidates: Iterable[Candidate], speaker: Speaker) -> Note | None:
    """The same address in two sites is somebody's mistake; a prefix in two sites is a design (anycast, ECMP)."""
    if not destination.is_host:
        return _wide(destination)
    sites = {
        c.site if isinstance(c, Export) else meaning(c.heard, speaker).site
        for c in candidates
        if isinstance(c, Export) or c.standing is not Standing.HELD
    }
    return Note.DUPLICATE_ADDRESS if len(sites - {None}) > 1 else None


def _wide(destination: Destination) -> Note | None:
    return Note.DEFAULT_ROUTE if destination.is_default_route else None


def endpoints(entry: Entry) -> Iterable[IpAddress]:
    """The tunnel endpoints of all candidates, winner or not; each once."""
    if not entry.losers:
        return (entry.target.vtep,) if isinstance(entry.target, NextHop) else ()
    candidates = (entry.best, *(loser for loser, _ in entry.losers))
    return {c.heard.next_hop for c in candidates if isinstance(c, Path) and c.heard.next_hop}
