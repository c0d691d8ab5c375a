"""What the benchmarks say to a build is what they mean: read back by the codec of this one."""

from __future__ import annotations

from benchmarks.octets import ASN, MESSAGE_BYTES_MAX, Route, Said, end_of_rib, updates, withdrawal

from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.node import facts
from tests.build import association, attachment, circuit, port
from tests.world import REFLECTOR, World

NETWORK = "neutron-1"
SAID = Said(7, "172.31.0.9", sequence=3, as_path=(64513,))
FIRST, SECOND = Route("10.9.0.1/32", 16, 7001), Route("10.9.1.0/24", 16, 7002)


def _world() -> World:
    world = World()
    world.switch_on()
    one = association(16, networks=(NETWORK,), both=(f"{ASN}:7",))
    world.intent({circuit(16): attachment(16, one, networks=(NETWORK,))}, [port("p", NETWORK, "10.1.0.5")])
    return world


def test_a_route_is_taken_in_and_taken_back() -> None:
    world = _world()
    for data in (*updates(SAID, [FIRST, SECOND]), end_of_rib()):
        world.tell(facts.Received(REFLECTOR, data))
    assert world.node.peers[REFLECTOR].up_since is not None, "no octet was objected to"
    [first] = world.node.rib.paths(Prefix.parse(FIRST.prefix))
    attributes = first.attributes
    assert attributes.next_hop == IpAddress.parse(SAID.next_hop)
    assert attributes.route_targets == {RouteTarget.parse(f"{ASN}:7")}
    assert attributes.mobility_sequence == 3 and attributes.as_path_length == 1
    assert len([key for key in world.flows if key.table == 20]) >= 2, "both lead somewhere"
    world.tell(facts.Received(REFLECTOR, withdrawal(SAID, [FIRST])))
    assert not world.node.rib.paths(Prefix.parse(FIRST.prefix))
    assert world.node.rib.paths(Prefix.parse(SECOND.prefix))


def test_many_routes_take_as_few_messages_as_hold_them() -> None:
    messages = list(updates(SAID, [Route(f"10.9.{n // 256}.{n % 256}/32", 16, 7001) for n in range(300)]))
    assert len(messages) == 3 and all(len(one) <= MESSAGE_BYTES_MAX for one in messages)
    world = _world()
    world.tell(facts.Received(REFLECTOR, b"".join(messages)))
    assert world.node.rib.count(REFLECTOR) == 300
