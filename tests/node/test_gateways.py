"""A gateway that changes hands: local machines are told, a few times, what came and what is gone, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.net import Mac
from isthmus.model.port import Claim, Gateway
from isthmus.node.effects import Introduce
from isthmus.node.facts import IntentLost
from isthmus.node.gateways import AFTER_S, Gateways
from tests.build import association, attachment, circuit, ip, port
from tests.world import World

NET, ELSEWHERE = "neutron-a", "neutron-b"
HERE = attachment(1, association(16, networks=(NET,), both=("64512:1",)), networks=(NET,))
MACHINE = port("p", NET, "10.1.0.5")
OURS = Gateway(NET, Mac.parse("02:00:5e:01:00:01"), (ip("10.1.0.1"), ip("2001:db8::1")), ours=True)
FOUR = Gateway(NET, Mac.parse("fa:16:3e:00:00:04"), (ip("10.1.0.1"),))
SIX = Gateway(NET, Mac.parse("fa:16:3e:00:00:06"), (ip("2001:db8::1"),))
ALL_SAID = AFTER_S[-1] + 1


def world(*gateways: Gateway) -> World:
    made = World()
    made.switch_on()
    made.intent({circuit(1): HERE}, [MACHINE], gateways)
    made.wait(ALL_SAID)
    assert said(made) == [], "what is there at the start is no news"
    return made


Told = tuple[set[Claim], set[Mac]]


def said(made: World) -> list[Told]:
    told = [e for e in made.log if isinstance(e, Introduce)]
    assert all(e.ports == (MACHINE,) for e in told)
    made.log.clear()
    return [(set(e.came), set(e.gone)) for e in told]


def claims(*gateways: Gateway) -> set[Claim]:
    return {(one.mac, address) for one in gateways for address in one.addresses}


def now(made: World, *gateways: Gateway) -> list[Told]:
    """What is told when these are seen from now on."""
    made.intent({circuit(1): HERE}, [MACHINE], gateways)
    made.wait(ALL_SAID)
    return said(made)


def test_a_router_takes_over_from_us_in_steps_as_neutron_does_it() -> None:
    made = world(OURS)
    assert now(made) == [(set(), {OURS.mac})] * len(AFTER_S)
    assert now(made, FOUR) == [(claims(FOUR), set())] * len(AFTER_S)
    assert now(made, FOUR, SIX) == [(claims(SIX), set())] * len(AFTER_S)


def test_we_take_over_from_a_router() -> None:
    made = world(FOUR, SIX)
    assert now(made, SIX) == [], "it was no IPv6 router, and nobody has its address yet"
    assert now(made, OURS) == [(claims(OURS), {SIX.mac})] * len(AFTER_S)


def test_steps_that_follow_at_once_are_told_together() -> None:
    made = world(OURS)
    for step in ((), (FOUR,), (FOUR, SIX)):
        made.intent({circuit(1): HERE}, [MACHINE], step)
        made.wait(0.1)
    made.wait(ALL_SAID)
    assert said(made)[-1] == (claims(FOUR, SIX), {OURS.mac})


def test_a_gateway_that_keeps_one_of_its_addresses_is_still_a_router() -> None:
    """Neutron's interface has the IPv4 subnet already, the IPv6 one is still ours."""
    made = world(OURS)
    half = replace(OURS, addresses=OURS.addresses[1:])
    assert now(made, half) == []
    assert now(made, half, FOUR) == [(claims(FOUR), set())] * len(AFTER_S)
    assert now(made, OURS) == [({(OURS.mac, OURS.addresses[0])}, set())] * len(AFTER_S)


def test_what_comes_back_at_once_is_not_gone() -> None:
    made = world(OURS)
    made.intent({circuit(1): HERE}, [MACHINE], (FOUR,))
    made.wait(0.1)
    made.intent({circuit(1): HERE}, [MACHINE], (OURS,))
    made.wait(ALL_SAID)
    assert said(made)[-1] == (claims(OURS), set())


def test_a_router_that_nobody_looks_at_any_more_is_not_gone() -> None:
    """The BGPVPN was taken from it; it goes on being the gateway."""
    made = world(FOUR, SIX)
    assert now(made) == []
    assert now(made, FOUR, SIX) in ([], [(claims(FOUR, SIX), set())] * len(AFTER_S)), "it may be told, for it is true"


def test_a_router_that_is_looked_at_for_the_first_time_is_no_news_and_we_are() -> None:
    made = world()
    assert now(made, FOUR) == []
    made = world()
    assert now(made, OURS) == [(claims(OURS), set())] * len(AFTER_S)


def test_it_is_told_at_once_and_then_more_and_more_rarely() -> None:
    made = world(OURS)
    made.intent({circuit(1): HERE}, [MACHINE], (FOUR,))
    assert len(said(made)) == 1
    made.wait(1.1)
    assert len(said(made)) == 2
    made.wait(ALL_SAID)
    assert len(said(made)) == len(AFTER_S) - 3


def test_only_machines_of_that_network_are_told() -> None:
    made = world(OURS)
    other = port("q", ELSEWHERE, "10.2.0.5")
    made.intent({circuit(1): HERE}, [MACHINE, other], (FOUR,))
    made.wait(ALL_SAID)
    assert said(made) == [(claims(FOUR), {OURS.mac})] * len(AFTER_S)
    made.intent({circuit(1): HERE}, [other], (OURS,))
    made.wait(ALL_SAID)
    assert said(made) == [], "nobody is there to be told"


def test_losing_the_database_is_no_change() -> None:
    made = world(OURS)
    made.tell(IntentLost("away"))
    assert now(made, OURS) == []


HALF = replace(OURS, addresses=OURS.addresses[1:])
sights = st.lists(
    st.tuples(st.sets(st.sampled_from([OURS, HALF, FOUR, SIX])), st.floats(0, 10)), min_size=1, max_size=12
)


@given(sights)
def test_whatever_happens_only_what_is_so_is_told_and_it_ends(history: list[tuple[set[Gateway], float]]) -> None:
    watched, when = Gateways(), 0.0
    for present, pause in history:
        watched.read(present, frozenset({NET}), when)
        when += pause
        for told in watched.effects([MACHINE], when):
            assert told.came or told.gone
            assert set(told.came) <= claims(*present)
            assert not {one.mac for one in present if any(a.version == 6 for a in one.addresses)} & told.gone
    for _ in AFTER_S:
        when += ALL_SAID
        list(watched.effects([MACHINE], when))
    assert list(watched.effects([MACHINE], when + ALL_SAID)) == list(watched.deadlines()) == []
