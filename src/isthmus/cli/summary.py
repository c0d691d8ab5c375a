"""Is all well, and if not, what is not? A dozen lines. Pure.

Rules: a problem is something an operator would want to change or wait for; what somebody configured so (a port that is
down, a VPN that exports nothing, a route that the router's own subnets or routes hide) is not one. Many alike are one
line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from isthmus.bgp.session import State
from isthmus.cli.reading import AgentInfo
from isthmus.cli.render import age, astray, kept_back, lacking
from isthmus.model.reason import AttachmentState, LimitState, NotAnnounced, Note, NotImported, NotInstalled
from isthmus.node.status import NodeStatus

ALL_WELL = "All is well."

_FINE_STATES = {AttachmentState.ACTIVE.name, AttachmentState.NO_WORKLOAD.name}
_CONFIGURED_SO = {
    NotAnnounced.NO_EXPORT_TARGET.value,
    NotAnnounced.PORT_DOWN.value,
    NotAnnounced.ARRIVING.value,
    NotAnnounced.FAMILY_OF_OTHER_VERSION.value,
    NotAnnounced.DRAINED.value,
    NotInstalled.HIDDEN_BY_ROUTER.value,
    Note.DEFAULT_ROUTE.value,
}
_UNUSABLE = {why.value for why in NotImported} - {
    NotImported.NO_IMPORT_TARGET.value,
    NotImported.OWN_ROUTE.value,
    NotImported.BEACON.value,
}
"""Of routes that a view would import."""
LINES_MAX = 6
"""Of one kind; then only their number."""


def text(status: NodeStatus, agent: AgentInfo) -> str:
    """The whole page."""
    found = problems(status, agent)
    verdict = [ALL_WELL] if not found else ["Not well:", *(f"  {line}" for line in found)]
    return "\n".join([*_facts(status, agent), "", *verdict])


def _facts(s: NodeStatus, agent: AgentInfo) -> Iterator[str]:
    up = sum(1 for p in s.peers if p.state == State.ESTABLISHED)
    states = Counter(a.state for a in s.attachments)
    told = sum(1 for p in s.ports if p.announced_to)
    routes, installed = sum(v.routes for v in s.views), sum(v.installed for v in s.views)
    yield f"node         {agent.host or '(name not known)'}, vtep {s.vtep}, router-id {s.router_id}, AS {s.asn}"
    yield f"agent        {agent.version or '-'}, run {s.generation}, up {age(agent.uptime_s)}"
    if s.drain != "in use":
        yield f"drain        {s.drain}: an operator has taken this hypervisor out of use (isthmus drain --undo)"
    yield f"peers        {up} of {len(s.peers)} established, {sum(p.received for p in s.peers)} routes received"
    yield f"southbound   {s.switch.southbound}"
    yield f"switch       {s.switch.switch}, {s.switch.flows_installed} of {s.switch.flows_wanted} flows"
    yield (
        f"attachments  {states[AttachmentState.ACTIVE.name]} active,"
        f" {states[AttachmentState.NO_WORKLOAD.name]} without a virtual machine here,"
        f" {sum(n for state, n in states.items() if state not in _FINE_STATES)} other"
    )
    lines = {(r.view, r.prefix): r for r in s.routes if r.best}.values()  # several PEs may share one
    hidden = sum(1 for r in lines if r.why == NotInstalled.HIDDEN_BY_ROUTER.value)
    own = f", {hidden} left to the routers' own subnets and routes" if hidden else ""
    defaults = sum(1 for r in lines if r.note == Note.DEFAULT_ROUTE.value)
    wide = f", {_number(defaults, 'default route')} among them" if defaults else ""
    alone = sum(1 for v in s.views if v.alone)
    other = f", {alone} without a route of another site" if alone else ""
    yield f"views        {len(s.views)}, {installed} of {routes} routes installed{wide}{own}{other}"
    yield f"ports        {told} of {len(s.ports)} addresses announced"
    yield f"inbound      {_number(s.switch.dropped_inbound, 'packet')} refused that no announcement asked for"
    if s.switch.gre_ofport is not None:
        yield f"labels       {_number(s.switch.dropped_labelled, 'packet')} refused by the GRE port"
    if s.switch.dropped_strangers:
        yield f"strangers    {_number(s.switch.dropped_strangers, 'packet')} refused from where no tunnel may begin"


def problems(s: NodeStatus, agent: AgentInfo) -> list[str]:
    """One line each; empty when all is well."""
    return [*_feeds(s), *_peers(s), *_attachments(s), *_routes(s), *_limits(s), *_agent(agent)]


def _feeds(s: NodeStatus) -> Iterator[str]:
    switch = s.switch
    if switch.southbound != "in sync":
        yield f"southbound: {switch.southbound}; what stands is kept"
    if switch.switch != "connected":
        yield f"switch: {switch.switch}"
    elif not switch.in_sync:
        yield f"switch: has {switch.flows_installed} flows of ours, {switch.flows_wanted} are wanted"
    if not switch.swept:
        yield "switch: what earlier runs left is kept until every feed is in sync"
    if switch.foreign_flows:
        yield f"switch: {_number(switch.foreign_flows, 'flow')} on our bridge not of our making"
    if switch.neighbours_unresolved:
        yield f"tunnels: no next hop yet for {_first(switch.neighbours_unresolved)}"
    if switch.endpoints_silent:
        yield f"tunnels: nothing is sent to {_first(switch.endpoints_silent)}, which fell silent"
    if switch.endpoints_blind:
        yield f"tunnels: nobody answers for {_first(switch.endpoints_blind)}: no neighbour is there, no probe came back"
    if switch.endpoints_doubted:
        because = "this agent is set to warn only" if switch.liveness == "warn" else "most fell silent together"
        yield f"tunnels: silent but used as ever, because {because}: {_first(switch.endpoints_doubted)}"
    if switch.endpoints_unheard:
        unheard = _first(switch.endpoints_unheard)
        yield f"tunnels: not heard by BGP, but answering, so that withdrawals are held a while: {unheard}"


def _first(endpoints: list[str]) -> str:
    return ", ".join(endpoints[:LINES_MAX])


def _peers(s: NodeStatus) -> Iterator[str]:
    for peer in s.peers:
        if peer.state != State.ESTABLISHED:
            reason = f": {peer.reason}" if peer.reason else ""
            yield f"peer {peer.address}: {peer.state} for {age(peer.since_s)}{reason}"
        elif not peer.in_sync:
            yield f"peer {peer.address}: has not sent all its routes yet"
        if peer.next_hops_changed_to:
            yield f"peer {peer.address}: {astray(peer)}"
        if peer.families_lacking:
            yield f"peer {peer.address}: {lacking(peer)}"
        if peer.families_kept_back:
            yield f"peer {peer.address}: {kept_back(peer)}"
        for why, count in peer.not_taken.items():
            yield f"peer {peer.address}: {_number(count, 'route')} not taken: {why}"
        if peer.refused and not peer.not_taken:
            yield f"peer {peer.address}: {_number(peer.refused, 'route')} beyond its maximum not taken"


def _attachments(s: NodeStatus) -> Iterator[str]:
    bad = [a for a in s.attachments if a.state not in _FINE_STATES]
    yield from _some(f"attachment {a.attachment or a.circuit}: {a.reason or a.state}" for a in bad)
    unresolved = [(a.attachment, bgpvpn, why) for a in s.attachments if a.ports for bgpvpn, why in a.unresolved.items()]
    yield from _some(f"attachment {name}: BGPVPN {bgpvpn}: {why}" for name, bgpvpn, why in unresolved)
    yield from _some(f"port {name}: left out: {why}" for name, why in sorted(s.skipped.items()))
    yield from _counted((p.why_not for p in s.ports), "address", " not announced")
    yield from _counted((p.contested for p in s.ports), "address", " contested")


def _routes(s: NodeStatus) -> Iterator[str]:
    yield from _counted((r.why for r in s.routes if r.best), "route", " not installed")
    yield from _counted((r.why for r in s.routes if r.why in _UNUSABLE), "route", " cannot be used")
    yield from _counted((r.note for r in s.routes if r.best), "route", "")


def _limits(s: NodeStatus) -> Iterator[str]:
    """What is refused is said where it is missed."""
    near = [one for one in s.limits if one.state == LimitState.NEAR.name]
    yield from _some(
        f"limit {one.limit}{f' of {one.of}' if one.of else ''}: {one.taken} of {one.maximum}: {one.reason}"
        for one in near
    )


def _agent(agent: AgentInfo) -> Iterator[str]:
    if agent.report not in ("", "in sync"):
        yield f"report to the cloud: {agent.report}"
    for part in agent.parts:
        if part.restarts:
            yield f"agent: {part.name} was started again {_number(part.restarts, 'time')}, last: {part.last_error}"


def _counted(reasons: Iterable[str], what: str, how: str) -> Iterator[str]:
    for reason, count in sorted(Counter(r for r in reasons if r and r not in _CONFIGURED_SO).items()):
        yield f"{_number(count, what)}{how}: {reason}"


def _number(count: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{count} {what}{plural if count != 1 else ''}"


def _some(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:LINES_MAX]
    if len(every) > LINES_MAX:
        yield f"and {len(every) - LINES_MAX} more like these"
