"""The UPDATE message, written: routes with equal attributes share messages.

Rules: withdrawals go first; of several words about one route the last counts, and an announcement counts more than a
withdrawal. MP_REACH_NLRI is the first attribute (RFC 7606 section 5.1). A family that was not agreed on is never
written: asking for it is our own mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.attribute_writer import encode_attributes
from isthmus.bgp.capability import Agreed
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.frame import HEADER_BYTES, frame
from isthmus.bgp.iana import AttributeFlag, AttributeType, MessageType
from isthmus.bgp.nlri import CODECS, Key, Nlri, NlriKey
from isthmus.bgp.nlri.membership import Membership

_MP_FLAGS = AttributeFlag.OPTIONAL | AttributeFlag.EXTENDED_LENGTH
_FIXED_BYTES = HEADER_BYTES + 2 + 2
"""Header, length of withdrawn routes, total length of attributes."""
_MP_FIXED_BYTES = 4 + 3
"""Flags, type, length in two octets; AFI and SAFI."""


class AttributesTooLong(ValueError):
    """No message can hold these attributes and a route: too many communities, most likely."""


def encode_updates(
    announce: Iterable[tuple[PathAttributes, Nlri]], withdraw: Iterable[Nlri | NlriKey], agreed: Agreed
) -> Iterator[bytes]:
    """The fewest messages that say it, grouped by equal attributes. Raises AttributesTooLong."""
    latest = {(route.family, route.key()): (attributes, route) for attributes, route in announce}
    gone: dict[Family, dict[NlriKey, None]] = {}
    for route in withdraw:
        key = route.key()
        if (key.family, key) not in latest:
            gone.setdefault(key.family, {})[key] = None
    for family, keys in gone.items():
        yield from _withdrawals(family, keys, agreed)
    groups: dict[tuple[Family, PathAttributes], list[Nlri]] = {}
    for attributes, announced in latest.values():
        groups.setdefault((announced.family, attributes), []).append(announced)
    for (family, attributes), routes in groups.items():
        yield from _announcements(family, attributes, routes, agreed)


def encode_memberships(
    attributes: PathAttributes, announce: Iterable[Membership], withdraw: Iterable[Membership], agreed: Agreed
) -> Iterator[bytes]:
    """What targets we want to hear of, and do not any more."""
    if gone := list(withdraw):
        yield from _withdrawals(ROUTE_TARGET_CONSTRAIN, gone, agreed)
    yield from _announcements(ROUTE_TARGET_CONSTRAIN, attributes, announce, agreed)


def encode_end_of_rib(family: Family) -> bytes:
    """RFC 4724 section 2: an MP_UNREACH_NLRI that withdraws nothing."""
    return _update(bytes((AttributeFlag.OPTIONAL, AttributeType.MP_UNREACH_NLRI, 3)) + family.encode())


def _withdrawals(family: Family, keys: Iterable[Key], agreed: Agreed) -> Iterator[bytes]:
    assert family in agreed.families, f"{family} was not agreed on"
    room = agreed.message_bytes_max - _FIXED_BYTES - _MP_FIXED_BYTES
    for chunk in _chunks(map(CODECS[family].encode_key, keys), room):
        yield _update(_multiprotocol(AttributeType.MP_UNREACH_NLRI, family.encode() + chunk))


def _announcements(
    family: Family, attributes: PathAttributes, routes: Iterable[Key], agreed: Agreed
) -> Iterator[bytes]:
    assert family in agreed.families, f"{family} was not agreed on"
    assert attributes.next_hop is not None, "a route that is announced has a next hop"
    hop = CODECS[family].write_next_hop(attributes.next_hop)
    head = family.encode() + bytes((len(hop),)) + hop + b"\0"
    rest = encode_attributes(attributes, agreed)
    room = agreed.message_bytes_max - _FIXED_BYTES - (_MP_FIXED_BYTES + 1 + len(hop) + 1) - len(rest)
    for chunk in _chunks(map(CODECS[family].encode, routes), room):
        yield _update(_multiprotocol(AttributeType.MP_REACH_NLRI, head + chunk) + rest)


def _chunks(encoded: Iterable[bytes], room: int) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for one in encoded:
        if len(one) > room:
            raise AttributesTooLong(f"attributes leave {room} octets of a message for a route of {len(one)}")
        if size + len(one) > room:
            yield b"".join(held)
            held.clear()
            size = 0
        held.append(one)
        size += len(one)
    if held:
        yield b"".join(held)


def _multiprotocol(code: AttributeType, value: bytes) -> bytes:
    return bytes((_MP_FLAGS, code)) + len(value).to_bytes(2, "big") + value


def _update(attributes: bytes) -> bytes:
    return frame(MessageType.UPDATE, b"\0\0" + len(attributes).to_bytes(2, "big") + attributes)
