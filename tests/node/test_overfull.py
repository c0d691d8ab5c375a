"""A full view change by change: the same as sorting it each time, and as cheap as the change."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.fib.entries import view_id
from isthmus.flows.layout import Table
from isthmus.model.net import Prefix
from isthmus.node.config import Limits
from isthmus.node.overfull import Overfull, Slot
from tests.build import association, attachment, attributes, circuit, net, nlri, path, port, rts
from tests.world import World

A, RT = "neutron-a", "64512:1"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
MOST = 4


def prefix(number: int) -> Prefix:
    return net(f"10.9.0.{number}/32")


changes = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, False, True])), max_size=40)


@given(st.dictionaries(st.integers(0, 9), st.booleans()), changes)
def test_any_history_refuses_what_sorting_would(begun: dict[int, bool], history: list[tuple[int, bool | None]]) -> None:
    places = {n: Slot(remote, prefix(n)) for n, remote in begun.items()}
    kept = Overfull(places.values(), MOST)
    for number, remote in history:
        before, surplus = places.get(number), set(kept.surplus)
        after = None if remote is None else Slot(remote, prefix(number))
        told = kept.replace(before, after)
        places.pop(number, None)
        if after is not None:
            places[number] = after
        assert kept.surplus == Overfull(places.values(), MOST).surplus
        assert kept.surplus ^ surplus <= told


def world() -> World:
    made = World(limits=Limits(routes_per_view=MOST))
    made.switch_on()
    made.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    return made


def forwarded(made: World) -> set[str]:
    return {key.match.rsplit("=", 1)[1] for key in made.flows if key.table == Table.VIEW and key.match}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=25))
def test_a_view_that_comes_and_goes_over_its_maximum_has_always_the_first(history: list[tuple[int, bool]]) -> None:
    made, there = world(), set[int]()
    for number, comes in history:
        if comes:
            made.says(path(f"10.9.0.{number}/32", attributes(RT)))
            there.add(number)
        else:
            made.says(withdraw=[nlri(f"10.9.0.{number}/32")])
            there.discard(number)
        assert forwarded(made) == {f"10.9.0.{n}" for n in sorted(there)[:MOST]}


def test_one_changed_route_does_not_sort_the_view_again() -> None:
    made = world()
    made.says(*(path(f"10.9.{n // 250}.{n % 250}/32", attributes(RT)) for n in range(200)))
    refused = made.node.tables.surplus(view_id(rts(RT)))
    assert len(refused) == 200 - MOST
    made.says(path("10.9.0.0/32", attributes(RT), vni=7009), withdraw=[nlri("10.9.0.1/32")])
    made.says(path("10.8.0.0/32", attributes(RT)))
    assert made.node.tables.surplus(view_id(rts(RT))) is refused, "kept up, not made anew"
    assert forwarded(made) == {"10.8.0.0", "10.9.0.0", "10.9.0.2", "10.9.0.3"}
