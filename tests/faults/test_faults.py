"""`isthmus why` against at least fifty seeded faults: it must name the true cause of all but two.

`pytest -s tests/faults` prints the table: the fault, the verdict, right or wrong.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.cli.verdict import Cause, Verdict
from isthmus.model.reason import Note
from isthmus.node import facts
from isthmus.rib.decision import LLGR_STALE
from tests.faults.clouds import boot, healthy, port_id, restart, stop
from tests.faults.faults import FAULTS, Fault
from tests.faults.hands import A_RR, B_RR, reflector_down, rule, self_as_next_hop
from tests.faults.world import Route

AT_LEAST = 50
MISSES_MAX = 2


def verdict(fault: Fault) -> Verdict:
    world = healthy(reflectors_each=fault.reflectors_each)
    fault.break_(world)
    return world.ask(fault.source, fault.destination, *fault.only)


def right(fault: Fault, said: Verdict) -> bool:
    return (said.cause, said.way) == (fault.cause, fault.way)


def test_the_true_cause_is_named() -> None:
    said = [(fault, verdict(fault)) for fault in FAULTS]
    wrong = [fault.name for fault, one in said if not right(fault, one)]
    width = max(len(fault.name) for fault in FAULTS)
    for fault, one in said:
        mark = "right" if right(fault, one) else f"WRONG, it is {fault.cause.name}, {fault.way}"
        print(f"{fault.name.ljust(width)}  {one.cause.name.ljust(19)}  {mark}")
        print(f"    {one.sentence}")
    print(f"{len(said) - len(wrong)} of {len(said)} named")
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= AT_LEAST
    assert len(wrong) <= MISSES_MAX, wrong


@pytest.mark.parametrize(
    ("source", "destination", "cause"),
    [
        ("a-red1", "b-red1", Cause.WHOLE),
        ("b-red1", "a-red1", Cause.WHOLE),
        ("a-red1", "10.11.0.10", Cause.WHOLE),
        ("a-red1", "2001:db8:b1::10", Cause.WHOLE),
        ("10.1.0.11", "b-red2", Cause.WHOLE),
        (port_id("a-red2")[:8], port_id("b-red2"), Cause.WHOLE),
        ("a-twin1", "10.11.0.10", Cause.WHOLE),
        ("b-twin1", "a-twin1", Cause.WHOLE),
        ("a-red1", "a-blue1", Cause.WHOLE),
        ("a-blue1", "a-green1", Cause.WHOLE),
        ("a-red1", "a-red2", Cause.NOT_THE_VPNS),
        ("a-red1", "10.1.0.11", Cause.NOT_THE_VPNS),
    ],
)
def test_nothing_is_wrong_with_a_healthy_world(source: str, destination: str, cause: Cause) -> None:
    said = healthy().ask(source, destination)
    assert (said.cause, said.whole, said.remarks) == (cause, True, ())


def test_each_hypervisor_alone_sees_its_side_whole() -> None:
    world = healthy()
    for host in world.hosts:
        source = {"a-h1": "a-red1", "a-h2": "a-red2", "b-h1": "b-red1", "b-h2": "b-red2"}[host]
        said = world.ask(source, "10.1.0.10" if host.startswith("b") else "10.11.0.10", host)
        assert (said.cause, said.whole) == (Cause.WHOLE_HERE, True), said.sentence
    assert "ask there" in said.sentence and said.command.startswith("on 172.30.1.11: isthmus why")


def test_a_hypervisor_alone_sees_by_the_beacons_that_a_reflector_puts_itself_in_the_way() -> None:
    world = healthy()
    rule(world, A_RR, self_as_next_hop)
    said = world.ask("a-red1", "10.11.0.10", "a-h1")
    assert (said.cause, said.whole) == (Cause.ROUTE_CHANGED, False), said.sentence
    assert f"reflector {A_RR}" in said.sentence and "show peers" in said.command


def test_a_hypervisor_alone_says_that_nobody_answers_where_a_route_leads() -> None:
    world = healthy()
    host = world.hosts["a-h1"]
    far = frozenset({world.hosts["b-h1"].address})
    host.node.handle(facts.NeighboursRead(host.node.reach.resolved, far), world.now)
    said = world.ask("a-red1", "10.11.0.10", "a-h1")
    assert (said.cause, said.whole) == (Cause.VTEP_UNREACHABLE, False), said.sentence
    assert "nobody answers" in said.sentence


def test_a_doubt_about_probes_is_a_remark() -> None:
    world = healthy()
    node = world.hosts["a-h1"].node
    for answer in (facts.Answer.ANSWERS, facts.Answer.SILENT):
        node.handle(facts.AnswersRead(dict.fromkeys(node.tables.endpoints, answer)), world.now)
        world.settle()
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE
    assert [r for r in said.remarks if r.startswith("a-h1 gets no answers to its probes from ")]


def test_the_world_is_whole_again_once_the_fault_is_gone() -> None:
    world = healthy()
    host = world.hosts["a-h1"]
    world.unwired.add((host.address, A_RR))
    world.wait(40)
    assert world.ask("a-red1", "b-red1").cause is Cause.SESSION_DOWN
    world.unwired.clear()
    world.wait(40)
    assert world.ask("a-red1", "b-red1").cause is Cause.WHOLE


def test_one_of_two_reflectors_is_a_remark() -> None:
    world = healthy(reflectors_each=2)
    reflector_down(world, A_RR)
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE
    assert [r for r in said.remarks if r.startswith("a-h1 has no session with 172.30.1.5")]


def test_a_reflector_that_stays_away_is_named_with_how_long_its_routes_are_kept() -> None:
    world = healthy()
    reflector_down(world, A_RR, B_RR)
    world.wait(5)
    assert world.ask("a-red1", "b-red1").sentence.endswith("kept though its session is down, stale since 5s")
    world.wait(3715)
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.SESSION_DOWN
    assert said.sentence.endswith(
        "packets pass by what was learnt before: kept though its session is down, long-lived stale since 1h02m"
    )


def test_a_route_that_a_reflector_keeps_for_somebody_is_a_remark() -> None:
    world = healthy()

    def kept(route: Route) -> Route:
        nlri, attributes = route
        return nlri, replace(attributes, communities=(LLGR_STALE,))

    rule(world, A_RR, kept)
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE
    assert "the route of a-h1 for 10.11.0.10/32 is " + Note.LLGR_STALE.value in said.remarks


def test_a_route_that_is_held_without_a_reflector_is_a_remark() -> None:
    world = healthy()
    node = world.hosts["a-h1"].node
    far = world.hosts["b-h1"].node.config.vtep
    node.handle(facts.AnswersRead({far: facts.Answer.ANSWERS}), world.now)
    rule(world, A_RR, lambda route: None if route[1].next_hop == far else route)
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE
    assert "the route of a-h1 for 10.11.0.10/32 is " + Note.HELD.value in said.remarks


def test_a_silent_agent_beside_the_path_is_a_remark() -> None:
    world = healthy()
    stop(world, "b-h2")
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE
    assert said.remarks == ("the agent of b-h2 does not answer: nobody listens at its socket",)


def test_a_fresh_agent_changes_nothing() -> None:
    world = healthy()
    restart(world, "a-h1", "b-h1")
    assert world.ask("a-red1", "b-red1").cause is Cause.WHOLE


def test_a_machine_that_moves_is_followed() -> None:
    world = healthy()
    ports = world.clouds["b"].ports
    ports["b-red1"] = ports["b-red1"]._replace(chassis="b-h2")
    world.news()
    said = world.ask("a-red1", "b-red1")
    assert said.cause is Cause.WHOLE and "on b-h2" in said.sentence


def test_a_new_machine_is_reached() -> None:
    world = healthy()
    boot(world.clouds["b"], "b-h2", "b-red3", "10.11.0.12/24")
    world.news()
    assert world.ask("a-red1", "10.11.0.12").cause is Cause.WHOLE
