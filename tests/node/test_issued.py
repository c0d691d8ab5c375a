"""Numbers that a hypervisor issues itself: the same in every process, of each pair its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN, AssociationIntent
from isthmus.model.reason import NotAnnounced
from isthmus.node.issued import NUMBERS_MAX, Issued
from isthmus.node.report import status
from tests.build import association, attachment, circuit, port, uuid
from tests.world import REFLECTOR, World

A = "neutron-a"
RED, BLUE = f"router:{uuid(1)}", f"router:{uuid(2)}"


def joined(bgpvpn: int, number: int | None = None) -> AssociationIntent:
    return replace(association(16, networks=(A,), both=("64512:1",), bgpvpn=bgpvpn), number=number)


def test_a_number_follows_from_the_pair_and_is_the_same_in_every_process() -> None:
    one, other = Issued(), Issued()
    other.number(BLUE, joined(9))
    assert one.number(RED, joined(1)) == other.number(RED, joined(1))
    assert NUMBER_MIN <= one.number(RED, joined(1)) <= NUMBER_MAX


def test_no_two_pairs_have_one_number_and_a_thousand_are_no_trouble() -> None:
    issued = Issued()
    numbers = [issued.number(f"router:{uuid(a)}", joined(b)) for a in range(100) for b in range(30)]
    assert len(set(numbers)) == 3000


def test_associations_of_one_pair_share_their_number() -> None:
    issued = Issued()
    assert issued.number(RED, joined(1)) == issued.number(RED, replace(joined(1), association=uuid(99)))


def test_what_the_cloud_has_given_stays_and_no_other_gets_it() -> None:
    wish = Issued().number(RED, joined(1))
    issued = Issued()
    assert issued.number(BLUE, joined(2, wish)) == wish, "no route distinguisher changes with an upgrade"
    assert issued.number(RED, joined(1)) != wish
    assert issued.number(BLUE, joined(2)) == wish, "nor when the cloud gives none any more"


def test_the_cloud_may_give_another_and_never_one_that_is_used_here() -> None:
    issued = Issued()
    assert issued.number(RED, joined(1, 500)) == 500
    assert issued.number(RED, joined(1, 501)) == 501
    issued.use(circuit(1), [(RED, joined(1).bgpvpn)])
    taken = issued.number(BLUE, joined(2, 501))
    assert taken != 501 and issued.number(RED, joined(1, 501)) == 501


def test_a_number_that_the_cloud_gives_again_is_not_kept_by_who_has_gone() -> None:
    issued = Issued()
    issued.use(circuit(1), [(RED, joined(1).bgpvpn)])
    issued.number(RED, joined(1, 20))
    issued.use(circuit(1), [])
    assert issued.number(BLUE, joined(2, 20)) == 20


def test_what_is_remembered_is_issued_again() -> None:
    first = Issued()
    first.number(BLUE, joined(2, Issued().number(RED, joined(1))))
    number = first.number(RED, joined(1))
    assert Issued(first.numbers).number(RED, joined(1)) == number, "though the wish is free now"


def test_what_is_used_here_never_gives_way_however_quiet_it_is() -> None:
    """A tenant makes and deletes routers without end; a quiet VPN keeps its route distinguisher."""
    issued = Issued()
    issued.use(circuit(1), [(RED, joined(1).bgpvpn)])
    kept = issued.number(RED, joined(1))
    for n in range(NUMBERS_MAX + 10):
        issued.number(f"router:{uuid(1000 + n)}", joined(3))
    assert issued.number(RED, joined(1)) == kept
    assert len(issued.numbers) <= NUMBERS_MAX


def test_when_every_number_is_used_the_next_has_none_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.node.issued.NUMBER_MAX", NUMBER_MIN + 1)
    monkeypatch.setattr("isthmus.node.issued.NUMBERS_MAX", 2)
    world = World()
    world.switch_on()
    three = [association(n, networks=(A,), both=("64512:1",), vni=5000 + n) for n in (16, 17, 18)]
    intent = attachment(1, *(replace(a, number=None) for a in three), networks=(A,))
    world.intent({circuit(1): intent}, [port("p", A, "10.1.0.5")])
    why = sorted(p.why_not for p in status(world.node, world.now).ports)
    assert why == ["", "", NotAnnounced.NO_NUMBER.value]


def test_a_row_without_a_number_is_announced_and_an_exchange_changes_nothing() -> None:
    intent = attachment(1, joined(1), networks=(A,))
    world = World()
    world.switch_on()
    world.intent({circuit(1): intent}, [port("p", A, "10.1.0.5", revision=3)])
    world.end_of_rib()
    (route,) = world.reflectors[REFLECTOR].routes.values()
    assert str(route.rd) == f"172.30.1.1:{Issued().number(RED, joined(1))}"
    for after in (world.handed_over(), world.crashed()):
        after.switch_on()
        after.intent({circuit(1): intent}, [port("p", A, "10.1.0.5", revision=77)])
        told = after.node.peers[REFLECTOR].conversations[route.family].told.told
        (announced,) = told.values() or [None]
        assert announced is None or (announced.nlri, announced.attributes.mobility_sequence) == (route, 1)
