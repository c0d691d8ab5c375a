"""Who is asked behind a label whether he is there: hypervisors that nothing but labels leads to, and nobody else."""

from __future__ import annotations

from isthmus.bgp.family import EVPN, VPNV4, VPNV6
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress, Mac
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer
from isthmus.vpn.beacons import labelled_beacon
from isthmus.vpn.exports import Speaker
from tests.build import association, attachment, attributes, circuit, ip, net, path, port
from tests.world import ASN, REFLECTOR, World

A, RT, GRE = "neutron-a", "64512:1", 2
OURS, FOREIGN = ip("172.30.2.1"), ip("172.30.7.7")


def begun(gre: int | None = GRE) -> World:
    world = World(families=(EVPN, VPNV4, VPNV6))
    world.gre = gre
    world.switch_on()
    red = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))
    world.intent({circuit(1): red}, [port("p", A, "10.1.0.5")])
    return world


def labelled(world: World, prefix: str, endpoint: IpAddress, local_pref: int = 100) -> None:
    said = attributes(RT, encapsulations=(), router_mac=None, next_hop=str(endpoint), local_pref=local_pref)
    route = VpnPrefix(RouteDistinguisher.parse(f"{endpoint}:16"), net(prefix), (7001,))
    world.reflectors[REFLECTOR].session.send_routes([(said, route)], ())
    world.settle()


def shows(world: World, endpoint: IpAddress) -> None:
    one = labelled_beacon(VPNV4, Speaker(endpoint, endpoint, Mac(b"\x02\x78" + endpoint), ASN))
    world.reflectors[REFLECTOR].session.send_routes([(one.attributes, one.nlri)], ())
    world.settle()


def asked(world: World) -> tuple[set[IpAddress], set[IpAddress]]:
    """By VXLAN, and behind a label."""
    last = [effect for effect in world.log if isinstance(effect, SetProbes)][-1:]
    for wish in last:
        assert not wish.labelled or wish.gre == GRE
        return set(wish.endpoints) - wish.labelled, set(wish.labelled)
    return set(), set()


def sent_to(world: World) -> set[str]:
    return {key.match.removeprefix("tun_dst=") for key in world.flows if key.table == Table.PE and key.match}


def test_a_hypervisor_is_asked_behind_a_label_once_it_is_known_for_one() -> None:
    world = begun()
    labelled(world, "10.9.0.1/32", OURS)
    assert asked(world) == (set(), set()), "it may be anybody's PE"
    shows(world, OURS)
    assert asked(world) == (set(), {OURS})


def test_another_makers_pe_is_never_asked() -> None:
    world = begun()
    shows(world, OURS)
    labelled(world, "10.9.0.1/32", OURS)
    labelled(world, "10.9.0.2/32", FOREIGN)
    world.end_of_rib()
    assert asked(world) == (set(), {OURS})
    assert sent_to(world) == {str(OURS), str(FOREIGN)}


def test_one_that_vxlan_leads_to_is_asked_by_vxlan() -> None:
    world = begun()
    shows(world, OURS)
    labelled(world, "10.9.0.1/32", OURS)
    world.says(path("10.9.0.2/32", attributes(RT, next_hop=str(OURS))))
    assert asked(world) == ({OURS}, set())
    world.says(withdraw=[path("10.9.0.2/32", attributes(RT)).nlri])
    assert asked(world) == (set(), {OURS})


def test_one_that_falls_silent_gives_way_to_another() -> None:
    world = begun()
    shows(world, OURS)
    labelled(world, "10.9.0.1/32", OURS)
    labelled(world, "10.9.0.1/32", FOREIGN, local_pref=50)
    world.end_of_rib()
    world.probe(OURS, Answer.ANSWERS)
    world.probe(OURS, Answer.SILENT)
    (line,) = (flow.actions for key, flow in world.flows.items() if key.table == Table.VIEW and "10.9.0.1" in key.match)
    assert f"set_field:{FOREIGN}->tun_dst" in line
    assert sent_to(world) == {str(FOREIGN)}
    assert asked(world) == (set(), {OURS}), "asked on, though nothing leads there"


def test_without_a_port_nobody_is_asked_by_it() -> None:
    world = begun(gre=None)
    shows(world, OURS)
    labelled(world, "10.9.0.1/32", OURS)
    assert asked(world) == (set(), set())
