"""A hypervisor that cannot be heard has taken nothing back: what reflectors withdraw with its beacon stays a while."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import NotBest, Note
from isthmus.model.vpn import BEACON_TARGET, RouteDistinguisher, SiteOfOrigin
from isthmus.node.config import Limits
from isthmus.node.facts import Answer, DrainWanted
from isthmus.node.order import GRACEFUL_S, RESTART_TIME_S, SETTLE_S
from isthmus.node.report import status
from isthmus.rib.adj_in import NO_LLGR
from isthmus.rib.path import Path
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from tests.build import association, attachment, attributes, circuit, ip, nlri, path, port
from tests.world import REFLECTOR, SECOND, World

A, RT = "neutron-a", "64512:1"
ONE, OTHER = ip("172.30.2.1"), ip("172.30.2.2")
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
FIRST, LAST = nlri("10.9.0.1/32"), nlri("10.9.0.2/32")


def sign(of: IpAddress = ONE, by: IpAddress = REFLECTOR) -> Path:
    route = beacon(Speaker(of, of, Mac(b"\x02\x78" + of), 64513))
    return Path(by, by, route.nlri, Heard.of(route.attributes), 0.0)


BEACON: EvpnPrefix = sign().nlri


def heard(
    *peers: IpAddress, answer: Answer | None = Answer.ANSWERS, shown: bool = True, limits: Limits | None = None
) -> World:
    """Two addresses of one hypervisor, by every peer, and its beacon."""
    world = World(peers=peers or (REFLECTOR,), limits=limits)
    world.switch_on()
    world.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    for peer in world.reflectors:
        world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)), by=peer)
        if shown:
            world.says(sign(by=peer), by=peer)
        world.end_of_rib(peer)
    if answer is not None:
        world.probe(ONE, answer)
    return world


def leads(world: World) -> dict[str, str]:
    """Destination to tunnel endpoint."""
    return {
        key.match.rsplit("=", 1)[1]: flow.actions.split("->tun_dst")[0].rsplit("set_field:", 1)[1]
        for key, flow in world.flows.items()
        if key.table == Table.VIEW and key.match
    }


BOTH = {"10.9.0.1": str(ONE), "10.9.0.2": str(ONE)}


def notes(world: World) -> set[str]:
    return {r.note for r in status(world.node, world.now).routes if r.peer}


# What is shown


def test_ours_follows_all_routes_and_precedes_the_end_of_the_inventory() -> None:
    world = World()
    world.switch_on()
    assert not world.reflectors[REFLECTOR].beacons, "nothing is known of what there is to announce"
    world.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    far = world.reflectors[REFLECTOR]
    (at,) = far.beacons
    assert [bool(u.announced) for u in far.history[:at]] == [True]
    assert [u.end_of_rib is not None for u in far.history[at:]] == [True]


def test_it_is_shown_once_a_run_of_a_session_and_again_when_everything_is_asked_for() -> None:
    world = heard()
    world.intent({circuit(1): RED}, [port("p", A, "10.1.0.5"), port("q", A, "10.1.0.6")])
    assert len(world.reflectors[REFLECTOR].beacons) == 1
    world.reflectors[REFLECTOR].session.ask_refresh(family=world.node.peers[REFLECTOR].session.config.families[0])
    world.settle()
    assert len(world.reflectors[REFLECTOR].beacons) == 2
    later = world.handed_over()
    later.switch_on()
    later.intent({circuit(1): RED}, [port("p", A, "10.1.0.5"), port("q", A, "10.1.0.6")])
    assert len(later.reflectors[REFLECTOR].beacons) == 3, "the run before may have shown none, or another"


def test_a_drained_hypervisor_can_be_heard_still() -> None:
    """Or others would hold what it takes back."""
    world = heard()
    world.tell(DrainWanted(True))
    world.wait(GRACEFUL_S + 1)
    assert not world.reflectors[REFLECTOR].routes
    assert not any(
        route == beacon(world.node.speaker).nlri
        for update in world.reflectors[REFLECTOR].history
        for route in update.withdrawn
    )


# What is held


@pytest.mark.parametrize("together", [True, False], ids=["in one message", "one by one"])
def test_what_goes_with_the_beacon_is_held_and_said(together: bool) -> None:
    world = heard()
    if together:
        world.says(withdraw=[FIRST, LAST, BEACON])
    else:
        for route in (BEACON, FIRST, LAST):
            world.says(withdraw=[route])
    assert leads(world) == BOTH
    assert notes(world) == {Note.HELD.value}
    world.wait(RESTART_TIME_S - 1)
    assert leads(world) == BOTH
    world.wait(1)
    assert leads(world) == {}
    assert world.node.rib.count(REFLECTOR) == 0


def test_what_is_taken_back_while_the_beacon_is_shown_goes_at_once() -> None:
    world = heard()
    world.says(withdraw=[FIRST])
    assert leads(world) == {"10.9.0.2": str(ONE)}


@pytest.mark.parametrize("answer", [None, Answer.SILENT])
def test_nothing_is_held_for_one_that_is_not_seen_to_forward(answer: Answer | None) -> None:
    world = heard(answer=answer)
    world.says(withdraw=[BEACON])
    world.says(withdraw=[FIRST, LAST])
    assert leads(world) == {} and world.node.rib.count(REFLECTOR) == 0


def test_one_that_falls_silent_later_is_out_of_use_though_it_is_held() -> None:
    world = heard()
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", local_pref=50), rd="172.30.2.2:16"))
    world.says(withdraw=[BEACON, FIRST, LAST])
    world.probe(ONE, Answer.SILENT)
    open_ = {key.match for key in world.flows if key.table == Table.TUNNEL and key.match}
    assert open_ == {f"tun_dst={OTHER}"} and leads(world)["10.9.0.1"] == str(OTHER)
    said = status(world.node, world.now).switch
    assert (said.endpoints_unheard, said.endpoints_silent) == ([], [str(ONE)])


def test_another_makers_pe_shows_none_and_is_treated_as_ever() -> None:
    world = heard(shown=False)
    world.says(withdraw=[FIRST, LAST])
    assert leads(world) == {}


def test_only_what_that_hypervisor_said_is_held() -> None:
    world = heard()
    theirs = nlri("10.9.0.3/32", rd="172.30.2.2:16")
    world.says(path("10.9.0.3/32", attributes(RT, next_hop="172.30.2.2"), rd="172.30.2.2:16"), sign(OTHER))
    world.probe(OTHER, Answer.ANSWERS)
    world.says(withdraw=[BEACON])
    world.says(withdraw=[FIRST, LAST, theirs])
    assert leads(world) == BOTH


def test_a_beacon_that_another_peer_shows_makes_it_true() -> None:
    world = heard(REFLECTOR, SECOND)
    world.says(withdraw=[BEACON, FIRST, LAST])
    assert world.node.rib.count(REFLECTOR) == 0 and leads(world) == BOTH, "the other one has them"
    world.says(withdraw=[FIRST], by=SECOND)
    assert leads(world) == {"10.9.0.2": str(ONE)}
    world.says(withdraw=[BEACON, LAST], by=SECOND)
    assert leads(world) == {"10.9.0.2": str(ONE)}, "now nobody hears it"


def test_who_would_rather_have_no_route_has_none() -> None:
    world = heard()
    world.says(path("10.9.0.1/32", replace(attributes(RT), communities=(NO_LLGR,))))
    world.says(withdraw=[BEACON, FIRST, LAST])
    assert leads(world) == {"10.9.0.2": str(ONE)}


def test_what_is_held_gives_way_to_whoever_is_heard() -> None:
    """The machine has moved meanwhile, and nothing else about the routes says which is the newer."""
    world = heard()
    world.says(withdraw=[BEACON, FIRST, LAST])
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", local_pref=50), rd="172.30.2.2:16"))
    assert leads(world) == BOTH | {"10.9.0.1": str(OTHER)}
    (loser,) = [r for r in status(world.node, world.now).routes if r.peer and not r.best]
    assert (loser.why, loser.next_hop) == (NotBest.LONG_LIVED_STALE.value, str(ONE))


def stranger(rd: str) -> Path:
    """A route to ONE with the beacons' target, which is not ONE's beacon."""
    return Path(
        REFLECTOR, REFLECTOR, sign().nlri._replace(rd=RouteDistinguisher.parse(rd)), Heard.of(sign().attributes), 0.0
    )


@pytest.mark.parametrize("rd", ["172.30.2.9:17", "64513:0"])
def test_a_route_of_somebody_else_is_no_beacon(rd: str) -> None:
    world = heard()
    world.says(stranger(rd))
    world.says(withdraw=[stranger(rd).nlri])
    world.says(withdraw=[FIRST])
    assert leads(world) == {"10.9.0.2": str(ONE)}


def test_a_beacon_under_another_name_shows_that_the_endpoint_is_heard() -> None:
    """Its router-id was changed, and some reflector kept what the old one had said."""
    world = heard()
    world.says(stranger("172.30.2.8:0"))
    world.says(withdraw=[BEACON])
    world.says(withdraw=[FIRST, LAST])
    assert leads(world) == {}
    assert status(world.node, world.now).switch.endpoints_unheard == []


def test_what_is_withdrawn_twice_is_held_once() -> None:
    world = heard()
    world.says(withdraw=[BEACON, FIRST, LAST])
    world.wait(50)
    world.says(withdraw=[BEACON, FIRST, LAST])
    assert {r.stale_s for r in status(world.node, world.now).routes if r.peer} == {50.0}
    world.wait(RESTART_TIME_S - 50)
    assert leads(world) == {}


def test_a_machine_that_is_elsewhere_now_is_in_one_site() -> None:
    world = heard()
    world.says(withdraw=[BEACON, FIRST, LAST])
    site = SiteOfOrigin.parse("64514:1")
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", site=site), rd="172.30.2.2:16"))
    (said,) = [r for r in status(world.node, world.now).routes if r.peer and r.best and r.prefix == "10.9.0.1/32"]
    assert (said.next_hop, said.note) == (str(OTHER), "")


# From run to run


def test_an_exchange_keeps_what_is_held_and_for_as_long() -> None:
    world = heard()
    world.says(withdraw=[BEACON, FIRST])
    later = world.handed_over()
    later.switch_on()
    later.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    assert leads(later) == BOTH and notes(later) == {Note.HELD.value, ""}
    later.says(withdraw=[LAST])
    assert leads(later) == BOTH, "still not heard"
    later.wait(RESTART_TIME_S - 2)
    assert leads(later) == BOTH
    later.wait(1)
    assert leads(later) == {}


# How it ends


def test_an_agent_that_crashes_again_and_again_keeps_nothing_for_ever() -> None:
    world = heard()
    began = world.now
    world.says(withdraw=[BEACON, FIRST, LAST])
    while world.now < began + RESTART_TIME_S + 10:
        world.wait(3)
        world.says(path("10.9.0.2/32", attributes(RT)), sign())
        world.wait(20)
        world.says(withdraw=[BEACON, LAST])
    assert leads(world) == {"10.9.0.2": str(ONE)}, "the first was not said again, five times"


def test_when_its_reflector_goes_too_what_is_held_is_stale_like_the_rest() -> None:
    world = heard()
    world.says(withdraw=[BEACON, FIRST])
    world.cut()
    assert notes(world) == {Note.STALE.value}
    world.wait(RESTART_TIME_S + 10)
    assert leads(world) == BOTH, "nobody is there who would contradict it"
    world.restore()
    world.end_of_rib()
    world.wait(SETTLE_S - 1)
    assert leads(world) == BOTH
    world.wait(1)
    assert leads(world) == {}


def test_what_found_no_room_beside_what_is_held_is_asked_for_when_that_goes() -> None:
    world = heard(limits=Limits(routes_per_peer=3))
    far = world.reflectors[REFLECTOR]
    far.answers = [path("10.9.0.3/32", attributes(RT, next_hop="172.30.2.2"), rd="172.30.2.2:16"), sign()]
    world.says(withdraw=[BEACON, FIRST, LAST])
    world.says(sign(), far.answers[0])
    assert "10.9.0.3" not in leads(world)
    world.wait(SETTLE_S)
    assert leads(world) == {"10.9.0.3": str(OTHER)}


def test_when_it_is_heard_again_what_it_does_not_say_goes_in_a_while() -> None:
    world = heard()
    world.says(withdraw=[BEACON, FIRST, LAST])
    world.wait(5)
    world.log.clear()
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.says(sign())
    assert {(r.prefix, r.note) for r in status(world.node, world.now).routes if r.peer} == {
        ("10.9.0.1/32", ""),
        ("10.9.0.2/32", Note.HELD.value),
    }
    world.says(withdraw=[FIRST])
    assert leads(world) == {"10.9.0.2": str(ONE)}, "it is heard, so it is believed"
    world.wait(SETTLE_S - 1)
    assert leads(world) == {"10.9.0.2": str(ONE)}
    world.wait(1)
    assert leads(world) == {}


def test_not_one_flow_changes_when_all_of_it_returns() -> None:
    world = heard()
    before = {key: flow.actions for key, flow in world.flows.items()}
    world.log.clear()
    for _ in range(2):
        world.says(withdraw=[BEACON, FIRST, LAST])
        world.wait(3)
        world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)), sign())
        assert notes(world) == {""}
    world.wait(RESTART_TIME_S + SETTLE_S)
    assert {key: flow.actions for key, flow in world.flows.items()} == before
    assert notes(world) == {""}


def test_it_may_be_heard_first_by_another_peer() -> None:
    world = heard(REFLECTOR, SECOND)
    for peer in world.reflectors:
        world.says(withdraw=[BEACON, FIRST, LAST], by=peer)
    assert leads(world) == BOTH
    world.says(sign(by=REFLECTOR), by=REFLECTOR)
    world.wait(SETTLE_S)
    assert leads(world) == {}, "what the second kept is not so either"


def test_a_session_in_sync_contradicts_what_is_stale_but_not_what_is_held() -> None:
    world = heard(REFLECTOR, SECOND)
    for peer in world.reflectors:
        world.says(withdraw=[BEACON, FIRST, LAST], by=peer)
    world.cut(REFLECTOR)
    world.restore(REFLECTOR)
    world.end_of_rib(REFLECTOR)
    assert leads(world) == BOTH


def test_no_vpn_has_a_beacon_in_it() -> None:
    """Whatever a BGPVPN imports."""
    curious = attachment(1, association(16, networks=(A,), both=(RT, str(BEACON_TARGET))), networks=(A,))
    world = heard()
    world.intent({circuit(1): curious}, [port("p", A, "10.1.0.5")])
    assert leads(world) == BOTH
    assert {r.prefix for r in status(world.node, world.now).routes if r.peer} == {"10.9.0.1/32", "10.9.0.2/32"}
