"""The node's story as plain values: what `isthmus show`, `isthmus why`, the metrics and the log read.

Rules: computes nothing that decides anything; every "why not" is a member of model/reason.py, printed as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from isthmus.bgp.iana import MessageType
from isthmus.fib.entries import CircuitName, LabelKey, SourceKey, ViewId
from isthmus.flows import labelled
from isthmus.flows.layout import DROP, REFUSED, STRANGER, Table
from isthmus.flows.types import FlowKey
from isthmus.model.intent import CIRCUIT_MAC, AssociationIntent, AttachmentIntent, UnknownSchema
from isthmus.model.port import LocalPort
from isthmus.model.reason import AttachmentState, NotAnnounced, Note
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node.announcing import DrainState
from isthmus.node.config import Liveness
from isthmus.node.core import Node
from isthmus.node.peers import Peer
from isthmus.node.report_limits import limits
from isthmus.node.report_routes import installed, noted, routes, unused
from isthmus.node.retention import Age
from isthmus.node.status import (
    AssociationStatus,
    AttachmentStatus,
    Detail,
    DoorStatus,
    MachineStatus,
    NodeStatus,
    PeerStatus,
    PortStatus,
    SwitchStatus,
    ViewStatus,
)
from isthmus.vpn.exports import Export
from isthmus.vpn.offers import delivered_by, of_export
from isthmus.vpn.views import Doors, View, network_imports

EXAMPLES_MAX = 10
"""Flows named of those that are missing or foreign."""


def status(node: Node, now: float, detail: Detail = Detail.ALL) -> NodeStatus:
    """As much as is wanted at this instant; `now` on the node's clock, seconds."""
    missing = node.switch.missing()
    everything, numbers = detail is Detail.ALL, detail is not Detail.STATES
    return NodeStatus(
        router_id=str(node.config.router_id),
        vtep=str(node.config.vtep),
        asn=node.config.asn,
        router_mac=str(node.config.router_mac),
        generation=node.config.generation,
        attachments=list(_attachments(node, everybody=numbers)),
        views=list(_views(node)) if numbers else [],
        routes=routes(node, now) if everything else [],
        peers=[_peer(node, peer, now) for peer in node.peers.values()],
        ports=[_port(node, export) for export in node.picture.local] if numbers else [],
        machines=list(_machines(node, missing)) if everything else [],
        skipped=dict(sorted(node.asked.fact.skipped.items())) if node.asked.fact else {},
        unused=unused(node) if numbers else {},
        switch=_switch(node, missing),
        drain=node.announcing.use.value,
        limits=list(limits(node)),
        looks={occasion.name: count for occasion, count in sorted(node.picture.looks.items())},
        decisions=node.tables.decisions,
        refused=_refused(node),
        noted=dict(sorted(noted(node).items())) if numbers else {},
    )


def _refused(node: Node) -> dict[str, int]:
    """View by view: nearly all have nothing of it."""
    found: Counter[str] = Counter()
    for number in node.tables.views:
        for (why, _), count in node.tables.refusals(number).items():
            found[why.value] += count
    return dict(sorted(found.items()))


def _attachments(node: Node, *, everybody: bool) -> Iterator[AttachmentStatus]:
    """Those with a machine here and those that cannot be read; `everybody`: also those of the cloud that an old row
    told of and that have nothing here."""
    ofports = node.ofports.circuits if node.ofports else {}
    circuits, refused = node.asked.circuits, node.asked.refused
    here = circuits.keys() if everybody else node.asked.behind(node.asked.networks)
    for name in sorted(here | refused.keys()):
        intent, error = circuits.get(name), refused.get(name)
        ports = {e.port for e in node.picture.local.of(name)}
        state = _attachment_state(node, name, len(ports))
        yield AttachmentStatus(
            circuit=name,
            attachment=intent.attachment if intent else "",
            state=state.name,
            reason=str(error) if error else "" if state is AttachmentState.ACTIVE else state.value,
            revision=intent.revision if intent else 0,
            bgpvpns=sorted({a.bgpvpn for a in intent.associations}) if intent else [],
            ports=len(ports),
            ofport=ofports.get(name),
            site=str(intent.site) if intent else "",
            networks=list(intent.networks) if intent else [],
            subnets=[str(s) for s in intent.subnets] if intent else [],
            fallback=intent.fallback.value if intent else "",
            associations=[_association(a) for a in intent.associations] if intent else [],
            unresolved=dict(intent.unresolved) if intent else {},
            own_routes=[str(p) for p in intent.routes] if intent else [],
            own_defaults=list(intent.own_defaults) if intent else [],
            outside=[str(p) for p in intent.outside] if intent else [],
            ignored=intent.ignored if intent else 0,
        )


def _association(a: AssociationIntent) -> AssociationStatus:
    return AssociationStatus(
        association=a.association,
        kind=a.kind.value,
        bgpvpn=a.bgpvpn,
        vni=a.vni,
        imports=[str(t) for t in a.imports],
        exports=[str(t) for t in a.exports],
        networks=list(a.networks),
    )


def _attachment_state(node: Node, name: CircuitName, ports: int) -> AttachmentState:
    if (error := node.asked.refused.get(name)) is not None:
        return AttachmentState.UNKNOWN_SCHEMA if isinstance(error, UnknownSchema) else AttachmentState.BAD_ROW
    if name in node.picture.admitted.beyond:
        return AttachmentState.TOO_MANY
    if not ports:
        return AttachmentState.NO_WORKLOAD
    if node.picture.clashes(name):
        return AttachmentState.VIEW_CLASH
    plugged = node.ofports is not None and name in node.ofports.circuits
    return AttachmentState.ACTIVE if plugged else AttachmentState.PLUGGING


def _views(node: Node) -> Iterator[ViewStatus]:
    sources: dict[ViewId, set[tuple[CircuitName, str]]] = {}
    for doors in node.picture.doors.values():
        for source, number in doors.sources.items():
            sources.setdefault(number, set()).add((source.circuit, str(source.address)))
    departed = node.picture.departed.by_view()
    for number, view in node.tables.views.items():
        entries = node.tables.entries.get(number, {})
        yield ViewStatus(
            view=f"{number:#x}",
            bgpvpns=_bgpvpns(node, view),
            import_targets=sorted(str(t) for t in view.imports),
            sources=sorted(address for _, address in sources.get(number, ())),
            routes=len(entries),
            installed=sum(1 for prefix in entries if installed(node, number, prefix)),
            alone=node.tables.leads.is_alone(number),
            departed=sorted(departed.get(f"{number:#x}", ())),
        )


def _bgpvpns(node: Node, view: View) -> list[str]:
    """The BGPVPNs of the associations whose targets the view unites."""
    with_ports, key = node.asked.networks, node.config.view_key
    found = set()
    for circuit in view.circuits:
        intent = node.picture.admitted.circuits[circuit]
        networks = {n for n in intent.networks if n in with_ports and network_imports(intent, n).number(key) == view.id}
        found |= {a.bgpvpn for a in intent.associations if a.imports and networks & set(a.networks)}
    return sorted(found)


_KEPT = {Age.STALE: Note.STALE, Age.LONG_LIVED: Note.LONG_LIVED_STALE}


def _peer(node: Node, peer: Peer, now: float) -> PeerStatus:
    shown = node.convergence.shown
    beacons, astray = shown.beacons(peer.address), shown.astray(peer.address)
    counters, agreed = peer.session.counters, peer.session.agreed
    received, retention = node.convergence.rib.count(peer.address) - beacons, node.convergence.retention
    kept, missing = retention.kept(peer.address) if received else None, peer.session.damage.named()
    return PeerStatus(
        address=str(peer.address),
        asn=peer.config.asn,
        state=peer.session.state.value,
        since_s=round(now - peer.changed_at, 3),
        reason=peer.reason,
        families=[str(f) for f in agreed.families] if agreed else [],
        received=received,
        refused=peer.refused,
        not_taken={why.value: count for why, count in sorted(peer.not_taken.items())},
        announced=peer.announced,
        in_sync=peer.in_sync,
        updates_in=counters.received[MessageType.UPDATE],
        updates_out=counters.sent[MessageType.UPDATE],
        treated_as_withdraw=counters.updates_treated_as_withdraw,
        discarded_attributes=counters.faults_discarded,
        notifications_in=counters.received[MessageType.NOTIFICATION],
        notifications_out=counters.sent[MessageType.NOTIFICATION],
        last_fault=counters.last_fault or counters.last_error,
        beacons=beacons,
        next_hops_changed_to=sorted(map(str, astray)),
        families_lacking=[str(f) for f in peer.config.families if agreed and f not in agreed.families],
        families_kept_back=_kept_back(node, peer),
        missing=missing,
        missing_more=len(peer.session.damage) - len(missing),
        kept="" if kept is None else _KEPT[kept[1]].value,
        kept_s=0.0 if kept is None else round(now - kept[0], 3),
        asks_long_lived_s=max((one.time_s for _, one in agreed.long_lived), default=0) if agreed else 0,
        targets_asked_for=len(peer.memberships.told) if peer.memberships.spoken else None,
    )


def _kept_back(node: Node, peer: Peer) -> list[str]:
    """Nothing follows from what a peer has not said yet."""
    agreed = peer.session.agreed
    if agreed is None or not peer.in_sync:
        return []
    kept_back = node.convergence.shown.kept_back(peer.address)
    return [str(family) for family in agreed.families if family in kept_back]


def _port(node: Node, export: Export) -> PortStatus:
    peers = node.peers.values() if export.why_not is not NotAnnounced.TOO_MANY_PORTS else ()  # another's, perhaps
    told = [str(p.address) for p in peers if any(p.told_about(offer.key) for offer in of_export(export, node.speaker))]
    return PortStatus(
        port=export.port,
        address=str(export.prefix.address),
        attachment=export.attachment,
        circuit=export.circuit,
        bgpvpn=export.bgpvpn,
        vni=export.vni,
        route_distinguisher=str(RouteDistinguisher.of(node.speaker.router_id, export.number)),
        route_targets=sorted(str(t) for t in export.targets),
        mobility=export.mobility,
        delivered=node.forwards(export),
        announced_to=told,
        why_not="" if told else _why_not_announced(node, export).value,
        contested=export.contested.value if export.contested else "",
        label=next((k.label for k in delivered_by(export, node.speaker) if isinstance(k, LabelKey)), 0),
    )


def _why_not_announced(node: Node, export: Export) -> NotAnnounced:
    if export.why_not is not None:
        return export.why_not
    if node.announcing.use is DrainState.DRAINED:
        return NotAnnounced.DRAINED
    if not node.forwards(export):
        return NotAnnounced.NO_FLOW
    up = [peer for peer in node.peers.values() if peer.up_since is not None]
    if not up:
        return NotAnnounced.PEER_DOWN
    if not any(peer.config.trust.told(export.targets) for peer in up):
        return NotAnnounced.NOT_FOR_PEERS
    return NotAnnounced.NOT_NEGOTIATED


def _machines(node: Node, missing: frozenset[FlowKey]) -> Iterator[MachineStatus]:
    by_network: dict[str, list[tuple[CircuitName, AttachmentIntent]]] = {}
    for circuit in sorted(node.asked.behind(node.asked.networks)):
        intent = node.asked.circuits[circuit]
        for network in intent.networks:
            by_network.setdefault(network, []).append((circuit, intent))
    for port in node.asked.ports.values():
        yield MachineStatus(
            port=port.name,
            device=port.device,
            mac=str(port.mac),
            addresses=[str(address) for address in port.addresses],
            network=port.network,
            up=port.up,
            revision=port.revision,
            doors=[_door(node, c, i, port, missing) for c, i in by_network.get(port.network, ())],
            floating=port.floating,
            why_not="" if port.why_not is None else port.why_not.value,
        )


def _door(
    node: Node, circuit: CircuitName, intent: AttachmentIntent, port: LocalPort, missing: frozenset[FlowKey]
) -> DoorStatus:
    ofport = node.ofports.circuits.get(circuit) if node.ofports else None
    sources = node.picture.doors.get(circuit, Doors()).sources
    lane = intent.lane(port.network)
    view = next((v for a in port.addresses if (v := sources.get(SourceKey(circuit, a, lane)))), None)
    open_ = (
        ofport is not None and node.switch.installed is not None and port.name not in node.picture.admitted.ports_beyond
    )
    return DoorStatus(
        circuit=circuit,
        attachment=intent.attachment,
        view="" if view is None else f"{view:#x}",
        closed=[str(a) for a in port.addresses if not open_ or any(_shuts(k, ofport, str(a), lane) for k in missing)],
    )


def _shuts(key: FlowKey, ofport: int | None, address: str, lane: int | None) -> bool:
    """Whether without this flow packets from there do not get into their view."""
    words = key.match.split(",")
    if f"in_port={ofport}" not in words or (lane is not None and f"dl_dst={CIRCUIT_MAC}" in words):
        return False
    return key.table == Table.CLASSIFY or (
        key.table == Table.SOURCE and not {f"nw_src={address}", f"ipv6_src={address}"}.isdisjoint(words)
    )


def _unasked(tunnel: int | None) -> Iterator[FlowKey]:
    """What counts packets by VXLAN for which nothing was announced."""
    yield FlowKey(Table.INBOUND, DROP, "")
    yield FlowKey(Table.CLASSIFY, REFUSED, f"in_port={tunnel}")


def _strangers(node: Node) -> Iterator[FlowKey]:
    """What counts packets from where no tunnel may come."""
    return (key for key in node.switch.wanted if (key.table, key.priority) == (Table.CLASSIFY, STRANGER))


def _dropped(node: Node, by: Iterable[FlowKey]) -> int:
    """Packets from tunnels, when the switch was last read."""
    there = node.switch.installed or {}
    return sum(flow.packets for key in by if (flow := there.get(key)) is not None and flow.ours)


def _examples(keys: Iterable[FlowKey]) -> list[str]:
    return [
        f"table={key.table},priority={key.priority}{',' if key.match else ''}{key.match}"
        for key in sorted(keys)[:EXAMPLES_MAX]
    ]


def _switch(node: Node, missing: frozenset[FlowKey]) -> SwitchStatus:
    there = node.switch.installed or {}
    foreign = [key for key, flow in there.items() if not flow.ours]
    tunnel, gre = (node.ofports.tunnel, node.ofports.gre) if node.ofports else (None, None)
    return SwitchStatus(
        flows_wanted=len(node.switch.wanted),
        flows_installed=sum(1 for flow in there.values() if flow.ours),
        in_sync=node.switch.in_sync,
        swept=node.switch.swept,
        foreign_flows=len(foreign),
        missing=_examples(missing) if node.switch.installed is not None else [],
        foreign=_examples(foreign),
        tunnel_ofport=tunnel,
        tunnel_open=tunnel is not None
        and node.switch.installed is not None
        and not any(k.table == Table.CLASSIFY and f"in_port={tunnel}" in k.match.split(",") for k in missing),
        southbound=node.asked.state,
        switch=node.switch.state,
        dropped_inbound=_dropped(node, _unasked(tunnel)),
        dropped_strangers=_dropped(node, _strangers(node)),
        dropped_labelled=0 if gre is None else _dropped(node, labelled.refusals(gre)),
        gre_ofport=gre,
        bundles=node.switch.bundles,
        refused_bundles=node.switch.refused,
        refusal=node.switch.refusal,
        neighbours_unresolved=sorted(str(e) for e in node.tables.endpoints - node.sendable - node.reach.silent),
        endpoints_probed=len(node.tables.endpoints) if node.config.liveness is not Liveness.OFF else 0,
        endpoints_silent=sorted(str(e) for e in node.reach.silent),
        endpoints_unheard=sorted(str(e) for e in node.convergence.beacons.unheard() - node.reach.silent),
        endpoints_blind=sorted(str(e) for e in node.tables.endpoints & node.reach.blind),
        endpoints_doubted=sorted(str(e) for e in node.reach.kept),
        doubts=node.reach.doubts,
        liveness=node.config.liveness.value,
    )
