"""Whose subnets overlap with whose: plain values, no database."""

from __future__ import annotations

from isthmus.neutron.rows.overlaps import Claim, guests_in, pairs, with_owners
from tests.build import net


def claim(prefix: str, number: int, *, guest: bool = False) -> Claim:
    return Claim(net(prefix), f"s{number}", f"n{number}", f"a{number}", "guest" if guest else "owner", guest)


def test_a_guests_claim_yields_however_deep_it_lies_in_the_owners_or_they_in_it() -> None:
    inside = [claim("10.1.0.0/16", 1), claim("10.1.0.0/20", 2, guest=True), claim("10.1.1.0/24", 3, guest=True)]
    around = [claim("10.2.0.0/16", 4, guest=True), claim("10.2.1.0/24", 5), claim("2001:db8::/48", 6, guest=True)]
    assert guests_in(with_owners([*inside, *around])) == {"a2", "a3", "a4"}


def test_with_guests_left_out_the_owners_own_are_compared_with_one_another() -> None:
    """A guest's between two of the owner's hides neither from the other."""
    between = [claim("10.1.0.0/16", 1), claim("10.1.0.0/20", 2, guest=True), claim("10.1.1.0/24", 3)]
    assert [(o.outer.association, o.inner.association) for o in pairs(between)] == [("a1", "a2"), ("a2", "a3")]
    yielding = guests_in(with_owners(between))
    left = [c for c in between if c.association not in yielding]
    assert [(o.outer.association, o.inner.association) for o in pairs(left)] == [("a1", "a3")]
