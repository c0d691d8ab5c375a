"""Near the limit: a warning. At it: the surplus, and nothing else, is refused, with its reason; room made is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from isthmus.fib.entries import view_id
from isthmus.flows.layout import Table
from isthmus.model.reason import AttachmentState, NotAnnounced, NotInstalled
from isthmus.node.bulletin import About, bulletin
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


def test_room_in_a_view_is_used_at_once_and_a_newcomer_puts_nobody_out() -> None:
    made = world(routes_per_view=2)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    made.says(withdraw=[nlri("10.9.0.1/32")])
    assert destinations(made) == {"10.9.0.2", "10.9.0.3"}
    made.says(path("10.9.0.1/32", attributes(RT)))
    assert destinations(made) == {"10.9.0.2", "10.9.0.3"}, "though it comes before them"
    made.intent({circuit(1): RED, circuit(2): BLUE}, [port("p", A, "10.1.0.5"), port("n", A, "10.1.0.6")])
    assert destinations(made) == {"10.9.0.2", "10.9.0.3"}, "nor does a machine of this hypervisor"


def test_a_newcomer_with_a_lower_name_puts_out_neither_a_port_nor_an_attachment() -> None:
    made = world(ports=1, circuits=1)
    rows, ports = {circuit(1): RED}, [port("b", A, "10.1.0.6")]
    made.intent(rows, ports)
    made.wait(5)
    early = attachment(0, association(99, networks=(B,), both=(RT,)), networks=(B,))
    made.intent({circuit(0): early, **rows}, [port("0", B, "10.2.0.1"), port("a", A, "10.1.0.5"), *ports])
    made.wait(5)
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.6/32")} and set(made.circuits) == {circuit(1)}
    made.intent({circuit(0): early}, [port("0", B, "10.2.0.1")])
    made.wait(5)
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.2.0.1/32")}, "room is used"


def without_memory(made: World) -> World:
    """The file is lost; the switch goes on."""
    after = World(generation=made.node.config.generation + 1, now=made.now + 1, limits=made.node.config.limits)
    after.flows, after.circuits, after.next_port = dict(made.flows), dict(made.circuits), made.next_port
    return after


@pytest.mark.parametrize("restart", [World.handed_over, World.crashed, without_memory], ids=lambda r: r.__name__)
def test_a_full_hypervisor_that_is_restarted_serves_whom_it_served(restart: Callable[[World], World]) -> None:
    """Newcomers with lower names and prefixes wait, whatever the fresh process hears first."""
    made = world(routes_per_view=2, circuits=1, ports=2)
    rows, ports = {circuit(1): RED}, [port("x", A, "10.1.0.7"), port("y", A, "10.1.0.8")]
    made.intent(rows, ports)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (8, 9)))
    made.end_of_rib()
    made.wait(5)
    served = (set(made.circuits), set(made.reflectors[REFLECTOR].routes), destinations(made))
    early = attachment(0, association(99, networks=(B,), both=(RT,)), networks=(B,))
    more = {circuit(0): early, **rows}, [port("0", B, "10.2.0.1"), port("a", A, "10.1.0.1"), *ports]
    routes = [path(f"10.{net}.0.{n}/32", attributes(RT)) for net, n in ((8, 1), (8, 2), (9, 8), (9, 9))]
    for told_first in (True, False):
        after = restart(made)
        if not told_first:
            after.switch_on()
        after.intent(*more)
        after.says(*routes)
        after.switch_on()
        after.end_of_rib()
        after.wait(40)
        assert (set(after.circuits), set(after.reflectors[REFLECTOR].routes), destinations(after)) == served
        made = after


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


def refused(made: World) -> int:
    return status(made.node, made.now).peers[0].refused


def test_a_refused_route_counts_once_and_until_it_is_withdrawn() -> None:
    made = world(routes_per_peer=4)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in (1, 2, 3, 4)))
    for med in range(5):
        made.says(path("10.9.0.5/32", attributes(RT, med=med)), path("10.9.0.6/32", attributes(RT, med=med)))
    assert refused(made) == 2
    made.says(withdraw=[nlri("10.9.0.5/32"), nlri("10.9.0.99/32")])
    assert refused(made) == 1
    made.says(path("10.9.0.6/32", attributes(RT)), withdraw=[nlri("10.9.0.1/32")])
    assert refused(made) == 0 and made.node.rib.count(REFLECTOR) == 4, "it has found room"
    assert limit(made, "routes_per_peer") == ("NEAR", 4, 0)


def test_what_a_peer_that_cannot_be_asked_again_was_refused_stays_refused() -> None:
    made = world(routes_per_peer=4)
    agreed = made.node.peers[REFLECTOR].session.agreed
    assert agreed is not None
    made.node.peers[REFLECTOR].session.agreed = replace(agreed, route_refresh=False)
    made.says(*(path(f"10.9.0.{n}/32", attributes(RT)) for n in range(1, 7)))
    made.says(withdraw=[nlri(f"10.9.0.{n}/32") for n in (1, 2, 3)])
    assert refused(made) == 2, "nobody has said them again"


def test_attachments_beyond_the_maximum_are_named_and_the_others_served() -> None:
    made = world(circuits=1)
    assert set(made.circuits) == {circuit(1)}
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    states = {a.circuit: a.state for a in status(made.node, made.now).attachments}
    assert states == {circuit(1): AttachmentState.ACTIVE.name, circuit(2): AttachmentState.TOO_MANY.name}
    made.intent({circuit(2): BLUE}, [port("q", B, "10.2.0.5")])
    made.wait(5)
    assert set(made.circuits) == {circuit(2)}


PURPLE = attachment(1, association(16, networks=(A, B), both=(RT,)), networks=(A, B))


def test_ports_beyond_the_maximum_are_named_and_disturb_no_other() -> None:
    made = world(ports=2)
    rows = {circuit(1): PURPLE}
    ports = [port("b", A, "10.1.0.5"), port("a", A, "10.1.0.6"), port("c", B, "10.1.0.5", revision=9)]
    outsiders = [port("0", "neutron-z", "10.3.0.5"), port("1", "neutron-z", "10.3.0.6")]
    made.intent(rows, [*ports, *outsiders])
    told = status(made.node, made.now)
    assert limit(made, "ports") == ("FULL", 2, 1), "who is in no VPN does not count"
    why = {p.port: p.why_not for p in told.ports}
    assert why == {"a": "", "b": "", "c": NotAnnounced.TOO_MANY_PORTS.value}, "though it has moved last"
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32"), net("10.1.0.6/32")}
    assert {a for m in told.machines if m.port == "c" for d in m.doors for a in d.closed} == {"10.1.0.5"}
    before = dict(made.flows)
    made.intent(rows, [*reversed(ports), *outsiders])
    assert made.flows == before, "the order of arrival decides nothing"
    made.intent(rows, ports[1:])
    made.wait(5)
    assert limit(made, "ports") == ("NEAR", 2, 0)
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32"), net("10.1.0.6/32")}, "room is used"
    exports = list(made.node.picture.local)
    assert exports[0].port == "a" and not any(e.why_not for e in exports)


def test_an_attachment_that_has_only_ports_beyond_the_maximum_says_so_to_its_cloud() -> None:
    made = world(ports=1)
    assert set(made.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    told = bulletin(made.node, About("1", 0, 0.0), made.now, None)
    assert told is not None
    (blue,) = [a for a in told.attachments if a.attachment == BLUE.attachment]
    assert [*blue.bgpvpns.values()] == [f"1 address is not announced: {NotAnnounced.TOO_MANY_PORTS.value}"]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [(79, ("ROOM", 79, 0)), (80, ("NEAR", 80, 0)), (100, ("NEAR", 100, 0)), (103, ("FULL", 100, 3))],
)
def test_ports_warn_at_eighty_percent(ports: int, expected: tuple[str, int, int]) -> None:
    made = World(limits=Limits(ports=100))
    made.switch_on()
    made.intent({circuit(1): RED}, [port(f"p{n:03}", A, f"10.1.0.{n + 5}") for n in range(ports)])
    assert limit(made, "ports") == expected
    assert len(made.reflectors[REFLECTOR].routes) == expected[1]


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
