"""The node's story as plain values: what `isthmus show`, the metrics and the log read.

Rules: computes nothing that decides anything; every "why not" is a member of model/reason.py, printed as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.bgp.iana import MessageType
from isthmus.fib.entries import NextHop, ViewId
from isthmus.flows.layout import DROP, REFUSED, Table
from isthmus.model.intent import BadIntent, UnknownSchema
from isthmus.model.net import Prefix
from isthmus.model.reason import AttachmentState, NotAnnounced, NotImported, NotInstalled
from isthmus.node.core import Node
from isthmus.node.peers import Peer
from isthmus.node.status import (
    AttachmentStatus,
    NodeStatus,
    PeerStatus,
    PortStatus,
    RouteStatus,
    SwitchStatus,
    ViewStatus,
)
from isthmus.rib.adj_in import Path
from isthmus.rib.decision import LOCAL_PREF_DEFAULT
from isthmus.vpn.exports import Export
from isthmus.vpn.imports import Candidate, Entry, refusal


def status(node: Node, now: float) -> NodeStatus:
    """Everything at this instant; `now` on the node's clock, seconds."""
    return NodeStatus(
        router_id=str(node.config.router_id),
        vtep=str(node.config.vtep),
        asn=node.config.asn,
        router_mac=str(node.config.router_mac),
        generation=node.config.generation,
        attachments=list(_attachments(node)),
        views=list(_views(node)),
        routes=list(_routes(node, now)),
        peers=[_peer(node, peer, now) for peer in node.peers.values()],
        ports=[_port(node, export) for export in node.exports],
        switch=_switch(node),
    )


def _attachments(node: Node) -> Iterator[AttachmentStatus]:
    ofports = node.ofports.circuits if node.ofports else {}
    for name in sorted(node.circuits.keys() | node.refused.keys()):
        intent, error = node.circuits.get(name), node.refused.get(name)
        ports = {e.port for e in node.exports if e.circuit == name}
        state = _attachment_state(error, plugged=name in ofports, ports=len(ports))
        yield AttachmentStatus(
            circuit=name,
            attachment=intent.attachment if intent else "",
            state=state.name,
            reason=str(error) if error else "" if state is AttachmentState.ACTIVE else state.value,
            revision=intent.revision if intent else 0,
            bgpvpns=sorted({a.bgpvpn for a in intent.associations}) if intent else [],
            ports=len(ports),
            ofport=ofports.get(name),
        )


def _attachment_state(error: BadIntent | None, *, plugged: bool, ports: int) -> AttachmentState:
    if error is not None:
        return AttachmentState.UNKNOWN_SCHEMA if isinstance(error, UnknownSchema) else AttachmentState.BAD_ROW
    if not ports:
        return AttachmentState.NO_WORKLOAD
    return AttachmentState.ACTIVE if plugged else AttachmentState.PLUGGING


def _views(node: Node) -> Iterator[ViewStatus]:
    for number, view in node.tables.views.items():
        entries = node.tables.entries.get(number, {})
        yield ViewStatus(
            view=f"{number:#x}",
            import_targets=sorted(str(t) for t in view.imports),
            sources=sorted(f"{s.address}" for s, v in node.tables.sources.items() if v == number),
            routes=len(entries),
            installed=sum(1 for prefix in entries if _installed(node, number, prefix)),
        )


def _routes(node: Node, now: float) -> Iterator[RouteStatus]:
    for number, entries in node.tables.entries.items():
        for prefix, entry in sorted(entries.items()):
            why = _why_not_installed(node, number, prefix, entry)
            note = entry.note.value if entry.note else ""
            yield _route(entry.best, f"{number:#x}", why=why, best=True, note=note, now=now)
            for loser, reason in entry.losers:
                yield _route(loser, f"{number:#x}", why=reason.value, best=False, note=note, now=now)
    imported = node.tables.imported()
    for path in node.rib:
        refused = refusal(path, node.speaker)
        if refused is None and not path.attributes.route_targets & imported:
            refused = NotImported.NO_IMPORT_TARGET
        if refused is not None:
            yield _route(path, "", why=refused.value, best=False, note="", now=now)


def _installed(node: Node, view: ViewId, prefix: Prefix) -> bool:
    flow = node.tables.flow_of(view, prefix)
    return flow is not None and node.switch.has(flow)


def _why_not_installed(node: Node, view: ViewId, prefix: Prefix, entry: Entry) -> str:
    if entry.hidden is not None:
        return entry.hidden.value
    if node.tables.flow_of(view, prefix) is None:
        tunnel = isinstance(entry.target, NextHop)
        return (NotInstalled.NO_TUNNEL_PORT if tunnel else NotInstalled.NO_CIRCUIT).value
    if not _installed(node, view, prefix):
        return NotInstalled.SWITCH.value
    if isinstance(entry.target, NextHop) and entry.target.vtep not in node.sendable:
        return NotInstalled.NEIGHBOUR_UNRESOLVED.value
    return ""


def _route(c: Candidate, view: str, *, why: str, best: bool, note: str, now: float) -> RouteStatus:
    if isinstance(c, Export):
        return RouteStatus(
            view=view,
            prefix=str(c.prefix),
            best=best,
            installed=best and not why,
            why=why,
            note=note,
            peer="",
            next_hop="local",
            vni=c.vni,
            router_mac="",
            route_distinguisher="",
            route_targets=sorted(str(t) for t in c.targets),
            site=str(c.site),
            local_pref=c.local_pref,
            as_path=[],
            mobility=c.mobility,
            since_s=0.0,
        )
    return _received(c, view, why=why, best=best, note=note, now=now)


def _received(path: Path, view: str, *, why: str, best: bool, note: str, now: float) -> RouteStatus:
    a = path.attributes
    return RouteStatus(
        view=view,
        prefix=str(path.nlri.prefix),
        best=best,
        installed=best and not why,
        why=why,
        note=note or ("stale: the session it came by is down" if path.stale else ""),
        peer=str(path.peer),
        next_hop=str(a.next_hop) if a.next_hop else "",
        vni=path.nlri.label,
        router_mac=str(a.router_mac) if a.router_mac else "",
        route_distinguisher=str(path.nlri.rd),
        route_targets=sorted(str(t) for t in a.route_targets),
        site=str(a.site_of_origin) if a.site_of_origin else "",
        local_pref=LOCAL_PREF_DEFAULT if a.local_pref is None else a.local_pref,
        as_path=[asn for segment in a.as_path for asn in segment.numbers],
        mobility=a.mobility_sequence or 0,
        since_s=round(now - path.since, 3),
    )


def _peer(node: Node, peer: Peer, now: float) -> PeerStatus:
    counters = peer.session.counters
    return PeerStatus(
        address=str(peer.address),
        asn=peer.config.asn,
        state=peer.session.state.value,
        since_s=round(now - peer.changed_at, 3),
        reason=peer.reason,
        families=[str(f) for f in peer.session.agreed.families] if peer.session.agreed else [],
        received=node.rib.count(peer.address),
        announced=len(peer.told),
        in_sync=peer.in_sync,
        updates_in=counters.received[MessageType.UPDATE],
        updates_out=counters.sent[MessageType.UPDATE],
        treated_as_withdraw=counters.updates_treated_as_withdraw,
        discarded_attributes=counters.faults_discarded,
        notifications_in=counters.received[MessageType.NOTIFICATION],
        notifications_out=counters.sent[MessageType.NOTIFICATION],
        last_fault=counters.last_fault or counters.last_error,
    )


def _port(node: Node, export: Export) -> PortStatus:
    told = [str(p.address) for p in node.peers.values() if p.told_about(export, node.speaker)]
    return PortStatus(
        port=export.port,
        address=str(export.prefix.address),
        attachment=export.attachment,
        bgpvpn=export.bgpvpn,
        vni=export.vni,
        announced_to=told,
        why_not="" if told else _why_not_announced(node, export).value,
    )


def _why_not_announced(node: Node, export: Export) -> NotAnnounced:
    if export.why_not is not None:
        return export.why_not
    if not node.forwards(export):
        return NotAnnounced.NO_FLOW
    if not any(peer.up_since is not None for peer in node.peers.values()):
        return NotAnnounced.PEER_DOWN
    return NotAnnounced.NOT_NEGOTIATED


_REFUSALS = frozenset({(Table.INBOUND.value, DROP), (Table.CLASSIFY.value, REFUSED)})


def _dropped_inbound(node: Node) -> int:
    """Packets from tunnels for which nothing was announced, when the switch was last read."""
    there = node.switch.installed or {}
    return sum(flow.packets for key, flow in there.items() if flow.ours and (key.table, key.priority) in _REFUSALS)


def _switch(node: Node) -> SwitchStatus:
    there = node.switch.installed or {}
    return SwitchStatus(
        flows_wanted=len(node.switch.wanted),
        flows_installed=sum(1 for flow in there.values() if flow.ours),
        in_sync=node.switch.in_sync,
        swept=node.switch.swept,
        foreign_flows=sum(1 for flow in there.values() if not flow.ours),
        southbound=node.intent_state,
        switch=node.switch.state,
        dropped_inbound=_dropped_inbound(node),
        bundles=node.switch.bundles,
        refused_bundles=node.switch.refused,
        neighbours_unresolved=sorted(str(e) for e in node.tables.endpoints - node.sendable),
    )
