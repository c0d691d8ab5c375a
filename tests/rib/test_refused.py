"""What a peer said too much: counted by the route, and beyond the names by the announcement."""

from __future__ import annotations

from isthmus.model.reason import NotAccepted
from isthmus.rib.path import Path
from isthmus.rib.refused import Refusal, Refused
from tests.build import attributes, path

FULL = Refusal(NotAccepted.PEER_FULL)


def route(number: int) -> Path:
    return path(f"10.0.0.{number}/32", attributes("1:1"))


def test_a_route_is_one_however_often_it_is_said() -> None:
    refused = Refused()
    for _ in range(3):
        refused.refuse(route(1), FULL)
    refused.refuse(route(2), FULL)
    assert len(refused) == 2
    refused.withdraw(route(1).nlri.prefix, route(1).key)
    refused.withdraw(route(9).nlri.prefix, route(9).key)
    assert len(refused) == 1
    refused.admit(route(2))
    assert not refused


def test_beyond_the_names_there_is_a_number_that_falls_too() -> None:
    refused = Refused(names_max=2)
    for number in range(5):
        refused.refuse(route(number), FULL)
    refused.refuse(route(0), FULL)
    assert len(refused) == 5
    for number in (4, 0, 3, 1):
        refused.withdraw(route(number).nlri.prefix, route(number).key)
    assert len(refused) == 1


def test_nobody_takes_back_what_he_never_said() -> None:
    """Route reflectors do: whether there is still one nobody knows, so it is there until all is said again."""
    refused = Refused(names_max=1)
    for number in range(3):
        refused.refuse(route(number), FULL)
    for number in range(3, 9):
        refused.withdraw(route(number).nlri.prefix, route(number).key)
    assert refused.may_have(route(2).nlri.destination, route(2).key)
    refused.withdraw(route(0).nlri.prefix, route(0).key)
    assert refused, "the peer is asked again when there is room"
    refused.clear()
    assert not refused
