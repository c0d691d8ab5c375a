"""Many endpoints of one VPN take no turns from the few of another."""

from __future__ import annotations

from collections import Counter

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.facts import Answer
from isthmus.shell.liveness import LOST, PROBE_S, Watch
from isthmus.shell.turns import Turns
from tests.build import ip

A_ROUND = 200


def endpoints(count: int) -> list[IpAddress]:
    return [IpAddress((100 << 24 | number).to_bytes(4, "big")) for number in range(1, count + 1)]


def turns(shares: dict[IpAddress, float], a_round: int = A_ROUND) -> Turns:
    made = Turns(a_round)
    made.share(shares)
    return made


@pytest.mark.parametrize("many", [1_000, 20_000])
def test_a_dead_hypervisor_of_one_vpn_is_known_at_once_whatever_another_vpn_shows(many: int) -> None:
    crowd, ours = endpoints(many), ip("172.30.2.1")
    watch = Watch()
    watch.ask(dict.fromkeys([*crowd, ours], Answer.ANSWERS), dict.fromkeys(crowd, 1 / many) | {ours: 1.0})
    rounds = 0
    while watch.answers[ours] is not Answer.SILENT:
        due = watch.turn()
        watch.round(due)
        for endpoint in due:
            if endpoint != ours:
                watch.came_from(endpoint)
        rounds += 1
    assert rounds <= LOST + 1, f"{rounds} rounds of {PROBE_S} s"


def test_few_endpoints_are_all_asked_in_every_round() -> None:
    shares = dict.fromkeys(endpoints(A_ROUND), 0.005)
    made = turns(shares)
    assert [made.next() for _ in range(3)] == [sorted(shares)] * 3


def test_what_one_vpn_does_not_need_the_other_has() -> None:
    many, few = endpoints(1_000), endpoints(1_010)[1_000:]
    made = turns(dict.fromkeys(many, 1 / 1_000) | dict.fromkeys(few, 1 / 10))
    asked = Counter(endpoint for _ in range(100) for endpoint in made.next())
    assert {asked[e] for e in few} == {100}
    assert min(asked[e] for e in many) >= 18 and max(asked[e] for e in many) <= 20, "190 of 1,000 in each round"
    assert abs(asked.total() - 100 * A_ROUND) <= A_ROUND


def test_who_stays_does_not_lose_its_turn_when_others_come_and_go() -> None:
    shares = dict.fromkeys(endpoints(40), 1.0)
    made, asked = turns(shares, 4), Counter[IpAddress]()
    for number in range(100):
        made.share(shares | {ip(f"172.30.9.{number + 1}"): 1.0})
        asked.update(made.next())
    assert min(asked[e] for e in shares) >= 8
