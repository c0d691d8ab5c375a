"""The decoders of BGP, each by itself: NLRI, attributes, and the messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import Random

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.attribute_reader import split
from isthmus.bgp.attribute_table import AttributeTable
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import MessageError
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, VPNV4, VPNV6, Family
from isthmus.bgp.heard import Heard, is_kept_form
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import (
    AttributesTooLong,
    Update,
    UpdateReader,
    decode_notification,
    decode_open,
    decode_route_refresh,
    encode_memberships,
    encode_notification,
    encode_open,
    encode_route_refresh,
    encode_updates,
)
from isthmus.bgp.negotiation import SessionConfig, agree
from isthmus.bgp.nlri import CODECS
from isthmus.bgp.nlri.decoded import BoundaryLost
from isthmus.bgp.nlri.membership import DEFAULT, Membership, encode
from isthmus.bgp.text import attributes_text, text_of
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget
from tests.bgp import vectors
from tests.fuzz import mutation
from tests.fuzz.target import Target

FAMILIES = (EVPN, VPNV4, VPNV6, ROUTE_TARGET_CONSTRAIN)
SESSIONS = tuple(
    replace(vectors.agreed_for(words), families=FAMILIES)
    for words in ("ibgp", "ebgp", "ibgp two-octet", "ebgp two-octet")
)
"""An input's first octet chooses one."""
WITHIN = SESSIONS[0]


def bodies(kind: MessageType) -> Iterator[bytes]:
    """Of the vectors."""
    yield from (v.octets for v in vectors.all_vectors() if v.fields["kind"] == kind.name)


MEMBERSHIPS = (
    DEFAULT,
    Membership.of(64512, RouteTarget.parse("64512:700")),
    Membership((64512).to_bytes(4, "big") + bytes((0, 2)) + bytes(6), 48),
)


def nlri_seeds(family: Family) -> list[bytes]:
    """What the vectors have of a family, each route by itself and all together."""
    found = [encode(one) for one in MEMBERSHIPS] if family == ROUTE_TARGET_CONSTRAIN else []
    for body in bodies(MessageType.UPDATE):
        try:
            updates = UpdateReader(WITHIN).read(body)
        except MessageError:
            continue
        for update in (one for one in updates if one.family == family):
            found += [CODECS[family].encode(route) for route in (*update.announced, *update.withdrawn)]
            found += [CODECS[family].encode_key(route.key()) for route in update.withdrawn]
    if family == EVPN:
        found += [body[20:] for body in bodies(MessageType.UPDATE)][:20]  # whatever else is in there
    return [*found, b"".join(found)[:1500]]


def nlri(family: Family, raw: bytes) -> None:
    codec = CODECS[family]
    try:
        decoded = codec.decode(raw)
    except BoundaryLost as error:
        assert str(error)
        return
    read = len(decoded.routes) + len(decoded.faults) + decoded.skipped + len(decoded.beside)
    assert read <= len(raw), "more was read than is there"
    for route in decoded.routes:
        assert route.family == family
        assert codec.decode(codec.encode(route)).routes == [route], "a route is written as another"
        (again,) = codec.decode(codec.encode_key(route.key())).routes
        assert again.key() == route.key() and hash(again.key()) == hash(route.key())
    "".join(map(str, (*decoded.routes, *decoded.faults, *decoded.beside)))


def _attribute_lists() -> list[bytes]:
    found = []
    for body in bodies(MessageType.UPDATE):
        at = 2 + int.from_bytes(body[:2], "big")
        found.append(body[at + 2 : at + 2 + int.from_bytes(body[at : at + 2], "big")])
    return found


def with_session(seeds: list[bytes]) -> list[bytes]:
    return [bytes((number % len(SESSIONS),)) + seed for number, seed in enumerate(seeds)]


def behind(octets: int, mutate: mutation.Mutation) -> mutation.Mutation:
    """Leave the first octets alone, mostly: they choose how the others are read."""

    def change(chance: Random, raw: bytes) -> bytes:
        head = raw[:octets] if chance.randrange(8) else chance.randbytes(octets)
        return head + mutate(chance, raw[octets:])

    return change


def attributes(raw: bytes) -> None:
    """Both ways to judge them, which must say the same."""
    if not raw:
        return
    agreed, hop = SESSIONS[raw[0] % len(SESSIONS)], IpAddress(bytes(4))
    table = AttributeTable(agreed)
    try:
        parts = split(raw[1:])
        heard, faults = table.read(parts, hop)
    except MessageError as error:
        assert error.text
        return
    assert len(faults) <= len(raw) + 2, "more faults than octets, and mandatory attributes"
    whole, same = table.read(parts._replace(communities=None), IpAddress(bytes(16)))
    assert faults == same and (heard is None) == (whole is None), "judged in two ways it is two things"
    if heard is None or whole is None:
        return
    value = heard.read()
    assert _in_order(replace(whole.read(), next_hop=hop)) == _in_order(value), "read in two ways it is two things"
    assert is_kept_form(heard.common, heard.communities), "what is kept is not in the form in which it is kept"
    assert heard.route_targets == value.route_targets
    assert Heard.of(value).read() == _in_order(value), "what is kept means something else"
    attributes_text(value)


def _in_order(value: PathAttributes) -> PathAttributes:
    """Nobody says that the order of attributes means anything (RFC 4271 section 5)."""
    return replace(value, unknown=tuple(sorted(value.unknown, key=lambda a: a.code)))


def update(raw: bytes) -> None:
    if len(raw) < 5:  # a shorter one has no four octets, and ends at its header
        return
    reader = UpdateReader(SESSIONS[raw[0] % len(SESSIONS)])
    try:
        updates = reader.read(raw[1:])
    except MessageError as error:
        assert error.text
        return
    assert reader.read(raw[1:]) == updates, "the second time it is read as something else"
    for one in updates:
        assert (one.heard is not None) == bool(one.announced)
        text_of(one)
        _written_again(one)


def _written_again(one: Update) -> None:
    """As we would tell a peer within the AS of it: the same routes, with the same attributes."""
    try:
        _routes_again(one)
        _memberships_again(one)
    except AttributesTooLong:
        pass


def _routes_again(one: Update) -> None:
    if one.attributes is None:
        return
    path = one.attributes
    latest = {route.key(): route for route in one.announced}
    sent = list(encode_updates(((path, route) for route in one.announced), (), WITHIN))
    assert all(len(message) <= WITHIN.message_bytes_max for message in sent)
    read = [again for message in sent for again in UpdateReader(WITHIN).read(message[19:])]
    assert {route.key(): route for again in read for route in again.announced} == latest
    preferred = 100 if path.local_pref is None else path.local_pref
    partial_ = tuple(sorted((a._replace(flags=a.flags | 0x20) for a in path.unknown), key=lambda a: a.code))
    for again in read:
        assert again.attributes == replace(path, local_pref=preferred, unknown=partial_), "other attributes"
        assert not again.faults, again.faults


def _memberships_again(one: Update) -> None:
    sent = encode_memberships(_OURS, one.memberships, one.memberships_withdrawn, WITHIN)
    read = [again for message in sent for again in UpdateReader(WITHIN).read(message[19:])]
    assert [m for again in read for m in again.memberships] == list(one.memberships)
    assert [m for again in read for m in again.memberships_withdrawn] == list(one.memberships_withdrawn)


_OURS = PathAttributes(next_hop=IpAddress(bytes((10, 0, 0, 1))), local_pref=100)
_SETTINGS = SessionConfig(vectors.OUR_AS, vectors.THEIR_AS, WITHIN.router_id, FAMILIES)


def hello(raw: bytes) -> None:
    if len(raw) < 10:  # ends at its header
        return
    try:
        read = decode_open(raw)
    except MessageError as error:
        assert error.text
        return
    text_of(read)
    if sum(len(c.value) + 2 for c in read.capabilities) <= 253:
        assert decode_open(encode_open(read)[19:]) == read, "an OPEN is written as another"
    for settings in (_SETTINGS, replace(_SETTINGS, peer_as=read.as_number or 1)):
        try:
            agreed: Agreed = agree(settings, read)
        except MessageError as error:
            assert error.text
        else:
            assert set(agreed.families) <= set(FAMILIES)
            UpdateReader(agreed)


def notification(raw: bytes) -> None:
    if len(raw) < 2:  # ends at its header
        return
    read = decode_notification(raw)
    assert encode_notification(read)[19:] == raw
    assert str(read).isprintable(), "what a stranger says is printed as it is"


def refresh(raw: bytes) -> None:
    if len(raw) != 4:  # ends at its header
        return
    read = decode_route_refresh(raw)
    text_of(read)
    if read.family is not None:
        assert decode_route_refresh(encode_route_refresh(read.family)[19:]).family == read.family


def targets() -> Iterator[Target]:
    names = {EVPN: "evpn", VPNV4: "vpnv4", VPNV6: "vpnv6", ROUTE_TARGET_CONSTRAIN: "membership"}
    for family, name in names.items():
        change = {EVPN: mutation.typed_routes, VPNV4: mutation.labelled_routes, VPNV6: mutation.labelled_routes}
        yield Target(name, partial(nlri_seeds, family), change.get(family, mutation.octets), partial(nlri, family))
    session = partial(behind, 1)
    yield Target("attributes", lambda: with_session(_attribute_lists()), session(mutation.attributes), attributes)
    updates = partial(bodies, MessageType.UPDATE)
    yield Target("update", lambda: with_session(list(updates())), session(mutation.update), update)
    yield Target("open", lambda: list(bodies(MessageType.OPEN)), mutation.octets, hello)
    yield Target("notification", lambda: list(bodies(MessageType.NOTIFICATION)), mutation.octets, notification)
    yield Target("refresh", lambda: list(bodies(MessageType.ROUTE_REFRESH)), mutation.octets, refresh)
