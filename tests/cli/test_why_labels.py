"""`isthmus why` about a way behind labels: it names them, and does not look for what only VXLAN has."""

from __future__ import annotations

from isthmus.bgp.family import VPNV4
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.cli.known import Known, Told
from isthmus.cli.verdict import Cause, Tunnel, Verdict
from isthmus.cli.why import why
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node.facts import FlowsRead, NeighboursRead
from isthmus.node.report import status
from isthmus.node.status import NodeStatus
from tests.build import association, attachment, attributes, circuit, ip, net, port
from tests.world import REFLECTOR, World

NETWORK, TARGET = "neutron-a", "64512:1"
ONE, OTHER = ("10.1.0.5", "aaaa-1"), ("10.9.0.10", "bbbb-1")


def host(number: int, address: str, machine: str, multipath: int = 1) -> World:
    world = World(host=number, families=(VPNV4,), multipath=multipath)
    world.gre = 2
    world.switch_on()
    subnet = address.rpartition(".")[0] + ".0/24"
    wish = attachment(1, association(16, networks=(NETWORK,), both=(TARGET,)), networks=(NETWORK,), subnets=(subnet,))
    world.intent({circuit(1): wish}, [port(machine, NETWORK, address)])
    return world


def pass_on(told_by: World, to: World, outer: tuple[int, ...] = (), change: int = 0) -> None:
    """As a reflector does; `outer` labels come before, and the last is another by `change`."""
    for update in list(told_by.reflectors[REFLECTOR].history):
        routes = [r for r in update.announced if isinstance(r, VpnPrefix)]
        said = [r._replace(labels=(*outer, r.labels[-1] + change)) for r in routes]
        if update.attributes is not None and said:
            to.reflectors[REFLECTOR].session.send_routes([(update.attributes, r) for r in said], ())
    to.reflectors[REFLECTOR].session.send_end_of_rib(VPNV4)
    to.settle()


def told(world: World) -> NodeStatus:
    world.node.handle(FlowsRead(dict(world.flows)), world.now)
    return status(world.node, world.now)


def asked(*worlds: World) -> Verdict:
    return why(Known([Told(f"h{n}", told(world)) for n, world in enumerate(worlds, 1)]), ONE[1], OTHER[0])


def test_a_whole_way_names_its_label_and_pe() -> None:
    one, other = host(1, *ONE), host(2, *OTHER)
    pass_on(one, other)
    pass_on(other, one)
    verdict = asked(one, other)
    assert verdict.cause is Cause.WHOLE, verdict.sentence
    assert "h1 sends 10.9.0.10/32 to 172.30.1.2 behind label 32 in GRE" in verdict.remarks
    assert verdict.tunnel == Tunnel("172.30.1.1", "172.30.1.2", 1)


def test_beyond_whom_one_may_ask_the_labels_are_all_there_is() -> None:
    one, other = host(1, *ONE), host(2, *OTHER)
    pass_on(other, one, outer=(24,))
    verdict = asked(one)
    assert "h1 sends 10.9.0.10 to 172.30.1.2 behind labels 24/32 in GRE" in verdict.sentence
    assert verdict.tunnel == Tunnel("172.30.1.1", "172.30.1.2", 2)


def test_who_shares_the_packets_is_named_and_one_that_is_amiss_is_found() -> None:
    one = host(1, *ONE, multipath=2)
    for pe in ("172.30.7.1", "172.30.7.2"):
        said = attributes(TARGET, site=None, next_hop=pe, originator=pe, encapsulations=(), router_mac=None)
        route = VpnPrefix(RouteDistinguisher.parse(f"{pe}:1"), net("203.0.113.0/24"), (24,))
        one.reflectors[REFLECTOR].session.send_routes([(said, route)], ())
    one.settle()

    def verdict() -> Verdict:
        return why(Known([Told("h1", told(one))]), ONE[1], "203.0.113.9")

    (remark,) = verdict().remarks
    assert remark.startswith("h1 shares 203.0.113.0/24 between 172.30.7.1, 172.30.7.2: ")
    one.tell(NeighboursRead(frozenset({ip("172.30.7.1")})))
    one.flows = {key: flow for key, flow in one.flows.items() if "172.30.7.2" not in key.match}
    assert "by 172.30.7.2 is not used: the tunnel's next hop does not answer yet" in verdict().sentence


def test_a_label_that_somebody_changes_is_found() -> None:
    one, other = host(1, *ONE), host(2, *OTHER)
    pass_on(one, other)
    pass_on(other, one, change=1)
    verdict = asked(one, other)
    assert verdict.cause is Cause.ROUTE_CHANGED
    assert "with the label 32, h1 receives 33" in verdict.sentence


def test_without_its_port_the_way_is_not_there() -> None:
    one, other = host(1, *ONE), host(2, *OTHER)
    pass_on(other, one)
    one.gre = None
    one.switch_on()
    verdict = asked(one, other)
    assert verdict.cause is Cause.NO_TUNNEL_PORT
    assert "the GRE port, by which labels go, is not there yet" in verdict.sentence
