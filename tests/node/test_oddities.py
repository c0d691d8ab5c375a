"""Routes of others that are used and of which something is worth telling; what is refused is told by the reason."""

from __future__ import annotations

from isthmus.model.reason import Note, NotImported
from isthmus.node.report import status
from isthmus.node.status import Detail, NodeStatus
from isthmus.shell.transitions import lines
from tests.build import ELSEWHERE, association, attachment, attributes, circuit, path, port
from tests.world import World

A, RT = "neutron-a", "64512:1"


def begun() -> World:
    """In a BGPVPN of VNI 5016."""
    world = World()
    world.switch_on()
    joined = association(16, networks=(A,), both=(RT,))
    world.intent({circuit(1): attachment(1, joined, networks=(A,))}, [port("p", A, "10.1.0.5")])
    return world


def notes(world: World) -> dict[str, str]:
    return {r.prefix: r.note for r in status(world.node, world.now).routes if r.best and r.peer}


def seen(world: World) -> NodeStatus:
    return status(world.node, world.now, Detail.STATES)


def test_a_pe_of_another_maker_whose_number_is_another_is_named() -> None:
    """FRR 10.3 takes type 5 with its own L3VNI only, and says that number itself; our clouds know each other's."""
    world = begun()
    world.says(path("10.9.1.0/24", attributes(RT, site=None), vni=7001))
    world.says(path("10.9.2.0/24", attributes(RT, site=None), vni=5016, rd="172.30.2.1:17"))
    world.says(path("10.9.3.0/24", attributes(RT, site=ELSEWHERE), vni=7001, rd="172.30.2.1:18"))
    assert notes(world) == {"10.9.1.0/24": Note.OTHER_VNI.value, "10.9.2.0/24": "", "10.9.3.0/24": ""}
    assert status(world.node, world.now, Detail.NUMBERS).noted == {Note.OTHER_VNI.value: 1}


def test_two_pes_with_one_route_distinguisher_are_named() -> None:
    world = begun()
    world.says(path("10.9.1.0/24", attributes(RT, next_hop="172.30.2.1")))
    assert notes(world) == {"10.9.1.0/24": ""}
    world.says(path("10.9.2.0/24", attributes(RT, next_hop="172.30.2.2")))
    assert set(notes(world).values()) == {Note.SHARED_DISTINGUISHER.value}
    world.says(withdraw=[path("10.9.2.0/24", attributes(RT)).nlri])  # type: ignore[list-item]
    assert notes(world) == {"10.9.1.0/24": ""}


def test_what_cannot_be_used_is_logged_once_by_the_reason() -> None:
    world = begun()
    before = seen(world)
    assert before.refused == {}
    world.says(path("10.9.1.0/24", attributes(RT, router_mac=None)))
    after = seen(world)
    why = NotImported.NO_ROUTER_MAC.value
    assert after.refused == {why: 1}
    assert list(lines(before, after)) == [f"routes: 1 that a VPN here imports cannot be used: {why}"]
    world.says(path("10.9.2.0/24", attributes(RT, router_mac=None), rd="172.30.2.1:17"))
    assert list(lines(after, seen(world))) == [], "of the same reason one more is no news"
    world.says(path("10.9.1.0/24", attributes(RT)), path("10.9.2.0/24", attributes(RT), rd="172.30.2.1:17"))
    assert list(lines(after, seen(world))) == [f"routes: none any more that cannot be used because: {why}"]
