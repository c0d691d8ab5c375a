"""What malformed UPDATEs have cost, until the peer mends it."""

from __future__ import annotations

import pytest

from isthmus.bgp.damage import MISSING_MAX, NAMED_MAX, Damage
from isthmus.bgp.family import EVPN
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.update import Update
from isthmus.model.net import Prefix
from tests.bgp import given as a


def route(number: int) -> EvpnPrefix:
    return a.ROUTE._replace(prefix=Prefix.parse(f"10.{number >> 8}.{number & 255}.0/24"))


def lost(*numbers: int) -> Damage:
    damage = Damage()
    damage.read(Update(EVPN, withdrawn=tuple(map(route, numbers))), withdrawn_by_fault=True)
    return damage


@pytest.mark.parametrize("mended", [{"announced": (route(1),)}, {"withdrawn": (route(1),)}], ids=["told", "withdrawn"])
def test_what_the_peer_says_again_is_not_missing(mended: dict[str, tuple[EvpnPrefix, ...]]) -> None:
    damage = lost(1, 2)
    assert damage.named() == ["10.60.0.9:100 10.0.1.0/24", "10.60.0.9:100 10.0.2.0/24"]
    damage.read(Update(EVPN, **mended), withdrawn_by_fault=False)
    assert damage.named() == ["10.60.0.9:100 10.0.2.0/24"]


def test_it_names_a_few_and_remembers_no_more_than_it_may() -> None:
    damage = lost(*range(MISSING_MAX + 50))
    assert (len(damage.named()), len(damage)) == (NAMED_MAX, MISSING_MAX)
    damage.read(Update(EVPN, announced=tuple(map(route, range(MISSING_MAX)))), withdrawn_by_fault=False)
    assert damage.named() == []
