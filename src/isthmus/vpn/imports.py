"""Received routes and local addresses into a view: which path of a prefix wins, and where it leads.

Rules: a pure function of the candidates of one destination. Whatever does not win keeps its reason. A route that could
not be forwarded (no router MAC, another encapsulation, …) is no candidate at all, so it cannot displace one that could.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.bgp.nlri.ethernet import MacIpDistinguisher
from isthmus.fib.entries import CircuitName, Deliver, Hop, LabelledHop, Spread, Target, end, endpoints_of, spread
from isthmus.model.net import IpAddress
from isthmus.model.reason import NotBest, Note, NotImported, NotInstalled
from isthmus.model.vpn import Claimant, Encapsulation, RouteTarget, SiteOfOrigin
from isthmus.rib.decision import Rank, choose
from isthmus.rib.path import Path, Standing
from isthmus.vpn.claims import SECOND, Hearing, contends, hear
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.meaning import Meaning, answerable, meaning
from isthmus.vpn.multipath import sharers
from isthmus.vpn.refusal import is_beacon, refusal, unusable
from isthmus.vpn.views import View

Candidate = Path | Export


class Entry(NamedTuple):
    """One destination of one view: the winner, where it leads, and the story of the others."""

    best: Candidate
    target: Target
    losers: tuple[tuple[Candidate, NotBest], ...] = ()
    hidden: NotInstalled | None = None
    note: Note | None = None
    first: Claimant | None = None
    """Of several networks that claim it whose it is in this view."""
    far: bool = False
    """Whether the winner was announced by somebody outside this cloud, another maker's PE too."""
    beside: tuple[Path, ...] = ()
    """Who shares the line with the winner; `target` is a `Spread` then, and only then."""

    @property
    def used(self) -> tuple[Candidate, ...]:
        return (self.best, *self.beside)

    @property
    def alone(self) -> Target:
        """Where it would lead if nobody shared it."""
        if not isinstance(self.target, Spread) or isinstance(self.best, Export):
            return self.target
        return next(hop for hop in self.target.hops if end(hop) == self.best.heard.next_hop)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return (*self.used, *(loser for loser, _ in self.losers))


class Past(NamedTuple):
    """What is known of a destination in a view from before."""

    first: Claimant | None = None
    """Whose it is, or was until a while ago."""
    now: Claimant | None = None
    """Whose route it leads to."""
    had: Callable[[Target], bool] | None = None
    """Whether an earlier run led it there."""


NEW = Past()


def heard_of(export: Export, paths: Iterable[Path], speaker: Speaker) -> Hearing:
    """What others say of a local address in its VPN; `paths`: to the address, and to whatever contains it. In another
    cloud somebody may claim it at the same time: neither steps down, for one of the two could be a lie."""
    return hear(export.claimant, speaker.vtep, _rivals(export, paths, speaker))


def _rivals(export: Export, paths: Iterable[Path], speaker: Speaker) -> Iterator[tuple[Meaning, bool]]:
    for path in paths:
        targets, means = path.heard.route_targets, meaning(path.heard, speaker)
        if export.heard_with.isdisjoint(targets) or refusal(path, speaker) is not None:
            continue
        if contends(export.prefix, path.nlri.destination, named=means.claimant is not None):
            abroad = answerable(path.peer, means, speaker)
            counts = means if means.claimant is None else means._replace(claimant=means.claimant.said_by(abroad))
            yield counts, not abroad and not export.targets.isdisjoint(targets)


def decide(
    view: View,
    destination: Destination,
    paths: Sequence[Path],
    local: Sequence[Export],
    speaker: Speaker,
    silent: Collection[IpAddress] = (),
    plugged: Collection[CircuitName] | None = None,
    past: Callable[[], Past] = lambda: NEW,
) -> Entry | None:
    """The entry of a destination in a view, or None when nothing usable has one of its targets. `silent`: the tunnel
    endpoints that answered once and do not any more. `plugged`: the circuits that can be delivered to; None: all.
    `past`: asked for where several are compared."""
    if view.routers and view.is_routers(destination):
        paths = ()
    if len(paths) == 1 and not local:  # nearly all there are: nothing is compared, nobody loses
        return only(view, destination, paths[0], speaker)
    mine = [e for e in local if e.why_not is None and not e.targets.isdisjoint(view.imports)]
    candidates: list[Candidate] = [e for e in mine if plugged is None or e.circuit in plugged]
    candidates += [p for p in paths if _may(view, p) and refusal(p, speaker, view.sites) is None]
    # A machine that has just come here displaces nobody before its circuit is there.
    candidates = candidates or [*mine]
    if not candidates:
        return None
    had = _precedence(candidates, past(), speaker)
    ranks = _ranks(view, candidates, speaker, silent, had)
    best, reasons = choose(ranks)
    beside = sharers(candidates, ranks, best, speaker) if speaker.multipath > 1 else {}
    return Entry(
        best=candidates[best],
        target=_target(candidates[best], speaker, beside.values()),
        losers=tuple((candidates[i], why) for i, why in enumerate(reasons) if why is not None and i not in beside),
        hidden=NotInstalled.HIDDEN_BY_ROUTER if view.hides(destination) else None,
        note=_note(destination, candidates, speaker),
        first=had[0] if had else claimant_of(candidates[best], speaker),
        far=_is_far(candidates[best], view, speaker),
        beside=tuple(beside.values()),
    )


def _precedence(candidates: Iterable[Candidate], past: Past, speaker: Speaker) -> list[Claimant]:
    """Whose routes keep the line against others' that came later, the first before the second."""
    led = [claimant_of(c, speaker) for c in candidates if past.had is not None and past.had(_target(c, speaker))]
    return [one for one in dict.fromkeys((past.first, *led, past.now)) if one is not None]


def claimant_of(candidate: Candidate, speaker: Speaker) -> Claimant | None:
    """In whose name, as it counts here."""
    if isinstance(candidate, Export):
        return candidate.claimant
    means = meaning(candidate.heard, speaker)
    return means.claimant and means.claimant.said_by(answerable(candidate.peer, means, speaker))


def only(view: View, destination: Destination, path: Path, speaker: Speaker) -> Entry | None:
    """`decide` where this one path is all there is."""
    heard, nlri = path.heard, path.nlri
    if view.imports.isdisjoint(heard.route_targets) or (view.routers and view.is_routers(destination)):
        return None
    means, target = meaning(heard, speaker), FAMILIES[nlri.family].target
    if is_beacon(path) or unusable(path, means, speaker, view.sites) is not None:
        return None
    hidden = NotInstalled.HIDDEN_BY_ROUTER if view.hides(destination) else None
    note = Note.DEFAULT_ROUTE if destination.is_default_route else None
    return Entry(path, target(path, means), (), hidden, note, None, means.site not in view.sites)


def _may(view: View, path: Path) -> bool:
    return not view.imports.isdisjoint(path.heard.route_targets)


def _is_far(best: Candidate, view: View, speaker: Speaker) -> bool:
    """Who shares a line with it is of the same site."""
    return isinstance(best, Path) and meaning(best.heard, speaker).site not in view.sites


class _Whose(NamedTuple):
    """In whose name a candidate leads there, and in which BGPVPN of which site: a site gives each BGPVPN a VNI of its
    own (a route with labels says none). Only within one of these are sequences compared."""

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
    return _Whose(means.site, candidate.nlri.vni, claimant_of(candidate, speaker), means.mobility)


def _ranks(
    view: View,
    candidates: Sequence[Candidate],
    speaker: Speaker,
    silent: Collection[IpAddress],
    had: Sequence[Claimant],
) -> list[Rank]:
    """Each alone, and then what it is among the others. `had`: who had the line, the first first."""
    claims = [_whose(c, speaker) for c in candidates]
    owned = any(claim.is_first for claim in claims)
    alone: list[Rank] = []
    for c, claim in zip(candidates, claims, strict=True):
        rank = _local_rank(c) if isinstance(c, Export) else _rank(c, speaker, silent)
        shared, second = view.own.isdisjoint(_targets(c)), _second(claim, owned=owned)
        alone.append(rank._replace(shared=shared, second=second, later=_later(claim, had)))
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


def _second(claim: _Whose, *, owned: bool) -> int:
    """Who does not say in whose name it announces (an older release, another maker's PE) takes an address from nobody
    who says that he was first: he would have come second, had he heard of it."""
    return 2 if claim.is_second else int(claim.claimant is None and owned)


def _later(claim: _Whose, had: Sequence[Claimant]) -> int:
    """In another name than who had the line."""
    if claim.claimant is None or not had:
        return 0
    return had.index(claim.claimant) if claim.claimant in had else len(had)


def _rank(path: Path, speaker: Speaker, silent: Collection[IpAddress]) -> Rank:
    means, distinguisher = meaning(path.heard, speaker), path.nlri.distinguisher
    common = means.common
    return Rank(
        shared=False,
        silent=means.next_hop in silent,
        second=0,
        later=0,
        remote=True,
        long_lived_stale=path.least_preferred or common.long_lived_stale,
        encapsulation=speaker.prefer.index(FAMILIES[path.nlri.family].encapsulation),
        local_pref=-common.local_pref,
        mobility=False,
        as_path_length=common.as_path_length,
        origin=common.origin,
        med=common.med,
        router_id=common.originator or path.peer_router_id,
        route_distinguisher=distinguisher.rd,
        ethernet_tag=distinguisher.ethernet_tag,
        peer=path.peer,
        name=distinguisher.mac if isinstance(distinguisher, MacIpDistinguisher) else b"",
    )


def _local_rank(export: Export) -> Rank:
    """Several local exports of one address (behind two routers): the number decides, which the cloud gave."""
    return Rank(
        shared=False,
        silent=False,
        second=0,
        later=0,
        remote=False,
        long_lived_stale=False,
        encapsulation=0,
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


def _target(best: Candidate, speaker: Speaker, beside: Collection[Path] = ()) -> Target:
    if isinstance(best, Export):
        return Deliver(best.circuit)
    return spread(_hop(path, speaker) for path in (best, *beside)) if beside else _hop(best, speaker)


def _hop(path: Path, speaker: Speaker) -> Hop:
    return FAMILIES[path.nlri.family].target(path, meaning(path.heard, speaker))


def _note(destination: Destination, candidates: Iterable[Candidate], speaker: Speaker) -> Note | None:
    """The same address in two sites, or of two networks, is somebody's mistake; a prefix in two sites is a design
    (anycast, ECMP)."""
    if not destination.is_host:
        return Note.DEFAULT_ROUTE if destination.is_default_route else None
    if len({claimant_of(c, speaker) for c in candidates} - {None}) > 1:
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
        return endpoints_of(entry.target)
    return {c.heard.next_hop for c in entry.candidates if isinstance(c, Path) and c.heard.next_hop}


def by_labels_alone(entry: Entry) -> Iterable[IpAddress]:
    """Of those the ones that are sent to behind labels, or would be, and no other way."""
    if not entry.losers and not entry.beside:
        return (entry.target.pe,) if isinstance(entry.target, LabelledHop) else ()
    labelled, otherwise = set[IpAddress](), set[IpAddress]()
    for path in (c for c in entry.candidates if isinstance(c, Path)):
        by_label = FAMILIES[path.nlri.family].encapsulation is Encapsulation.MPLS_IN_GRE
        if (hop := path.heard.next_hop) is not None:
            (labelled if by_label else otherwise).add(hop)
    return labelled - otherwise


def why_not_imported(view: View, path: Path, speaker: Speaker) -> NotImported | None:
    """Why a route with a target of the view cannot be used; None if it can, or if nobody would miss it."""
    why = refusal(path, speaker, view.sites) if _may(view, path) else None
    if why is None and _may(view, path) and view.is_routers(path.nlri.destination):
        why = NotImported.ROUTER_ADDRESS
    return None if why in (NotImported.BEACON, NotImported.OWN_ROUTE) else why
