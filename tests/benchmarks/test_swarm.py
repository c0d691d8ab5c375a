"""The swarm's light speakers count what a session brings, however TCP cuts it; what several processes say is one."""

from __future__ import annotations

import pytest
from benchmarks.crowd import Answer, Counter, Plan, _routes, change
from benchmarks.swarm import Found, Swarm, costs, frr, line, missing, slope, together, verdict

PLAN = Plan(["10.50.0.1"], [0], hypervisors=300, routes=20, common=7)
SWARM = Swarm("FRR, some", frr, 300, 10)


@pytest.mark.parametrize("octets", [1, 7, 19, 20, 1000, 1 << 18])
def test_routes_are_counted_in_any_pieces(octets: int) -> None:
    counter = Counter(1, PLAN.wanted, PLAN.routes)
    stream = b"".join(_routes(n, PLAN) for n in range(300))
    most, last = stream[:-400], stream[-400:]
    for at in range(0, len(most), octets):
        counter.take(most[at : at + octets], 4.0, False)
    assert counter.at is None, "there is more to come"
    for at in range(0, len(last), octets):
        counter.take(last[at : at + octets], 5.0, False)
    assert counter.at == 5.0
    assert (counter.seen, counter.own) == (300 * 20, 20), "none twice; its own do not count"


def test_the_changed_route_is_seen_when_somebody_asks() -> None:
    counter, said = Counter(1, 0, 20), change(3, PLAN)
    assert counter.take(said, 1.0, True)
    assert not counter.take(_routes(2, PLAN), 1.0, True)
    assert not counter.take(said, 1.0, False)


def test_what_processes_say_is_added_up_and_the_last_moment_counts() -> None:
    one = Answer(4, up=4, in_sync=3, in_sync_at=7.0, octets=10, each=[0.1])
    other = Answer(2, up=2, in_sync=2, in_sync_at=9.0, octets=5, each=[0.2])
    both = together([one, other])
    assert (both.sessions, both.in_sync, both.in_sync_at, both.octets, both.each) == (6, 5, 9.0, 15, [0.1, 0.2])
    assert missing(both, one) == 2


def test_what_never_came_to_be_in_sync_is_said() -> None:
    assert line(Found(SWARM, missing=12, sessions=600))[1] == "not within 60 s: 12 of 600 sessions missing"
    assert "not in sync" in verdict(Found(SWARM, missing=12, sessions=600))


def test_aims_are_judged_and_a_slope_is_per_route() -> None:
    found = Found(SWARM, again_s=7.5, changed_whole_s=[0.1, 0.2, 0.9], changed_light_s=[0.1], agent_cpu=0.3)
    assert verdict(found).count("**not met**") == 0 and "7.5 s" in verdict(found)
    found.changed_whole_s = [0.4]
    assert verdict(found).endswith("**not met**")
    few = [Found(SWARM, again_s=5.0, agent_cpu=cpu) for cpu in (0.1, 0.9, 0.0)]
    assert slope(few, [found], 20_000) == "10 µs", "the median of the rounds"


def test_no_slope_is_drawn_from_what_never_came_to_its_end() -> None:
    whole, never = Found(SWARM, again_s=7.5, agent_cpu=0.3), Found(SWARM, missing=12)
    assert slope([whole], [never], 20_000) == "(not measured)"
    page = costs([[whole], [whole, never], [whole], [whole], [whole], [never]])
    assert page.count("not in sync in time") == 1 and page.count("(not measured)") == 1
