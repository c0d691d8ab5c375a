"""Who wins does not depend on the order in which they came, and the loser knows why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.reason import NotBest
from isthmus.rib.decision import Rank, choose

EVEN = Rank(
    shared=False,
    silent=False,
    second=0,
    later=0,
    remote=True,
    long_lived_stale=False,
    encapsulation=0,
    local_pref=-100,
    mobility=False,
    as_path_length=1,
    origin=0,
    med=0,
    router_id=b"\x0a\x00\x00\x01",
    route_distinguisher=b"\x00" * 8,
    ethernet_tag=0,
    peer=b"\x0a\x00\x00\x09",
    name=b"",
)

ranks = st.lists(
    st.builds(
        Rank,
        shared=st.booleans(),
        silent=st.booleans(),
        second=st.integers(0, 2),
        later=st.integers(0, 2),
        remote=st.booleans(),
        long_lived_stale=st.booleans(),
        encapsulation=st.integers(0, 1),
        local_pref=st.integers(-2, 0),
        mobility=st.booleans(),
        as_path_length=st.integers(0, 1),
        origin=st.integers(0, 2),
        med=st.integers(0, 1),
        router_id=st.sampled_from([b"\x01", b"\x02"]),
        route_distinguisher=st.sampled_from([b"\x01", b"\x02"]),
        ethernet_tag=st.integers(0, 1),
        peer=st.sampled_from([b"\x01", b"\x02"]),
        name=st.sampled_from([b"", b"a"]),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(ranks, st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(candidates: list[Rank], random: object) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    best, reasons = choose(candidates)
    again, _ = choose(shuffled)
    assert candidates[best] == shuffled[again]
    assert [i for i, why in enumerate(reasons) if why is None] == [best]


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        (EVEN._replace(shared=True, remote=False, local_pref=-999), NotBest.SHARED),
        (EVEN._replace(silent=True, local_pref=-999), NotBest.SILENT),
        (EVEN._replace(second=2, remote=False, local_pref=-999), NotBest.SECOND),
        (EVEN._replace(later=1, remote=False, local_pref=-999), NotBest.LATER),
        (EVEN._replace(long_lived_stale=True, local_pref=-999), NotBest.LONG_LIVED_STALE),
        (EVEN._replace(encapsulation=1, local_pref=-999), NotBest.ENCAPSULATION),
        (EVEN._replace(local_pref=-99), NotBest.LOCAL_PREF),
        (EVEN._replace(mobility=True), NotBest.MOBILITY),
        (EVEN._replace(as_path_length=2), NotBest.AS_PATH),
        (EVEN._replace(origin=1), NotBest.ORIGIN),
        (EVEN._replace(med=1), NotBest.MED),
        (EVEN._replace(router_id=b"\x0a\x00\x00\x02"), NotBest.ROUTER_ID),
        (EVEN._replace(route_distinguisher=b"\x01" + b"\x00" * 7), NotBest.ROUTE_DISTINGUISHER),
        (EVEN._replace(ethernet_tag=7), NotBest.ETHERNET_TAG),
        (EVEN._replace(peer=b"\x0a\x00\x00\x0a"), NotBest.PEER),
        (EVEN._replace(name=b"a"), NotBest.NAME),
    ],
)
def test_the_first_difference_is_the_reason(worse: Rank, why: NotBest) -> None:
    assert choose([worse, EVEN]) == (1, (why, None))
    assert choose([EVEN, worse]) == (0, (None, why))


def test_an_address_of_this_hypervisor_beats_the_best_of_routes() -> None:
    here = Rank(False, False, 0, 0, False, True, 0, 0, True, 9, 2, 9, b"\xff", b"\xff", 9, b"\xff", b"\xff")
    assert choose([EVEN, here]) == (1, (NotBest.REMOTE, None))
