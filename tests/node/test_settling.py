"""A reflector that returns alone says "that was all" before it has heard of everybody: what is stale stands a while."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from isthmus.bgp.heard import Heard
from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import Note
from isthmus.node import effects
from isthmus.node.config import Limits
from isthmus.node.facts import Answer
from isthmus.node.order import LOST_TOO_S, SETTLE_S
from isthmus.node.report import status
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.path import Path
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from isthmus.vpn.trust import TargetRange, Trust
from tests.build import association, attachment, attributes, circuit, ip, nlri, path, port
from tests.world import REFLECTOR, SECOND, World

A, RT = "neutron-a", "64512:1"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))


def shown(by: IpAddress) -> Path:
    """The beacon of the hypervisor that routes here are of unless they say otherwise, as a reflector passes it on."""
    route = beacon(Speaker(ip("172.30.2.1"), ip("172.30.2.1"), Mac.parse("02:78:ac:1e:02:01"), 64513))
    return Path(by, by, route.nlri, Heard.of(route.attributes), 0.0)


def begun(*peers: IpAddress, limits: Limits | None = None, trusts: Mapping[IpAddress, Trust] | None = None) -> World:
    world = World(peers=peers or (REFLECTOR,), limits=limits, trusts=trusts)
    world.switch_on()
    world.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    return world


def returned(world: World, by: IpAddress = REFLECTOR) -> None:
    """It dies, and is back with nothing to say."""
    world.cut(by)
    world.wait(3)
    world.restore(by)
    world.end_of_rib(by)


def routes(world: World) -> set[str]:
    return {key.match.rsplit("=", 1)[1] for key in world.flows if key.table == Table.VIEW and key.match}


def test_not_one_flow_is_touched_while_others_are_still_to_dial() -> None:
    world = begun()
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    world.end_of_rib()
    world.log.clear()
    returned(world)
    world.wait(SETTLE_S - 20)
    assert routes(world) == {f"10.9.0.{n}" for n in (1, 2, 3, 4)}
    told = status(world.node, world.now)
    assert {(r.installed, r.why, r.note) for r in told.routes if r.peer} == {(True, "", Note.STALE.value)}
    assert (told.peers[0].in_sync, told.peers[0].kept) == (True, Note.STALE.value)
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3)))
    assert [e for e in world.log if isinstance(e, effects.ApplyFlows)] == []
    world.says(withdraw=[nlri("10.9.0.3/32")])
    assert routes(world) == {"10.9.0.1", "10.9.0.2", "10.9.0.4"}, "what it takes back goes at once"
    world.wait(19)
    assert routes(world) == {"10.9.0.1", "10.9.0.2", "10.9.0.4"}
    world.wait(1)
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}
    assert status(world.node, world.now).peers[0].kept == ""


def test_what_it_says_otherwise_replaces_what_is_stale() -> None:
    world = begun()
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    returned(world)
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2")))
    (found,) = [r for r in status(world.node, world.now).routes if r.peer]
    assert (found.next_hop, found.note) == ("172.30.2.2", "")


def test_two_reflectors_that_return_together_settle_together() -> None:
    world = begun(REFLECTOR, SECOND)
    for one in (REFLECTOR, SECOND):
        world.says(path("10.9.0.1/32", attributes(RT)), by=one)
        world.end_of_rib(one)
    world.cut(SECOND)
    returned(world)
    assert routes(world), "only one returned; what the other said is as good as its own"
    settled = world.now + SETTLE_S
    world.restore(SECOND)
    world.end_of_rib(SECOND)
    assert routes(world), "both may be as empty as on the day they were made"
    world.wait(settled - world.now - 1)
    assert routes(world)
    world.wait(1)
    assert routes(world), "the first has had its time, not so the second"
    world.wait(SETTLE_S)
    assert not routes(world)
    returned(world)
    assert not routes(world)


def test_one_that_returns_to_one_that_knows_needs_no_time() -> None:
    world = begun(REFLECTOR, SECOND)
    for one in (REFLECTOR, SECOND):
        world.says(path("10.9.0.1/32", attributes(RT)), by=one)
        world.end_of_rib(one)
    world.says(path("10.9.0.2/32", attributes(RT)))
    returned(world)
    assert routes(world) == {"10.9.0.1"}


@pytest.mark.parametrize("by_beacon", [True, False])
def test_one_that_was_in_sync_all_the_time_contradicts_soon(by_beacon: bool) -> None:
    world = begun(REFLECTOR, SECOND)
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    world.says(shown(SECOND) if by_beacon else path("10.9.0.2/32", attributes(RT)), by=SECOND)
    world.end_of_rib(SECOND)
    world.cut()
    assert "10.9.0.1" in routes(world), "the other may be about to lose it too"
    world.wait(LOST_TOO_S)
    assert routes(world) == (set() if by_beacon else {"10.9.0.2"})
    assert not list(world.node.convergence.retention.deadlines()), "nothing is left to grow old"


def test_a_peer_that_comes_and_goes_puts_off_no_contradiction() -> None:
    """Neither of what it does not say again nor of what a third said."""
    third = ip("172.30.1.252")
    world = begun(REFLECTOR, SECOND, third)
    for one in (REFLECTOR, SECOND, third):
        world.says(path("10.9.0.1/32", attributes(RT)), by=one)
    world.says(path("10.9.0.2/32", attributes(RT)))
    world.says(path("10.9.0.3/32", attributes(RT)), by=third)
    for one in (REFLECTOR, SECOND, third):
        world.end_of_rib(one)
    world.cut(third)
    began = world.now
    while world.now < began + LOST_TOO_S:
        world.cut()
        ended = world.now
        world.restore()
        world.says(path("10.9.0.1/32", attributes(RT)))
        assert world.now < ended + LOST_TOO_S, "or this test proves nothing"
    assert routes(world) == {"10.9.0.1"}


def test_what_has_just_ended_has_its_time_though_something_else_is_looked_at() -> None:
    third = ip("172.30.1.252")
    world = begun(REFLECTOR, SECOND, third)
    for one, route in ((REFLECTOR, "10.9.0.1/32"), (SECOND, "10.9.0.2/32"), (third, "10.9.0.3/32")):
        world.says(path(route, attributes(RT)), by=one)
        world.end_of_rib(one)
    world.cut(third)
    world.wait(LOST_TOO_S - 1)
    world.cut()
    world.wait(1)
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}
    world.wait(LOST_TOO_S - 1)
    assert routes(world) == {"10.9.0.2"}


# Reflectors are no replicas


def test_one_that_has_lost_its_way_to_the_other_cloud_contradicts_nothing_of_it() -> None:
    """The second knows this cloud and not the other: a restart of the first is none of the other cloud's affair."""
    world = begun(REFLECTOR, SECOND)
    here = path("10.9.0.9/32", attributes(RT, next_hop="172.30.1.9"), rd="172.30.1.9:16")
    gone = path("10.9.0.8/32", attributes(RT, next_hop="172.30.1.9"), rd="172.30.1.9:16")
    world.says(path("10.9.0.1/32", attributes(RT)), shown(REFLECTOR), here, gone)
    world.says(here, by=SECOND)
    world.probe(ip("172.30.2.1"), Answer.ANSWERS)
    for one in (REFLECTOR, SECOND):
        world.end_of_rib(one)
    world.log.clear()
    returned(world)
    assert routes(world) == {"10.9.0.1", "10.9.0.9"}, "what it knows it does contradict"
    world.wait(SETTLE_S - 1)
    world.says(path("10.9.0.1/32", attributes(RT)), shown(REFLECTOR), here)
    world.wait(2)
    assert routes(world) == {"10.9.0.1", "10.9.0.9"}
    bundles = [e for e in world.log if isinstance(e, effects.ApplyFlows)]
    assert [key.match.rsplit("=", 1)[1] for b in bundles for key in b.delete] == ["10.9.0.8"]


@pytest.mark.parametrize("all_of_it", [True, False], ids=["beacon and routes", "the beacon first"])
def test_one_that_showed_the_other_cloud_once_knows_nothing_of_it_now(all_of_it: bool) -> None:
    """Its session with the other cloud ends, and its words for it are withdrawn, beacons first."""
    world = begun(REFLECTOR, SECOND)
    for one in (REFLECTOR, SECOND):
        world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)), shown(one), by=one)
        world.end_of_rib(one)
    beacon = shown(SECOND).nlri
    routes_too = [nlri("10.9.0.1/32"), nlri("10.9.0.2/32")] if all_of_it else [nlri("10.9.0.2/32")]
    world.says(withdraw=[beacon, *routes_too], by=SECOND)
    world.cut()
    world.wait(300)
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}


def test_one_that_hears_of_it_later_has_its_time_to_say_it_all_and_then_contradicts() -> None:
    world = begun(REFLECTOR, SECOND)
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3)), shown(REFLECTOR))
    for one in (REFLECTOR, SECOND):
        world.end_of_rib(one)
    world.cut()
    world.wait(600)
    world.says(shown(SECOND), path("10.9.0.1/32", attributes(RT)), by=SECOND)
    world.wait(SETTLE_S - 1)
    world.says(path("10.9.0.2/32", attributes(RT)), by=SECOND)
    assert routes(world) == {"10.9.0.1", "10.9.0.2", "10.9.0.3"}
    assert status(world.node, world.now).peers[0].kept
    world.wait(1)
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}
    assert not status(world.node, world.now).peers[0].kept


def test_an_empty_reflector_does_not_contradict_itself_because_another_one_knows_something() -> None:
    """It returns without its session with the other cloud; the second has known only this cloud all the while."""
    world = begun(REFLECTOR, SECOND)
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.says(path("10.9.0.9/32", attributes(RT, next_hop="172.30.1.9"), rd="172.30.1.9:16"), by=SECOND)
    for one in (REFLECTOR, SECOND):
        world.end_of_rib(one)
    returned(world)
    world.wait(SETTLE_S - 1)
    assert routes(world) == {"10.9.0.1", "10.9.0.9"}


@pytest.mark.parametrize("by_beacon", [True, False])
def test_one_that_may_not_say_it_does_not_contradict_it(by_beacon: bool) -> None:
    """It is told of the hypervisor, and of some of its routes. The others nobody takes from it."""
    world = begun(REFLECTOR, SECOND, trusts={SECOND: Trust(accept_targets=(TargetRange.parse("64512:9"),))})
    for one in (REFLECTOR, SECOND):
        beacon = [shown(one)] if by_beacon else []
        routes_of_it = path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes("64512:9"))
        world.says(*routes_of_it, *beacon, by=one)
        world.end_of_rib(one)
    world.says(path("10.9.0.3/32", attributes(RT, "64512:9")))
    world.cut(REFLECTOR)
    world.wait(2 * SETTLE_S)
    assert routes(world) == {"10.9.0.1"}, "what it may say and does not is not so"


def test_one_whose_word_was_not_taken_in_does_not_contradict_it() -> None:
    world = begun(REFLECTOR, SECOND, limits=Limits(routes_per_target=1))
    world.says(path("10.9.0.1/32", attributes(RT)), shown(REFLECTOR))
    world.says(path("10.9.0.2/32", attributes(RT)), path("10.9.0.1/32", attributes(RT)), shown(SECOND), by=SECOND)
    world.end_of_rib()
    world.end_of_rib(SECOND)
    world.cut(REFLECTOR)
    world.wait(2 * SETTLE_S)
    assert routes(world) == {"10.9.0.1", "10.9.0.2"}


def test_an_exchange_waits_on_for_one_that_has_not_said_all() -> None:
    world = begun()
    world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)))
    world.end_of_rib()
    world.cut()
    world.restore()
    fresh = world.handed_over()
    fresh.switch_on()
    fresh.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    fresh.wait(300)
    assert routes(fresh) == {"10.9.0.1", "10.9.0.2"} and not status(fresh.node, fresh.now).peers[0].in_sync
    fresh.says(path("10.9.0.1/32", attributes(RT)))
    fresh.end_of_rib()
    assert routes(fresh) == {"10.9.0.1"}


def test_a_reflector_that_goes_again_while_it_settles_has_contradicted_nothing() -> None:
    world = begun()
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    for _ in range(3):
        returned(world)
        world.wait(SETTLE_S - 1)
        assert routes(world)
    world.cut()
    world.wait(SETTLE_S * 2)
    assert routes(world)


def test_who_says_that_this_was_all_again_and_again_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time the whole table would be looked at for what it contradicts."""
    world = begun(REFLECTOR, SECOND)
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    world.end_of_rib(SECOND)
    world.cut()
    sweeps: list[object] = []
    monkeypatch.setattr(AdjRibIn, "sweep", lambda *asked: sweeps.append(asked) or {})
    for _ in range(50):
        world.end_of_rib(SECOND)
    assert sweeps == [] and routes(world) == {"10.9.0.1"}


def test_room_that_comes_when_a_reflector_has_settled_is_used() -> None:
    world = begun(limits=Limits(routes_per_peer=4))
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    world.end_of_rib()
    returned(world)
    fresh = [path(f"10.9.1.{n}/32", attributes(RT)) for n in (1, 2)]
    world.reflectors[REFLECTOR].answers = fresh
    world.says(*fresh)
    assert world.node.peers[REFLECTOR].refused == 2
    world.wait(SETTLE_S)
    assert routes(world) == {"10.9.1.1", "10.9.1.2"}
