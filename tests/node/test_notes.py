"""What is told beside the status costs little, however many routers have routes of their own and see how much."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from isthmus.model.net import IpAddress, Prefix
from isthmus.node import notes
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.world import World

RT = "64512:1"


def test_ten_routers_with_thirty_routes_look_at_every_route_of_their_vpn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant chooses all three numbers, and whoever reports does nothing else meanwhile."""
    made, numbers = World(), range(1, 11)
    made.switch_on()
    own = tuple(net(f"10.200.{n}.0/24") for n in range(30))
    routers = {
        n: attachment(
            n,
            association(15 + n, networks=(f"neutron-{n}",), both=(RT,)),
            networks=(f"neutron-{n}",),
            subnets=(f"10.1.{n}.0/24",),
        )
        for n in numbers
    }
    made.intent(
        {circuit(n): replace(one, routes=own) for n, one in routers.items()},
        [port(f"p{n}", f"neutron-{n}", f"10.1.{n}.5") for n in numbers],
    )
    made.says(*(path(f"10.90.{n // 250}.{n % 250}/32", attributes(RT)) for n in range(5000)))
    place, looked = notes._place, []
    monkeypatch.setattr(notes, "_place", lambda prefix: looked.append(prefix) or place(prefix))
    assert notes.notes(made.node) == {}
    assert len(looked) < 2 * 5000
    made.says(path("10.200.29.9/32", attributes(RT)))
    assert all("10.200.29.0/24" in words for one in notes.notes(made.node).values() for (words,) in one.values())
    assert len(notes.notes(made.node)) == 10


@pytest.mark.parametrize("octets", [4, 16])
def test_one_search_says_what_looking_at_each_would(octets: int) -> None:
    chance = random.Random(octets)

    def some(many: int) -> list[Prefix]:
        found = []
        for _ in range(many):
            length = chance.randint(0, 10)
            number = chance.getrandbits(length) << (octets * 8 - length) if length else 0
            found.append(Prefix(IpAddress(number.to_bytes(octets, "big")), length))
        return found

    for _ in range(300):
        there = sorted({*some(3), net("10.9.0.1/32"), net("2001:db8::1/128")}, key=notes._place)
        for route in some(5):
            assert notes._covers_some(route, there) == any(route.covers(one) for one in there)
