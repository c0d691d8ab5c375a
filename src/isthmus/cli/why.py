"""`isthmus why`: walk the path from a port to an address and back, and name the first thing that is wrong. Pure.

    the port is there and up -> its attachment's row -> an association covers it -> its view -> its circuit is plugged,
    its door open -> the route: there, usable, in the switch -> the tunnel -> at the far end: announced, delivered,
    plugged, up -> and the same way back

Rules: what is wrong but lets packets pass (a session that is down while its routes stand, a foreign flow, a database
that is away) is named only when nothing else is. Nothing is concluded about a node that was not asked.
"""

from __future__ import annotations

import dataclasses

from isthmus.cli import render
from isthmus.cli.absent import absent, candidates
from isthmus.cli.far_end import by_tunnel, delivered_here, duplicate, entry, how
from isthmus.cli.known import Known, Place, Told, address_of, covers, length_of, version_of
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
from isthmus.cli.verdict import BadQuestion, Cause, Step, Tunnel, Verdict, Way
from isthmus.model.intent import is_private
from isthmus.model.net import LARGEST, IpAddress, Prefix
from isthmus.model.reason import NotAnnounced, Note, NotImported, NotInstalled
from isthmus.node.status import AttachmentStatus, DoorStatus, RouteStatus, ViewStatus

MEANT_MAX = 4
"""Ports named when a word means several."""


def why(known: Known, source: str, destination: str) -> Verdict:
    """The answer. Raises BadQuestion when a word names several ports."""
    start = _resolve(known, source, Cause.SOURCE_UNKNOWN)
    if isinstance(start, Verdict):
        return start
    goals = _goals(known, start, destination)
    if isinstance(goals, Verdict):
        return goals
    answers = [_conversation(goal) for goal in goals]
    answer = next((a for a in answers if not a.whole), answers[0])
    if answer.whole and answers[1:]:
        answer = dataclasses.replace(answer, sentence=f"{answer.sentence}; IPv6 too")
    return dataclasses.replace(answer, remarks=(*answer.remarks, *_remarks(known, answer)))


# Who is meant


def _resolve(known: Known, word: str, unknown: Cause) -> Place | Verdict:
    found = known.find(word)
    ports = {place.machine.port for place in found}
    if len(ports) > 1:
        shown = ", ".join(f"{p} ({', '.join(p.machine.addresses)})" for p in found[:MEANT_MAX])
        raise BadQuestion(f"'{word}' is {len(ports)} ports: {shown}: say a port's id")
    if found:
        # A port that moves is on two nodes for a moment.
        return max(found, key=lambda place: (not place.machine.why_not, place.machine.up, place.machine.revision))
    return _unknown(known, word, unknown)


def _unknown(known: Known, word: str, cause: Cause) -> Verdict:
    step = Step.SOURCE if cause is Cause.SOURCE_UNKNOWN else Step.FAR_END
    for node in known.told:
        for port, why_left in node.status.skipped.items():
            if port == word or (len(word) >= 4 and port.startswith(word)):
                sentence = f"{node.name} leaves port {port} out, because its row makes no sense: {why_left}"
                return Verdict(Cause.ROW_NONSENSE, step, sentence, node.command("show machines --why-not"))
    if known.silent:
        name, said = next(iter(known.silent.items()))
        names = ", ".join(known.silent)
        sentence = f"no agent that answers knows '{word}', and the agent of {names} does not answer: {said}"
        return Verdict(Cause.AGENT_SILENT, step, sentence, f"on {name}: systemctl status isthmus-agent")
    for node in known.told:
        said = node.status.switch.southbound
        if said != "in sync":
            sentence = f"nobody knows '{word}', and {node.name} does not hear OVN's southbound database: {said}"
            return Verdict(Cause.SOUTHBOUND_AWAY, step, sentence, node.command("show switch"))
    where = ", ".join(node.name for node in known.told)
    sentence = f"no port on {where} is called '{word}' (a port's id, a device, a MAC or an address)"
    return Verdict(cause, step, sentence, known.told[0].command("show machines"))


def _goals(known: Known, start: Place, destination: str) -> list[Leg] | Verdict:
    """One for an address; for a port one for each IP version that both ends have."""
    address = address_of(destination)
    if address is not None:
        source = start.own(version_of(address))
        if source is None:
            sentence = f"{start} has no IPv{version_of(address)} address, only {', '.join(start.machine.addresses)}"
            return Verdict(Cause.NO_ADDRESS, Step.SOURCE, sentence, start.node.command("show machines"))
        return [Leg(known, Way.THERE, start, source, address)]
    end = _resolve(known, destination, Cause.DESTINATION_UNKNOWN)
    if isinstance(end, Verdict):
        return end
    versions = {version_of(a) for a in end.machine.addresses}
    pairs = [(start.own(v), end.own(v)) for v in sorted(versions)]
    goals = [Leg(known, Way.THERE, start, s, d, end) for s, d in pairs if s is not None and d is not None]
    if not goals:
        sentence = f"{start} and {end} have no IP version in common"
        return Verdict(Cause.NO_ADDRESS, Step.SOURCE, sentence, start.node.command("show machines"))
    return goals


# The conversation


def _conversation(leg: Leg) -> Verdict:
    end = _walk(leg)
    if isinstance(end, Verdict):
        return end if not end.whole else _own_side(leg) or end
    back = Leg(leg.known, Way.BACK, end, leg.destination, leg.source, leg.start)
    answer = _walk(back)
    if isinstance(answer, Verdict):
        return answer
    nodes = [leg.start.node] if end.node is leg.start.node else [leg.start.node, end.node]
    for node in nodes:
        if (unsettled := _unsettled(leg, node, crosses=len(nodes) > 1)) is not None:
            return unsettled
    sentence = f"the path between {leg.source} ({leg.start}) and {leg.destination} ({end}) is whole, both ways"
    asked = f"show routes --prefix {leg.destination}"
    answer = leg.wrong(Cause.WHOLE, Step.WHOLE, sentence, leg.start.node, asked)
    beside = (_kept_elsewhere, _odd, _behind_labels)
    remarks = tuple(remark for node in nodes for look in beside for remark in look(leg, node))
    there = _followed(leg, leg.start.node)
    labels = len(there.labels) if there is not None else 0
    tunnel = Tunnel(nodes[0].status.vtep, nodes[-1].status.vtep, labels) if nodes[1:] else None
    return dataclasses.replace(answer, remarks=remarks, tunnel=tunnel)


def _own_side(leg: Leg) -> Verdict | None:
    """Of the way back what can be seen from here: that the source is announced and delivered."""
    back = dataclasses.replace(leg, way=Way.BACK)
    node, place = leg.start.node, leg.start
    exports = node.exports(place.machine, leg.source)
    if not any(e.announced_to for e in exports):
        why_not = exports[0].why_not if exports else "no association covers it"
        if (down := no_session(back, node, Step.FAR_END)) is not None:
            return down
        sentence = f"{leg.source} is not announced, so nobody can answer: {why_not}"
        cause = Cause.NO_EXPORT_TARGETS if exports and not exports[0].route_targets else Cause.NOT_USED
        return back.wrong(cause, Step.FAR_END, sentence, node, f"show ports --prefix {leg.source}")
    return entry(back, Place(node, place.machine), exports[0]) or _unsettled(leg, node, crosses=True)


def _unsettled(leg: Leg, node: Told, *, crosses: bool) -> Verdict | None:
    """What is wrong though packets pass."""
    switch = node.status.switch
    if (away := southbound_away(leg, node, Step.WHOLE)) is not None:
        return away
    if crosses and (down := no_session(leg, node, Step.WHOLE)) is not None:
        return dataclasses.replace(down, sentence=f"{down.sentence}; {_learnt_before(leg, node)}")
    if switch.foreign_flows:
        there = f" ({switch.foreign[0]})" if switch.foreign else ""
        sentence = f"on br-vpn of {node.name} there is a flow that is not ours{there} and may take packets away"
        return leg.wrong(Cause.FOREIGN_FLOW, Step.WHOLE, sentence, node, "show switch")
    if switch.missing:
        return flow_missing(leg, node, "should be there, though this path does not need it", Step.WHOLE)
    return None


def _between(leg: Leg, node: Told) -> list[RouteStatus]:
    """The routes by which this node sends to the one from the other, or back."""
    found = []
    for here, there in ((leg.source, leg.destination), (leg.destination, leg.source)):
        views = {v.view for v in node.status.views if here in v.sources}
        found += [r for r in node.status.routes if r.best and r.view in views and covers(r.prefix, there)]
    return found


def _followed(leg: Leg, node: Told) -> RouteStatus | None:
    """Of those the one that packets follow."""
    return max(_between(leg, node), key=lambda r: length_of(r.prefix), default=None)


def _learnt_before(leg: Leg, node: Told) -> str:
    oldest = max(_between(leg, node), key=lambda r: r.stale_s, default=None)
    kept = f": {render.since(oldest.note, oldest.stale_s)}" if oldest is not None and oldest.stale_s else ""
    return f"packets pass by what was learnt before{kept}"


def _kept_elsewhere(leg: Leg, node: Told) -> list[str]:
    """A route that somebody else keeps, or we do without him, though our sessions are all well."""
    found = {r.prefix: r for r in _between(leg, node) if r.note in (Note.LLGR_STALE.value, Note.HELD.value)}
    return [f"the route of {node.name} for {prefix} is {r.note}" for prefix, r in found.items()]


def _odd(leg: Leg, node: Told) -> list[str]:
    """What may be wrong with the PE at the other end, though its route is good."""
    odd = (Note.OTHER_VNI.value, Note.SHARED_DISTINGUISHER.value)
    found = {r.prefix: r.note for r in _between(leg, node) if r.note in odd}
    return [f"the route of {node.name} for {prefix}: {note}" for prefix, note in found.items()]


def _behind_labels(leg: Leg, node: Told) -> list[str]:
    """Who thinks of VXLAN would look in the wrong place."""
    one = _followed(leg, node)
    return [f"{node.name} sends {one.prefix} to {one.next_hop} {how(one)}"] if one is not None and one.labels else []


def _remarks(known: Known, answer: Verdict) -> list[str]:
    """What an operator may want to know beside it."""
    said = []
    if answer.cause is not Cause.AGENT_SILENT:
        said += [f"the agent of {name} does not answer: {why_not}" for name, why_not in known.silent.items()]
    if answer.cause not in (Cause.SESSION_DOWN, Cause.NO_COMMON_FAMILY):
        down = [(n, p) for n in known.told for p in n.status.peers if not speaks(p)]
        said += [f"{n.name} has no session with {p.address}: {p.reason or p.state}" for n, p in down]
    for node in known.told:
        if doubted := node.status.switch.endpoints_doubted:
            named = ", ".join(doubted[:MEANT_MAX])
            said.append(f"{node.name} gets no answers to its probes from {named}, and uses them as ever")
    return said


# One way


def _walk(leg: Leg) -> Place | Verdict:
    """To the port at the other end, or to what is wrong."""
    node = leg.start.node
    if (wrong := port_down(leg, leg.start, Step.SOURCE) or switch_away(leg, node, Step.SOURCE)) is not None:
        return wrong
    door = _door(leg)
    if isinstance(door, Verdict):
        return door
    if (wrong := row_unreadable(leg, node, door.circuit, Step.ATTACHMENT)) is not None:
        return wrong
    view = node.view(door.view)
    if (wrong := beyond_maximum(leg, node, door.circuit, Step.ATTACHMENT)) is not None:
        return wrong
    if any(e.why_not == NotAnnounced.TOO_MANY_PORTS.value for e in node.exports(leg.start.machine, leg.source)):
        sentence = f"{node.name} does not serve {leg.start}: {NotAnnounced.TOO_MANY_PORTS.value}"
        return leg.wrong(Cause.NODE_FULL, Step.ATTACHMENT, sentence, node, "show ports --why-not")
    if view is None:
        sentence = f"the BGPVPNs of {leg.start} import no route target, so it looks nothing up"
        return leg.wrong(Cause.NO_IMPORT_TARGETS, Step.VIEW, sentence, node, "show attachments")
    if (wrong := unplugged(leg, node, door.circuit, Step.ATTACHMENT)) is not None:
        return wrong
    if leg.source not in view.sources:
        sentence = f"{door.attachment} does not serve {leg.source} of {leg.start}: its router has no interface on "
        return leg.wrong(Cause.NOT_SERVED, Step.VIEW, f"{sentence}that subnet", node, "show attachments")
    if leg.source in door.closed:
        return flow_missing(leg, node, f"takes packets from {leg.source} into its view", Step.VIEW, leg.source)
    if (wrong := _kept_by_router(leg, door, view) or _by_another_way(leg, door)) is not None:
        return wrong
    return _by_route(leg, view)


def _door(leg: Leg) -> DoorStatus | Verdict:
    """The attachment by which its packets come; if there are several, one that knows the way."""
    covering = {attachment.circuit for attachment, _ in leg.start.associations()}
    doors = [door for door in leg.start.machine.doors if door.circuit in covering]
    if not doors:
        return not_associated(leg, leg.start, Step.ATTACHMENT)
    return max(doors, key=lambda door: (_route(leg, door.view) is not None, bool(door.view)))


def _route(leg: Leg, view: str) -> RouteStatus | None:
    """The longest prefix of the view that covers the destination; of several PEs that share it one that is amiss."""
    routes = leg.start.node.status.routes
    found = [r for r in routes if r.best and r.view == view and view and covers(r.prefix, leg.destination)]
    amiss = {r.why for r in found} - {"", NotInstalled.SPREADS_FULL.value}
    return max(found, key=lambda r: (length_of(r.prefix), r.why in amiss), default=None)


def _kept_by_router(leg: Leg, door: DoorStatus, view: ViewStatus) -> Verdict | None:
    """What is in a subnet of its own a router delivers itself: no VPN is asked."""
    attachment = leg.start.node.attachment(door.circuit)
    own = [*attachment.subnets, *attachment.own_routes] if attachment else []
    subnet = next((s for s in own if covers(s, leg.destination)), None)
    if subnet is None:
        return None
    asked = f"show routes --prefix {leg.destination}"
    behind = [p for p in leg.known.holders(leg.destination) if any(d.circuit == door.circuit for d in p.machine.doors)]
    neighbours = {p.machine.port for p in behind}
    elsewhere = [p for p in candidates(leg, view) if p.machine.port not in neighbours]
    route = _route(leg, door.view)
    if leg.wanted is not None:
        local = leg.wanted.machine.port in neighbours
    else:
        local = bool(neighbours) or (not elsewhere and (route is None or not route.peer))
    if local:
        sentence = f"{leg.destination} is in {subnet}, which the router of {leg.start} serves itself: no VPN is asked"
        return leg.wrong(Cause.NOT_THE_VPNS, Step.ROUTE, sentence, leg.start.node, asked)
    whose = str(elsewhere[0]) if elsewhere else (route.next_hop if route else "")
    sentence = f"{leg.destination} of {whose} is hidden from {leg.start}: its router has {subnet} itself, and wins"
    return leg.wrong(Cause.HIDDEN_BY_ROUTER, Step.ROUTE, sentence, leg.start.node, asked)


def _by_another_way(leg: Leg, door: DoorStatus) -> Verdict | None:
    """What does not go by the VPN's route that covers it: nobody's destinations, and what a router prefers to send by
    its own default route, or by a floating IP."""
    route, attachment = _route(leg, door.view), leg.start.node.attachment(door.circuit)
    asked = f"show routes --prefix {leg.destination}"
    if IpAddress.parse(leg.destination).is_reserved:
        sentence = f"{leg.destination} is in no VPN: {NotImported.RESERVED_PREFIX.value}"
        return leg.wrong(Cause.NOT_THE_VPNS, Step.ROUTE, sentence, leg.start.node, asked)
    if route is None or attachment is None or _is_host(route):
        return None
    version, by_default = version_of(leg.destination), route.note == Note.DEFAULT_ROUTE.value
    if version == 4 and leg.start.machine.floating and (by_default or _is_outside(leg.destination, attachment)):
        way = "by its floating IP"
    elif by_default and version in attachment.own_defaults:
        way = "by its router's own default route"
    else:
        return None
    sentence = f"{leg.start} goes to {leg.destination} {way}: the VPN has nothing but {route.prefix} for it"
    return leg.wrong(Cause.NOT_THE_VPNS, Step.ROUTE, sentence, leg.start.node, asked)


def _is_outside(destination: str, attachment: AttachmentStatus) -> bool:
    """Whether somebody outside may have it, who then means the floating IP."""
    private = is_private(Prefix.host(IpAddress.parse(destination)))
    return not private or any(covers(p, destination) for p in attachment.outside if length_of(p) >= LARGEST)


def _by_route(leg: Leg, view: ViewStatus) -> Place | Verdict:
    node, route = leg.start.node, _route(leg, view.view)
    meant = _members(leg, view)
    if len({p.machine.port for p in meant}) > 1:
        return duplicate(leg, " and ".join(str(p) for p in meant[:MEANT_MAX]))
    if route is None or (meant and not _is_host(route)):
        return _departed(leg, view, absent(leg, view))
    if route.note == Note.DUPLICATE_ADDRESS.value:
        return duplicate(leg, f"{route.next_hop} and another site")
    if route.note == Note.CONTESTED.value:
        return duplicate(leg, f"{route.next_hop}, which keeps it, and another network")
    if not route.installed:
        return _not_installed(leg, route)
    if route.next_hop == "local":
        return delivered_here(leg, meant)
    return by_tunnel(leg, node, route)


def _departed(leg: Leg, view: ViewStatus, verdict: Verdict) -> Verdict:
    if not any(covers(prefix, leg.destination) for prefix in view.departed):
        return verdict
    remark = (
        f"{leg.start.node.name} knew {leg.destination} until a moment ago, so for some minutes it drops what is sent "
    )
    return dataclasses.replace(
        verdict, remarks=(*verdict.remarks, f"{remark}there: it does not leave by the router, whatever its fallback")
    )


def _members(leg: Leg, view: ViewStatus) -> list[Place]:
    """The ports that have the address in this VPN, as far as they were asked."""
    if leg.wanted is not None:
        return [leg.wanted]
    found = {}
    for place in leg.known.holders(leg.destination):
        exports = place.node.exports(place.machine, leg.destination)
        if any(not set(e.route_targets).isdisjoint(view.import_targets) for e in exports) and place.machine.up:
            found[place.machine.port] = place
    return list(found.values())


def _is_host(route: RouteStatus) -> bool:
    return length_of(route.prefix) == (128 if ":" in route.prefix else 32)


def _not_installed(leg: Leg, route: RouteStatus) -> Verdict:
    node, asked = leg.start.node, f"show routes --prefix {leg.destination}"
    match route.why:
        case NotInstalled.HIDDEN_BY_ROUTER.value:
            cause = Cause.HIDDEN_BY_ROUTER
        case NotInstalled.NO_CIRCUIT.value:
            cause = Cause.CIRCUIT_UNPLUGGED
        case NotInstalled.NO_TUNNEL_PORT.value | NotInstalled.NO_GRE_PORT.value:
            cause = Cause.NO_TUNNEL_PORT
        case NotInstalled.NEIGHBOUR_UNRESOLVED.value | NotInstalled.SILENT.value:
            cause = Cause.VTEP_UNREACHABLE
        case NotInstalled.VIEW_FULL.value:
            cause = Cause.VIEW_FULL
        case NotInstalled.SWITCH.value:
            what = f"sends packets for {route.prefix} to {route.next_hop}"
            return flow_missing(leg, node, what, Step.TUNNEL, leg.destination)
        case _:
            cause = Cause.NOT_USED
    sentence = f"the route of {node.name} for {route.prefix} by {route.next_hop} is not used: {route.why}"
    return leg.wrong(cause, Step.TUNNEL, sentence, node, asked)
