"""What a VPN knew a moment ago does not leave by the router, whatever the router would do with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import AttachmentIntent, Fallback
from isthmus.node.config import Limits
from isthmus.node.departed import DEPARTED_S, Departed
from isthmus.node.facts import SwitchRead
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.sim.forwarding import BACK, DROP, Fate, Forwarder
from tests.world import TUNNEL_PORT, World

A, RT = "neutron-a", "64512:1"
FAR, PUBLIC = path("10.9.0.1/32", attributes(RT)), path("203.0.113.7/32", attributes(RT))


def red(fallback: Fallback) -> AttachmentIntent:
    one = association(16, networks=(A,), both=(RT,))
    return attachment(1, one, networks=(A,), subnets=("10.1.0.0/24",), fallback=fallback)


def settled(fallback: Fallback = Fallback.ALL) -> World:
    world = World()
    world.switch_on()
    world.intent({circuit(1): red(fallback)}, [port("p", A, "10.1.0.5")])
    world.says(FAR, PUBLIC)
    world.end_of_rib()
    return world


def fate(world: World, destination: str) -> Fate:
    ports = {str(name): number for name, number in world.circuits.items()}
    packet = ports[circuit(1)], "10.1.0.5", destination
    return Forwarder(world.flows, ports, TUNNEL_PORT).from_circuit(*packet)[0]


@pytest.mark.parametrize("fallback", Fallback)
def test_what_went_does_not_leave_at_once(fallback: Fallback) -> None:
    world = settled(fallback)
    assert fate(world, "10.9.0.1").what == fate(world, "203.0.113.7").what == "tunnel"
    world.says(withdraw=[FAR.nlri, PUBLIC.nlri])
    assert fate(world, "10.9.0.1") == fate(world, "203.0.113.7") == DROP
    world.wait(DEPARTED_S - 1)
    assert fate(world, "10.9.0.1") == fate(world, "203.0.113.7") == DROP
    world.wait(2)
    leaves = {Fallback.ALL: (BACK, BACK), Fallback.PUBLIC: (DROP, BACK), Fallback.NONE: (DROP, DROP)}
    assert (fate(world, "10.9.0.1"), fate(world, "203.0.113.7")) == leaves[fallback]
    assert [key for key in world.flows if key.table == Table.GONE and key.match] == []


def test_what_was_never_known_leaves_as_the_fallback_says() -> None:
    world = settled()
    world.says(withdraw=[FAR.nlri])
    assert fate(world, "10.9.0.2") == fate(world, "8.8.8.8") == BACK


def test_what_is_dropped_anyhow_costs_no_flow() -> None:
    world = settled(Fallback.PUBLIC)
    world.says(withdraw=[FAR.nlri])
    assert [key for key in world.flows if key.table == Table.GONE and key.match] == []


def test_a_private_network_that_public_lets_through_is_held_too() -> None:
    world = settled(Fallback.PUBLIC)
    intent = replace(red(Fallback.PUBLIC), outside=(net("10.9.0.0/16"),))
    world.intent({circuit(1): intent}, [port("p", A, "10.1.0.5")])
    assert fate(world, "10.9.0.2") == BACK
    world.says(withdraw=[FAR.nlri])
    assert fate(world, "10.9.0.1") == DROP


def test_one_that_comes_back_is_reached_at_once() -> None:
    world = settled()
    world.says(withdraw=[FAR.nlri])
    world.says(FAR)
    assert fate(world, "10.9.0.1").what == "tunnel"


def test_a_shorter_prefix_of_the_vpn_goes_before_the_drop() -> None:
    world = settled()
    world.says(path("10.9.0.0/16", attributes(RT)))
    world.says(withdraw=[FAR.nlri])
    assert fate(world, "10.9.0.1").what == "tunnel"


def test_a_default_route_leaves_nothing_behind() -> None:
    """The router's own was there before it."""
    world = settled()
    default = path("0.0.0.0/0", attributes(RT))
    world.says(default)
    assert fate(world, "8.8.8.8").what == "tunnel"
    world.says(withdraw=[default.nlri])
    assert fate(world, "8.8.8.8") == BACK


@pytest.mark.parametrize("how", ["handed over", "crashed"])
def test_an_agent_that_is_exchanged_or_dies_goes_on_holding(how: str) -> None:
    world = settled()
    world.says(withdraw=[FAR.nlri])
    fresh = world.handed_over() if how == "handed over" else world.crashed()
    fresh.switch_on()
    fresh.intent({circuit(1): red(Fallback.ALL)}, [port("p", A, "10.1.0.5")])
    fresh.says(PUBLIC)
    fresh.end_of_rib()
    fresh.wait(120)
    assert fate(fresh, "10.9.0.1") == DROP
    assert fate(fresh, "203.0.113.7").what == "tunnel"
    fresh.wait(DEPARTED_S)
    assert fate(fresh, "10.9.0.1") == BACK


def test_what_a_full_view_never_led_to_has_not_left() -> None:
    """A fresh run reads late whom it served, and until then had room for another."""
    kept, beyond = path("10.9.0.2/32", attributes(RT)), path("10.9.0.1/32", attributes(RT))
    world = World(limits=Limits(routes_per_view=1))
    world.switch_on()
    world.intent({circuit(1): red(Fallback.ALL)}, [port("p", A, "10.1.0.5")])
    world.says(kept)
    world.says(beyond)
    world.end_of_rib()
    assert fate(world, "10.9.0.2").what == "tunnel" and fate(world, "10.9.0.1") == BACK
    assert world.node.asked.fact is not None
    intent = world.node.asked.fact
    fresh = world.handed_over()
    fresh.readable = False
    fresh.tell(SwitchRead(dict(fresh.circuits), TUNNEL_PORT), intent)
    fresh.switch_on()
    assert fate(fresh, "10.9.0.2").what == "tunnel" and fate(fresh, "10.9.0.1") == BACK


def test_it_is_said() -> None:
    world = settled()
    world.says(withdraw=[FAR.nlri])
    [view] = status(world.node, world.now).views
    assert view.departed == ["10.9.0.1/32"]


def test_without_anybody_to_look_there_nothing_stays() -> None:
    world = settled()
    world.says(withdraw=[FAR.nlri])
    world.intent({})
    assert [key for key in world.flows if key.table == Table.GONE and key.match] == []


def test_more_at_once_than_may_be_held() -> None:
    world = settled()
    world.node.picture.departed = Departed(most=2)
    many = [path(f"203.0.113.{n}/32", attributes(RT)) for n in range(20, 25)]
    world.says(*many)
    world.says(withdraw=[one.nlri for one in many])
    assert len([key for key in world.flows if key.table == Table.GONE and key.match]) == 2
    world.wait(DEPARTED_S + 1)
    assert [key for key in world.flows if key.table == Table.GONE and key.match] == []


def test_of_too_many_the_first_to_end_go_at_once() -> None:
    departed, flows = (
        Departed(most=3),
        [FlowKey(Table.GONE, 100, f"ip,metadata=0x1,nw_dst=10.0.0.{n}") for n in range(5)],
    )
    for second, flow in enumerate(flows):
        departed.note([flow], float(second))
    assert departed.expire(5.0) == set(flows[:2])
    assert (len(departed), departed.deadlines()) == (3, [2.0 + DEPARTED_S])
    assert departed.expire(2.0 + DEPARTED_S) == {flows[2]}


def test_what_is_not_ours_is_not_adopted() -> None:
    flow = FlowKey(Table.GONE, 100, "ip,metadata=0x1,nw_dst=10.0.0.1")
    assert Departed().adopt({flow: Installed(7, "drop")}, 0.0) == {}
