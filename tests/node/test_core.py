"""The node against a world of plain values: what is forwarded, what is announced, and in which order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from isthmus.bgp import events as bgp
from isthmus.bgp.family import EVPN
from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed, cookie
from isthmus.model.intent import AttachmentIntent, BadIntent, UnknownSchema
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.node import effects, facts
from isthmus.node.order import END_OF_RIB_WAIT_S, GRACEFUL_S, LINGER_S, LOST_TOO_S, RETRY_S, SETTLE_S, SWEEP_WAIT_S
from isthmus.node.report import status
from tests.build import SITE, association, attachment, attributes, circuit, ip, net, nlri, path, port, uuid
from tests.world import REFLECTOR, SECOND, World

A, B = "neutron-a", "neutron-b"
RT = "64512:1"


def red() -> AttachmentIntent:
    return attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))


def vm(revision: int = 1) -> LocalPort:
    return port("p", A, "10.1.0.5", revision=revision)


def settled() -> World:
    """A node in full swing: one circuit, one VM, one remote route."""
    world = World()
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    return world


class Slow(World):
    """Nothing is plugged, dumped or resolved until `catch_up`."""

    def __init__(self, *, generation: int = 1, now: float = 1000.0) -> None:
        self.waiting: list[effects.Effect] = []
        super().__init__(generation=generation, now=now)

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SetCircuits() | effects.SetNeighbours() | effects.ReadFlows():
                self.waiting.append(effect)
            case _:
                super()._carry_out(effect)

    def catch_up(self) -> None:
        while self.waiting:
            super()._carry_out(self.waiting.pop(0))
            self.settle()


def matches(world: World, table: Table) -> set[str]:
    return {key.match for key in world.flows if key.table == table and key.match}


def test_a_local_address_is_announced_and_a_remote_one_forwarded() -> None:
    world = settled()
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW))
    assert matches(world, Table.TUNNEL) == {"tun_dst=172.30.2.1"}
    assert matches(world, Table.INBOUND) == {"ip,tun_id=0x1398,nw_dst=10.1.0.5"}
    assert world.reflectors[REFLECTOR].end_of_rib


def test_nothing_is_announced_before_the_switch_confirmed_its_flow() -> None:
    world = World()
    world.obedient = False
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    assert world.reflectors[REFLECTOR].routes == {}
    assert {p.why_not for p in status(world.node, world.now).ports} == {
        "its inbound flow is not confirmed: nothing is announced that cannot be forwarded"
    }
    world.obedient = True
    world.wait(RETRY_S)
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}


def test_an_address_is_withdrawn_first_and_its_flow_goes_after_the_drain() -> None:
    world = settled()
    world.intent({circuit(1): red()}, [])
    assert world.reflectors[REFLECTOR].routes == {}
    assert matches(world, Table.INBOUND), "still delivered while the withdrawal travels"
    assert circuit(1) in world.circuits
    world.wait(LINGER_S)
    assert matches(world, Table.INBOUND) == set()
    assert world.circuits == {}


def test_an_address_that_changes_its_circuit_is_delivered_by_the_old_one_until_the_new_one_is_plugged() -> None:
    """Two routers have the network in one BGPVPN; the one that came first has it until it goes."""
    both = association(16, networks=(A,), both=(RT,), bgpvpn=1, vni=5016)
    first = {circuit(2): attachment(2, replace(both, association=uuid(17), number=17), networks=(A,))}
    other = {circuit(1): attachment(1, both, networks=(A,))}
    for rows in ({**first, **other}, other):
        world = Slow()
        world.switch_on()
        world.intent(dict(first), [vm()])
        world.catch_up()
        (inbound,) = (key for key in world.flows if key.table == Table.INBOUND and key.match)
        old = world.flows[inbound].actions
        world.intent(dict(rows), [vm()])
        world.wait(LINGER_S * 2)
        assert world.flows[inbound].actions == old, "delivered by the old circuit"
        assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
        world.catch_up()
        stays = circuit(2) in rows
        assert (world.flows[inbound].actions == old) == stays, "though the other has the lower name"
        world.wait(LINGER_S)
        world.catch_up()
        assert (circuit(2) in world.circuits) == stays


def test_a_machine_that_comes_here_displaces_nobody_before_its_circuit_is_plugged() -> None:
    world = Slow()
    world.switch_on()
    blue = attachment(2, association(17, networks=(B,), both=(RT,)), networks=(B,), subnets=("10.2.0.0/24",))
    rows = {circuit(1): red(), circuit(2): blue}
    world.intent(rows, [port("q", B, "10.2.0.5")])
    world.says(path("10.1.0.5/32", attributes(RT, site=SITE, as_path=(), mobility=1, claimant=A)))
    world.catch_up()
    (there,) = (key for key in world.flows if key.table == Table.VIEW and "nw_dst=10.1.0.5" in key.match)
    before = world.flows[there].actions
    world.intent(rows, [port("q", B, "10.2.0.5"), vm(revision=2)])
    assert world.flows[there].actions == before, "still across the tunnel"
    world.catch_up()
    assert world.flows[there].actions.endswith(f"output:{world.circuits[circuit(1)]}")


def test_removing_the_association_leaves_only_the_empty_layout() -> None:
    world = settled()
    world.intent({}, [vm()])
    world.wait(LINGER_S)
    bare = World()
    bare.switch_on()
    bare.intent({}, [])
    assert set(world.flows) == set(bare.flows)


def test_one_changed_route_is_one_flow_whatever_the_tables_size() -> None:
    world = settled()
    world.says(*(path(f"10.9.{n // 250}.{n % 250 + 2}/32", attributes(RT)) for n in range(1000)))
    world.log.clear()
    world.says(path("10.9.0.7/32", attributes(RT, next_hop="172.30.2.1"), vni=7002))
    (bundle,) = [e for e in world.log if isinstance(e, effects.ApplyFlows)]
    assert len(bundle.put) == 1
    assert bundle.delete == frozenset()


def test_the_order_of_the_facts_changes_nothing() -> None:
    world = settled()
    told: list[facts.Fact] = [
        facts.SwitchRead({circuit(1): 10}, 1),
        facts.FlowsRead({}),
        facts.IntentRead({circuit(1): red()}, (vm(),)),
    ]
    for order in itertools.permutations(told):
        other = World()
        for fact in order:
            other.tell(fact, fact)
        other.says(path("10.9.0.1/32", attributes(RT)))
        other.end_of_rib()
        assert {k: f.actions for k, f in other.flows.items()} == {k: f.actions for k, f in world.flows.items()}
        assert set(other.reflectors[REFLECTOR].routes) == set(world.reflectors[REFLECTOR].routes)


def test_effects_asked_for_twice_are_nothing_the_second_time() -> None:
    world = settled()
    world.node.handle(facts.IntentRead({circuit(1): red()}, (vm(),)), world.now)
    assert world.node.effects(world.now) == []
    assert world.node.effects(world.now) == []


def test_a_broken_row_is_named_and_the_rest_is_applied() -> None:
    world = settled()
    bad = BadIntent("isthmus:site", "missing")
    blue = attachment(2, association(17, networks=(B,), both=(RT,)), networks=(B,))
    world.intent({circuit(1): red(), circuit(2): blue, circuit(3): bad}, [vm(), port("q", B, "10.2.0.5")])
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32"), net("10.2.0.5/32")}
    states = {a.circuit: (a.state, a.reason) for a in status(world.node, world.now).attachments}
    assert states[circuit(3)] == ("BAD_ROW", "isthmus:site: missing")
    assert states[circuit(2)] == ("ACTIVE", "")


@pytest.mark.parametrize("error", [BadIntent("isthmus:site", "missing"), UnknownSchema("isthmus:schema", "2")])
def test_a_row_that_turns_to_nonsense_keeps_what_stood(error: BadIntent) -> None:
    world = settled()
    before = dict(world.flows)
    world.intent({circuit(1): error}, [vm()])
    assert world.flows == before
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}


def test_losing_the_southbound_freezes_and_says_so() -> None:
    world = settled()
    before = dict(world.flows)
    world.tell(facts.IntentLost("no server of the southbound database answers"))
    world.wait(300)
    assert world.flows == before
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    assert status(world.node, world.now).switch.southbound == "no server of the southbound database answers"


def test_a_switch_that_lost_its_flows_gets_them_back_in_one_bundle() -> None:
    world = settled()
    before = {key: flow.actions for key, flow in world.flows.items()}
    world.tell(facts.SwitchLost("br-vpn does not answer"))
    world.flows.clear()
    world.log.clear()
    world.tell(facts.FlowsRead({}))
    assert {key: flow.actions for key, flow in world.flows.items()} == before
    assert len([e for e in world.log if isinstance(e, effects.ApplyFlows)]) == 1


def test_a_flow_deleted_by_hand_comes_back_and_a_foreign_one_stays() -> None:
    world = settled()
    victim = next(key for key in world.flows if key.table == Table.VIEW and key.match)
    foreign = FlowKey(99, 5, "ip")
    world.flows[foreign] = Installed(0xDEAD, "drop")
    del world.flows[victim]
    world.tell(facts.FlowsRead(dict(world.flows)))
    assert victim in world.flows
    assert world.flows[foreign] == Installed(0xDEAD, "drop")
    assert status(world.node, world.now).switch.foreign_flows == 1


def test_an_address_that_its_router_does_not_serve_is_neither_announced_nor_let_in() -> None:
    """The router would route it onwards: to another network of its own, or out by its gateway."""
    world = settled()
    world.intent({circuit(1): red()}, [port("p", A, "10.1.0.5", "10.7.0.5", "2001:db8::5")])
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    assert matches(world, Table.INBOUND) == {"ip,tun_id=0x1398,nw_dst=10.1.0.5"}
    assert not any("10.7.0.5" in m or "2001:db8::5" in m for m in matches(world, Table.SOURCE))
    why = {p.address: p.why_not for p in status(world.node, world.now).ports}
    assert why["10.7.0.5"] == why["2001:db8::5"] == NotAnnounced.NOT_SERVED.value


def test_a_vni_that_is_anothers_now_delivers_nothing_to_the_old_tenant() -> None:
    world = World()
    world.switch_on()
    mine = attachment(1, association(16, networks=(A,), both=(RT,), bgpvpn=1, vni=5000), networks=(A,))
    theirs = attachment(2, association(17, networks=(B,), both=("64512:2",), bgpvpn=2, vni=5000), networks=(B,))
    world.intent({circuit(1): mine}, [vm()])
    world.frozen = True  # the new circuit is not plugged yet
    world.intent({circuit(2): theirs}, [port("q", B, "10.1.0.5")])
    assert world.reflectors[REFLECTOR].routes == {}
    assert matches(world, Table.INBOUND) == set()
    world.intent({circuit(1): mine, circuit(2): theirs}, [vm(), port("q", B, "10.1.0.5")])
    why = {p.bgpvpn[-1]: p.why_not for p in status(world.node, world.now).ports}
    assert NotAnnounced.NUMBER_CLASH.value in why.values()


def test_the_same_route_with_two_ethernet_tags_is_two_paths_and_one_wins() -> None:
    world = settled()
    one = path("10.9.0.8/32", attributes(RT))
    other = one._replace(nlri=one.nlri._replace(ethernet_tag=7))
    world.says(other, one)
    why = [r.why for r in status(world.node, world.now).routes if r.prefix == "10.9.0.8/32"]
    assert sorted(why) == ["", "higher Ethernet tag"]


# Sessions


def test_a_session_that_ends_in_the_batch_that_brought_its_end_of_rib_has_said_nothing() -> None:
    world = settled()
    world.cut()
    world.restore()
    far = world.reflectors[REFLECTOR].session
    far.send_end_of_rib(EVPN)
    data = b"".join(o.data for o in far.outputs() if isinstance(o, bgp.Send))
    world.node.handle(facts.Received(REFLECTOR, data), world.now)
    world.node.handle(facts.Closed(REFLECTOR, "connection reset by peer"), world.now)
    world.settle()
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW)), "nobody in sync has contradicted it"


def test_losing_the_only_reflector_keeps_forwarding_until_it_says_otherwise() -> None:
    world = settled()
    world.cut()
    world.wait(600)
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW))
    world.restore()
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}, "told again"
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW)), "not contradicted yet"
    world.end_of_rib()
    world.wait(SETTLE_S)
    assert not any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW)), "it has said all there is"


def test_a_reflector_in_sync_contradicts_what_only_the_lost_one_said() -> None:
    world = World(peers=(REFLECTOR, SECOND))
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.says(path("10.9.0.1/32", attributes(RT)), path("10.9.0.2/32", attributes(RT)))
    world.says(path("10.9.0.2/32", attributes(RT)), by=SECOND)
    world.end_of_rib()
    world.end_of_rib(SECOND)
    world.cut()
    world.wait(LOST_TOO_S)
    routes = {match.rsplit("=", 1)[1] for match in matches(world, Table.VIEW)}
    assert routes == {"10.9.0.2"}


def test_a_peer_without_end_of_rib_counts_as_in_sync_after_a_while() -> None:
    world = World()
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.without_graceful_restart()
    assert not status(world.node, world.now).peers[0].in_sync
    world.wait(END_OF_RIB_WAIT_S)
    assert status(world.node, world.now).peers[0].in_sync


def test_our_own_route_reflected_back_changes_nothing() -> None:
    world = settled()
    before = dict(world.flows)
    world.says(path("10.1.0.5/32", attributes(RT, next_hop="172.30.1.1", originator="172.30.1.1"), vni=5016))
    assert world.flows == before


def test_every_path_says_why_it_is_not_used() -> None:
    world = settled()
    world.says(
        path("10.9.0.1/32", attributes(RT, local_pref=50), rd="172.30.2.9:16"),
        path("10.9.0.9/32", attributes("64512:999")),
        path("10.1.0.77/32", attributes(RT)),
    )
    why = {(r.prefix, r.local_pref): r.why for r in status(world.node, world.now).routes if r.peer}
    assert why == {
        ("10.9.0.1/32", 100): "",
        ("10.9.0.1/32", 50): "lower local preference",
        ("10.9.0.9/32", 100): "no view imports any of its route targets",
        ("10.1.0.77/32", 100): "the router's own subnet or route covers it, and the router's configuration wins",
    }


# Drain


def test_a_drained_node_asks_to_be_avoided_then_withdraws_and_still_forwards() -> None:
    world = settled()
    flows = dict(world.flows)
    world.tell(facts.DrainWanted(True))
    told = world.reflectors[REFLECTOR].history[-1].attributes
    assert told is not None
    assert (told.local_pref, told.communities) == (0, (0xFFFF0000,))
    assert status(world.node, world.now).drain == "leaving"
    world.wait(GRACEFUL_S)
    assert world.reflectors[REFLECTOR].routes == {}
    assert status(world.node, world.now).drain == "drained"
    assert {p.why_not for p in status(world.node, world.now).ports} == {NotAnnounced.DRAINED.value}
    assert world.flows == flows, "what comes in is still delivered"
    world.tell(facts.DrainWanted(True), facts.DrainWanted(False))
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    told = world.reflectors[REFLECTOR].history[-1].attributes
    assert told is not None
    assert (told.local_pref, told.communities) == (100, ())


def test_a_node_whose_session_is_down_for_a_moment_is_not_drained_at_once() -> None:
    """Its reflector may have kept what it was told."""
    world = settled()
    world.cut()
    world.tell(facts.DrainWanted(True))
    assert status(world.node, world.now).drain == "leaving"
    world.wait(GRACEFUL_S)
    assert status(world.node, world.now).drain == "drained"


def test_a_fresh_process_of_a_drained_node_announces_nothing_at_all() -> None:
    world = restarted(settled())
    world.tell(facts.DrainWanted(True))
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.wait(60)
    assert [u for u in world.reflectors[REFLECTOR].history if u.announced] == []


def test_a_route_that_is_about_to_go_loses_against_any_other_even_across_clouds() -> None:
    world = settled()
    leaving = replace(attributes(RT, local_pref=None), communities=(0xFFFF0000,))
    world.says(path("10.9.0.7/32", leaving), path("10.9.0.7/32", attributes(RT, local_pref=1), rd="172.30.2.2:16"))
    why = {r.route_distinguisher: r.why for r in status(world.node, world.now).routes if r.prefix == "10.9.0.7/32"}
    assert why == {"172.30.2.1:16": "lower local preference", "172.30.2.2:16": ""}


# Restart


def restarted(old: World, generation: int = 2) -> World:
    """A fresh process on the host that `old` left."""
    world = World(generation=generation, now=old.now + 5)
    world.flows, world.circuits, world.next_port = dict(old.flows), dict(old.circuits), old.next_port
    return world


def test_a_fresh_process_adopts_what_is_right_and_writes_nothing() -> None:
    world = restarted(settled())
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    assert not [e for e in world.log if isinstance(e, effects.ApplyFlows)]
    assert {flow.generation for flow in world.flows.values()} == {1}
    assert set(world.reflectors[REFLECTOR].routes) == {net("10.1.0.5/32")}
    assert status(world.node, world.now).switch.swept


def test_routes_that_come_before_the_dump_do_not_cost_an_endpoint_in_use() -> None:
    old = settled()
    world = Slow(generation=2, now=old.now + 5)
    world.flows, world.circuits, world.next_port = dict(old.flows), dict(old.circuits), old.next_port
    world.tell(facts.SwitchRead(dict(world.circuits), 1), facts.IntentRead({circuit(1): red()}, (vm(),)))
    world.says(path("10.9.0.1/32", attributes(RT)))
    world.end_of_rib()
    world.tell(facts.FlowsRead(dict(world.flows)))
    assert world.flows == old.flows
    world.catch_up()
    assert world.flows == old.flows


def test_learnt_flows_survive_until_a_reflector_has_said_all() -> None:
    world = restarted(settled())
    world.reachable.clear()
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.wait(SWEEP_WAIT_S * 3)
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW)), "no feed has contradicted it"
    world.restore()
    world.end_of_rib()
    assert not any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW))
    assert matches(world, Table.TUNNEL) == set()


def test_what_the_cloud_no_longer_asks_for_goes_without_waiting_for_bgp() -> None:
    world = restarted(settled())
    world.reachable.clear()
    world.switch_on()
    world.intent({}, [])
    assert matches(world, Table.INBOUND) == set()


def test_before_the_cloud_has_spoken_nothing_is_touched() -> None:
    old = settled()
    world = restarted(old)
    world.switch_on()
    world.tell(facts.IntentLost("not in sync yet"))
    world.wait(600)
    assert world.flows == old.flows
    assert world.circuits == old.circuits


def test_a_row_of_a_newer_isthmus_keeps_what_an_older_run_installed() -> None:
    old = settled()
    world = restarted(old)
    world.switch_on()
    world.intent({circuit(1): UnknownSchema("isthmus:schema", "2")}, [vm()])
    world.end_of_rib()
    assert world.circuits == old.circuits
    assert set(old.flows) <= set(world.flows)


def test_what_a_fresh_process_adopted_goes_when_it_is_given_up_though_another_row_cannot_be_read() -> None:
    world = restarted(settled())
    world.switch_on()
    rows = {circuit(1): red(), circuit(9): UnknownSchema("isthmus:schema", "2")}
    world.intent(rows, [vm()])
    assert matches(world, Table.INBOUND) == {"ip,tun_id=0x1398,nw_dst=10.1.0.5"}
    world.intent(rows, [])
    world.wait(LINGER_S)
    assert matches(world, Table.INBOUND) == set()
    assert not any("nw_src=10.1.0.5" in match for match in matches(world, Table.SOURCE))


def test_a_line_that_a_fresh_process_gives_up_goes_without_waiting_for_bgp() -> None:
    rows = {circuit(1): replace(red(), subnets=())}
    old = World()
    old.switch_on()
    old.intent(rows, [vm()])
    old.end_of_rib()
    world = restarted(old)
    world.reachable.clear()
    world.switch_on()
    world.intent(rows, [vm()])
    assert world.flows == old.flows, "adopted"
    world.intent(rows, [])
    assert not any("10.1.0.5" in match for match in matches(world, Table.VIEW))


def test_a_sweep_that_the_switch_refuses_is_made_up_for() -> None:
    world = restarted(settled())
    world.switch_on()
    world.intent({circuit(1): red()}, [vm()])
    world.obedient = False
    world.end_of_rib()
    assert not status(world.node, world.now).switch.swept
    world.cut()
    world.obedient = True
    world.wait(RETRY_S)
    assert any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW)), "nobody is in sync any more"
    world.restore()
    world.end_of_rib()
    world.wait(SETTLE_S)
    assert not any("nw_dst=10.9.0.1" in match for match in matches(world, Table.VIEW))
    assert status(world.node, world.now).switch.swept


def test_the_cookie_names_the_run_that_wrote_the_flow() -> None:
    world = restarted(settled(), generation=9)
    world.switch_on()
    world.intent({circuit(1): red()}, [vm(), port("q", A, "10.1.0.6")])
    fresh = [flow.cookie for key, flow in world.flows.items() if "10.1.0.6" in key.match]
    assert fresh
    assert set(fresh) == {cookie(9)}


def test_withdrawn_routes_leave_the_view() -> None:
    world = settled()
    world.says(withdraw=[nlri("10.9.0.1/32")])
    assert matches(world, Table.VIEW) == set()
    assert matches(world, Table.TUNNEL) == set()


def test_two_networks_of_one_vpn_on_this_node_reach_each_other_without_a_tunnel() -> None:
    world = World()
    world.switch_on()
    blue = attachment(2, association(17, networks=(B,), both=(RT,)), networks=(B,), subnets=("10.2.0.0/24",))
    world.intent({circuit(1): red(), circuit(2): blue}, [vm(), port("q", B, "10.2.0.5")])
    ports = world.circuits
    views = {k.match.rsplit("=", 1)[1]: f.actions for k, f in world.flows.items() if k.table == Table.VIEW and k.match}
    assert views["10.1.0.5"].endswith(f"output:{ports[circuit(1)]}")
    assert views["10.2.0.5"].endswith(f"output:{ports[circuit(2)]}")
    assert ip("172.30.1.1") not in world.resolved
