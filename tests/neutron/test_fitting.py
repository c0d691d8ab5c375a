"""What of an attachment fits its row: plain values, no database."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from isthmus.model.intent import ROW_BYTES_MAX, AssociationKind
from isthmus.model.vpn import RouteTarget
from isthmus.neutron.attachments.desired import Association, Attachment, Desired, Skipped, Table, Unserved
from isthmus.neutron.attachments.fitting import LONGEST, LONGEST_REVISION, broken, fitting, is_overfull
from tests.neutron.test_desired import HERE, LONE, PRIVATE

TARGETS = tuple(RouteTarget.parse(f"4200000000:{n}") for n in range(64))


def association(number: int, targets: int = 64, **more: object) -> Association:
    uuid, bgpvpn = (f"00000000-0000-0000-000{n}-{number:012d}" for n in (1, 2))
    some = TARGETS[:targets]
    made = Association(uuid, AssociationKind.ROUTER, "", bgpvpn, 16 + number, 5000 + number, some, some, age=number)
    return replace(made, **more)  # type: ignore[arg-type]


def attachment(*associations: Association) -> Attachment:
    return Attachment(PRIVATE, tuple(sorted(associations)))


def told(made: Desired) -> set[int]:
    """The numbers that are in the row."""
    [row] = [dict(row) for key, row in made.rows.items() if key.name.startswith("isthmus-ac-")]
    keys = dict(row["external_ids"])  # type: ignore[arg-type]
    assert sum(len(k) + len(v) for k, v in keys.items()) <= ROW_BYTES_MAX
    return {int(key[-12:]) for key in keys if key.startswith("isthmus:a:")}


def left(made: Desired) -> list[int]:
    assert {s.why for s in made.skipped} <= {Unserved.TOO_LARGE}
    return [int(s.what[-12:]) for s in made.skipped]


def test_what_fits_is_whole() -> None:
    made = fitting(attachment(association(1), association(2)), HERE, 7)
    assert (told(made), left(made), is_overfull(made)) == ({1, 2}, [], False)


def test_of_the_surplus_guests_go_first_and_the_youngest_of_them() -> None:
    guests = [association(n, guest=True) for n in (1, 2, 3)]
    made = fitting(attachment(*guests, *(association(n) for n in range(4, 10))), HERE, 7)
    assert (told(made), left(made), is_overfull(made)) == ({1, 4, 5, 6, 7, 8, 9}, [3, 2], True)


def test_among_ones_own_the_youngest_goes() -> None:
    made = fitting(attachment(*(association(n) for n in range(1, 9))), HERE, 7)
    assert left(made) == sorted(left(made), reverse=True)
    assert min(left(made)) == max(told(made)) + 1


@pytest.mark.parametrize("revision", [0, 9, LONGEST_REVISION])
def test_what_is_left_out_depends_on_no_revision(revision: int) -> None:
    whole = attachment(*(association(n) for n in range(1, 9)))
    assert left(fitting(whole, HERE, revision)) == left(fitting(whole, HERE, 1))


def test_no_row_is_ever_too_large_and_what_surely_fits_does() -> None:
    """Around the limit, in small steps: neither an error nor more than a row can carry."""
    for count in range(1, 12):
        for targets in range(0, 65, 8):
            whole = attachment(*(association(n, targets) for n in range(count)))
            made = fitting(whole, LONGEST, LONGEST_REVISION)
            assert len(told(made)) + len(left(made)) == count
            assert bool(left(made)) == bool(broken(whole))


def test_with_targets_in_rows_of_their_own_a_hundred_fit_however_many_they_have() -> None:
    for count, networks in ((100, 1), (40, 100), (1, 220), (1, 300)):
        place = replace(
            PRIVATE, interfaces=tuple(replace(PRIVATE.interfaces[0], network=f"{n:036}") for n in range(networks))
        )
        whole = Attachment(place, tuple(association(n, 64) for n in range(1, count + 1)))
        made = fitting(whole, LONGEST, LONGEST_REVISION, 2)
        assert bool(left(made)) == bool(broken(whole, form=2)) == (networks > 250), (count, networks)


def test_where_nothing_fits_nothing_is_there() -> None:
    many = replace(PRIVATE, interfaces=tuple(replace(PRIVATE.interfaces[0], network=f"{n:036}") for n in range(400)))
    made = fitting(Attachment(many, (association(1, 1),)), HERE, 7)
    assert (made.rows, left(made)) == ({}, [1])


def test_subnets_that_are_left_out_are_said_beside() -> None:
    taken = replace(LONE, subnets=(*LONE.subnets, replace(LONE.subnets[0], gateway=None)))
    made = fitting(Attachment(taken, tuple(association(n) for n in range(1, 9))), HERE, 7)
    assert Skipped(str(LONE.subnets[0].prefix), Unserved.NO_GATEWAY_IP) in made.skipped
    assert is_overfull(made)
    assert any(key.table is Table.SWITCH_PORT for key in made.rows)


def test_a_router_with_more_networks_than_there_are_lanes_says_so_and_raises_nothing() -> None:
    first = PRIVATE.interfaces[0]
    many = tuple(replace(first, port=f"p{n}", network=str(UUID(int=n))) for n in range(4065))
    whole = Attachment(replace(PRIVATE, interfaces=many), (association(1), association(2)))
    made = fitting(whole, HERE, 7, 2)
    assert (made.rows, sorted(left(made))) == ({}, [1, 2])
    assert "4065 networks" in broken(whole, form=2), "what an interface too many is answered"


def test_a_guest_yields_to_the_owner_where_the_cloud_wants_no_overlaps() -> None:
    strict = HERE._replace(refuses_overlaps=True)
    whole = attachment(association(1), association(2, guest=True, yields=True))
    assert (told(fitting(whole, HERE, 7)), told(fitting(whole, strict, 7))) == ({1, 2}, {1})
    made = fitting(whole, strict, 7)
    assert [(s.what[-1], s.why) for s in made.skipped] == [("2", Unserved.OVERLAPS)]
    assert is_overfull(made), "a list says so too"
    assert fitting(attachment(association(2, guest=True, yields=True)), strict, 7).rows == {}
