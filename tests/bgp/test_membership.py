"""Route target memberships (RFC 4684): what is written is read again, and what is wrong costs itself only."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.capability import Agreed, offer
from isthmus.bgp.errors import FaultKind, MessageError
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.iana import OpenError
from isthmus.bgp.message import Open, encode_end_of_rib, encode_memberships
from isthmus.bgp.negotiation import SessionConfig, agree
from isthmus.bgp.nlri.decoded import BoundaryLost
from isthmus.bgp.nlri.membership import DEFAULT, Membership, decode, encode
from isthmus.bgp.text import text_of
from isthmus.bgp.update import Update, UpdateReader
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget
from tests.bgp.given import OUR_AS, OUR_ID, THEIR_ID

AGREED = Agreed(
    OUR_AS, OUR_AS, (EVPN,), 30, four_octet_as=True, route_refresh=True, router_id=OUR_ID, peer_router_id=THEIR_ID
)
OURS = replace(AGREED, families=(EVPN, ROUTE_TARGET_CONSTRAIN))
HOP = PathAttributes(next_hop=IpAddress.parse("10.60.0.1"), local_pref=100)
WHOLE = Membership.of(64512, RouteTarget.parse("64512:5001"))
memberships = st.builds(
    lambda octets, length: decode(bytes((length,)) + octets[: (length + 7) // 8]).routes[0],
    st.binary(min_size=12, max_size=12),
    st.sampled_from([0, *range(32, 97)]),
)


def read(message: bytes, agreed: Agreed = OURS) -> tuple[Update, ...]:
    return UpdateReader(agreed).read(message[19:])


@given(st.lists(memberships, max_size=40))
def test_what_is_written_is_read_again(said: list[Membership]) -> None:
    assert decode(b"".join(map(encode, said))).routes == said


@given(st.sets(memberships, min_size=1, max_size=600), st.sets(memberships, max_size=600))
def test_messages_carry_memberships_both_ways(announce: set[Membership], withdraw: set[Membership]) -> None:
    found = [u for m in encode_memberships(HOP, announce, withdraw, OURS) for u in read(m)]
    assert {w for u in found for w in u.memberships} == announce and {
        w for u in found for w in u.memberships_withdrawn
    } == withdraw
    assert not any(u.announced or u.withdrawn or u.faults for u in found)


@given(st.binary(max_size=60))
def test_no_octets_raise_more_than_a_lost_boundary(raw: bytes) -> None:
    with contextlib.suppress(BoundaryLost):
        decode(raw)


def test_the_octets_of_a_whole_target() -> None:
    assert encode(WHOLE).hex() == "600000fc000002fc0000001389"
    assert str(WHOLE) == "64512:5001 of AS 64512"


def test_the_default_wants_everything() -> None:
    assert encode(DEFAULT) == b"\0" and decode(b"\0").routes == [DEFAULT]
    assert str(DEFAULT) == "every target"


def test_bits_behind_the_length_do_not_count() -> None:
    """So that equal memberships are equal."""
    odd = bytes((60,)) + bytes.fromhex("0000fc000002fc1f")
    assert decode(odd).routes == [Membership(bytes.fromhex("0000fc000002fc1000000000"), 60)]
    assert str(decode(odd).routes[0]) == "targets 0002fc1000000000/28 of AS 64512"


@pytest.mark.parametrize("length", [1, 31, 97, 255])
def test_a_length_that_no_membership_has_costs_itself_and_no_neighbour(length: int) -> None:
    found = decode(encode(WHOLE) + bytes((length,)) + bytes((length + 7) // 8) + encode(DEFAULT))
    assert found.routes == [WHOLE, DEFAULT]
    assert [fault.kind for fault in found.faults] == [FaultKind.PREFIX_LENGTH]


def test_a_membership_cut_short_ends_the_session() -> None:
    with pytest.raises(BoundaryLost):
        decode(encode(WHOLE)[:-1])


def test_malformed_attributes_take_the_memberships_back() -> None:
    """RFC 7606: as if they had been withdrawn."""
    (message,) = encode_memberships(HOP, [WHOLE], (), OURS)
    damaged = message.replace(bytes.fromhex("40010100"), bytes.fromhex("40010103"))
    (update,) = read(damaged)
    assert (update.memberships, update.memberships_withdrawn) == ((), (WHOLE,))
    assert [fault.kind for fault in update.faults] == [FaultKind.ORIGIN_VALUE]


def test_without_the_agreement_it_is_a_family_that_nobody_asked_for() -> None:
    (message,) = encode_memberships(HOP, [WHOLE], (), OURS)
    (update,) = read(message, AGREED)
    assert update.memberships == () and [fault.kind for fault in update.faults] == [FaultKind.FAMILY_NOT_AGREED]


def test_the_end_of_the_memberships() -> None:
    (update,) = read(encode_end_of_rib(ROUTE_TARGET_CONSTRAIN))
    assert update.end_of_rib == ROUTE_TARGET_CONSTRAIN


def test_an_operator_reads_it() -> None:
    (message,) = encode_memberships(HOP, [WHOLE], (), OURS)
    (update,) = read(message)
    assert text_of(update) == "ipv4 rt-constrain; wants 64512:5001 of AS 64512"


def test_a_session_with_nothing_but_memberships_carries_nothing() -> None:
    """It would only look healthy."""
    ours = SessionConfig(OUR_AS, OUR_AS, OUR_ID, (EVPN, ROUTE_TARGET_CONSTRAIN))
    with pytest.raises(MessageError, match="it offers none of l2vpn evpn") as raised:
        agree(ours, Open(OUR_AS, 30, THEIR_ID, offer(OUR_AS, (ROUTE_TARGET_CONSTRAIN,))))
    assert raised.value.subcode == OpenError.UNSUPPORTED_CAPABILITY
