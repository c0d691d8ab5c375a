"""A tunnel endpoint that falls silent is used by nothing while another leads there, and by nothing at all otherwise."""

from __future__ import annotations

import pytest

from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.node import effects, facts
from isthmus.node.config import Limits
from isthmus.node.facts import Answer
from isthmus.node.order import TOGETHER_S
from isthmus.node.report import status
from tests.build import association, attachment, attributes, circuit, ip, nlri, path, port
from tests.world import World

A = "neutron-a"
RT = "64512:1"
ONE, OTHER = ip("172.30.2.1"), ip("172.30.2.2")


def red() -> AttachmentIntent:
    return attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,), subnets=("10.1.0.0/24",))


def settled(generation: int = 1) -> World:
    """10.9.0.1 by ONE, and less preferred by OTHER; 10.9.0.2 by ONE alone; both have answered."""
    world = World(generation=generation)
    world.switch_on()
    world.intent({circuit(1): red()}, [port("p", A, "10.1.0.5")])
    world.says(
        path("10.9.0.1/32", attributes(RT)),
        path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", local_pref=50), rd="172.30.2.2:16"),
        path("10.9.0.2/32", attributes(RT)),
    )
    world.end_of_rib()
    for endpoint in (ONE, OTHER):
        world.probe(endpoint, Answer.ANSWERS)
    return world


def leads(world: World) -> dict[str, str]:
    """Destination to tunnel endpoint, where packets really go: a view's flow, and table 30's for its endpoint."""
    open_ = {key.match.removeprefix("tun_dst=") for key in world.flows if key.table == Table.TUNNEL and key.match}
    found = {}
    for key, flow in world.flows.items():
        if key.table == Table.VIEW and key.match:
            endpoint = flow.actions.split("->tun_dst")[0].rsplit("set_field:", 1)[1]
            found[key.match.rsplit("=", 1)[1]] = endpoint if endpoint in open_ else ""
    return found


def why(world: World) -> dict[tuple[str, str], str]:
    return {(r.prefix, r.next_hop): r.why for r in status(world.node, world.now).routes if r.peer}


def test_a_silent_endpoint_gives_way_and_its_flow_goes() -> None:
    world = settled()
    assert leads(world) == {"10.9.0.1": "172.30.2.1", "10.9.0.2": "172.30.2.1"}
    world.probe(ONE, Answer.SILENT)
    assert leads(world) == {"10.9.0.1": "172.30.2.2", "10.9.0.2": ""}
    assert why(world) == {
        ("10.9.0.1/32", "172.30.2.2"): "",
        ("10.9.0.1/32", "172.30.2.1"): "its next hop does not answer",
        ("10.9.0.2/32", "172.30.2.1"): "the tunnel endpoint does not answer any more",
    }
    said = status(world.node, world.now).switch
    assert (said.endpoints_silent, said.neighbours_unresolved) == (["172.30.2.1"], [])


def test_it_is_used_again_when_it_answers_again() -> None:
    world = settled()
    before = {key: flow.actions for key, flow in world.flows.items()}
    world.probe(ONE, Answer.SILENT)
    assert ONE in world.probed, "asked on, though nothing leads there"
    world.probe(ONE, Answer.ANSWERS)
    assert {key: flow.actions for key, flow in world.flows.items()} == before
    assert leads(world)["10.9.0.1"] == "172.30.2.1"


def test_one_that_never_answered_is_used_like_any_other() -> None:
    world = settled()
    world.says(path("10.9.0.3/32", attributes(RT, next_hop="172.30.2.3"), rd="172.30.2.3:16"))
    assert world.probed[ip("172.30.2.3")] is Answer.UNKNOWN
    world.tell(facts.AnswersRead(dict(world.probed)))
    assert leads(world)["10.9.0.3"] == "172.30.2.3"


def test_when_all_are_silent_the_best_of_them_is_named_and_nothing_is_sent() -> None:
    world = settled()
    third = "172.30.2.3"
    world.says(path("10.9.0.3/32", attributes(RT, next_hop=third), rd=f"{third}:16"))
    world.probe(ip(third), Answer.ANSWERS)
    for endpoint in (ONE, OTHER):
        world.probe(endpoint, Answer.SILENT)
        world.wait(TOGETHER_S)
    assert leads(world) == {"10.9.0.1": "", "10.9.0.2": "", "10.9.0.3": third}


def test_nobody_is_asked_before_the_switch_would_hand_over_the_answer() -> None:
    world = World()
    world.obedient = False
    world.switch_on()
    world.intent({circuit(1): red()}, [port("p", A, "10.1.0.5")])
    world.says(path("10.9.0.1/32", attributes(RT)))
    assert world.probed == {}
    world.obedient = True
    world.wait(1.0)
    assert set(world.probed) == {ONE}


def test_a_switch_that_is_gone_takes_no_blame_for_silence() -> None:
    world = settled()
    world.probe(ONE, Answer.SILENT)
    world.flows.clear()
    world.log.clear()
    world.tell(facts.SwitchLost("br-vpn does not answer"))
    asked = [effect.endpoints for effect in world.log if isinstance(effect, effects.SetProbes)]
    assert asked[0] == {}, "while its flows are gone nobody is asked"
    assert world.probed == {ONE: Answer.SILENT, OTHER: Answer.ANSWERS}, "what was known is known still"
    assert leads(world) == {"10.9.0.1": "172.30.2.2", "10.9.0.2": ""}


def test_an_answer_of_one_who_is_not_asked_any_more_counts_for_nothing() -> None:
    world = settled()
    world.says(withdraw=[r.nlri for r in world.node.rib if r.attributes.next_hop == OTHER])
    assert set(world.probed) == {ONE}
    world.tell(facts.AnswersRead({ONE: Answer.ANSWERS, OTHER: Answer.SILENT}))
    world.says(path("10.9.0.1/32", attributes(RT, next_hop="172.30.2.2", local_pref=500), rd="172.30.2.2:16"))
    assert leads(world)["10.9.0.1"] == "172.30.2.2"


@pytest.mark.parametrize("count", [1, 300])
def test_one_silent_endpoint_costs_what_leads_there_and_no_more(count: int) -> None:
    world = settled()
    world.says(*(path(f"10.8.{n // 250}.{n % 250}/32", attributes(RT, next_hop="172.30.2.9")) for n in range(count)))
    world.log.clear()
    world.probe(ONE, Answer.SILENT)
    (bundle,) = [e for e in world.log if isinstance(e, effects.ApplyFlows)]
    assert (len(bundle.put), len(bundle.delete)) == (1, 1), "10.9.0.1 goes elsewhere, table 30 loses a flow"


def test_every_vpn_has_as_much_of_the_probes_as_any_other() -> None:
    """Whoever shows a thousand endpoints in one VPN takes nothing from the one of another."""
    world = World()
    world.switch_on()
    blue = attachment(2, association(17, networks=("neutron-b",), both=("64512:2",)), networks=("neutron-b",))
    world.intent({circuit(1): red(), circuit(2): blue}, [port("p", A, "10.1.0.5"), port("q", "neutron-b", "10.2.0.5")])
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT, next_hop=f"172.30.3.{n}")) for n in range(1, 101)))
    world.says(path("10.8.0.1/32", attributes("64512:2")))
    told = [effect for effect in world.log if isinstance(effect, effects.SetProbes)][-1]
    assert told.shares[ONE] == 1.0
    assert told.shares[ip("172.30.3.7")] == 1 / 128, "the next power of two stands for a hundred"
    world.says(path("10.8.0.2/32", attributes("64512:2", next_hop="172.30.3.7")))
    told = [effect for effect in world.log if isinstance(effect, effects.SetProbes)][-1]
    assert told.shares[ip("172.30.3.7")] == 1 / 128 + 1 / 2, "the other VPN leads there now, too"


def test_what_a_full_view_refuses_costs_neither_flows_nor_probes() -> None:
    world = World(limits=Limits(routes_per_view=5))
    world.switch_on()
    world.intent({circuit(1): red()}, [port("p", A, "10.1.0.5")])
    world.says(*(path(f"10.9.0.{n}/32", attributes(RT, next_hop=f"172.30.3.{n}")) for n in range(1, 51)))
    assert len(world.probed) == len(world.resolved) == 5
    assert sum(1 for key in world.flows if key.table == Table.TUNNEL and key.match) == 5
    world.says(withdraw=[nlri("10.9.0.1/32")])
    assert sorted(map(str, world.probed)) == [f"172.30.3.{n}" for n in range(2, 7)]
