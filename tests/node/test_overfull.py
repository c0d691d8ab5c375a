"""A full view change by change: who is served stays, and a change is as cheap as itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.fib.entries import view_id
from isthmus.flows.layout import Table
from isthmus.model.net import Prefix
from isthmus.node.config import Limits
from isthmus.node.overfull import Overfull, Seat, Slot
from tests.build import association, attachment, attributes, circuit, net, nlri, path, port, rts
from tests.world import World

A, RT = "neutron-a", "64512:1"
RED = attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))
MOST = 4


def prefix(number: int) -> Prefix:
    return net(f"10.9.0.{number}/32")


changes = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, False, True])), max_size=40)


class Plain:
    """Who is served stays; room goes to whoever is first of those who wait."""

    def __init__(self, begun: dict[int, bool]) -> None:
        self.places = {n: Slot(remote, prefix(n)) for n, remote in begun.items()}
        self.served = set(sorted(self.places, key=self.places.__getitem__)[:MOST])

    def change(self, number: int, remote: bool | None) -> tuple[Slot | None, Slot | None]:
        before = self.places.pop(number, None)
        if remote is None:
            self.served.discard(number)
        else:
            self.places[number] = Slot(remote, prefix(number))
        waiting = sorted(self.places.keys() - self.served, key=self.places.__getitem__)
        self.served |= set(waiting[: MOST - len(self.served)])
        return before, self.places.get(number)

    @property
    def surplus(self) -> set[Prefix]:
        return {prefix(n) for n in self.places.keys() - self.served}


@given(st.dictionaries(st.integers(0, 9), st.booleans()), changes)
def test_any_history_refuses_what_a_plain_queue_would(
    begun: dict[int, bool], history: list[tuple[int, bool | None]]
) -> None:
    plain = Plain(begun)
    kept = Overfull(plain.places.values(), MOST, lambda _prefix: Seat.WAITING)
    for number, remote in history:
        surplus = set(kept.surplus)
        told = kept.replace(*plain.change(number, remote))
        assert kept.surplus == plain.surplus
        assert kept.surplus ^ surplus <= told


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9), max_size=MOST), st.permutations(range(10)))
def test_what_the_switch_had_is_served_whatever_comes_first(come: set[int], had: set[int], order: list[int]) -> None:
    kept = Overfull((), MOST, lambda p: Seat.INHERITED if p.address[3] in had else Seat.WAITING)
    for number in (n for n in order if n in come | had):
        kept.replace(None, Slot(True, prefix(number)))
    assert not kept.surplus & {prefix(n) for n in had}
    assert len(kept) - len(kept.surplus) == min(len(come | had), MOST)


def world() -> World:
    made = World(limits=Limits(routes_per_view=MOST))
    made.switch_on()
    made.intent({circuit(1): RED}, [port("p", A, "10.1.0.5")])
    return made


def forwarded(made: World) -> set[str]:
    return {key.match.rsplit("=", 1)[1] for key in made.flows if key.table == Table.VIEW and key.match}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=25))
def test_a_view_that_comes_and_goes_over_its_maximum_puts_nobody_out(history: list[tuple[int, bool]]) -> None:
    made, plain = world(), Plain({})
    for number, comes in history:
        if comes:
            made.says(path(f"10.9.0.{number}/32", attributes(RT)))
        else:
            made.says(withdraw=[nlri(f"10.9.0.{number}/32")])
        plain.change(number, True if comes else None)
        assert forwarded(made) == {f"10.9.0.{n}" for n in plain.served}


def test_one_changed_route_does_not_sort_the_view_again() -> None:
    made = world()
    made.says(*(path(f"10.9.{n // 250}.{n % 250}/32", attributes(RT)) for n in range(200)))
    refused = made.node.tables.surplus(view_id(rts(RT)))
    assert len(refused) == 200 - MOST
    made.says(path("10.9.0.0/32", attributes(RT), vni=7009), withdraw=[nlri("10.9.0.1/32")])
    made.says(path("10.8.0.0/32", attributes(RT)))
    assert made.node.tables.surplus(view_id(rts(RT))) is refused, "kept up, not made anew"
    assert forwarded(made) == {"10.9.0.0", "10.9.0.2", "10.9.0.3", "10.9.0.4"}, "the newcomer waits"
