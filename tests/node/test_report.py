"""What the node tells of itself: the facts that `isthmus why` walks along."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.flows.layout import DROP, REFUSED, Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.reason import NotImported, NotInstalled
from isthmus.node import facts
from isthmus.node.report import status
from isthmus.node.status import Detail, NodeStatus
from tests.build import association, attachment, attributes, circuit, path, port, uuid
from tests.world import World

A, B = "neutron-a", "neutron-b"
RT = "64512:1"


def world() -> World:
    """Two machines behind one router, one of them in the VPN; a third in no attachment; a remote route."""
    made = World()
    made.switch_on()
    red = attachment(
        1, association(16, networks=(A,), both=(RT,)), networks=(A, B), subnets=("10.1.0.0/24", "2001:db8::/64")
    )
    ports = (port("p", A, "10.1.0.5", "2001:db8::5"), port("q", B, "10.2.0.5"), port("r", "neutron-c", "10.3.0.5"))
    made.tell(facts.IntentRead({circuit(1): red}, ports, {"s": "mac: no MAC address in []"}))
    made.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes("64512:2"), rd="172.30.2.1:17"))
    made.end_of_rib()
    return made


def told(world: World) -> NodeStatus:
    """The status after somebody has looked at the switch, and before anything is repaired."""
    world.node.handle(facts.FlowsRead(dict(world.flows)), world.now)
    return status(world.node, world.now)


def flow(world: World, table: Table, word: str) -> FlowKey:
    (key,) = [key for key in world.flows if key.table == table and word in key.match.split(",")]
    return key


def test_machines_in_and_out_of_a_vpn() -> None:
    p, q, r = told(world()).machines
    (view,) = told(world()).views
    assert [(d.attachment, d.view, d.closed) for d in p.doors] == [(f"router:{uuid(1)}", view.view, [])]
    assert [(d.attachment, d.view) for d in q.doors] == [(f"router:{uuid(1)}", "")], "its network is not associated"
    assert r.doors == []
    assert told(world()).skipped == {"s": "mac: no MAC address in []"}


def test_a_view_names_its_bgpvpns() -> None:
    assert [v.bgpvpns for v in told(world()).views] == [[uuid(1016)]]


@pytest.mark.parametrize(
    ("table", "word", "closed"),
    [
        (Table.CLASSIFY, "in_port=10", ["10.1.0.5", "2001:db8::5"]),
        (Table.SOURCE, "nw_src=10.1.0.5", ["10.1.0.5"]),
        (Table.SOURCE, "ipv6_src=2001:db8::5", ["2001:db8::5"]),
        (Table.VIEW, "nw_dst=10.9.0.1", []),
    ],
)
def test_a_door_without_its_flow_is_closed(table: Table, word: str, closed: list[str]) -> None:
    made = world()
    key = flow(made, table, word)
    del made.flows[key]
    said = told(made)
    assert said.machines[0].doors[0].closed == closed
    assert said.switch.missing == [f"table={key.table},priority={key.priority},{key.match}"]
    made.settle()
    assert told(made).machines[0].doors[0].closed == []


def test_an_unplugged_circuit_closes_its_door() -> None:
    made = world()
    made.node.handle(facts.SwitchRead({}, 1), made.now)
    assert status(made.node, made.now).machines[0].doors[0].closed == ["10.1.0.5", "2001:db8::5"]


@pytest.mark.parametrize(("table", "word"), [(Table.VIEW, "nw_dst=10.9.0.1"), (Table.TUNNEL, "tun_dst=172.30.2.1")])
def test_a_route_without_its_flow_is_not_installed(table: Table, word: str) -> None:
    made = world()
    del made.flows[flow(made, table, word)]
    (route,) = [r for r in told(made).routes if r.prefix == "10.9.0.1/32"]
    assert (route.installed, route.why) == (False, NotInstalled.SWITCH.value)


def test_what_comes_by_the_tunnel() -> None:
    made = world()
    assert told(made).switch.tunnel_open and all(p.delivered for p in told(made).ports)
    del made.flows[flow(made, Table.CLASSIFY, "dl_dst=02:78:ac:1e:01:01")]
    del made.flows[flow(made, Table.INBOUND, "nw_dst=10.1.0.5")]
    said = told(made)
    assert not said.switch.tunnel_open
    assert {p.address: p.delivered for p in said.ports} == {"10.1.0.5": False, "2001:db8::5": True}


def test_what_the_port_for_labels_refuses_is_counted_by_itself() -> None:
    made = world()
    assert (told(made).switch.gre_ofport, told(made).switch.dropped_labelled) == (None, 0)
    made.gre = 9
    made.switch_on()
    refused = {
        flow(made, Table.INBOUND, "in_port=9"): 1,
        FlowKey(Table.CLASSIFY, REFUSED, "in_port=9"): 20,
        FlowKey(Table.LABELS, DROP, ""): 300,
        FlowKey(Table.CLASSIFY, REFUSED, "in_port=1"): 4000,
        FlowKey(Table.INBOUND, DROP, ""): 50000,
    }
    for key, packets in refused.items():
        made.flows[key] = replace(made.flows[key], packets=packets)
    said = told(made).switch
    assert (said.gre_ofport, said.dropped_labelled, said.dropped_inbound) == (9, 321, 54000)


def test_somebody_elses_flow_is_shown() -> None:
    made = world()
    made.flows[FlowKey(0, 65000, "")] = Installed(0, "drop")
    assert told(made).switch.foreign == ["table=0,priority=65000"]


def test_counting_needs_no_routes() -> None:
    made = world()
    counted = status(made.node, made.now, Detail.NUMBERS)
    assert (counted.routes, counted.machines) == ([], [])
    assert (counted.views, counted.ports) == (told(made).views, told(made).ports)
    assert counted.unused == told(made).unused
    assert counted.unused == {NotImported.NO_IMPORT_TARGET.value: 1, NotInstalled.HIDDEN_BY_ROUTER.value: 2}


def test_work_is_counted_by_its_occasion() -> None:
    made = world()
    before = told(made)
    made.resolved = frozenset()
    made.node.handle(facts.NeighboursRead(frozenset()), made.now)
    made.settle()
    after = told(made)
    assert after.looks["NEIGHBOURS"] == before.looks.get("NEIGHBOURS", 0) + 1
    assert (after.looks["ROUTES"], after.decisions) == (before.looks["ROUTES"], before.decisions)


def test_the_log_looks_at_states_only() -> None:
    made = world()
    states, everything = status(made.node, made.now, Detail.STATES), told(made)
    assert (states.attachments, states.peers, states.switch) == (
        everything.attachments,
        everything.peers,
        everything.switch,
    )
    assert (states.views, states.routes, states.ports, states.unused) == ([], [], [], {})
