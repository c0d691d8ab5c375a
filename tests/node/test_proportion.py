"""Work is in proportion to what has changed: how many decisions each kind of fact may cost, and what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType

import pytest

from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.model.vpn import SiteOfOrigin
from isthmus.node import effects, facts
from isthmus.node.order import LINGER_S
from isthmus.node.report import status
from isthmus.node.status import Detail
from isthmus.rib.path import Path
from isthmus.shell.liveness import Watch
from tests.build import SITE, association, attachment, attributes, circuit, ip, net, nlri, path, port
from tests.world import REFLECTOR, World

ROUTES = 40
"""Of each view; far more than any fact below may decide."""
A, B = "neutron-a", "neutron-b"
RED, BLUE = "64512:1", "64512:2"
HOP, OTHER_HOP = "172.30.2.1", "172.30.2.2"


def red(revision: int = 1) -> AttachmentIntent:
    return replace(attachment(1, association(16, networks=(A,), both=(RED,)), networks=(A,)), revision=revision)


def blue() -> AttachmentIntent:
    return attachment(2, association(17, networks=(B,), both=(BLUE,)), networks=(B,))


def foreign(revision: int = 1, target: str = RED) -> AttachmentIntent:
    """Somebody else's: no machine of it is here."""
    made = attachment(3, association(18, networks=("neutron-c",), both=(target,)), networks=("neutron-c",))
    return replace(made, revision=revision)


PORTS = (port("p", A, "10.1.0.5"), port("q", B, "10.2.0.5"), port("r", A, "10.1.0.6"))
CIRCUITS = {circuit(1): red(), circuit(2): blue(), circuit(3): foreign()}


@pytest.fixture
def world() -> World:
    made = World()
    made.switch_on()
    made.intent(dict(CIRCUITS), PORTS)
    for target, net_ in ((RED, "10.8"), (BLUE, "10.9")):
        hops = [HOP] * (ROUTES - 1) + [OTHER_HOP]
        made.says(
            *(path(f"{net_}.0.{n}/32", attributes(target, next_hop=hop), rd=f"{hop}:{n}") for n, hop in enumerate(hops))
        )
    made.end_of_rib()
    made.wait(LINGER_S + 1)
    made.reflectors[REFLECTOR].history.clear()
    made.log.clear()
    return made


def intent(circuits: dict[int, AttachmentIntent] | None = None, *ports: LocalPort) -> Callable[[World], None]:
    changed = {circuit(n): one for n, one in (circuits or {}).items()}
    return lambda world: world.intent(CIRCUITS | changed, ports or PORTS)


def renamed(world: World) -> None:
    world.intent(dict(CIRCUITS), [replace(PORTS[0], revision=500, device="another name"), *PORTS[1:]])


SILENT: tuple[tuple[str, Callable[[World], None]], ...] = (
    ("the same intent again", intent()),
    ("somebody else's row changed", intent({3: foreign(2)})),
    ("somebody else's row with other targets", intent({3: foreign(target=BLUE)})),
    ("a new row that concerns nobody here", intent({4: replace(foreign(), attachment=blue().attachment)})),
    ("a revision of ours with the same content", intent({1: red(7)})),
    ("a port renamed", renamed),
    ("a tunnel endpoint resolved", lambda w: w.tell(facts.NeighboursRead(w.resolved - {ip(OTHER_HOP)}))),
    ("an endpoint that answers", lambda w: w.probe(ip(HOP), facts.Answer.ANSWERS)),
    ("the switch read again, as it should be", lambda w: w.tell(facts.FlowsRead(dict(w.flows)))),
    ("the southbound gone and back", lambda w: (w.tell(facts.IntentLost("away")), intent()(w))[0]),
    ("a route said again as it was", lambda w: w.says(path("10.8.0.0/32", attributes(RED), rd=f"{HOP}:0"))),
    ("a route that nobody imports", lambda w: w.says(path("10.7.0.1/32", attributes("64512:77")))),
    ("somebody looks", lambda w: (status(w.node, w.now, Detail.ALL), w.wait(1.0))[1]),
)


@pytest.mark.parametrize(("what", "act"), SILENT, ids=[what for what, _ in SILENT])
def test_what_changes_nothing_costs_no_decision_and_says_nothing(
    world: World, what: str, act: Callable[[World], None]
) -> None:
    before = world.node.tables.decisions
    act(world)
    assert world.node.tables.decisions - before == 0
    assert world.reflectors[REFLECTOR].history == []
    said = [e for e in world.log if isinstance(e, effects.SetCircuits | effects.SetNeighbours | effects.Send)]
    assert [e for e in said if not isinstance(e, effects.Send) or len(e.data) > 19] == [], "only KEEPALIVEs"


def moved_circuit(world: World) -> None:
    world.circuits = {**world.circuits, circuit(2): 99}
    world.tell(facts.SwitchRead(dict(world.circuits), 1))


def silent_endpoint(world: World) -> None:
    world.probe(ip(OTHER_HOP), facts.Answer.ANSWERS)
    world.probe(ip(OTHER_HOP), facts.Answer.SILENT)


COSTS: tuple[tuple[str, Callable[[World], None], int], ...] = (
    ("one changed route", lambda w: w.says(path("10.8.0.0/32", attributes(RED, med=7), rd=f"{HOP}:0")), 1),
    ("one route withdrawn", lambda w: w.says(withdraw=[nlri("10.8.0.0/32", rd=f"{HOP}:0")]), 1),
    ("a machine more: its address in its view", intent(None, *PORTS, port("s", A, "10.1.0.7")), 1),
    ("a machine less", intent(None, *PORTS[:2]), 1),
    ("a machine with another address", intent(None, port("p", A, "10.1.0.9"), *PORTS[1:]), 2),
    ("one circuit with another port number: its one machine", moved_circuit, 1),
    ("an endpoint silent that leads to one address in each view", silent_endpoint, 2),
    ("a router interface more: no route is decided", intent({1: replace(red(), subnets=blue().subnets)}), 0),
    ("targets that nobody announces to: a new view of local addresses", intent(
        {2: attachment(2, association(17, networks=(B,), both=("64512:3",)), networks=(B,))}
    ), 1),
    ("targets changed: the new view's routes", intent(
        {2: attachment(2, association(17, networks=(B,), both=(RED,)), networks=(B,))}
    ), ROUTES + 3),
)  # fmt: skip


@pytest.mark.parametrize(("what", "act", "most"), COSTS, ids=[what for what, _, _ in COSTS])
def test_what_changes_something_costs_no_more_than_that(
    world: World, what: str, act: Callable[[World], None], most: int
) -> None:
    before = world.node.tables.decisions
    act(world)
    world.wait(LINGER_S + 1)
    assert world.node.tables.decisions - before <= most


def test_a_port_keeps_its_sequence_until_it_claims_something_else(world: World) -> None:
    """Renaming it is no move (RFC 7432 section 7.7): a tenant does both, and only one concerns anybody."""
    renamed(world)
    assert world.reflectors[REFLECTOR].history == []
    world.intent(dict(CIRCUITS), [replace(PORTS[0], revision=501, addresses=(ip("10.1.0.9"),)), *PORTS[1:]])
    (update,) = [u for u in world.reflectors[REFLECTOR].history if u.announced]
    assert update.attributes is not None and update.attributes.mobility_sequence == 1
    assert [r.prefix for r in update.announced] == [net("10.1.0.9/32")]


def test_a_cloud_with_another_name_has_only_the_routes_judged_that_bear_one_of_its_names(world: World) -> None:
    """Its own machines are announced by the new name, too."""
    names = SITE, SiteOfOrigin.parse("64512:9")
    world.says(*(path(f"10.7.0.{n}/32", attributes(RED, site=site), rd=f"{HOP}:7{n}") for n, site in enumerate(names)))
    assert (_leads(world, "10.7.0.0"), _leads(world, "10.7.0.1")) == (False, True), "nothing of ours comes back"
    before = world.node.tables.decisions
    world.intent(CIRCUITS | {circuit(1): replace(red(), site=names[1])}, PORTS)
    assert (_leads(world, "10.7.0.0"), _leads(world, "10.7.0.1")) == (True, False)
    world.wait(LINGER_S + 1)
    assert world.node.tables.decisions - before <= len(PORTS) - 1 + len(names)
    assert not world.node.tables.leads.is_alone(next(iter(world.node.tables.views)))


def _leads(world: World, destination: str) -> bool:
    return any(key.table == Table.VIEW and destination in key.match for key in world.flows)


# Probes: who is asked, and how often


def crowded(endpoints: int) -> World:
    """A view that leads to so many tunnel endpoints."""
    made = World()
    made.switch_on()
    made.intent(dict(CIRCUITS), PORTS)
    made.says(*(far(number) for number in range(endpoints)))
    made.end_of_rib()
    made.wait(LINGER_S + 1)
    assert len(made.probed) == endpoints
    return made


def far(number: int, med: int | None = None) -> Path:
    low = f"{number // 200}.{number % 200 + 1}"
    return path(f"10.8.{low}/32", attributes(RED, next_hop=f"172.31.{low}", med=med))


def calls(of: Callable[[], object]) -> int:
    """How many functions of ours that takes."""
    found = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal found
        found += event == "call"

    sys.setprofile(count)
    try:
        of()
    finally:
        sys.setprofile(None)
    return found


PROBES: dict[str, Callable[[World], None]] = {
    "an endpoint more": lambda world: world.says(far(2000)),
    "an endpoint less": lambda world: world.says(withdraw=[far(7).nlri]),
    "a changed route": lambda world: world.says(far(7, med=7)),
}


@pytest.mark.parametrize("act", PROBES.values(), ids=list(PROBES))
def test_one_endpoint_costs_the_same_among_many_as_among_few(act: Callable[[World], None]) -> None:
    few, many = (calls(partial(act, crowded(count))) for count in (150, 1500))
    assert many < few * 1.1


def test_nor_does_the_prober_look_at_the_others() -> None:
    cost = []
    for count in (150, 1500):
        made, watch = crowded(count), Watch()
        for act in (lambda _: None, PROBES["an endpoint more"]):
            act(made)
            told = [effect for effect in made.log if isinstance(effect, effects.SetProbes)][-1]
            cost.append(calls(partial(watch.ask, told.endpoints, told.shares)))
            watch.turn()
    assert cost[3] < cost[1] * 1.1 < cost[0]


def test_shares_are_the_same_whatever_came_and_went_before() -> None:
    made = crowded(70)
    for number in (1, 2, 3, 4, 5, 6):
        made.says(withdraw=[far(number).nlri])
    made.says(*(path(f"10.9.0.{n}/32", attributes(BLUE, next_hop=f"172.31.0.{n}")) for n in range(1, 20)))
    afresh = World()
    afresh.switch_on()
    afresh.intent(dict(CIRCUITS), PORTS)
    afresh.says(*(p for p in made.node.rib))
    assert made.node.tables.leads.shares == afresh.node.tables.leads.shares
    assert sum(made.node.tables.leads.shares.values()) == 64 / 64 + 19 / 32
