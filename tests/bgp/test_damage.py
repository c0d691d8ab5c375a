"""What malformed UPDATEs have cost, until the peer mends it."""

from __future__ import annotations

import pytest

from isthmus.bgp.damage import MISSING_MAX, NAMED_MAX, Damage, still_missing
from isthmus.bgp.family import EVPN
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.update import Update
from isthmus.model.net import Prefix
from tests.bgp import given as a


def route(number: int) -> EvpnPrefix:
    return a.ROUTE._replace(prefix=Prefix.parse(f"10.{number >> 8}.{number & 255}.0/24"))


def lost(*numbers: int) -> Damage:
    damage = Damage()
    assert damage.read(Update(EVPN, withdrawn=tuple(map(route, numbers))), withdrawn_by_fault=True)
    return damage


@pytest.mark.parametrize("mended", [{"announced": (route(1),)}, {"withdrawn": (route(1),)}], ids=["told", "withdrawn"])
def test_what_the_peer_says_again_is_not_missing(mended: dict[str, tuple[EvpnPrefix, ...]]) -> None:
    damage = lost(1, 2)
    assert still_missing(f"a fault{damage}") == ({"10.60.0.9:100 10.0.1.0/24", "10.60.0.9:100 10.0.2.0/24"}, False)
    assert damage.read(Update(EVPN, **mended), withdrawn_by_fault=False)
    assert still_missing(f"a fault{damage}") == ({"10.60.0.9:100 10.0.2.0/24"}, False)
    assert not damage.read(Update(EVPN, announced=(route(1),)), withdrawn_by_fault=False)


def test_without_damage_there_is_nothing_to_say() -> None:
    assert str(Damage()) == ""
    assert still_missing("treat as withdraw: undefined origin: origin: 3") == (frozenset(), False)


def test_it_names_a_few_and_remembers_no_more_than_it_may() -> None:
    damage = lost(*range(MISSING_MAX + 50))
    names, more = still_missing(str(damage))
    assert len(names) == NAMED_MAX and more
    damage.read(Update(EVPN, announced=tuple(map(route, range(MISSING_MAX)))), withdrawn_by_fault=False)
    assert str(damage) == ""
