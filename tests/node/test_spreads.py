"""Lines that several PEs share, through a node: what the switch holds for them, whatever came before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.bgp.family import EVPN, VPNV4
from isthmus.bgp.nlri.vpn import VpnPrefix
from isthmus.fib.entries import Hop, LabelledHop, NextHop, Spread, ViewId, endpoints_of, spread, view_id
from isthmus.flows.layout import Table
from isthmus.flows.render import Renderer
from isthmus.flows.spreading import NUMBERS, choice
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.reason import NotInstalled
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node import effects, spreads
from isthmus.node.facts import Answer
from isthmus.node.report import status
from isthmus.node.spreads import Spreads
from isthmus.rib.path import Path
from tests.build import association, attachment, attributes, circuit, ip, net, path, port, rts
from tests.world import REFLECTOR, SECOND, World

A, B, RT, BLUE = "neutron-a", "neutron-b", "64512:1", "64512:2"
PES = [ip(f"172.30.7.{n}") for n in range(1, 5)]
MAC = Mac.parse("02:00:00:00:07:01")
GRE = 2
SHARED = (Table.VIEW, Table.CHOICE, Table.SPREAD)
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))
TEAL = attachment(2, association(17, networks=(B,), both=(BLUE,)), networks=(B,), subnets=("10.2.0.0/24",))


def begun(multipath: int = 3, world: World | None = None) -> World:
    world = world or World(multipath=multipath, peers=(REFLECTOR, SECOND), families=(EVPN, VPNV4))
    world.gre = GRE
    world.switch_on()
    world.intent({circuit(1): RED, circuit(2): TEAL}, [port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5")])
    return world


def said(pe: IpAddress, prefix: str, target: str = RT, *, vni: int = 7001, local_pref: int = 100) -> Path:
    how = attributes(
        target, site=None, next_hop=str(pe), originator=str(pe), router_mac=str(MAC), local_pref=local_pref
    )
    return path(prefix, how, rd=f"{pe}:{16 if target == RT else 17}", vni=vni)


def labelled(world: World, pe: IpAddress, prefix: str, label: int | None) -> None:
    """None: withdrawn."""
    how = attributes(RT, site=None, next_hop=str(pe), originator=str(pe), encapsulations=(), router_mac=None)
    route = VpnPrefix(RouteDistinguisher.parse(f"{pe}:16"), net(prefix), (label or 16,))
    announced, withdrawn = ([(how, route)], []) if label is not None else ([], [route])
    world.reflectors[REFLECTOR].session.send_routes(announced, withdrawn)
    world.settle()


def number(target: str = RT) -> ViewId:
    return view_id(rts(target))


def there(world: World) -> dict[FlowKey, str]:
    """The lines of views and what they lead to."""
    return {key: flow.actions for key, flow in world.flows.items() if key.table in SHARED and key.match}


def wanted(lines: Iterable[tuple[ViewId, str, list[Hop]]]) -> dict[FlowKey, str]:
    """The same, said plainly."""
    renderer, found = Renderer(Mac(b"\x02\x78" + ip("172.30.1.1")), 1, {}, None, GRE), dict[FlowKey, str]()
    for view, prefix, hops in lines:
        target = spread(hops)
        flow = renderer.route(view, net(prefix), target)
        assert flow is not None
        found[flow[0]] = flow[1]
        if not isinstance(target, (NextHop, LabelledHop)):
            found |= renderer.members(target) | choice(endpoints_of(target))
    return found


def vxlan(pe: IpAddress, vni: int = 7001) -> Hop:
    return NextHop(pe, MAC, vni)


def test_a_set_of_pes_has_its_flows_once_and_they_go_with_its_last_line() -> None:
    world = begun()
    for pe in PES[:2]:
        world.says(said(pe, "203.0.113.0/24"), said(pe, "198.51.100.0/24"), said(pe, "203.0.113.0/24", BLUE))
    both = [vxlan(pe) for pe in PES[:2]]
    lines = [(number(), "203.0.113.0/24", both), (number(), "198.51.100.0/24", both)]
    assert there(world) == wanted([*lines, (number(BLUE), "203.0.113.0/24", both)])
    assert Counter(key.table for key in there(world) if key.table != Table.VIEW) == {22: NUMBERS, 24: 2}
    world.says(withdraw=[said(PES[1], "203.0.113.0/24", BLUE).nlri])
    assert there(world) == wanted([*lines, (number(BLUE), "203.0.113.0/24", both[:1])])
    world.says(withdraw=[said(PES[0], p).nlri for p in ("203.0.113.0/24", "198.51.100.0/24")])
    alone = [(view, prefix, both[1:]) for view, prefix, _ in lines]
    assert there(world) == wanted([*alone, (number(BLUE), "203.0.113.0/24", both[:1])])


def test_labels_of_their_own_for_each_prefix_share_one_choice() -> None:
    world = begun()
    for place, prefix in enumerate(("203.0.113.0/24", "198.51.100.0/24")):
        for pe in PES[:2]:
            labelled(world, pe, prefix, 100 + place)
    assert Counter(key.table for key in there(world) if key.table != Table.VIEW) == {22: NUMBERS, 24: 4}
    hops: list[list[Hop]] = [[LabelledHop(pe, (100 + place,)) for pe in PES[:2]] for place in (0, 1)]
    lines = [(number(), "203.0.113.0/24", hops[0]), (number(), "198.51.100.0/24", hops[1])]
    assert there(world) == wanted(lines)


def test_by_default_one_has_it_all() -> None:
    world = begun(multipath=1)
    for pe in PES[:2]:
        world.says(said(pe, "203.0.113.0/24"))
    assert there(world) == wanted([(number(), "203.0.113.0/24", [vxlan(PES[0])])])


def test_who_falls_silent_leaves_at_once_and_comes_back() -> None:
    world = begun()
    for pe in PES[:3]:
        world.says(said(pe, "203.0.113.0/24"))
    world.end_of_rib()
    world.end_of_rib(SECOND)
    for pe in PES[:3]:
        world.probe(pe, Answer.ANSWERS)
    world.probe(PES[1], Answer.SILENT)
    assert there(world) == wanted([(number(), "203.0.113.0/24", [vxlan(PES[0]), vxlan(PES[2])])])
    assert set(world.probed) == set(PES[:3])
    world.probe(PES[1], Answer.ANSWERS)
    assert there(world) == wanted([(number(), "203.0.113.0/24", [vxlan(pe) for pe in PES[:3]])])


def test_all_who_share_are_shown_in_use_and_each_with_what_keeps_it_from_that() -> None:
    world = begun()
    for pe in PES[:3]:
        world.says(said(pe, "203.0.113.0/24", local_pref=90 if pe == PES[2] else 100))
    world.flows = {key: flow for key, flow in world.flows.items() if str(PES[1]) not in key.match}
    world.node.switch.read(world.flows)
    shown = status(world.node, world.now)
    routes = {r.next_hop: (r.best, r.installed, r.why) for r in shown.routes if r.prefix == "203.0.113.0/24"}
    assert routes == {
        str(PES[0]): (True, True, ""),
        str(PES[1]): (True, False, NotInstalled.SWITCH.value),
        str(PES[2]): (False, False, "lower local preference"),
    }
    assert {v.routes for v in shown.views} == {1, 2}, "one line is one route"


def restarted(old: World) -> World:
    """A fresh process on the host that `old` left."""
    world = World(multipath=3, peers=(REFLECTOR, SECOND), families=(EVPN, VPNV4), generation=2, now=old.now + 5)
    world.flows, world.circuits, world.next_port = dict(old.flows), dict(old.circuits), old.next_port
    return world


def test_a_fresh_process_adopts_what_it_finds_and_sweeps_what_nobody_leads_to_any_more() -> None:
    old = begun()
    for pe in PES[:2]:
        old.says(said(pe, "203.0.113.0/24"), said(pe, "198.51.100.0/24", vni=7002))
    world = begun(world=restarted(old))
    held = there(world)
    world.says(*(said(pe, "203.0.113.0/24") for pe in PES[:2]))
    assert there(world) == held == there(old), "not one is gone before all has been said"
    world.end_of_rib()
    world.end_of_rib(SECOND)
    world.reflectors[REFLECTOR].session.send_end_of_rib(VPNV4)
    world.reflectors[SECOND].session.send_end_of_rib(VPNV4)
    world.settle()
    assert there(world) == wanted([(number(), "203.0.113.0/24", [vxlan(pe) for pe in PES[:2]])])
    written = {key for e in world.log if isinstance(e, effects.ApplyFlows) for key in e.put if key.table in SHARED}
    assert written == set()


def test_sets_beyond_the_maximum_have_their_best_alone_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who announces prefixes chooses their sets: his many take no room from another VPN's."""
    monkeypatch.setattr(spreads, "HOPS_MAX", 2)
    world = begun()
    prefixes = [f"203.0.{n}.0/24" for n in range(4)]
    for n, prefix in enumerate(prefixes):
        world.says(*(said(pe, prefix, vni=7000 + n) for pe in PES[:2]))
    world.says(*(said(pe, "203.0.0.0/24", BLUE) for pe in PES[:2]))
    both = [[vxlan(pe, 7000 + n) for pe in PES[:2]] for n in range(4)]
    blue = (number(BLUE), "203.0.0.0/24", [vxlan(pe) for pe in PES[:2]])
    room = [
        (number(), prefix, hops if n < 2 else hops[:1])
        for n, (prefix, hops) in enumerate(zip(prefixes, both, strict=True))
    ]
    assert there(world) == wanted([*room, blue])
    routes = [r for r in status(world.node, world.now).routes if r.best and r.prefix == prefixes[3]]
    assert [(r.next_hop, r.installed, r.why) for r in routes] == [
        (str(PES[0]), True, ""),
        (str(PES[1]), False, NotInstalled.SPREADS_FULL.value),
    ]
    world.says(withdraw=[said(PES[0], prefixes[0]).nlri])
    later = [
        (number(), p, hops[1:] if n == 0 else hops[: 2 if n < 3 else 1])
        for n, (p, hops) in enumerate(zip(prefixes, both, strict=True))
    ]
    assert there(world) == wanted([*later, blue])


Step = tuple[IpAddress, int, tuple[int, int] | None, str, IpAddress]
steps = st.lists(
    st.tuples(
        st.sampled_from(PES),
        st.integers(0, 2),
        st.sampled_from([None, (7001, 100), (7002, 100), (7001, 90)]),
        st.sampled_from([RT, BLUE]),
        st.sampled_from([REFLECTOR, SECOND]),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(steps, st.sets(st.sampled_from(PES)))
def test_any_history_gives_what_a_fresh_node_has(history: list[Step], silent: set[IpAddress]) -> None:
    world, last = begun(), dict[tuple[object, ...], tuple[Path, IpAddress]]()
    for pe, place, content, target, by in history:
        prefix = f"203.0.{place}.0/24"
        one = said(pe, prefix, target, vni=(content or (7001, 0))[0], local_pref=(content or (0, 100))[1])
        if content is None:
            world.says(withdraw=[one.nlri], by=by)
            last.pop((pe, place, target, by), None)
        else:
            world.says(one, by=by)
            last[pe, place, target, by] = one, by
    fresh = begun()
    for one, by in reversed(last.values()):
        fresh.says(one, by=by)
    for node in (world, fresh):
        for pe in sorted(silent & node.probed.keys()):
            node.probe(pe, Answer.ANSWERS)
            node.probe(pe, Answer.SILENT)
    assert there(world) == there(fresh)
    assert world.node.tables.leads.endpoints == fresh.node.tables.leads.endpoints


RENDERER = Renderer(MAC, 1, {}, None, GRE)
FEW = [
    spread(LabelledHop(pe, (label,)) for pe in pes) for pes in (PES[:2], PES[1:3], PES[:3]) for label in (16, 17, 18)
]
few_lines = st.lists(
    st.dictionaries(st.integers(0, 7).map(lambda n: net(f"203.0.{n}.0/24")), st.sampled_from([None, *FEW]), max_size=4),
    max_size=25,
)


@given(few_lines)
def test_whoever_there_is_room_for_is_let_in_and_nobody_put_out(history: list[dict[Prefix, Spread | None]]) -> None:
    with patch.object(spreads, "HOPS_MAX", 3), patch.object(spreads, "ENDPOINTS_MAX", 2):
        kept, wanted, flows = Spreads(), dict[Prefix, Spread](), dict[FlowKey, str]()
        for changed in history:
            before = {d for d in wanted if kept.has(number(), d)}
            stays = {d for d in before if wanted[d] == changed.get(d, wanted[d])}
            shift = kept.replace(number(), changed, RENDERER)
            for destination, target in changed.items():
                wanted.pop(destination, None)
                wanted |= {} if target is None else {destination: target}
            flows = {key: line for key, line in flows.items() if key not in shift.gone} | shift.put
            shared = {d: target for d, target in wanted.items() if kept.has(number(), d)}
            hops, ends = {*shared.values()}, {endpoints_of(target) for target in shared.values()}
            assert stays <= shared.keys()
            assert shift.again == (shared.keys() - before - changed.keys()) | (
                changed.keys() & wanted.keys() - shared.keys()
            )
            assert len(hops) <= 3 and len(ends) <= 2
            for waits in (target for d, target in wanted.items() if d not in shared):
                assert waits not in hops and (len(hops) == 3 or (endpoints_of(waits) not in ends and len(ends) == 2))
            there = [RENDERER.members(target) for target in hops] + [choice(one) for one in ends]
            assert flows == {key: line for one in there for key, line in one.items()}
        assert not flows.keys() - kept.drop(number()), "and all of it goes with the view"
