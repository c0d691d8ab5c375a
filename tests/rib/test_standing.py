"""How far a path is to be believed: the table at the head of rib/adj_in.py, played, every event in every state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from isthmus.rib import adj_in
from isthmus.rib.adj_in import AdjRibIn, Touched
from isthmus.rib.path import Path, Standing
from tests.build import attributes, net, path

PREFIX = net("10.0.0.1/32")
PATH = path("10.0.0.1/32", attributes("1:1"))
KEEPS_NONE = path("10.0.0.1/32", replace(attributes("1:1"), communities=(adj_in.NO_LLGR,)))
EVENTS: dict[str, Callable[[AdjRibIn, Path], Touched]] = {
    "said again": lambda rib, p: rib.apply([p._replace(since=9.0)], ()),
    "withdrawn": lambda rib, p: rib.apply((), [(PREFIX, p.key)]),
    "withdrawn, unheard": lambda rib, p: rib.hold(rib.paths(PREFIX), 8.0),
    "session ends": lambda rib, p: rib.mark_stale(p.channel, 8.0),
    "stale for long": lambda rib, p: rib.make_long_lived(p.channel, 5.0),
    "stale for too long": lambda rib, p: rib.expire(p.channel, 5.0),
    "contradicted": lambda rib, p: rib.sweep(lambda _: True),
    "to be held no longer": lambda rib, p: rib.release(lambda _: True),
}


def table() -> list[tuple[str, Standing, str]]:
    """(event, state, what becomes of it) of every cell."""
    assert adj_in.__doc__ is not None
    rows = [re.split(r"\s{2,}", line.strip()) for line in adj_in.__doc__.splitlines() if line.startswith("    ")]
    head, *body = rows
    states = [Standing[name] for name in head[1:]]
    assert states == list(Standing) and len(body) == len(EVENTS)
    return [
        (row[0].partition(" (")[0], state, cell) for row in body for state, cell in zip(states, row[1:], strict=True)
    ]


def stands(standing: Standing, of: Path = PATH) -> AdjRibIn:
    """A table with one path that has come to this."""
    rib = AdjRibIn()
    rib.apply([of], ())
    if standing is Standing.HELD:
        rib.hold(rib.paths(PREFIX), 5.0)
    elif standing is not Standing.FRESH:
        rib.mark_stale(of.channel, 5.0)
    if standing is Standing.LONG_LIVED:
        rib.make_long_lived(of.channel, 5.0)
    return rib


@pytest.mark.parametrize(("event", "before", "cell"), table())
def test_every_event_makes_of_every_standing_what_the_table_says(event: str, before: Standing, cell: str) -> None:
    rib = stands(before)
    touched = EVENTS[event](rib, PATH)
    after = [p.standing.name for p in rib]
    wanted = before.name if cell == "-" else cell.removesuffix(" *")
    assert after == ([] if wanted == "gone" else [wanted])
    assert bool(touched) == cell.endswith("*"), "whether a decision may come out otherwise"


@pytest.mark.parametrize("event", ["withdrawn, unheard", "stale for long"])
def test_who_would_rather_have_no_route_has_none(event: str) -> None:
    rib = stands(Standing.STALE, KEEPS_NONE)
    assert EVENTS[event](rib, KEEPS_NONE)
    assert list(rib) == []
