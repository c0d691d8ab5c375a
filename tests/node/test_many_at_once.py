"""What there is very much of is not walked when something else changes, or when somebody asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from isthmus.bgp.iana import MessageType
from isthmus.model.vpn import BEACON_TARGET
from isthmus.node.config import Limits
from isthmus.node.report import status
from isthmus.node.status import Detail
from isthmus.rib.path import Path
from tests.build import association, attachment, attributes, circuit, path, port
from tests.world import REFLECTOR, World

A = "neutron-a"
RT = "64512:1"
FEW, MANY = 10, 200


def world(limits: Limits | None = None) -> World:
    made = World(limits=limits or Limits())
    made.switch_on()
    red = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
    made.intent({circuit(1): red}, [port("p", A, "10.1.0.5")])
    return made


def calls(act: Callable[[], object]) -> int:
    """How many of our functions are called meanwhile."""
    seen = 0

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal seen
        seen += event == "call" and "/isthmus/" in frame.f_code.co_filename

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


def of_vpn(number: int) -> list[Path]:
    return [path(f"10.{number}.0.{n}/32", attributes(f"64512:{100 + number}")) for n in range(1, 7)]


def with_vpns_refused(count: int) -> World:
    """Of so many VPNs one route was refused and there is room again; the last of them is full still."""
    made = world(Limits(routes_per_target=5))
    for number in range(count):
        made.says(*of_vpn(number))
    for number in range(count - 1):
        made.says(withdraw=[one.nlri for one in of_vpn(number)[:3]])
    assert status(made.node, made.now).peers[0].refused == count
    return made


def test_an_update_costs_the_same_however_many_maxima_have_refused_something() -> None:
    few, many = with_vpns_refused(FEW), with_vpns_refused(MANY)

    def one_route(made: World) -> int:
        return calls(lambda: made.says(path("10.255.0.1/32", attributes("64512:99"))))

    assert one_route(many) < one_route(few) + MANY / 4


def test_it_is_asked_again_when_all_of_them_have_room_at_once() -> None:
    made = with_vpns_refused(FEW)
    asked, first, last = made.node.peers[REFLECTOR].session.counters.sent, of_vpn(0), of_vpn(FEW - 1)
    made.says(*first[:3])
    made.says(withdraw=[last[0].nlri])
    assert asked[MessageType.ROUTE_REFRESH] == 0, "the last has room now, the first has none any more"
    made.says(withdraw=[first[5].nlri])
    assert asked[MessageType.ROUTE_REFRESH] == 1, "of the first nothing is refused any more"


def with_hypervisors(count: int) -> World:
    """Each shows its beacon; one is shown with another's next hop."""
    made = world()
    for n in range(1, count + 1):
        made.says(beacon(f"172.30.2.{n}"))
    made.says(beacon("172.30.3.1", hop="172.30.2.1"))
    return made


def beacon(end: str, hop: str = "") -> Path:
    return path(f"{end}/32", attributes(str(BEACON_TARGET), next_hop=hop or end), rd=f"{end}:0")


def test_a_report_costs_the_same_however_many_hypervisors_there_are() -> None:
    few, many = with_hypervisors(FEW), with_hypervisors(MANY)

    def looked(made: World) -> int:
        return calls(lambda: status(made.node, made.now, Detail.STATES))

    assert looked(many) < looked(few) + MANY / 4


def test_the_report_counts_beacons_as_they_come_and_go() -> None:
    made = with_hypervisors(FEW)

    def shown() -> tuple[int, list[str]]:
        (peer,) = status(made.node, made.now).peers
        return peer.beacons, peer.next_hops_changed_to

    assert shown() == (FEW, ["172.30.2.1"])
    made.says(withdraw=[beacon("172.30.2.2").nlri])
    made.says(beacon("172.30.3.1", hop="172.30.2.3"))
    assert shown() == (FEW - 1, ["172.30.2.3"])
    made.says(beacon("172.30.3.1"), beacon("172.30.2.4", hop="172.30.2.9"))
    assert shown() == (FEW - 1, ["172.30.2.9"])
    made.says(path("172.30.2.4/32", attributes(RT, next_hop="172.30.2.4"), rd="172.30.2.4:0"))
    assert shown() == (FEW - 1, []), "no beacon any more"
