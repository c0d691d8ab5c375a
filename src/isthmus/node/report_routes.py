"""Every path's story: in which view, used or not, and why not. Long tables are why this is apart from report.py.

Rules: counting needs no text; only who shows the routes has them written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple, assert_never

from isthmus.fib.entries import LabelledHop, ViewId
from isthmus.flows.render import Renderer
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.reason import NotAccepted, NotBest, Note, NotImported, NotInstalled
from isthmus.model.vpn import RouteTarget
from isthmus.node.core import Node
from isthmus.node.oddities import Oddities
from isthmus.node.status import RouteStatus
from isthmus.rib.decision import LLGR_STALE, LOCAL_PREF_DEFAULT
from isthmus.rib.path import Path, Standing
from isthmus.vpn.beacons import whose
from isthmus.vpn.exports import Export
from isthmus.vpn.imports import Candidate, Entry
from isthmus.vpn.refusal import refusal


class Story(NamedTuple):
    """One path in one view, or in none."""

    candidate: Candidate
    view: ViewId | None
    why: NotInstalled | NotBest | NotImported | NotAccepted | None
    best: bool
    note: Note | None


def stories(node: Node, *, in_order: bool = False) -> Iterator[Story]:
    """The views' entries, best first, then what is in no view."""
    reached = _reached(node)
    for number, entries in node.tables.entries.items():
        for prefix, entry in sorted(entries.items()) if in_order else entries.items():
            for used in entry.used:
                why_not = _why_not_installed(node, number, prefix, entry, used, reached)
                yield Story(used, number, why_not, True, entry.note)
            for loser, reason in entry.losers:
                yield Story(loser, number, reason, False, entry.note)
    imported = node.tables.imported()
    sites = {site for view in node.tables.views.values() for site in view.sites}
    of_routers = _of_routers(node)
    for path in node.convergence.rib:
        if not imported.isdisjoint(path.heard.route_targets):
            refused = refusal(path, node.speaker, sites)
            theirs = of_routers.get(path.nlri.destination, _NONE)
            if refused is None and not theirs.isdisjoint(path.heard.route_targets):
                refused = NotImported.ROUTER_ADDRESS
        elif whose(path.nlri, path.heard) is None:  # what nobody imports is not looked at further: it is nearly all
            refused = NotImported.NO_IMPORT_TARGET
        else:
            refused = NotImported.BEACON
        if refused is not None and refused is not NotImported.BEACON:
            yield Story(path, None, refused, False, None)
    for peer in node.peers.values():
        for one in peer.conversations.values():
            for path, why in (*one.forbidden.paths, *one.refused.paths):
                yield Story(path, None, why, False, None)


_NONE: frozenset[RouteTarget] = frozenset()


def _of_routers(node: Node) -> dict[Prefix, Set[RouteTarget]]:
    """The addresses of routers, and what is imported where they are theirs."""
    found: dict[Prefix, Set[RouteTarget]] = {}
    for view in node.tables.views.values():
        for host in map(Prefix.host, view.routers):
            found[host] = found.get(host, _NONE) | view.imports
    return found


def unused(node: Node) -> dict[str, int]:
    """How many paths have no flow of their own, by the reason."""
    whys = (story.why for story in stories(node))
    found = Counter(why.value for why in whys if why is not None and not isinstance(why, NotAccepted))
    for peer in node.peers.values():
        found.update({why.value: count for why, count in peer.not_taken.items()})
    return dict(sorted(found.items()))


def noted(node: Node) -> Counter[str]:
    """The best routes by their notes."""
    odd = Oddities(node)
    notes = (_note(node, story.candidate, story, odd) for story in stories(node) if story.best)
    return Counter(note.value for note in notes if note is not None)


def routes(node: Node, now: float) -> list[RouteStatus]:
    told, odd = stories(node, in_order=True), Oddities(node)
    return [_local(s) if isinstance(s.candidate, Export) else _received(node, s.candidate, s, odd, now) for s in told]


def installed(node: Node, view: ViewId, prefix: Prefix) -> bool:
    """Whether the view's flow for this prefix is confirmed, and what it leads to."""
    flow, spreads = node.tables.flow_of(view, prefix), node.tables.spreads
    if flow is None or not node.switch.has(flow):
        return False
    return not spreads.has(view, prefix) or all(map(node.switch.has, spreads.flows_of(view, prefix)))


def _reached(node: Node) -> dict[IpAddress, NotInstalled | None]:
    """For each tunnel endpoint, why nothing is sent to it."""
    sendable, why = node.sendable, dict[IpAddress, NotInstalled | None]()
    for hop in node.tables.endpoints:
        if hop in node.reach.silent:
            why[hop] = NotInstalled.SILENT
        elif hop not in sendable:
            why[hop] = NotInstalled.NEIGHBOUR_UNRESOLVED
        else:
            why[hop] = None if node.switch.has(Renderer.endpoint_key(hop)) else NotInstalled.SWITCH
    return why


def _why_not_installed(
    node: Node,
    view: ViewId,
    prefix: Prefix,
    entry: Entry,
    used: Candidate,
    reached: Mapping[IpAddress, NotInstalled | None],
) -> NotInstalled | None:
    if entry.hidden is not None:
        return entry.hidden
    hop = used.heard.next_hop if isinstance(used, Path) else None
    if prefix in node.tables.surplus(view):
        return NotInstalled.VIEW_FULL
    if isinstance(entry.alone, LabelledHop) and (node.ofports is None or node.ofports.gre is None):
        return NotInstalled.NO_GRE_PORT
    if node.tables.flow_of(view, prefix) is None:
        return NotInstalled.NO_CIRCUIT if hop is None else NotInstalled.NO_TUNNEL_PORT
    if used is not entry.best and not node.tables.spreads.has(view, prefix):
        return NotInstalled.SPREADS_FULL
    if not installed(node, view, prefix):
        return NotInstalled.SWITCH
    return None if hop is None else reached[hop]


def _view(story: Story) -> str:
    return "" if story.view is None else f"{story.view:#x}"


def _is_blind(node: Node, path: Path, story: Story) -> bool:
    return story.best and story.why is None and path.heard.next_hop in node.reach.blind


def _local(story: Story) -> RouteStatus:
    export = story.candidate
    assert isinstance(export, Export), "the other kind of candidate is a received path"
    return RouteStatus(
        view=_view(story),
        prefix=str(export.prefix),
        best=story.best,
        installed=story.best and story.why is None,
        why=story.why.value if story.why else "",
        note=story.note.value if story.note else "",
        peer="",
        next_hop="local",
        vni=export.vni,
        router_mac="",
        route_distinguisher="",
        route_targets=sorted(str(t) for t in export.targets),
        site=str(export.site),
        local_pref=export.local_pref,
        as_path=[],
        mobility=export.mobility,
        since_s=0.0,
    )


def _note(node: Node, candidate: Candidate, story: Story, odd: Oddities) -> Note | None:
    if isinstance(candidate, Export):
        return story.note
    path = node.convergence.rib.now(candidate)
    return story.note or _staleness(path) or (Note.BLIND if _is_blind(node, path, story) else odd.of(path, story.view))


def _received(node: Node, path: Path, story: Story, odd: Oddities, now: float) -> RouteStatus:
    note = _note(node, path, story, odd)
    a, path = path.attributes, node.convergence.rib.now(path)
    return RouteStatus(
        view=_view(story),
        prefix=str(path.nlri.destination),
        best=story.best,
        installed=story.best and story.why is None,
        why=story.why.value if story.why else "",
        note=note.value if note else "",
        peer=str(path.peer),
        next_hop=str(a.next_hop) if a.next_hop else "",
        vni=path.nlri.vni,
        router_mac=str(a.router_mac) if a.router_mac else "",
        route_distinguisher=str(path.nlri.rd),
        route_targets=sorted(str(t) for t in path.heard.route_targets),
        site=str(a.site_of_origin) if a.site_of_origin else "",
        local_pref=LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref,
        as_path=[asn for segment in a.as_path for asn in segment.numbers],
        mobility=a.mobility_sequence or 0,
        since_s=round(now - path.since, 3),
        stale_s=0.0 if path.stale_since is None else round(now - path.stale_since, 3),
        labels=list(path.nlri.labels),
    )


def _staleness(path: Path) -> Note | None:
    match path.standing:
        case Standing.FRESH if path.heard.route_targets != path.attributes.route_targets:
            return Note.TARGETS_LEFT_OUT
        case Standing.FRESH:
            return Note.LLGR_STALE if LLGR_STALE in path.attributes.communities else None
        case Standing.STALE:
            return Note.STALE
        case Standing.LONG_LIVED:
            return Note.LONG_LIVED_STALE
        case Standing.HELD:
            return Note.HELD
        case _:
            assert_never(path.standing)
