"""Routes that lead to nobody: a next hop that no neighbour has and no probe comes back from, or one that a reflector
puts in the place of hypervisors' own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.bgp.heard import Heard
from isthmus.cli import summary
from isthmus.cli.reading import AgentInfo
from isthmus.flows.layout import Table
from isthmus.model.net import IpAddress, Mac
from isthmus.model.reason import Note
from isthmus.node.bulletin import About, bulletin
from isthmus.node.facts import Answer, NeighboursRead
from isthmus.node.report import status
from isthmus.node.status import NodeStatus
from isthmus.rib.path import Path
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from tests.build import association, attachment, attributes, circuit, ip, path, port, uuid
from tests.world import REFLECTOR, World

A, RT = "neutron-a", "64512:1"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
THERE, NOBODY = ip("172.30.2.1"), ip("172.30.2.9")


def world() -> World:
    """One route to somebody who is there, and one to nobody."""
    made = World()
    made.switch_on()
    made.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    made.says(
        path("10.9.0.1/32", attributes(RT)),
        path("10.9.0.9/32", attributes(RT, next_hop=str(NOBODY)), rd=f"{NOBODY}:16"),
    )
    made.end_of_rib()
    return made


def told(made: World) -> NodeStatus:
    return status(made.node, made.now)


def problems(made: World) -> str:
    return "\n".join(summary.problems(told(made), AgentInfo()))


def test_a_next_hop_that_nobody_answers_for_is_sent_to_and_said() -> None:
    made = world()
    assert summary.problems(told(made), AgentInfo()) == []
    made.tell(NeighboursRead(frozenset({THERE, NOBODY}), frozenset({NOBODY})))
    assert {k.match for k in made.flows if k.table == Table.TUNNEL and str(NOBODY) in k.match}, "it may be asleep"
    said = told(made)
    assert said.switch.endpoints_blind == [str(NOBODY)]
    assert {r.prefix: r.note for r in said.routes if r.peer} == {"10.9.0.1/32": "", "10.9.0.9/32": Note.BLIND.value}
    assert f"nobody answers for {NOBODY}" in problems(made)


def test_the_cloud_is_told_which_bgpvpn_it_concerns() -> None:
    made = world()
    made.tell(NeighboursRead(frozenset({THERE, NOBODY}), frozenset({NOBODY})))
    report = bulletin(made.node, About("0.1.0", 5000, 4000.0), made.now, None)
    assert report is not None
    (one,) = report.attachments
    assert one.bgpvpns == {uuid(1016): f"routes are {Note.BLIND.value}"}, "no tenant reads tunnel endpoints"
    assert one.details == {uuid(1016): f"nobody answers for {NOBODY}"}


@pytest.mark.parametrize("neighbour", [True, False])
def test_one_that_answers_in_either_way_is_none_of_these(neighbour: bool) -> None:
    """Where the kernel forgot it a probe says more than a neighbour; another maker's PE knows no probes."""
    made = world()
    made.tell(NeighboursRead(frozenset({THERE, NOBODY}), frozenset({NOBODY})))
    if neighbour:
        made.tell(NeighboursRead(frozenset({THERE, NOBODY})))
    else:
        made.probe(NOBODY, Answer.ANSWERS)
    assert told(made).switch.endpoints_blind == [] and problems(made) == ""


def sign(next_hop: IpAddress | None = None) -> Path:
    """THERE's beacon as a reflector passes it on."""
    route = beacon(Speaker(THERE, THERE, Mac.parse("02:78:ac:1e:02:01"), 64513))
    changed = route.attributes if next_hop is None else replace(route.attributes, next_hop=next_hop)
    return Path(REFLECTOR, REFLECTOR, route.nlri, Heard.of(changed), 0.0)


def test_a_reflector_that_puts_itself_in_the_way_is_seen_by_any_beacon() -> None:
    made = world()
    made.says(sign(ip("172.30.2.250")))
    (peer,) = told(made).peers
    assert (peer.beacons, peer.next_hops_changed_to) == (0, ["172.30.2.250"])
    assert "puts 172.30.2.250 in the place of hypervisors' next hops" in problems(made)
    made.says(sign())
    (peer,) = told(made).peers
    assert (peer.beacons, peer.next_hops_changed_to) == (1, []) and problems(made) == ""
