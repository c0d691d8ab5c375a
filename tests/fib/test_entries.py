"""What leads where, said in plain values."""

from __future__ import annotations

from isthmus.fib.entries import (
    CircuitName,
    Deliver,
    InboundKey,
    LabelKey,
    LabelledHop,
    NextHop,
    Spread,
    endpoints_of,
    spread,
)
from isthmus.model.net import Mac
from tests.build import ip, net


def test_a_label_and_a_vni_of_one_number_are_two_keys() -> None:
    """One dictionary has both: what is behind a label of ours must not be delivered as what came with that VNI."""
    address = net("10.1.0.5/32")
    assert len({InboundKey(5001, address), LabelKey(5001, address)}) == 2
    assert sorted([LabelKey(5001, address), InboundKey(5001, address)])[0] == InboundKey(5001, address)


def test_only_what_leaves_this_node_has_an_endpoint() -> None:
    pe = ip("172.30.2.1")
    assert endpoints_of(NextHop(pe, Mac.parse("02:78:ac:1e:02:01"), 7001)) == (pe,)
    assert endpoints_of(LabelledHop(pe, (24, 7004))) == (pe,)
    assert endpoints_of(Deliver(CircuitName("isthmus-ac-red"))) == ()


def test_a_set_is_the_same_whoever_is_named_first_and_one_is_no_set() -> None:
    one, other = LabelledHop(ip("172.30.2.1"), (7004,)), LabelledHop(ip("172.30.2.2"), (24,))
    assert spread([other, one]) == spread([one, other]) == Spread((one, other))
    assert endpoints_of(spread([other, one])) == (one.pe, other.pe)
    assert spread([one]) == one
