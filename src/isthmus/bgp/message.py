"""The messages of BGP as values. UPDATE is large enough for files of its own (update.py, packing.py).

Rules: decoders take a message without its header, raise nothing but `MessageError`, and check only what the octets
say by themselves; whether an OPEN suits our side is the session's question.
"""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.bgp.capability import Agreed, Capability, decode_capabilities
from isthmus.bgp.errors import MessageError, notification_text
from isthmus.bgp.family import Family
from isthmus.bgp.frame import frame
from isthmus.bgp.iana import (
    AS_TRANS,
    BGP_VERSION,
    CapabilityCode,
    MessageType,
    NotificationCode,
    OpenError,
    OptionalParameter,
)
from isthmus.bgp.packing import AttributesTooLong, encode_end_of_rib, encode_memberships, encode_updates
from isthmus.bgp.update import Update, UpdateReader
from isthmus.model.net import IpAddress

__all__ = [
    "AttributesTooLong",
    "Notification",
    "Open",
    "RouteRefresh",
    "Update",
    "UpdateReader",
    "decode_notification",
    "decode_open",
    "decode_route_refresh",
    "decode_update",
    "encode_end_of_rib",
    "encode_keepalive",
    "encode_memberships",
    "encode_notification",
    "encode_open",
    "encode_route_refresh",
    "encode_updates",
]


@dataclass(frozen=True, slots=True)
class Open:
    """RFC 4271 section 4.2. `as_number` is the true one, from the four-octet capability where there is one."""

    as_number: int
    hold_time_s: int
    router_id: IpAddress
    capabilities: tuple[Capability, ...] = ()

    @property
    def families(self) -> frozenset[Family]:
        """The families offered that this speaker has a name for."""
        return frozenset(f for c in self.capabilities if (f := c.family) is not None)

    def offers(self, code: CapabilityCode) -> bool:
        return any(c.code == code for c in self.capabilities)


@dataclass(frozen=True, slots=True)
class Notification:
    """RFC 4271 section 4.5: the last word on a connection."""

    code: int
    subcode: int
    data: bytes = b""

    def __str__(self) -> str:
        return notification_text(self.code, self.subcode, self.data)


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """RFC 2918. `family` is None when this speaker has no name for it."""

    family: Family | None
    subtype: int = 0


def encode_open(message: Open) -> bytes:
    """All capabilities in one optional parameter (RFC 5492 section 4)."""
    listed = b"".join(c.encode() for c in message.capabilities)
    assert len(listed) <= 253, "RFC 9072's longer parameters are read, not written"
    parameters = bytes((OptionalParameter.CAPABILITIES, len(listed))) + listed if listed else b""
    number = message.as_number if message.as_number < 2**16 else AS_TRANS
    body = bytes((BGP_VERSION,)) + number.to_bytes(2, "big") + message.hold_time_s.to_bytes(2, "big")
    return frame(MessageType.OPEN, body + message.router_id + bytes((len(parameters),)) + parameters)


def decode_open(body: bytes) -> Open:
    """Raises MessageError."""
    if body[0] != BGP_VERSION:
        raise MessageError(
            NotificationCode.OPEN,
            OpenError.UNSUPPORTED_VERSION_NUMBER,
            f"BGP version {body[0]}",
            BGP_VERSION.to_bytes(2, "big"),
        )
    capabilities = _capabilities(body)
    number = int.from_bytes(body[1:3], "big")
    for capability in capabilities:
        if capability.code == CapabilityCode.FOUR_OCTET_AS:  # RFC 6793 section 4.1
            number = int.from_bytes(capability.value, "big")
    return Open(number, int.from_bytes(body[3:5], "big"), IpAddress(body[5:9]), tuple(capabilities))


def _capabilities(body: bytes) -> list[Capability]:
    """The optional parameters; in RFC 9072's form they, and each of them, have two octets of length."""
    length, at, width = body[9], 10, 1
    if length and len(body) >= 13 and body[10] == OptionalParameter.EXTENDED_LENGTH:
        length, at, width = int.from_bytes(body[11:13], "big"), 13, 2
    if at + length != len(body):
        raise _unspecific("the optional parameters do not fill their length")
    found: list[Capability] = []
    while at < len(body):
        begin = at + 1 + width
        after = begin + int.from_bytes(body[at + 1 : begin], "big")
        if begin > len(body) or after > len(body):
            raise _unspecific("an optional parameter runs over the end of the message")
        if body[at] != OptionalParameter.CAPABILITIES:
            text = f"optional parameter {body[at]}"
            raise MessageError(NotificationCode.OPEN, OpenError.UNSUPPORTED_OPTIONAL_PARAMETER, text)
        found += decode_capabilities(body[begin:after])
        at = after
    return found


def _unspecific(text: str) -> MessageError:
    return MessageError(NotificationCode.OPEN, OpenError.UNSPECIFIC, text)


def encode_notification(message: Notification) -> bytes:
    return frame(MessageType.NOTIFICATION, bytes((message.code, message.subcode)) + message.data)


def decode_notification(body: bytes) -> Notification:
    return Notification(body[0], body[1], body[2:])


def encode_keepalive() -> bytes:
    return frame(MessageType.KEEPALIVE, b"")


def encode_route_refresh(family: Family) -> bytes:
    """RFC 2918 section 3: AFI, a reserved octet, SAFI."""
    return frame(MessageType.ROUTE_REFRESH, bytes((0, family.afi, 0, family.safi)))


def decode_route_refresh(body: bytes) -> RouteRefresh:
    return RouteRefresh(Family.of(int.from_bytes(body[:2], "big"), body[3]), body[2])


def decode_update(body: bytes, agreed: Agreed) -> tuple[Update, ...]:
    """One UPDATE by itself. A session keeps an UpdateReader instead, so that it knows attributes again."""
    return UpdateReader(agreed).read(body)
