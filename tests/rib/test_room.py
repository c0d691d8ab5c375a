"""Whether there is room again for what was refused: asked for what has moved, it is as if asked for all."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.net import IpAddress
from isthmus.model.vpn import BEACON_TARGET
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.budget import TARGET_OCTETS, Budget, Maxima
from isthmus.rib.refused import Refusal, Refused
from tests.build import attributes, path

PEERS = ("172.30.1.250", "172.30.1.251")
SHARE = 0.8
steps = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "say", "withdraw", "all again"]),
        st.integers(0, 3),
        st.integers(1, 6),
        st.sampled_from(PEERS),
        st.sampled_from([("1:1",), ("1:2",), ("1:1", "1:2"), (str(BEACON_TARGET),), ()]),
        st.integers(1, 3),
    ),
    max_size=80,
)


@given(steps)
def test_what_has_moved_is_all_that_need_be_looked_at(
    history: list[tuple[str, int, int, str, tuple[str, ...], int]],
) -> None:
    budget = Budget(Maxima(9, 900 + TARGET_OCTETS, 2, 4), Maxima(6, 700, 2, 3))
    rib, refused = AdjRibIn(budget), {peer: Refused() for peer in PEERS}
    for what, number, rd, peer, targets, hop in history:
        one = path(
            f"10.0.0.{number}/32", attributes(*targets, next_hop=f"172.30.2.{hop}"), rd=f"172.30.2.{rd}:1", peer=peer
        )
        mine, known = refused[peer], (one.nlri.destination, one.key)
        if what == "say":
            taken, beyond = rib.admit([one], {})
            for it, refusal in beyond:
                budget.watch()
                mine.refuse(it, refusal)
            for it in taken:
                mine.admit(it)
        elif what == "withdraw":
            if rib.path(*known) is None:
                mine.withdraw(*known)
            rib.apply((), [known])
        else:
            mine.clear()
        moved, budget.moved = budget.moved or set(), None if budget.moved is None else set()
        for other in refused.values():
            other.look_again(moved)
        fits = partial(_fits, budget, one.peer)
        assert mine.has_room(fits) == all(fits(*each) for each in mine.refusals)


def _fits(budget: Budget, peer: IpAddress, refusal: Refusal, largest: int) -> bool:
    return budget.has_room_again(peer, refusal, largest, SHARE)
