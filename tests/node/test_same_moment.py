"""Two things in one moment: what the node hears in one batch must not lose one of them."""

from __future__ import annotations

from isthmus.bgp.events import Send
from isthmus.bgp.family import EVPN
from isthmus.node import facts
from tests.build import association, attachment, circuit, net, port
from tests.world import REFLECTOR, World

A = "neutron-a"
RED = attachment(1, association(16, networks=(A,), both=("64512:1",)), networks=(A,), subnets=("10.1.0.0/24",))


def test_a_route_that_goes_while_the_peer_asks_for_everything_is_withdrawn() -> None:
    world = World()
    world.switch_on()
    world.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    far = world.reflectors[REFLECTOR].session
    far.ask_refresh(EVPN)
    asked = b"".join(o.data for o in far.outputs() if isinstance(o, Send))
    world.node.handle(facts.Received(REFLECTOR, asked), world.now)
    world.intent({circuit(1): RED}, [])
    assert world.reflectors[REFLECTOR].routes == {}
