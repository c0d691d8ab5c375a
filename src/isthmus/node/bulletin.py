"""What the node tells its cloud: which revision of each attachment the switch has confirmed, and what is wrong.

Rules: told is what is proven. A revision counts as applied when every flow that follows from intent is confirmed; until
then the one told before stands. Nothing is told before the cloud's intent has been read, because an empty bulletin
would say that nobody lives here; nor, after a start, before the switch holds what is wanted or had time to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AssociationIntent
from isthmus.model.net import IpAddress
from isthmus.model.reason import AttachmentState, Contested, NotAnnounced, Note, NotInstalled
from isthmus.model.report import DOWN, IN_SYNC, UP, AgentReport, AttachmentReport, NodeReport, PeerReport
from isthmus.model.vpn import RouteTarget
from isthmus.node.core import Node
from isthmus.node.notes import addresses_are
from isthmus.node.notes import notes as worth_knowing
from isthmus.node.order import LOOK_WAIT_S
from isthmus.node.peers import Peer
from isthmus.node.report import status
from isthmus.node.status import AttachmentStatus, Detail, NodeStatus
from isthmus.vpn.exports import Export
from isthmus.vpn.views import View

UNREADABLE_MAX = 20
"""Rows told of that could never be read: a cloud may have thousands that a new version wrote, and each node sees all.
Nobody can say whether they concern this node."""

BLIND_MAX = 3
"""Endpoints told of by name; a peer may say thousands."""

NO_OTHER_SITE = "no route of another site is known"

_EXCEPTIONS = frozenset(
    {
        NotAnnounced.NO_NUMBER,
        NotAnnounced.TOO_MANY_TARGETS,
        NotAnnounced.TOO_MANY_PORTS,
        NotAnnounced.FAMILY_NOT_SPOKEN,
        NotAnnounced.NUMBER_CLASH,
        NotAnnounced.NOT_SERVED,
        NotAnnounced.EXTERNAL,
        NotAnnounced.DUPLICATE_ADDRESS,
    }
)
"""Of the reasons for not announcing an address those that are wrong. A port that is down is not."""

_UNREADABLE = frozenset({AttachmentState.BAD_ROW.name, AttachmentState.UNKNOWN_SCHEMA.name})


@dataclass(frozen=True, slots=True)
class About:
    """What the node does not know of its process."""

    version: str
    started: int
    """Epoch seconds."""
    epoch: float
    """What turns the node's clock into epoch seconds; one number for the whole run, so that no time ever wavers."""


def bulletin(node: Node, about: About, now: float, before: NodeReport | None) -> NodeReport | None:
    """The report as of now; `before` is the one this run told last. None: nothing can be said yet."""
    if node.asked.fact is None or (before is None and not node.switch.in_sync and now < node.started + LOOK_WAIT_S):
        return None
    seen = status(node, now, Detail.STATES)
    told = {a.attachment: a for a in before.attachments} if before else {}
    wrong, notes, details, applied = _wrong(node), _notes(node), _details(node), node.intent_applied
    attachments = tuple(
        _attachment(
            a,
            told.get(_name(a)),
            wrong.get(CircuitName(a.circuit), {}),
            notes.get(CircuitName(a.circuit), {}),
            details.get(CircuitName(a.circuit), {}),
            applied=applied,
        )
        for a in _told_of(seen)
    )
    return NodeReport(_agent(node, seen, about), attachments)


def _told_of(seen: NodeStatus) -> Iterator[AttachmentStatus]:
    """Those with workload here, and a few of those nobody can say that of."""
    unreadable = 0
    for one in seen.attachments:
        if one.state in _UNREADABLE and not one.attachment:
            unreadable += 1
            if unreadable > UNREADABLE_MAX:
                continue
        elif not one.ports and one.state != AttachmentState.TOO_MANY.name:
            continue
        yield one


def _name(one: AttachmentStatus) -> str:
    return one.attachment or one.circuit


def _attachment(
    one: AttachmentStatus,
    before: AttachmentReport | None,
    wrong: dict[str, str],
    notes: dict[str, str],
    details: dict[str, str],
    *,
    applied: bool,
) -> AttachmentReport:
    plugged = one.state == AttachmentState.ACTIVE.name or (one.state in _UNREADABLE and one.ofport is not None)
    earlier = before.revision if before else 0
    return AttachmentReport(
        attachment=_name(one),
        revision=one.revision if plugged and applied else earlier,
        state=one.state,
        ports=one.ports,
        why=one.reason,
        bgpvpns=wrong,
        notes=notes,
        details=details,
    )


def _wrong(node: Node) -> dict[CircuitName, dict[str, str]]:
    """What is wrong with single BGPVPNs of each circuit, in words."""
    counted: Counter[tuple[CircuitName, str, NotAnnounced | Contested]] = Counter()
    for export in node.picture.local:
        if export.why_not in _EXCEPTIONS:
            counted[export.circuit, export.bgpvpn, export.why_not] += 1
        elif export.contested is Contested.SECOND:
            counted[export.circuit, export.bgpvpn, export.contested] += 1
    found: dict[CircuitName, dict[str, list[str]]] = {}
    for (circuit, bgpvpn, why), number in sorted(counted.items()):
        how = "contested" if isinstance(why, Contested) else "not announced"
        found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(f"{addresses_are(number)} {how}: {why.value}")
    for circuit in node.picture.local.circuits:
        intent = node.asked.circuits.get(circuit)
        for bgpvpn, why_not in intent.unresolved if intent is not None else ():
            found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(why_not)
    for circuit, bgpvpn in _full(node):
        found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(NotInstalled.VIEW_FULL.value)
    for circuit, bgpvpn, _ in _blind(node):  # a tenant reads it: where that is is an operator's
        found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(f"routes are {Note.BLIND.value}")
    return {circuit: {b: "; ".join(dict.fromkeys(w)) for b, w in one.items()} for circuit, one in found.items()}


def _notes(node: Node) -> dict[CircuitName, dict[str, str]]:
    return {circuit: {b: "; ".join(words) for b, words in one.items()} for circuit, one in worth_knowing(node).items()}


def _details(node: Node) -> dict[CircuitName, dict[str, str]]:
    """What an operator may ask for of single BGPVPNs: where nobody answers; routes of others that cannot be used, and
    that nobody elsewhere is heard. Not before some peer has said all it has to say."""
    found: dict[CircuitName, dict[str, list[str]]] = {}
    if not any(peer.in_sync for peer in node.peers.values()):
        return {}
    for circuit, bgpvpn, where in _blind(node):
        found.setdefault(circuit, {}).setdefault(bgpvpn, []).append(f"nobody answers for {where}")
    full = [refusal for peer in node.peers.values() for refusal in peer.budget_refusals]
    for number, view in node.tables.views.items():
        refused, alone = node.tables.refusals(number), node.tables.leads.is_alone(number)
        for circuit, one in _behind(node, view):
            counted = Counter[str]()
            for (why, targets), count in refused.items():
                counted[why.value] += 0 if targets.isdisjoint(one.imports) else count
            for refusal, count in full:
                counted[refusal.why.value] += count if refusal.of in one.imports else 0
            words = [f"{_at_least(count)} not used: {why}" for why, count in sorted(counted.items()) if count]
            if words := words + [NO_OTHER_SITE] * alone:
                found.setdefault(circuit, {}).setdefault(one.bgpvpn, []).extend(words)
    return {circuit: {b: "; ".join(dict.fromkeys(w)) for b, w in one.items()} for circuit, one in found.items()}


def _at_least(count: int) -> str:
    """In tens: a report is written to every server of the cloud whenever it changes."""
    known = 10 ** (len(str(count)) - 1)
    return "1 route is" if count == 1 else f"{known} routes or more are" if known > 1 else "routes are"


def _behind(node: Node, view: View) -> Iterator[tuple[CircuitName, AssociationIntent]]:
    """What looks there: circuits and their associations."""
    for circuit in sorted(view.circuits):
        for one in node.picture.admitted.circuits[circuit].associations:
            if not view.imports.isdisjoint(one.imports):
                yield circuit, one


def _full(node: Node) -> Iterator[tuple[CircuitName, str]]:
    """The circuits and BGPVPNs whose view has routes beyond its maximum."""
    for number, view in node.tables.views.items():
        if not node.tables.surplus(number):
            continue
        yield from ((circuit, one.bgpvpn) for circuit, one in _behind(node, view))


def _blind(node: Node) -> Iterator[tuple[CircuitName, str, str]]:
    """The circuits and BGPVPNs with routes to somewhere that nobody answers for, and where that is."""
    blind = node.reach.blind
    for number, view in node.tables.views.items():
        if not blind or not node.tables.leads.uses_some(number, blind):
            continue
        led: dict[IpAddress, set[RouteTarget]] = {}
        for e in node.tables.entries[number].values():
            for used in e.used:
                if not isinstance(used, Export) and (there := used.heard.next_hop) in blind:
                    led.setdefault(there, set()).update(used.heard.route_targets)
        for circuit, one in _behind(node, view):
            if where := sorted(str(e) for e, targets in led.items() if not targets.isdisjoint(one.imports)):
                yield circuit, one.bgpvpn, ", ".join(where[:BLIND_MAX]) + " and others" * (len(where) > BLIND_MAX)


def _agent(node: Node, seen: NodeStatus, about: About) -> AgentReport:
    return AgentReport(
        version=about.version,
        started=about.started,
        router_id=seen.router_id,
        asn=seen.asn,
        vtep=seen.vtep,
        drain=seen.drain,
        southbound=seen.switch.southbound,
        switch=_switch(seen),
        peers=tuple(_peer(node, peer, about) for peer in node.peers.values()),
    )


def _switch(seen: NodeStatus) -> str:
    """A bundle under way is nothing to tell of, one that was refused is."""
    if seen.switch.refusal:
        return f"refuses flows: {seen.switch.refusal}"
    if seen.switch.switch != "connected":
        return seen.switch.switch
    return IN_SYNC if seen.switch.tunnel_ofport is not None else NotInstalled.NO_TUNNEL_PORT.value


def _peer(node: Node, peer: Peer, about: About) -> PeerReport:
    up = peer.up_since is not None
    return PeerReport(
        address=str(peer.address),
        state=UP if up else DOWN,
        since=int(about.epoch + peer.changed_at),
        reason="" if up else peer.reason,
        families=tuple(str(f) for f in peer.session.agreed.families) if up and peer.session.agreed else (),
        received=node.convergence.rib.count(peer.address),
        announced=peer.announced,
    )
