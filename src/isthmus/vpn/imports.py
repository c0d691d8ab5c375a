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
from isthmus.model.vpn import BEACON_TARGET, Claimant, RouteTarget, SiteOfOrigin
from isthmus.rib.adj_in import Path, Standing
from isthmus.rib.decision import Rank, choose
from isthmus.vpn.beacons import whose
from isthmus.vpn.claims import SECOND, Hearing, contends, hear
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


def heard_of(export: Export, paths: Iterable[Path], speaker: Speaker) -> Hearing:
    """What others say of a local address in its VPN; `paths`: to the address, and to whatever contains it."""
    others = (
        (means, path.nlri.destination)
        for path in paths
        if not export.heard_with.isdisjoint(path.heard.route_targets) and refusal(path, speaker) is None
        for means in [meaning(path.heard, speaker)]
    )
    rivals = (m for m, leads_to in others if contends(export.prefix, leads_to, named=m.claimant is not None))
    return hear(export.claimant, speaker.vtep, rivals)


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
    best, reasons = choose(_ranks(view, candidates, speaker, silent))
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
    return Entry(path, use.target(path, means), (), _hidden(view, destination))


def _is_beacon(path: Path) -> bool:
    return BEACON_TARGET in path.heard.route_targets and whose(path.nlri, path.heard) is not None


def _may(view: View, path: Path) -> bool:
    return not view.imports.isdisjoint(path.heard.route_targets)


def _hidden(view: View, destination: Destination) -> NotInstalled | None:
    return NotInstalled.HIDDEN_BY_ROUTER if view.hides(destination) else None


class _Whose(NamedTuple):
    """In whose name a candidate leads there, and in which BGPVPN of which site: a site gives each BGPVPN a VNI of its
    own. Only within one of these are sequences compared."""

    site: SiteOfOrigin | None
    vni: int
    claimant: Claimant | None
    sequence: int

    @property
    def is_second(self) -> bool:
        return self.claimant is not None and self.sequence == SECOND

    @property
    def is_first(self) -> bool:
        return self.claimant is not None and self.sequence != SECOND


def _whose(candidate: Candidate, speaker: Speaker) -> _Whose:
    if isinstance(candidate, Export):
        return _Whose(candidate.site, candidate.vni, candidate.claimant, candidate.mobility)
    means = meaning(candidate.heard, speaker)
    return _Whose(means.site, candidate.nlri.label, means.claimant, means.mobility)


def _ranks(view: View, candidates: Sequence[Candidate], speaker: Speaker, silent: Collection[IpAddress]) -> list[Rank]:
    """Each alone, and then what it is among the others."""
    claims = [_whose(c, speaker) for c in candidates]
    owned = {claim[:2] for claim in claims if claim.is_first}
    alone: list[Rank] = []
    for c, claim in zip(candidates, claims, strict=True):
        rank = _local_rank(c) if isinstance(c, Export) else _rank(c, speaker, silent)
        alone.append(rank._replace(shared=view.own.isdisjoint(_targets(c)), second=_second(claim, owned)))
    latest: dict[tuple[object, ...], int] = {}
    for claim, rank in zip(claims, alone, strict=True):
        key = (*claim[:3], *rank[:_MOVES])
        latest[key] = max(latest.get(key, 0), claim.sequence)
    return [
        rank._replace(mobility=claim.site is not None and claim.sequence < latest[(*claim[:3], *rank[:_MOVES])])
        for claim, rank in zip(claims, alone, strict=True)
    ]


def _targets(candidate: Candidate) -> frozenset[RouteTarget]:
    return candidate.targets if isinstance(candidate, Export) else candidate.heard.route_targets


_MOVES = Rank._fields.index("mobility")


def _second(claim: _Whose, owned: Collection[tuple[object, ...]]) -> int:
    """An older release does not say in whose name it announces, so it takes an address from nobody who does."""
    if claim.is_second:
        return 2
    return int(claim.claimant is None and claim.site is not None and claim[:2] in owned)


def _rank(path: Path, speaker: Speaker, silent: Collection[IpAddress]) -> Rank:
    means = meaning(path.heard, speaker)
    return Rank(
        shared=False,
        silent=means.next_hop in silent,
        second=0,
        remote=True,
        long_lived_stale=path.least_preferred or means.long_lived_stale,
        local_pref=-means.local_pref,
        mobility=False,
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
        shared=False,
        silent=False,
        second=0,
        remote=False,
        long_lived_stale=False,
        local_pref=-export.local_pref,
        mobility=False,
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
    """The same address in two sites, or of two networks, is somebody's mistake; a prefix in two sites is a design
    (anycast, ECMP)."""
    if not destination.is_host:
        return None
    if len({_whose(c, speaker).claimant for c in candidates} - {None}) > 1:
        return Note.CONTESTED
    sites = {
        c.site if isinstance(c, Export) else meaning(c.heard, speaker).site
        for c in candidates
        if isinstance(c, Export) or c.standing is not Standing.HELD
    }
    return Note.DUPLICATE_ADDRESS if len(sites - {None}) > 1 else None


def endpoints(entry: Entry) -> Iterable[IpAddress]:
    """The tunnel endpoints of all candidates, winner or not; each once."""
    if not entry.losers:
        return (entry.target.vtep,) if isinstance(entry.target, NextHop) else ()
    candidates = (entry.best, *(loser for loser, _ in entry.losers))
    return {c.heard.next_hop for c in candidates if isinstance(c, Path) and c.heard.next_hop}
