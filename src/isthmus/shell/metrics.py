"""The node's story as Prometheus metrics. Pure: status in, metric families out, collected anew for every scrape.

Rules: names begin with `isthmus_`; labels have few values (a peer, a view, a state, a why), never a prefix or a port.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from isthmus.model.reason import AttachmentState, Contested, LimitState, NotAccepted
from isthmus.node.dirty import Occasion
from isthmus.node.status import LimitStatus, NodeStatus, PeerStatus
from isthmus.shell.face import AgentStatus
from isthmus.shell.transitions import ESTABLISHED

_PEER_GAUGES: dict[str, tuple[str, Callable[[PeerStatus], float]]] = {
    "session_up": ("Whether the BGP session is established.", lambda p: p.state == ESTABLISHED),
    "session_in_sync": ("Whether the peer has sent its End-of-RIB.", lambda p: p.in_sync),
    "session_state_seconds": ("Since the session went up or down.", lambda p: p.since_s),
    "routes_received": ("Routes of the peer that are remembered, kept ones among them.", lambda p: p.received),
    "beacons_received": ("Hypervisors whose beacon the peer shows.", lambda p: p.beacons),
    "next_hops_changed": (
        "Next hops that stand in the place of hypervisors' own in what the peer passes on.",
        lambda p: len(p.next_hops_changed_to),
    ),
    "families_lacking": (
        "Families of routes that the peer was to carry and does not.",
        lambda p: len(p.families_lacking),
    ),
    "families_kept_back": (
        "Families with labels in which the peer shows no hypervisor, while it does in the other one.",
        lambda p: len(p.families_kept_back),
    ),
    "routes_refused": ("Routes beyond the peer's maximum, not taken.", lambda p: p.refused),
    "routes_kept_seconds": (
        "For how long its routes are kept without its session; 0: they are not.",
        lambda p: p.kept_s,
    ),
    "targets_asked_for": (
        "Route targets that the peer is asked for (RFC 4684); -1: it says all it knows.",
        lambda p: -1 if p.targets_asked_for is None else p.targets_asked_for,
    ),
    "routes_announced": ("Routes this node has announced to the peer.", lambda p: p.announced),
}
_PEER_COUNTERS: dict[str, tuple[str, Callable[[PeerStatus], float]]] = {
    "updates_received": ("UPDATE messages received.", lambda p: p.updates_in),
    "updates_sent": ("UPDATE messages sent.", lambda p: p.updates_out),
    "updates_treated_as_withdraw": (
        "Malformed UPDATEs treated as withdraw (RFC 7606).",
        lambda p: p.treated_as_withdraw,
    ),
    "attributes_discarded": ("Malformed attributes discarded (RFC 7606).", lambda p: p.discarded_attributes),
    "notifications_received": ("NOTIFICATION messages received.", lambda p: p.notifications_in),
    "notifications_sent": ("NOTIFICATION messages sent.", lambda p: p.notifications_out),
}


def families(status: NodeStatus, agent: AgentStatus) -> Iterator[Metric]:
    """All of it."""
    info = {"router_id": status.router_id, "vtep": status.vtep, "asn": str(status.asn), "host": agent.host}
    yield InfoMetricFamily("isthmus_node", "Who this node is.", info)
    yield _gauge("generation", "Which run of the agent this is.", status.generation)
    yield from _peers(status.peers)
    yield from _views(status)
    yield from _attachments(status)
    yield from _limits(status.limits)
    yield from _work(status)
    yield from _switch(status)
    yield from _agent(agent)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"isthmus_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"isthmus_{name}", text, value=value)


def _labelled(kind: Any, name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family: Metric = kind(f"isthmus_{name}", text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)  # type: ignore[attr-defined]
    return family


def _peers(peers: list[PeerStatus]) -> Iterator[Metric]:
    for kind, table in ((GaugeMetricFamily, _PEER_GAUGES), (CounterMetricFamily, _PEER_COUNTERS)):
        for name, (text, value) in table.items():
            yield _labelled(kind, name, text, "peer", {p.address: float(value(p)) for p in peers})
    family = GaugeMetricFamily(
        "isthmus_routes_not_taken", "Routes of the peer that are not taken, by the reason.", labels=["peer", "why"]
    )
    for peer in peers:
        for why in NotAccepted:
            family.add_metric([peer.address, why.name], float(peer.not_taken.get(why.value, 0)))
    yield family


def _views(status: NodeStatus) -> Iterator[Metric]:
    views = {v.view: v for v in status.views}
    yield _labelled(
        GaugeMetricFamily,
        "view_routes",
        "Routes of an import view.",
        "view",
        {name: v.routes for name, v in views.items()},
    )
    yield _labelled(
        GaugeMetricFamily,
        "view_routes_installed",
        "Those that the switch has confirmed.",
        "view",
        {name: v.installed for name, v in views.items()},
    )
    yield _gauge(
        "views_alone", "Import views without a route of another site.", sum(1 for view in status.views if view.alone)
    )
    yield _labelled(
        GaugeMetricFamily,
        "view_departed",
        "Destinations that it knew a moment ago: packets to them are dropped, and do not leave by the router.",
        "view",
        {name: len(v.departed) for name, v in views.items()},
    )
    yield _labelled(
        GaugeMetricFamily,
        "routes_unused",
        "Paths without a flow of their own, by the reason.",
        "why",
        {reason: float(count) for reason, count in status.unused.items()},
    )
    yield _labelled(
        GaugeMetricFamily,
        "routes_noted",
        "Best routes of which something is worth telling though nothing is refused, by what it is.",
        "note",
        {note: float(count) for note, count in status.noted.items()},
    )


def _attachments(status: NodeStatus) -> Iterator[Metric]:
    states = Counter(a.state for a in status.attachments)
    yield _labelled(
        GaugeMetricFamily,
        "attachments",
        "Attachments of the cloud, by their state on this node.",
        "state",
        {state.name: float(states[state.name]) for state in AttachmentState},
    )
    yield _gauge("ports", "Local addresses that are to be announced.", len(status.ports))
    yield _gauge(
        "ports_announced",
        "Local addresses announced to at least one peer.",
        sum(1 for port in status.ports if port.announced_to),
    )
    contested = Counter(port.contested for port in status.ports)
    yield _labelled(
        GaugeMetricFamily,
        "ports_contested",
        "Local addresses that another network of their VPN claims too, by who had them first.",
        "standing",
        {standing.name: float(contested[standing.value]) for standing in Contested},
    )
    yield _gauge("rows_skipped", "Rows of this chassis' ports that make no sense.", len(status.skipped))
    yield _gauge(
        "bgpvpns_unresolved",
        "BGPVPNs that an attachment refers to and whose row is missing or cannot be read.",
        sum(len(a.unresolved) for a in status.attachments),
    )
    yield _gauge(
        "keys_ignored",
        "Keys in the cloud's rows that this release does not know: a newer one wrote them.",
        sum(a.ignored for a in status.attachments),
    )


_LIMITS: dict[str, tuple[str, Callable[[LimitStatus], float]]] = {
    "limit_taken": ("What is taken of a maximum.", lambda one: one.taken),
    "limit_maximum": ("The maximum.", lambda one: one.maximum),
    "limit_refused": ("The surplus beyond a maximum.", lambda one: one.refused),
    "limit_state": (
        "0: there is room; 1: near its maximum; 2: the surplus is refused.",
        lambda one: [state.name for state in LimitState].index(one.state),
    ),
}


def _limits(limits: list[LimitStatus]) -> Iterator[Metric]:
    for name, (text, value) in _LIMITS.items():
        family = GaugeMetricFamily(f"isthmus_{name}", text, labels=["limit", "of"])
        for one in limits:
            family.add_metric([one.limit, one.of], float(value(one)))
        yield family


def _work(status: NodeStatus) -> Iterator[Metric]:
    """In proportion to what changed: a rate that grows with the cloud is a fault of ours."""
    yield _counter("decisions", "Where a destination of a view leads, decided.", status.decisions)
    looks = {occasion.name: float(status.looks.get(occasion.name, 0)) for occasion in Occasion}
    yield _labelled(CounterMetricFamily, "looks", "Times that something was computed, by why.", "occasion", looks)


def _switch(status: NodeStatus) -> Iterator[Metric]:
    switch = status.switch
    yield _gauge("flows_wanted", "Flows that br-vpn should have.", switch.flows_wanted)
    yield _gauge("flows_installed", "Flows of ours that br-vpn has.", switch.flows_installed)
    yield _gauge("flows_foreign", "Flows on br-vpn that are not ours.", switch.foreign_flows)
    yield _gauge("switch_in_sync", "Whether br-vpn has exactly what is wanted.", switch.in_sync)
    yield _gauge("switch_swept", "Whether what earlier runs left is swept.", switch.swept)
    yield _counter("bundles", "Bundles that the switch committed.", switch.bundles)
    yield _counter("bundles_refused", "Bundles that the switch refused.", switch.refused_bundles)
    yield _counter(
        "inbound_dropped_packets", "Packets from tunnels that no announcement asked for.", switch.dropped_inbound
    )
    yield _counter(
        "inbound_labelled_dropped_packets",
        "Packets by the GRE port without a label, or behind one that no announcement gave with their address.",
        switch.dropped_labelled,
    )
    yield _counter(
        "inbound_stranger_packets",
        "Packets from tunnels that begin where none may, by tunnel_endpoints.",
        switch.dropped_strangers,
    )
    yield _gauge(
        "neighbours_unresolved", "Tunnel endpoints whose next hop is not known.", len(switch.neighbours_unresolved)
    )
    yield _gauge("endpoints_probed", "Tunnel endpoints asked whether they are there.", switch.endpoints_probed)
    yield _gauge(
        "endpoints_silent", "Tunnel endpoints that answered and do not any more.", len(switch.endpoints_silent)
    )
    yield _gauge(
        "endpoints_blind",
        "Tunnel endpoints sent to though no neighbour is there and none ever answered.",
        len(switch.endpoints_blind),
    )
    yield _gauge(
        "endpoints_doubted",
        "Tunnel endpoints that answered, do not any more, and are used as ever.",
        len(switch.endpoints_doubted),
    )
    yield _counter("liveness_doubts", "How often most tunnel endpoints fell silent together.", switch.doubts)
    yield _gauge(
        "endpoints_unheard",
        "Tunnel endpoints that answer but whose agent cannot be heard by BGP.",
        len(switch.endpoints_unheard),
    )
    feeds = {"southbound": float(switch.southbound == "in sync"), "switch": float(switch.switch == "connected")}
    yield _labelled(GaugeMetricFamily, "feed_in_sync", "Whether a source of facts is there and in sync.", "feed", feeds)


def _agent(agent: AgentStatus) -> Iterator[Metric]:
    yield _gauge("report_written", "Whether the cloud has this node's report as it stands.", agent.report == "in sync")
    yield _gauge("uptime_seconds", "Since this run of the agent began.", agent.uptime_s)
    yield _labelled(
        CounterMetricFamily,
        "part_restarts",
        "How often a part of the agent was started again.",
        "part",
        {part.name: float(part.restarts) for part in agent.parts},
    )


class _Once(Collector):
    """A collector of one status."""

    def __init__(self, status: NodeStatus, agent: AgentStatus) -> None:
        self._status, self._agent = status, agent

    def collect(self) -> Iterator[Metric]:
        return families(self._status, self._agent)


def page(status: NodeStatus, agent: AgentStatus) -> bytes:
    """What a scrape gets."""
    registry = CollectorRegistry()
    registry.register(_Once(status, agent))
    return generate_latest(registry)
