"""UPDATE messages: there and back, broken on the way, and shared attributes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.bgp import as_path
from isthmus.bgp.attribute import (
    AsSegment,
    PathAttributes,
    RawAttribute,
    claimant_community,
    encapsulation_community,
    mobility_community,
    router_mac_community,
)
from isthmus.bgp.attribute_table import SETS_MAX
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import FaultAction, FaultKind, MessageError
from isthmus.bgp.family import EVPN, VPNV4, VPNV6, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import AsSegmentType, Origin
from isthmus.bgp.message import AttributesTooLong, UpdateReader, encode_end_of_rib, encode_updates
from isthmus.bgp.nlri import Nlri, NlriKey
from isthmus.bgp.nlri.evpn import ESI_ZERO, EvpnPrefix
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import Claimant, Encapsulation, ExtendedCommunity, RouteDistinguisher
from tests.bgp import given as a
from tests.bgp.vectors import agreed_for

IBGP, EBGP = agreed_for("ibgp"), agreed_for("ebgp")
ALL = agreed_for("ibgp vpn")
RD = RouteDistinguisher.parse("10.60.0.9:100")
PLAIN = PathAttributes(next_hop=a.THEIR_ID, local_pref=100)

Table = dict[NlriKey, tuple[PathAttributes, Nlri]]


def other_side(agreed: Agreed) -> Agreed:
    return replace(agreed, local_as=agreed.peer_as, peer_as=agreed.local_as)


def applied(messages: list[bytes], agreed: Agreed, table: Table | None = None) -> Table:
    """A table after the messages."""
    table = {} if table is None else table
    reader = UpdateReader(agreed)
    for message in messages:
        for update in reader.read(message[19:]):
            assert not update.faults, update.faults
            for route in update.withdrawn:
                table.pop(route.key(), None)
            for route in update.announced:
                assert update.attributes is not None
                table[route.key()] = (update.attributes, route)
    return table


def route(number: int, label: int = 5001) -> EvpnPrefix:
    return EvpnPrefix(RD, 0, Prefix.host(IpAddress((0x0A000000 + number).to_bytes(4, "big"))), ESI_ZERO, None, label)


announcements = st.lists(st.tuples(a.attributes(), a.any_route()), max_size=6)


@given(announcements, st.lists(a.any_route(), max_size=4))
def test_what_is_written_is_read_again(said: list[tuple[PathAttributes, Nlri]], gone: list[Nlri]) -> None:
    before: Table = {r.key(): (PLAIN, r) for r in gone}
    after = applied(list(encode_updates(said, gone, ALL)), ALL, before)
    assert after == {r.key(): (attributes, r) for attributes, r in said}


@given(a.attributes().filter(lambda x: all(s.kind in (1, 2) for s in x.as_path)), a.routes())
def test_between_ases_our_number_is_in_front_and_the_inside_stays_inside(
    attributes: PathAttributes, route: EvpnPrefix
) -> None:
    (message,) = encode_updates([(attributes, route)], [], EBGP)
    ((read, _),) = applied([message], other_side(EBGP)).values()
    assert read.as_path == as_path.prepend(attributes.as_path, EBGP.local_as)
    assert read.as_path_length == attributes.as_path_length + 1
    assert (read.local_pref, read.originator_id, read.cluster_list) == (None, None, ())
    assert read.extended_communities == attributes.extended_communities


@given(st.lists(a.plain_segments, max_size=3).map(tuple))
def test_an_old_speaker_between_us_loses_no_as_number(path: tuple[AsSegment, ...]) -> None:
    old = replace(IBGP, four_octet_as=False)
    (message,) = encode_updates([(replace(PLAIN, as_path=path), route(1))], [], old)
    ((read, _),) = applied([message], old).values()
    assert as_path.join(read.as_path) == as_path.join(path)


def test_without_a_local_preference_the_default_is_said_within_the_as() -> None:
    (message,) = encode_updates([(replace(PLAIN, local_pref=None), route(1))], [], IBGP)
    ((read, _),) = applied([message], IBGP).values()
    assert read.local_pref == 100


def test_equal_attributes_share_messages_that_are_full() -> None:
    said = [(replace(PLAIN, med=n % 2), route(n)) for n in range(1000)]
    messages = list(encode_updates(said, [], IBGP))
    assert all(len(m) <= 4096 for m in messages)
    assert len(messages) == 2 * -(-500 // ((4096 - 60) // 36)), "not as few as they can be"
    assert applied(messages, IBGP) == {r.key(): (x, r) for x, r in said}


def test_withdrawals_go_first_and_the_last_word_about_a_route_counts() -> None:
    late = replace(PLAIN, med=7)
    said = [(PLAIN, route(1)), (late, route(2)), (PLAIN, route(2)), (late, route(1))]
    messages = list(encode_updates(said, [route(3), route(1).key(), route(3).key()], IBGP))
    first = UpdateReader(IBGP).read(messages[0][19:])[0]
    assert [r.key() for r in first.withdrawn] == [route(3).key()], "route 1 is announced anew, route 3 named twice"
    assert applied(messages, IBGP) == {route(1).key(): (late, route(1)), route(2).key(): (PLAIN, route(2))}


def test_attributes_that_fill_a_message_are_refused() -> None:
    many = tuple(ExtendedCommunity(n.to_bytes(8, "big")) for n in range(501))
    full = replace(PLAIN, extended_communities=many)
    with pytest.raises(AttributesTooLong):
        list(encode_updates([(full, route(1))], [], IBGP))
    (fits,) = encode_updates([(replace(full, extended_communities=many[:500]), route(1))], [], IBGP)
    assert len(fits) == 4090


def test_a_family_that_was_not_agreed_on_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        list(encode_updates([(PLAIN, route(1))], [], replace(IBGP, families=())))


def test_end_of_rib_is_one_for_its_family() -> None:
    (update,) = UpdateReader(IBGP).read(encode_end_of_rib(EVPN)[19:])
    assert update.end_of_rib == EVPN and not update.announced and not update.withdrawn


def test_equal_attributes_of_a_session_are_one_object() -> None:
    reader = UpdateReader(IBGP)
    one, two = (next(iter(encode_updates([(PLAIN, route(n))], [], IBGP)))[19:] for n in (1, 2))
    first = reader.read(one)[0].heard
    assert first is not None and reader.read(two)[0].heard is first
    for number in range(SETS_MAX + 1):
        (other,) = encode_updates([(replace(PLAIN, med=number), route(1))], [], IBGP)
        reader.read(other[19:])
    assert reader.read(two)[0].heard == first, "forgetting costs time, never meaning"


def test_the_table_of_attributes_is_bounded() -> None:
    reader = UpdateReader(IBGP)
    for number in range(SETS_MAX + 10):
        (message,) = encode_updates([(replace(PLAIN, med=number), route(1))], [], IBGP)
        reader.read(message[19:])
    assert len(reader._table._common) <= SETS_MAX


@given(a.attributes())
def test_what_is_heard_says_the_same_whatever_the_session_was_like(said: PathAttributes) -> None:
    """Octets are kept in one form: an old speaker's two paths are one, what has no business there is out."""
    for agreed in (IBGP, EBGP, replace(IBGP, four_octet_as=False)):
        (message,) = encode_updates([(said, route(1))], [], agreed)
        (update,) = UpdateReader(agreed).read(message[19:])
        if update.heard is None or update.attributes is None:
            assert update.faults, "confederation segments from outside"
            continue
        assert Heard.of(update.attributes).read() == update.attributes
        assert update.heard.route_targets == update.attributes.route_targets == said.route_targets
        assert update.attributes.communities == said.communities
        (kept,) = encode_updates([(update.attributes, route(1))], [], IBGP)
        assert UpdateReader(IBGP).read(kept[19:])[0].attributes == replace(
            update.attributes, local_pref=100 if update.attributes.local_pref is None else update.attributes.local_pref
        )


@settings(max_examples=400)
@given(st.binary(max_size=300))
def test_random_octets_end_the_session_or_mean_something(body: bytes) -> None:
    reads(b"\0\0\0\0"[: max(0, 4 - len(body))] + body)


@settings(max_examples=400)
@given(st.sampled_from((EVPN, VPNV4, VPNV6)), st.sampled_from((4, 12, 24, 48)), st.binary(max_size=120))
def test_random_routes_end_the_session_or_mean_something(family: Family, hop: int, nlri: bytes) -> None:
    value = family.encode() + bytes((hop,)) + bytes(hop) + b"\0" + nlri
    whole = bytes((0x90, 14)) + len(value).to_bytes(2, "big") + value
    whole += bytes.fromhex("40010100 400200 40050400000064")
    reads(b"\0\0" + len(whole).to_bytes(2, "big") + whole)


@settings(max_examples=400)
@given(
    st.tuples(a.attributes(), a.any_route()), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4)
)
def test_a_damaged_update_ends_the_session_or_means_something(
    said: tuple[PathAttributes, Nlri], damage: list[tuple[int, int]]
) -> None:
    (message,) = encode_updates([said], [], ALL)
    body = bytearray(message[19:])
    for at, octet in damage:
        body[at % len(body)] = octet
    reads(bytes(body))


@given(st.tuples(a.attributes(), a.any_route()), st.integers(0, 600))
def test_a_shortened_update_ends_the_session_or_means_something(said: tuple[PathAttributes, Nlri], at: int) -> None:
    (message,) = encode_updates([said], [], ALL)
    body = message[19:]
    reads(body[: max(4, at % len(body))])


def reads(body: bytes) -> None:
    """On both kinds of session: nothing but MessageError, and values that keep their promises."""
    for agreed in (IBGP, ALL, EBGP, replace(IBGP, four_octet_as=False)):
        try:
            updates = UpdateReader(agreed).read(body)
        except MessageError as error:
            assert error.text
            continue
        for update in updates:
            assert (update.attributes is not None) == bool(update.announced)
            for read in (*update.announced, *update.withdrawn):
                assert Prefix.of(*read.destination) == read.destination, "bits behind the prefix are set"
            withdraws = any(f.action is FaultAction.TREAT_AS_WITHDRAW for f in update.faults)
            if update.attributes is not None and not withdraws:
                list(encode_updates([(update.attributes, r) for r in update.announced], [], agreed))


@pytest.mark.parametrize(
    ("path", "as4", "merged"),
    [
        ([1, 2, 3], [2, 3], [1, 2, 3]),
        ([1, 23456, 3], [70000, 3], [1, 70000, 3]),
        ([23456], [1, 2], [23456]),
        ([1, 2], [], [1, 2]),
    ],
)
def test_an_as4_path_replaces_the_tail_it_covers(path: list[int], as4: list[int], merged: list[int]) -> None:
    def sequence(numbers: list[int]) -> tuple[AsSegment, ...]:
        return (AsSegment(AsSegmentType.AS_SEQUENCE, tuple(numbers)),) if numbers else ()

    assert as_path.merge(sequence(path), sequence(as4)) == sequence(merged)


def test_a_confederation_in_front_survives_the_merge() -> None:
    """Leading, or next to what is kept (RFC 6793 section 4.2.3)."""
    inside = AsSegment(AsSegmentType.AS_CONFED_SEQUENCE, (65001,))
    one, hidden, true = (AsSegment(AsSegmentType.AS_SEQUENCE, (n,)) for n in (1, 23456, 70000))
    assert as_path.merge((inside, one, hidden), (true,)) == (inside, AsSegment(AsSegmentType.AS_SEQUENCE, (1, 70000)))
    assert as_path.merge((one, inside, hidden), (true,)) == (one, inside, true)


def test_a_long_path_is_split_into_segments_of_255() -> None:
    full = (AsSegment(AsSegmentType.AS_SEQUENCE, tuple(range(1, 256))),)
    longer = as_path.prepend(full, 64512)
    assert [len(s.numbers) for s in longer] == [1, 255]
    assert as_path.decode(as_path.encode(longer, 4), 4) == longer


def test_views_of_attributes_are_worked_out_once() -> None:
    mac = Mac.parse("02:00:00:00:00:01")
    attributes = PathAttributes(
        origin=Origin.EGP,
        as_path=(AsSegment(AsSegmentType.AS_SET, (1, 2)), AsSegment(AsSegmentType.AS_CONFED_SEQUENCE, (3,))),
        extended_communities=tuple(
            ExtendedCommunity(bytes.fromhex(text))
            for text in (
                "0002fc0000000001",
                "0202fa56ea010001",
                "030c000000000008",
                "0603020000000001",
                "0003fc0000000007",
                "0600000000000009",
                "4002fc0000000001",
            )
        ),
    )
    assert {str(t) for t in attributes.route_targets} == {"64512:1", "4200000001:1"}, "the non-transitive is no target"
    assert attributes.encapsulations == {8} and attributes.router_mac == mac
    assert str(attributes.site_of_origin) == "64512:7" and attributes.mobility_sequence == 9
    assert attributes.as_path_length == 1
    assert attributes == replace(attributes) and hash(attributes) == hash(replace(attributes))
    assert attributes != replace(attributes, med=0)


def test_what_nobody_here_reads_is_passed_on_as_partial() -> None:
    (message,) = encode_updates([(replace(PLAIN, unknown=(RawAttribute(0xC0, 99, b"x"),)), route(1))], [], IBGP)
    ((read, _),) = applied([message], IBGP).values()
    assert read.unknown == (RawAttribute(0xE0, 99, b"x"),)


def test_the_communities_we_originate_are_those_of_the_rfcs() -> None:
    assert encapsulation_community(Encapsulation.VXLAN).hex() == "030c000000000008"
    assert router_mac_community(Mac.parse("02:78:0a:3c:00:01")).hex() == "060302780a3c0001"
    assert mobility_community(258).hex() == "0600000000000102"
    assert mobility_community(1, sticky=True).hex() == "0600010000000001"


def test_a_claimant_of_zeros_is_nobody() -> None:
    """What OpenBGPD 7.7 makes of every claimant: were it one, all networks behind it would be the same one."""
    zeros = PathAttributes(extended_communities=(claimant_community(Claimant(bytes(6))),))
    assert zeros.claimant is None
    assert PathAttributes(extended_communities=(claimant_community(Claimant.of("red")),)).claimant == Claimant.of("red")


@pytest.mark.parametrize("second", ["406301 00", "c06301 07", "400102 0000"], ids=["flags", "another value", "length"])
def test_an_attribute_that_is_there_twice_is_never_read_again(second: str) -> None:
    """RFC 7606 section 3 g: all but the first are discarded, whatever would be wrong with them."""
    (message,) = encode_updates([(replace(PLAIN, unknown=(RawAttribute(0xC0, 0x63, b"\0"),)), route(1))], [], IBGP)
    body = message[19:]
    more = bytes.fromhex(second)
    length = int.from_bytes(body[2:4], "big") + len(more)
    (update,) = UpdateReader(IBGP).read(body[:2] + length.to_bytes(2, "big") + body[4:] + more)
    assert [f.kind for f in update.faults] == [FaultKind.ATTRIBUTE_TWICE]
    assert update.announced == (route(1),)
