"""Many endpoints of one VPN take no turns from the few of another."""

from __future__ import annotations

from collections import Counter

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.facts import Answer
from isthmus.shell.liveness import MOMENT_S, Watch
from isthmus.shell.turns import MOMENTS, Turns
from tests.build import ip

A_ROUND = 200


def endpoints(count: int) -> list[IpAddress]:
    return [IpAddress((100 << 24 | number).to_bytes(4, "big")) for number in range(1, count + 1)]


def turns(shares: dict[IpAddress, float], a_round: int = A_ROUND) -> Turns:
    made = Turns(a_round)
    made.share(shares)
    return made


def a_round(made: Turns) -> list[IpAddress]:
    """Who is asked in a round."""
    found: list[IpAddress] = []
    for _ in range(MOMENTS):
        due = made.next()
        assert len(due) <= max(1, A_ROUND // MOMENTS)
        for endpoint in due:
            made.asked(endpoint)
        found += due
    return found


@pytest.mark.parametrize("many", [1_000, 20_000])
@pytest.mark.parametrize("crowd_dies", [False, True])
def test_a_dead_hypervisor_of_one_vpn_is_known_at_once_whatever_another_vpn_shows(many: int, crowd_dies: bool) -> None:
    crowd, ours = endpoints(many), ip("172.30.2.1")
    watch = Watch()
    watch.ask(dict.fromkeys([ours], Answer.ANSWERS))
    watch.turn()
    watch.came_from(ours)
    watch.ask(dict.fromkeys([*crowd, ours], Answer.ANSWERS), dict.fromkeys(crowd, 1 / many) | {ours: 1.0})
    moments = 0
    while watch.answers[ours] is not Answer.SILENT:
        for endpoint in watch.turn()[0]:
            if endpoint != ours and not crowd_dies:
                watch.came_from(endpoint)
        moments += 1
    assert moments * MOMENT_S <= 0.76


def test_few_endpoints_are_all_asked_in_every_round() -> None:
    shares = dict.fromkeys(endpoints(A_ROUND), 0.005)
    made = turns(shares)
    assert [sorted(a_round(made)) for _ in range(3)] == [sorted(shares)] * 3


def test_what_one_vpn_does_not_need_the_other_has() -> None:
    many, few = endpoints(1_000), endpoints(1_010)[1_000:]
    made = turns(dict.fromkeys(many, 1 / 1_000) | dict.fromkeys(few, 1 / 10))
    asked = Counter(endpoint for _ in range(100) for endpoint in a_round(made))
    assert {asked[e] for e in few} == {100}
    assert min(asked[e] for e in many) >= 18 and max(asked[e] for e in many) <= 20, "190 of 1,000 in each round"
    assert abs(asked.total() - 100 * A_ROUND) <= A_ROUND


def test_who_stays_does_not_lose_its_turn_when_others_come_and_go() -> None:
    shares = dict.fromkeys(endpoints(40), 1.0)
    made, asked = turns(shares, 40), Counter[IpAddress]()
    for number in range(100):
        made.share(shares | {ip(f"172.30.9.{number + 1}"): 1.0})
        asked.update(a_round(made))
    assert min(asked[e] for e in shares) >= 90


def test_who_has_a_larger_share_than_before_does_not_wait_for_its_old_turn() -> None:
    crowd, ours = endpoints(20_000), ip("172.30.2.1")
    made = turns(dict.fromkeys([*crowd, ours], 1.0))
    while ours not in a_round(made):
        pass
    made.share({ours: 1.0})
    assert a_round(made) == [ours]
