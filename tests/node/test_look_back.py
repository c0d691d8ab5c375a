"""An agent that crashes while its cloud's database is away: what it told before and what stands in the switch is told
again, until the cloud says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent, UnknownSchema
from isthmus.model.net import IpAddress
from isthmus.model.port import LocalPort
from isthmus.model.vpn import RouteTarget
from isthmus.node import facts
from isthmus.node.memory import Memory
from isthmus.node.order import INVENTORY_WAIT_S, LOOK_BACK_WAIT_S, PATIENCE_S
from isthmus.node.report import status
from isthmus.vpn.trust import TargetRange, Trust
from tests.build import association, attachment, circuit, net, port, rts
from tests.world import REFLECTOR, SECOND, World

A = "neutron-a"
RT = "64512:1"
HERE = net("10.1.0.5/32")


def red() -> AttachmentIntent:
    return attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))


def vm() -> LocalPort:
    return port("p", A, "10.1.0.5")


def settled() -> World:
    world = World()
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.end_of_rib()
    return world


def started(world: World, *ports: LocalPort) -> World:
    """The fresh process has read everything."""
    world.switch_on()
    world.intent({circuit(1): red()}, ports or [vm()])
    return world


def sent(world: World) -> list[str]:
    """What the reflector was told since the exchange, in words."""
    return [
        word
        for update in world.reflectors[REFLECTOR].history
        for word in (
            *(f"-{route.prefix}" for route in update.withdrawn),
            *(f"+{route.prefix}" for route in update.announced),
            *(["end"] if update.end_of_rib else []),
        )
    ]


def lonely(world: World, change: Callable[[Memory], Memory] | None = None) -> World:
    """The agent has crashed, and its cloud does not answer."""
    fresh = world.crashed(change=change)
    fresh.tell(facts.IntentLost("no server of the southbound database answers"))
    return fresh


def test_a_crash_while_the_southbound_is_away_costs_nobody_the_way_here() -> None:
    fresh = lonely(settled())
    fresh.switch_on()
    fresh.wait(LOOK_BACK_WAIT_S)
    far = fresh.reflectors[REFLECTOR]
    assert sent(fresh) == ["+10.1.0.5/32", "end"] and len(far.beacons) == 1
    fresh.wait(300)
    assert set(far.routes) == {HERE}, "for as long as it lasts"
    far.history.clear()
    started(fresh)
    assert sent(fresh) == [], "what the intent says too is not said again"
    assert status(fresh.node, fresh.now).peers[0].announced == 1


def test_what_the_intent_does_not_say_goes_then() -> None:
    fresh = lonely(settled())
    fresh.switch_on()
    fresh.wait(60)
    started(fresh, port("q", A, "10.1.0.6"))
    assert sorted(sent(fresh)[-2:]) == ["+10.1.0.6/32", "-10.1.0.5/32"]
    assert set(fresh.reflectors[REFLECTOR].routes) == {net("10.1.0.6/32")}


def test_an_intent_that_comes_soon_says_it_first() -> None:
    fresh = lonely(settled())
    fresh.switch_on()
    fresh.wait(LOOK_BACK_WAIT_S - 1)
    assert sent(fresh) == []
    started(fresh, port("q", A, "10.1.0.6"))
    assert "+10.1.0.5/32" not in sent(fresh)


def test_only_what_stands_in_the_switch_is_told_again() -> None:
    world = settled()
    world.intent({circuit(1): red()}, [vm(), port("q", A, "10.1.0.6")])
    fresh = lonely(world)
    fresh.flows = {k: f for k, f in fresh.flows.items() if not (k.table == Table.INBOUND and "10.1.0.6" in k.match)}
    fresh.switch_on()
    fresh.wait(LOOK_BACK_WAIT_S + INVENTORY_WAIT_S)
    assert sent(fresh) == ["+10.1.0.5/32", "-10.1.0.6/32", "end"]


def test_a_switch_that_loses_it_meanwhile_takes_it_out_of_use() -> None:
    fresh = lonely(settled())
    fresh.switch_on()
    fresh.wait(LOOK_BACK_WAIT_S)
    fresh.flows.clear()
    fresh.tell(facts.SwitchLost("br-vpn does not answer"))
    fresh.wait(PATIENCE_S - 1)
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}, "it may be back with them"
    fresh.wait(2)
    assert fresh.reflectors[REFLECTOR].routes == {}


def test_a_session_that_is_lost_meanwhile_hears_it_again() -> None:
    fresh = lonely(settled())
    fresh.switch_on()
    fresh.wait(60)
    fresh.cut()
    fresh.wait(5)
    fresh.restore()
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE} and fresh.reflectors[REFLECTOR].end_of_rib


def test_a_row_that_cannot_be_read_says_nothing_otherwise() -> None:
    fresh = lonely(settled(), lambda memory: replace(memory, circuits={}))
    fresh.switch_on()
    fresh.wait(60)
    fresh.intent({circuit(1): UnknownSchema("isthmus:schema", "2")}, [vm()])
    fresh.wait(60)
    assert set(fresh.reflectors[REFLECTOR].routes) == {HERE}


def targets_told(world: World, by: IpAddress) -> set[RouteTarget]:
    updates = (update for update in world.reflectors[by].history if update.attributes is not None and update.announced)
    return {target for update in updates if update.attributes for target in update.attributes.route_targets}


def test_a_reflector_that_was_away_keeps_no_target_alive_that_the_owner_has_taken_away() -> None:
    """It may have the route as it was; told again that would be a VPN's address in another VPN."""
    world = World(peers=(REFLECTOR, SECOND))
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.end_of_rib()
    world.end_of_rib(SECOND)
    world.cut(SECOND)
    other = attachment(1, association(16, networks=(A,), both=("64512:2",)), networks=(A,), subnets=("10.1.0.0/24",))
    world.intent({circuit(1): other}, [vm()])
    fresh = lonely(world)
    fresh.switch_on()
    fresh.wait(LOOK_BACK_WAIT_S)
    assert targets_told(fresh, REFLECTOR) == targets_told(fresh, SECOND) == set(rts("64512:2"))


@pytest.mark.parametrize("after", ["a crash", "an exchange"])
def test_each_reflector_is_told_all_targets_that_it_may_hear_of(after: str) -> None:
    """What another one was told has only those that the other may hear of."""
    one, two = (
        {by: Trust(announce_targets=(TargetRange.parse(t),))} for by, t in ((SECOND, RT), (REFLECTOR, "64512:2"))
    )
    for trusts in (one, two, one | two):
        world = World(peers=(REFLECTOR, SECOND), trusts=trusts)
        world.switch_on()
        both = association(16, networks=(A,), both=(RT, "64512:2"))
        world.intent({circuit(1): attachment(1, both, networks=(A,), subnets=("10.1.0.0/24",))}, [vm()])
        world.end_of_rib()
        world.end_of_rib(SECOND)
        before = {by: targets_told(world, by) for by in (REFLECTOR, SECOND)}
        fresh = world.crashed() if after == "a crash" else world.handed_over()
        fresh.tell(facts.IntentLost("no server of the southbound database answers"))
        for far in fresh.reflectors.values():
            far.history.clear()
        fresh.switch_on()
        fresh.wait(LOOK_BACK_WAIT_S)
        told = {by: targets_told(fresh, by) for by in (REFLECTOR, SECOND)}
        assert told == (before if after == "a crash" else {REFLECTOR: set(), SECOND: set()}), trusts


def test_a_reflector_keeps_no_target_of_what_waits_that_it_may_not_hear_of_any_more() -> None:
    """At an exchange the file may have become stricter while a flow has yet to be written again."""
    world = World()
    world.switch_on()
    both = attachment(1, association(16, networks=(A,), both=(RT, "64512:2")), networks=(A,), subnets=("10.1.0.0/24",))
    world.intent({circuit(1): both}, [vm()])
    world.end_of_rib()
    assert targets_told(world, REFLECTOR) == set(rts(RT, "64512:2"))
    world.trust = Trust(announce_targets=(TargetRange.parse(RT),))
    fresh = world.handed_over()
    fresh.flows = {key: flow for key, flow in fresh.flows.items() if key.table != Table.INBOUND}
    fresh.obedient = False
    fresh.reflectors[REFLECTOR].history.clear()
    fresh.switch_on()
    fresh.intent({circuit(1): both}, [vm()])
    assert not fresh.node.announcing.complete
    assert targets_told(fresh, REFLECTOR) == set(rts(RT))
