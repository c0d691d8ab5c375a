"""Where a route leads: another machine of this hypervisor, the far end of a tunnel, or beyond who was asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.cli.absent import led_astray, silent
from isthmus.cli.known import Place, Told
from isthmus.cli.leg import Leg, flow_missing, no_tunnel_port, port_down, row_unreadable, switch_away, unplugged
from isthmus.cli.verdict import Cause, Step, Tunnel, Verdict
from isthmus.node.status import PortStatus, RouteStatus


def how(route: RouteStatus) -> str:
    """What packets go in to where a route leads."""
    if not route.labels:
        return f"with VNI {route.vni}"
    number = "label" if len(route.labels) == 1 else "labels"
    return f"behind {number} {'/'.join(map(str, route.labels))} in GRE"


def duplicate(leg: Leg, whose: str) -> Verdict:
    """Who gets the packet is decided, and is not what somebody wants."""
    sentence = f"{leg.destination} is claimed twice in this VPN, by {whose}"
    asked = f"show routes --prefix {leg.destination}"
    return leg.wrong(Cause.DUPLICATE_ADDRESS, Step.ROUTE, sentence, leg.start.node, asked)


def delivered_here(leg: Leg, meant: list[Place]) -> Place | Verdict:
    """Another machine of this hypervisor."""
    node = leg.start.node
    here = [p for p in meant if p.node is node]
    if not here:
        holders = [p for p in leg.known.holders(leg.destination) if p.node is node]
        return duplicate(leg, " and ".join(str(p) for p in (*holders, *meant)))
    for export in node.exports(here[0].machine, leg.destination):
        if (wrong := unplugged(leg, node, export.circuit, Step.FAR_END)) is not None:
            return wrong
    return port_down(leg, here[0], Step.FAR_END) or here[0]


def by_tunnel(leg: Leg, node: Told, route: RouteStatus) -> Place | Verdict:
    """To the node whose route it is, if the route still says what that node announces."""
    if (wrong := _nobody_there(leg, node, route) or led_astray(leg, node, route)) is not None:
        return wrong
    announcer, there = leg.known.announcer(route), leg.known.at(route.next_hop)
    asked = f"show routes --prefix {leg.destination}"
    if announcer is None and there is None:
        return _beyond(leg, route)
    if announcer is None:
        assert there is not None, "one of the two is known"
        sentence = f"the route of {node.name} for {route.prefix} leads to {there.name}, which does not announce it"
        return leg.wrong(Cause.ROUTE_STALE, Step.FAR_END, sentence, there, f"show ports --prefix {leg.destination}")
    far, export = announcer
    if leg.wanted is not None and export.port != leg.wanted.machine.port:
        return duplicate(leg, f"port {export.port[:8]} on {far.name} and {leg.wanted}")
    for what, sent, received in _compared(far, export, route):
        if sent != received:
            sentence = f"{far.name} announces {leg.destination} with the {what} {sent}, {node.name} receives {received}"
            sentence += ": a reflector between them changes it"
            return leg.wrong(Cause.ROUTE_CHANGED, Step.TUNNEL, sentence, node, asked)
    end = next((p for p in leg.known.places() if p.node is far and p.machine.port == export.port), None)
    if end is None:
        sentence = f"{far.name} announces {leg.destination} of port {export.port[:8]}, which is not there any more"
        return leg.wrong(Cause.ROUTE_STALE, Step.FAR_END, sentence, far, "show machines")
    return entry(leg, end, export) or end


def _compared(far: Told, export: PortStatus, route: RouteStatus) -> Iterator[tuple[str, str, str]]:
    """What the far end says and a reflector must leave as it is, as it was sent and as it came."""
    yield "next hop", far.status.vtep, route.next_hop
    if route.labels:
        yield "label", str(export.label), str(route.labels[-1])
    else:
        yield "router's MAC", far.status.router_mac, route.router_mac
        yield "VNI", str(export.vni), str(route.vni)


def _nobody_there(leg: Leg, node: Told, route: RouteStatus) -> Verdict | None:
    if route.next_hop not in node.status.switch.endpoints_blind:
        return None
    sentence = f"the route of {node.name} for {route.prefix} leads to {route.next_hop}, and nobody answers for that"
    sentence += ": no neighbour is there, and it has never answered a probe"
    return leg.wrong(Cause.VTEP_UNREACHABLE, Step.TUNNEL, sentence, node, "show switch")


def entry(leg: Leg, end: Place, export: PortStatus) -> Verdict | None:
    """From the tunnel to the port."""
    node = end.node
    return (
        switch_away(leg, node, Step.FAR_END)
        or no_tunnel_port(leg, node, Step.FAR_END)
        or unplugged(leg, node, export.circuit, Step.FAR_END)
        or port_down(leg, end, Step.FAR_END)
        or row_unreadable(leg, node, export.circuit, Step.FAR_END)
        or (None if node.status.switch.tunnel_open else _tunnel_shut(leg, node))
        or (None if export.delivered else _undelivered(leg, node, export))
    )


def _undelivered(leg: Leg, node: Told, export: PortStatus) -> Verdict:
    return flow_missing(leg, node, f"delivers {export.address}", Step.FAR_END, export.address)


def _tunnel_shut(leg: Leg, node: Told) -> Verdict:
    return flow_missing(leg, node, "takes what comes by the tunnel", Step.FAR_END)


def _beyond(leg: Leg, route: RouteStatus) -> Verdict:
    """The next hop is nobody who was asked: another cloud, a carrier, or an agent that does not answer."""
    node = leg.start.node
    if leg.known.silent and not leg.known.alone:
        return silent(
            leg, f"the route for {route.prefix} leads to {route.next_hop}, which is none of those that answer"
        )
    sentence = f"this side is whole: {node.name} sends {leg.destination} to {route.next_hop} {how(route)}"
    command = f"on {route.next_hop}: isthmus why --from {leg.destination} --to {leg.source}"
    tunnel = Tunnel(node.status.vtep, route.next_hop, len(route.labels))
    remarks = tuple(_shared(node, route))
    return Verdict(Cause.WHOLE_HERE, Step.WHOLE, f"{sentence}; ask there", command, leg.way, remarks, tunnel=tunnel)


def _shared(node: Told, route: RouteStatus) -> Iterator[str]:
    """Who has a share of its packets (`multipath`)."""
    alike = [r for r in node.status.routes if r.best and (r.view, r.prefix) == (route.view, route.prefix)]
    if others := sorted(r.next_hop for r in alike if r.installed and r.next_hop != route.next_hop):
        shared = f"{node.name} shares {route.prefix} between {', '.join((route.next_hop, *others))}"
        yield f"{shared}: each pair of addresses has one of them, and `ovs-appctl ofproto/trace` says which"
