"""Who is first: the rule alone, as a table, and what a view makes of routes of this release and of older ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.reason import NotBest, Note
from isthmus.model.vpn import Claimant
from isthmus.rib.path import Path
from isthmus.vpn.claims import SEQUENCE_MAX, TITLE_S, Claim, Hearing, Title, contends, judge
from isthmus.vpn.imports import decide
from isthmus.vpn.views import View, doors_of, view
from tests.build import ELSEWHERE, SITE, association, attachment, attributes, circuit, net, path, port, speaker

OURS, OTHERS = Claimant.of("neutron-a"), Claimant.of("neutron-b")
DOOR = circuit(1)
NOW = 1000.0
FIRST = Claim(OURS, DOOR, 3, Title.FIRST, since=NOW - 1)
LONG = FIRST._replace(since=NOW - TITLE_S)
SECOND = Claim(OURS, DOOR, 0, Title.SECOND)
NOTHING = Hearing()
THEIRS = Hearing(first=True, named=True)
UNNAMED = Hearing(first=True)


def left(claimant: Claimant, sequence: int = 5, until: float = NOW + 60) -> Claim:
    return Claim(claimant, DOOR, sequence, Title.FIRST, until)


@pytest.mark.parametrize(
    ("before", "hearing", "gave_up", "sequence", "title"),
    [
        (None, NOTHING, None, 1, Title.FIRST),
        (None, Hearing(moved=4), None, 5, Title.FIRST),
        (None, Hearing(moved=SEQUENCE_MAX), None, SEQUENCE_MAX, Title.FIRST),
        (None, NOTHING, left(OURS), 5, Title.FIRST),
        (None, Hearing(moved=7), left(OURS), 8, Title.FIRST),
        (None, THEIRS, None, 0, Title.SECOND),
        (None, UNNAMED, None, 0, Title.SECOND),
        (None, Hearing(moved=9, first=True, named=True), left(OURS), 0, Title.SECOND),
        (None, Hearing(second=True), None, 1, Title.FIRST),
        (None, NOTHING, left(OTHERS), 0, Title.RESERVED),
        (None, NOTHING, left(OTHERS, until=NOW), 1, Title.FIRST),
        (FIRST, NOTHING, None, 3, Title.FIRST),
        (FIRST, Hearing(moved=9), None, 3, Title.FIRST),
        (FIRST, THEIRS, None, 3, Title.FIRST),
        (FIRST, Hearing(first=True, named=True, stronger=True), None, 0, Title.SECOND),
        (LONG, Hearing(first=True, named=True, stronger=True), None, 3, Title.FIRST),
        (SECOND, THEIRS, None, 0, Title.SECOND),
        (SECOND, NOTHING, None, 0, Title.RESERVED),
        (SECOND._replace(named=False), NOTHING, None, 1, Title.FIRST),
        (SECOND._replace(title=Title.RESERVED, until=NOW + 1), NOTHING, None, 0, Title.RESERVED),
        (SECOND._replace(title=Title.RESERVED, until=NOW), NOTHING, None, 1, Title.FIRST),
    ],
)
def test_what_a_claim_is_worth(
    before: Claim | None, hearing: Hearing, gave_up: Claim | None, sequence: int, title: Title
) -> None:
    claim = judge(before, OURS, DOOR, hearing, left=gave_up, knows=True, now=NOW)
    assert (claim.sequence, claim.title) == (sequence, title)
    if title is Title.RESERVED and before is SECOND:
        assert claim.until == NOW + TITLE_S


def test_before_any_peer_has_said_all_nobody_new_is_first() -> None:
    fresh = judge(None, OURS, DOOR, NOTHING, left=None, knows=False, now=NOW)
    assert (fresh.sequence, fresh.title) == (0, Title.UNKNOWN)
    assert judge(fresh, OURS, DOOR, NOTHING, left=None, knows=True, now=NOW).sequence == 1
    moved = judge(None, OURS, DOOR, Hearing(moved=2), left=None, knows=False, now=NOW)
    assert moved.sequence == 3, "what is heard in its own name says enough"


@pytest.mark.parametrize(
    ("mine", "theirs", "named", "rivals"),
    [
        ("10.1.0.5/32", "10.1.0.5/32", True, True),
        ("10.1.0.5/32", "10.1.0.5/32", False, True),
        ("10.1.0.5/32", "10.1.0.0/24", True, True),
        ("10.1.0.128/25", "10.1.0.0/24", True, True),
        ("10.1.0.0/24", "10.1.0.5/32", True, False),
        ("10.1.0.5/32", "10.1.0.0/24", False, False),
        ("10.1.0.5/32", "10.2.0.0/24", True, False),
        ("10.1.0.5/32", "0.0.0.0/0", True, False),
        ("2001:db8::5/128", "2001:db8::/64", True, True),
        ("10.1.0.5/32", "2001:db8::/64", True, False),
    ],
)
def test_a_longer_prefix_is_no_way_round_and_a_default_route_owns_nothing(
    mine: str, theirs: str, named: bool, rivals: bool
) -> None:
    assert contends(net(mine), net(theirs), named=named) == rivals


# What a view makes of it


def only_view() -> View:
    intent = attachment(1, association(16, networks=("neutron-a",), both=("64512:1",)), networks=("neutron-a",))
    doors = doors_of(DOOR, intent, {"neutron-a": [port("p", "neutron-a", "10.1.0.5")]})
    (number,) = doors.views
    return view(number, [DOOR], {DOOR: doors}, {DOOR: intent})


def said(host: int, sequence: int, network: str | None, **more: object) -> Path:
    fields: dict[str, object] = {"site": SITE, "mobility": sequence, "next_hop": f"172.30.2.{host}", "as_path": ()}
    fields |= {"originator": f"172.30.2.{host}", "claimant": network, **more}
    return path("10.9.0.1/32", attributes("64512:1", **fields), rd=f"172.30.2.{host}:16")  # type: ignore[arg-type]


def best(*paths: Path) -> tuple[Path, dict[Path, NotBest], Note | None]:
    entry = decide(only_view(), net("10.9.0.1/32"), paths, [], speaker())
    assert entry is not None and isinstance(entry.best, Path)
    return entry.best, {p: why for p, why in entry.losers if isinstance(p, Path)}, entry.note


A, B = "neutron-a", "neutron-b"


@pytest.mark.parametrize(
    ("winner", "loser", "why", "note"),
    [
        (said(9, 1, A), said(1, 0, B), NotBest.SECOND, Note.CONTESTED),
        (said(9, 1, A), said(1, 0, B, local_pref=9999), NotBest.SECOND, Note.CONTESTED),
        (said(9, 2, A), said(1, 1, A), NotBest.MOBILITY, None),
        # Older releases announce Neutron's revision and no name. Beside each other it is as it was ...
        (said(9, 8, None), said(1, 7, None), NotBest.MOBILITY, None),
        # ... they take nothing from one that was first, whatever a tenant does to their revision ...
        (said(9, 1, A), said(1, 500, None), NotBest.SECOND, None),
        # ... and who came second takes nothing from them.
        (said(9, 1, None), said(1, 0, B), NotBest.SECOND, None),
        # Numbers of two networks, of two VPNs, of two sites, or of none, are never compared.
        (said(1, 1, A), said(9, 7, B), NotBest.ROUTER_ID, Note.CONTESTED),
        (said(1, 1, A), said(9, 7, A, site=ELSEWHERE), NotBest.ROUTER_ID, Note.DUPLICATE_ADDRESS),
        (said(1, 1, None, site=None), said(9, 7, None, site=None), NotBest.ROUTER_ID, None),
    ],
)
def test_who_wins_in_a_view(winner: Path, loser: Path, why: NotBest, note: Note | None) -> None:
    for paths in ((winner, loser), (loser, winner)):
        assert best(*paths) == (winner, {loser: why}, note)


def test_a_number_of_another_bgpvpn_moves_nothing() -> None:
    far = said(9, 7, A)
    other = far._replace(nlri=far.nlri._replace(label=7002))
    assert best(said(1, 1, A), other)[0] == said(1, 1, A)


MANY = (said(1, 1, A), said(2, 4, A), said(3, 0, B), said(4, 500, None), said(5, 9, B), said(6, 2, None))


@given(st.permutations(MANY))
def test_no_order_of_arrival_decides(paths: list[Path]) -> None:
    assert best(*paths)[0] == said(2, 4, A)
