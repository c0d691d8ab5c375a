"""What is counted never differs from what is there, whatever came and went."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.vpn import BEACON_TARGET
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.budget import TARGET_OCTETS, Budget, Maxima
from isthmus.rib.path import Path
from tests.build import attributes, ip, path

PEERS = ("172.30.1.250", "172.30.1.251")
steps = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 2),
        st.integers(1, 6),
        st.sampled_from(PEERS),
        st.sampled_from([("1:1",), ("1:2",), ("1:1", "1:2"), ()]),
        st.integers(1, 3),
    ),
    max_size=60,
)
MOST = Maxima(9, 900 + TARGET_OCTETS, 2, 4), Maxima(6, 700, 2, 3)


@given(steps)
def test_counts_are_those_of_the_table_and_no_maximum_is_ever_passed(
    history: list[tuple[bool, int, int, str, tuple[str, ...], int]],
) -> None:
    rib = AdjRibIn(Budget(*MOST))
    for announce, number, rd, peer, targets, hop in history:
        attrs = attributes(*targets, next_hop=f"172.30.2.{hop}")
        one = path(f"10.0.0.{number}/32", attrs, rd=f"172.30.2.{rd}:16", peer=peer)
        if announce:
            rib.admit([one], {})
        else:
            rib.apply((), [(one.nlri.destination, one.key)])
    found: dict[object, list[Path]] = {}
    for there in rib:
        for target in (None, *there.heard.route_targets):
            found.setdefault((there.peer, target), []).append(there)
    usages = dict(rib.budget.usages())
    assert usages.keys() == found.keys()
    for whose, usage in usages.items():
        paths, most = found[whose], MOST[whose[1] is not None]
        octets = sum(p.heard.octets for p in paths)
        if whose[1] is None:
            octets += TARGET_OCTETS * len({target for p in paths for target in p.heard.route_targets})
        assert usage == (len(paths), octets, len({p.heard.next_hop for p in paths}))
        crowds = Counter(p.nlri.destination for p in paths)
        assert all(taken <= maximum for taken, maximum in zip((*usage, max(crowds.values())), most, strict=True))
    for peer in PEERS:
        assert rib.count(ip(peer)) == sum(1 for p in rib if p.peer == ip(peer))


@given(steps, st.integers(2, 4))
def test_what_has_gone_leaves_nothing_behind(
    history: list[tuple[bool, int, int, str, tuple[str, ...], int]], paths: int
) -> None:
    """However few paths of a prefix are allowed, and whoever came and went beside others."""
    rib = AdjRibIn(Budget(Maxima(99, 99_999, 99, paths), Maxima(99, 99_999, 99, 2)))
    empty = vars(rib.budget)["_crowds"].copy()
    for announce, number, rd, peer, targets, hop in history:
        one = path(f"10.0.0.{number}/32", attributes(*targets), rd=f"172.30.2.{rd}:{15 + hop}", peer=peer)
        rib.admit([one], {}) if announce else rib.apply((), [(one.nlri.destination, one.key)])
        crowds = vars(rib.budget)["_crowds"]
        assert all(many for crowd in crowds.values() for many in crowd.values())
        there = Counter(p.nlri.destination for p in rib)
        assert all(there[destination] for destination in crowds)
    rib.apply((), [(p.nlri.destination, p.key) for p in rib])
    assert vars(rib.budget)["_crowds"] == empty
    assert dict(rib.budget.usages()) == {}


def test_a_cloud_of_more_hypervisors_than_a_vpn_may_have_keeps_all_beacons() -> None:
    rib = AdjRibIn(Budget(Maxima(9, 99_999, 9, 9), Maxima(3, 99_999, 3, 3)))
    for number in range(1, 7):
        end = f"172.30.2.{number}"
        one = path(f"{end}/32", attributes(str(BEACON_TARGET), next_hop=end), rd=f"{end}:0", peer=PEERS[0])
        assert rib.admit([one], {}) == ([one], [])
    assert rib.budget.near(0.8) == []
