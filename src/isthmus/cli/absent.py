"""Why a view has no route for a destination: from the port that has the address, along BGP, to the view. Pure.

Rules: what arrived and was refused is the strongest evidence; then the announcing side, in the order in which a route
comes about; then the sessions of this side. Who was not asked is not accused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from isthmus.cli.known import Place, Told, covers
from isthmus.cli.leg import (
    Leg,
    beyond_maximum,
    flow_missing,
    no_session,
    not_associated,
    port_down,
    row_unreadable,
    southbound_away,
    speaks,
    switch_away,
    unplugged,
)
from isthmus.cli.verdict import Cause, Step, Verdict
from isthmus.model.reason import NotAccepted, NotAnnounced, NotImported
from isthmus.node.status import PeerStatus, PortStatus, RouteStatus, ViewStatus

_FULL = {why.value for why in NotAccepted if why.name.startswith(("PEER_", "TARGET_"))}
"""Not taken for want of room."""


def absent(leg: Leg, view: ViewStatus) -> Verdict:
    """The first thing that is wrong."""
    holders = candidates(leg, view)
    if (refused := _refused(leg, view, holders)) is not None:
        return refused
    holder = holders[0] if holders else None
    if holder is not None and (kept_back := _not_announced(leg, view, holder)) is not None:
        return kept_back
    if (down := no_session(leg, leg.start.node, Step.ROUTE)) is not None:
        return down
    return _on_the_way(leg, holder) if holder is not None else _nobody(leg, view)


def candidates(leg: Leg, view: ViewStatus) -> list[Place]:
    """The ports that may be meant by the address: those that are most of all in this VPN."""
    if leg.wanted is not None:
        return [leg.wanted]
    held = [p for p in leg.known.holders(leg.destination) if p.machine.port != leg.start.machine.port]
    best = min((_strangeness(leg, view, p) for p in held), default=0)
    return [p for p in held if _strangeness(leg, view, p) == best]


def _strangeness(leg: Leg, view: ViewStatus, place: Place) -> int:
    """How far a port is from the VPN that is looked from; two tenants may have the same addresses."""
    exports = place.node.exports(place.machine, leg.destination)
    if any(_meet(e.route_targets, view.import_targets) for e in exports):
        return 0
    told = {t for e in leg.start.node.exports(leg.start.machine, leg.source) for t in e.route_targets}
    if place.imports() & told:
        return 1
    return 2 if exports else 3


def _meet(one: list[str], other: list[str]) -> bool:
    return not set(one).isdisjoint(other)


# What arrived, and is not in the view


def _refused(leg: Leg, view: ViewStatus, holders: list[Place]) -> Verdict | None:
    route = _heard(leg, view, holders)
    if route is None:
        return None
    announcer = leg.known.announcer(route)
    asked = f"show routes --prefix {leg.destination}"
    here, targets, imports = leg.start.node, _list(route.route_targets), _list(view.import_targets)

    def wrong(cause: Cause, sentence: str) -> Verdict:
        return leg.wrong(cause, Step.ROUTE, sentence, here, asked)

    if route.why in _FULL:
        return _peer_full(leg, next(p for p in here.status.peers if p.address == route.peer))
    what = f"the route for {leg.destination} that {here.name} has from {route.peer}"
    if announcer is not None and set(announcer[1].route_targets) != set(route.route_targets):
        was = _list(announcer[1].route_targets)
        sentence = f"{announcer[0].name} announces {leg.destination} with {was}, {here.name} receives it with {targets}"
        return wrong(Cause.TARGETS_LOST, f"{sentence}: a reflector between them changes route targets")
    if route.why == NotImported.OWN_ROUTE.value and (announcer is None or announcer[0] is not here):
        who = announcer[0].name if announcer else route.next_hop
        sentence = f"{here.name} takes the route for {leg.destination} for its own: {who} has the same router-id or "
        sentence += f"VTEP ({route.next_hop})"
        return wrong(Cause.DUPLICATE_NODE, sentence)
    if route.view or route.why == NotImported.NO_IMPORT_TARGET.value:
        who = announcer[0].name if announcer else "its origin"
        sentence = f"{who} exports {leg.destination} with {targets}, {leg.start} imports {imports}"
        return wrong(Cause.TARGETS_DIFFER, f"{sentence}: no route target in common")
    changed = route.why == NotImported.REFLECTOR_NEXT_HOP.value
    cause = Cause.ROUTE_CHANGED if changed else Cause.ROUTE_UNUSABLE
    return led_astray(leg, here, route) or wrong(cause, f"{what} cannot be used: {route.why}")


def led_astray(leg: Leg, node: Told, route: RouteStatus) -> Verdict | None:
    """Seen by the beacons that come by the same reflector."""
    changing = next((p for p in node.status.peers if route.next_hop in p.next_hops_changed_to), None)
    if changing is None or leg.known.announcer(route) is not None:
        return None
    sentence = f"the route of {node.name} for {route.prefix} leads to {route.next_hop}: reflector {changing.address},"
    sentence += " or one before it, puts that in the place of hypervisors' own next hops"
    return leg.wrong(Cause.ROUTE_CHANGED, Step.TUNNEL, sentence, node, "show peers")


def _heard(leg: Leg, view: ViewStatus, holders: list[Place]) -> RouteStatus | None:
    """A route for the destination that arrived and is in another view or in none."""
    arrived = [r for r in leg.start.node.status.routes if r.peer and r.view != view.view]
    exports = [e for p in holders for e in p.node.exports(p.machine, leg.destination)]
    if exports:
        names = {e.route_distinguisher for e in exports}
        return next((r for r in arrived if r.prefix == _host(leg.destination) and r.route_distinguisher in names), None)
    # Nobody asked has it, so any port may be meant; the one that would be imported but for its form, most of all.
    unused = [r for r in arrived if not r.view and covers(r.prefix, leg.destination)]
    unused.sort(key=lambda r: not _meet(r.route_targets, view.import_targets))
    return unused[0] if unused else None


# What is not announced


def _not_announced(leg: Leg, view: ViewStatus, place: Place) -> Verdict | None:
    """Why the far end does not tell of the address in a way that this view would take; None when it does."""
    node, exports = place.node, place.node.exports(place.machine, leg.destination)
    if (down := port_down(leg, place, Step.FAR_END)) is not None:
        return down
    if not exports:
        circuits = {attachment.circuit for attachment, _ in place.associations()}
        beyond = (beyond_maximum(leg, node, circuit, Step.FAR_END) for circuit in sorted(circuits))
        return next((b for b in beyond if b is not None), None) or not_associated(leg, place, Step.FAR_END)
    for export in exports:
        if (row := row_unreadable(leg, node, export.circuit, Step.FAR_END)) is not None:
            return row
    fitting = [e for e in exports if _meet(e.route_targets, view.import_targets)]
    if not fitting:
        return _do_not_meet(leg, view, place, exports)
    if any(e.announced_to for e in fitting):
        return None
    return _kept_back(leg, place, fitting[0])


def _do_not_meet(leg: Leg, view: ViewStatus, place: Place, exports: list[PortStatus]) -> Verdict:
    asked = f"show ports --prefix {leg.destination}"
    targets = sorted({t for e in exports for t in e.route_targets})
    if not targets:
        sentence = f"the BGPVPNs of {place} export no route target, so {leg.destination} is not announced"
        return leg.wrong(Cause.NO_EXPORT_TARGETS, Step.FAR_END, sentence, place.node, asked)
    sentence = f"{place} exports {leg.destination} with {_list(targets)}, {leg.start} imports "
    sentence += f"{_list(view.import_targets)}: no route target in common"
    return leg.wrong(Cause.TARGETS_DIFFER, Step.ROUTE, sentence, place.node, asked)


def _kept_back(leg: Leg, place: Place, export: PortStatus) -> Verdict:
    node, why = place.node, export.why_not
    asked = f"show ports --prefix {leg.destination}"
    causes = {
        NotAnnounced.NO_EXPORT_TARGET.value: Cause.NO_EXPORT_TARGETS,
        NotAnnounced.TOO_MANY_TARGETS.value: Cause.TOO_MANY_TARGETS,
        NotAnnounced.TOO_MANY_PORTS.value: Cause.NODE_FULL,
        NotAnnounced.PORT_DOWN.value: Cause.PORT_DOWN,
        NotAnnounced.DUPLICATE_ADDRESS.value: Cause.DUPLICATE_ADDRESS,
        NotAnnounced.DRAINED.value: Cause.DRAINED,
        NotAnnounced.NOT_SERVED.value: Cause.NOT_SERVED,
        NotAnnounced.EXTERNAL.value: Cause.PORT_EXTERNAL,
        NotAnnounced.FAMILY_NOT_SPOKEN.value: Cause.NOT_IN_FAMILY,
        NotAnnounced.FAMILY_OF_OTHER_VERSION.value: Cause.NOT_IN_FAMILY,
        NotAnnounced.NUMBER_CLASH.value: Cause.NUMBER_CLASH,
    }
    if why in causes:
        return leg.wrong(causes[why], Step.FAR_END, f"{place} ({leg.destination}) is not announced: {why}", node, asked)
    if why == NotAnnounced.NO_FLOW.value:
        return (
            switch_away(leg, node, Step.FAR_END)
            or unplugged(leg, node, export.circuit, Step.FAR_END)
            or flow_missing(leg, node, f"delivers {leg.destination}, so it is not told", Step.FAR_END, leg.destination)
        )
    if (down := no_session(leg, node, Step.FAR_END)) is not None:
        return down
    return leg.wrong(Cause.NOT_USED, Step.FAR_END, f"{place} ({leg.destination}) is not announced: {why}", node, asked)


# What is announced and does not arrive


def _on_the_way(leg: Leg, place: Place) -> Verdict:
    here, there = leg.start.node, place.node
    exports = there.exports(place.machine, leg.destination)
    if (bad := _malformed(leg, exports)) is not None:
        sentence = f"{here.name} treats an UPDATE of {bad.address} as a withdrawal (RFC 7606): {bad.last_fault}"
        return leg.wrong(Cause.ROUTE_MALFORMED, Step.ROUTE, sentence, here, "show peers")
    full = next((p for p in here.status.peers if p.refused), None)
    if full is not None:
        return _peer_full(leg, full)
    late = next((p for p in here.status.peers if speaks(p) and not p.in_sync), None)
    if late is not None:
        sentence = f"{late.address} has not sent {here.name} all its routes yet (no End-of-RIB)"
        return leg.wrong(Cause.NOT_IN_SYNC, Step.ROUTE, sentence, here, "show peers")
    told = sorted({p for e in exports for p in e.announced_to})
    ours = [p.address for p in here.status.peers if speaks(p)]
    sentence = f"{there.name} announces {leg.destination} to {_list(told)}, and {_list(ours)} does not tell "
    sentence += f"{here.name}: look at the reflectors between them"
    verdict = leg.wrong(Cause.NOT_PASSED_ON, Step.ROUTE, sentence, there, f"show ports --prefix {leg.destination}")
    return replace(verdict, remarks=tuple(_once_malformed(here)))


def _peer_full(leg: Leg, peer: PeerStatus) -> Verdict:
    here = leg.start.node
    sentence = f"{here.name} has as many routes of {peer.address} as it may, and did not take {peer.refused} more"
    if len(whys := [why for why in peer.not_taken if why in _FULL]) == 1 and whys[0] != NotAccepted.PEER_FULL.value:
        sentence = f"{here.name} did not take {peer.refused} routes of {peer.address}: {whys[0]}"
    return leg.wrong(Cause.PEER_FULL, Step.ROUTE, sentence, here, "show peers")


def _malformed(leg: Leg, exports: list[PortStatus]) -> PeerStatus | None:
    """The peer whose malformed UPDATE is why the route is missing: one that it has not mended is of this route, or
    may be, because there are more than it names. What was mended long ago accuses nobody."""
    wanted = {f"{e.route_distinguisher} {_host(leg.destination)}" for e in exports}
    for peer in leg.start.node.status.peers:
        if peer.missing_more or not wanted.isdisjoint(peer.missing):
            return peer
    return None


def _once_malformed(here: Told) -> Iterator[str]:
    for peer in here.status.peers:
        if peer.treated_as_withdraw:
            times = f"{peer.treated_as_withdraw} of {peer.address}'s UPDATEs"
            yield f"{here.name} has treated {times} as withdrawals (RFC 7606) since it was started"


def _nobody(leg: Leg, view: ViewStatus) -> Verdict:
    here, known = leg.start.node, leg.known
    asked = f"show routes --view {view.view}"
    if known.silent:
        return silent(leg, f"nobody else has {leg.destination}")
    for node in known.told:
        if (away := southbound_away(leg, node, Step.FAR_END)) is not None:
            return away
    for node in known.told:
        for port, why in node.status.skipped.items():
            sentence = f"no node has {leg.destination}, and {node.name} leaves port {port} out, because its row makes "
            return leg.wrong(
                Cause.ROW_NONSENSE, Step.FAR_END, f"{sentence}no sense: {why}", node, "show machines --why-not"
            )
    if known.alone:
        sentence = f"{here.name} is in order and was told no route for {leg.destination}: ask the node that has it"
        return leg.wrong(Cause.NO_ROUTE, Step.ROUTE, sentence, here, asked)
    sentence = f"no port on {_list(n.name for n in known.told)} has {leg.destination}, and no route covers it"
    return leg.wrong(Cause.DESTINATION_UNKNOWN, Step.ROUTE, sentence, here, asked)


def silent(leg: Leg, because: str) -> Verdict:
    """An agent that does not answer may be all there is to it."""
    names = ", ".join(leg.known.silent)
    name, why = next(iter(leg.known.silent.items()))
    sentence = f"{because}, and the agent of {names} does not answer: {why}"
    return Verdict(Cause.AGENT_SILENT, Step.FAR_END, sentence, f"on {name}: systemctl status isthmus-agent", leg.way)


def _host(address: str) -> str:
    """The prefix that is this address alone."""
    return f"{address}/{32 if '.' in address else 128}"


def _list(values: Iterable[str]) -> str:
    return ", ".join(values) or "nothing"
