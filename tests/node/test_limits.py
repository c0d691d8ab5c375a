"""Near the limit: a warning. At it: the surplus, and nothing else, is refused, with its reason; room made is used."""

from __future__ import annotations

import pytest

from isthmus.fib.entries import view_id
from isthmus.flows.layout import Table
from isthmus.model.reason import AttachmentState, NotInstalled
from isthmus.node.config import Limits
from isthmus.node.report import status
from isthmus.node.status import Detail
from isthmus.vpn.exports import TARGETS_MAX
from tests.build import association, attachment, attributes, circuit, net, nlri, path, port, rts
from tests.world import REFLECTOR, World

A, B = "neutron-a", "neutron-b"
RT, OTHER = "64512:1", "64512:2"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
BLUE = attachment(2, association(17, networks=(B,), both=(OTHER,)), networks=(B,))


def world(**limits: int) -> World:
    made = World(limits=Limits(**limits))
    made.switch_on()
    made.intent({circuit(1): RED, circuit(2): BLUE}, [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")])
    return made


def destinations(made: World) -> set[str]:
    matches = [key.match for key in made.flows if key.table == Table.VIEW and key.match]
    return {match.rsplit("=", 1)[1] for match in matches}


def test_a_full_view_refuses_what_is_beyond_and_its_neighbour_view_notices_nothing() -> None:
    made = world(routes_per_view=2)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (4, 3, 2, 1)))
    made.says(path("10.8.0.1/32", attributes(OTHER)))
    assert destinations(made) == {"10.9.0.1", "10.9.0.2", "10.8.0.1"}
    why = {r.prefix: r.why for r in status(made.node, made.now).routes if r.peer}
    assert why["10.9.0.3/32"] == why["10.9.0.4/32"] == NotInstalled.VIEW_FULL.value
    assert made.node.peers[REFLECTOR].up_since is not None, "never the session"


def test_room_in_a_view_is_used_at_once_and_the_order_of_arrival_decides_nothing() -> None:
    made = world(routes_per_view=2)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    made.says(withdraw=[nlri("10.9.0.1/32")])
    assert destinations(made) == {"10.9.0.2", "10.9.0.3"}
    made.says(path("10.9.0.1/32", attributes(RT)))
    assert destinations(made) == {"10.9.0.1", "10.9.0.2"}


def test_exactly_at_the_limit_nothing_is_refused() -> None:
    made = world(routes_per_view=2)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2)))
    assert destinations(made) == {"10.9.0.1", "10.9.0.2"}
    assert not any(r.why for r in status(made.node, made.now).routes if r.peer)


def test_a_peer_with_too_many_routes_keeps_its_session_and_is_asked_again_when_there_is_room() -> None:
    made = world(routes_per_peer=4)
    routes = [path(f"10.9.0.{n}/32", attributes(RT)) for n in range(1, 7)]
    made.says(*routes)
    assert made.node.rib.count(REFLECTOR) == 4
    assert made.node.peers[REFLECTOR].refused == 2
    made.says(path("10.9.0.1/32", attributes(RT), vni=7009))
    assert made.node.rib.count(REFLECTOR) == 4, "a route it has may change"
    made.reflectors[REFLECTOR].answers = routes[2:]
    made.says(withdraw=[nlri("10.9.0.1/32"), nlri("10.9.0.2/32")])
    assert destinations(made) >= {"10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6"}
    assert made.node.peers[REFLECTOR].refused == 0


def test_attachments_beyond_the_maximum_are_named_and_the_others_served() -> None:
    made = world(circuits=1)
    assert set(made.circuits) == {circuit(1)}
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    states = {a.circuit: a.state for a in status(made.node, made.now).attachments}
    assert states == {circuit(1): AttachmentState.ACTIVE.name, circuit(2): AttachmentState.TOO_MANY.name}
    made.intent({circuit(2): BLUE}, [port("q", B, "10.2.0.5")])
    made.wait(5)
    assert set(made.circuits) == {circuit(2)}


def test_more_targets_than_an_update_carries_are_refused_by_name_and_nothing_breaks() -> None:
    many = tuple(f"64512:{n}" for n in range(TARGETS_MAX + 1))
    made = world()
    wide = attachment(1, association(16, networks=(A,), exports=many), networks=(A,))
    made.intent({circuit(1): wide, circuit(2): BLUE}, [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")])
    made.wait(5)
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.2.0.5/32")}
    exact = attachment(1, association(16, networks=(A,), exports=many[:-1]), networks=(A,))
    made.intent({circuit(1): exact, circuit(2): BLUE}, [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")])
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32"), net("10.2.0.5/32")}


def limit(made: World, name: str, of: str = "") -> tuple[str, int, int]:
    """State, taken and refused, as the log's own glance sees them."""
    found = [o for o in status(made.node, made.now, Detail.STATES).limits if o.limit == name and o.of.endswith(of)]
    assert len(found) == 1
    return found[0].state, found[0].taken, found[0].refused


@pytest.mark.parametrize(
    ("routes", "expected"),
    [(79, ("ROOM", 79, 0)), (80, ("NEAR", 80, 0)), (100, ("NEAR", 100, 0)), (101, ("FULL", 100, 1))],
)
def test_a_view_and_a_peer_warn_at_eighty_percent_and_refuse_beyond_a_hundred(
    routes: int, expected: tuple[str, int, int]
) -> None:
    many = [path(f"10.9.0.{n}/32", attributes(RT)) for n in range(1, routes + 1)]
    narrow = world(routes_per_view=100)
    narrow.says(*many)
    red = f"{view_id(rts(RT)):#x}"
    assert limit(narrow, "routes_per_view", red) == expected
    short = world(routes_per_peer=100)
    short.says(*many)
    assert limit(short, "routes_per_peer", str(REFLECTOR)) == expected
    assert short.node.peers[REFLECTOR].up_since is not None
    short.says(withdraw=[p.nlri for p in many[:30]])
    assert limit(short, "routes_per_peer") == ("ROOM", min(routes, 100) - 30, 0)


@pytest.mark.parametrize(
    ("attachments", "expected"),
    [(79, ("ROOM", 79, 0)), (80, ("NEAR", 80, 0)), (100, ("NEAR", 100, 0)), (101, ("FULL", 100, 1))],
)
def test_attachments_warn_at_eighty_percent(attachments: int, expected: tuple[str, int, int]) -> None:
    made = World(limits=Limits(circuits=100))
    made.switch_on()
    rows = {
        circuit(n): attachment(n, association(16 + n, networks=(f"net-{n}",), both=(RT,)), networks=(f"net-{n}",))
        for n in range(attachments + 5)
    }
    made.intent({**rows}, [port(f"p{n}", f"net-{n}", "10.1.0.5") for n in range(attachments)])
    assert limit(made, "attachments") == expected, "the five without a machine here do not count"


def test_one_view_near_its_limit_says_nothing_of_another() -> None:
    made = world(routes_per_view=5)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    states = sorted(o.state for o in status(made.node, made.now).limits if o.limit == "routes_per_view")
    assert states == ["NEAR", "ROOM"]
    made.intent({circuit(2): BLUE}, [port("q", B, "10.2.0.5")])
    assert limit(made, "routes_per_view")[0] == "ROOM", "a view that is gone has no limit"
