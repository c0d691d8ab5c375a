"""What a peer can get wrong, as values: it ends the session, or it costs one attribute or one UPDATE's routes.

Rules: decoders raise nothing but `MessageError`. Everything milder is an `AttributeFault` beside the routes that
survive it, and carries the action that RFC 7606 prescribes.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from isthmus.bgp.iana import SUBCODES, CeaseError, NotificationCode, words

NOTIFICATION_DATA_MAX = 4096 - 21
"""A NOTIFICATION is never an extended message (RFC 8654 section 4)."""


class MessageError(Exception):
    """The session cannot go on: the NOTIFICATION that says so, and a sentence for the operator."""

    def __init__(self, code: NotificationCode, subcode: int, text: str, data: bytes = b"") -> None:
        super().__init__(text)
        self.code, self.subcode, self.text = code, subcode, text
        self.data = data[:NOTIFICATION_DATA_MAX]


class Malformed(Exception):
    """A value that its attribute cannot have; the attribute decides what that costs. Never leaves this room."""

    def __init__(self, kind: FaultKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class FaultAction(IntEnum):
    """RFC 7606 section 2, milder first."""

    DISCARD = 1
    """The attribute (or the routes of a family nobody asked for) is ignored; the UPDATE stands."""
    TREAT_AS_WITHDRAW = 2
    """The routes are handled as if they had been withdrawn."""


class FaultKind(StrEnum):
    """What was wrong; the value is what a user reads."""

    ATTRIBUTE_LIST = "the attributes do not fill their total length"
    ATTRIBUTE_FLAGS = "flags that do not belong to the attribute"
    ATTRIBUTE_LENGTH = "impossible length of an attribute"
    ATTRIBUTE_TWICE = "the attribute appears twice"
    ATTRIBUTE_MISSING = "a mandatory attribute is missing"
    ATTRIBUTE_UNEXPECTED = "the attribute has no business on this session"
    ORIGIN_VALUE = "undefined origin"
    AS_PATH_FORM = "malformed AS path"
    AS_ZERO = "AS 0 in the path"
    NEXT_HOP_LENGTH = "the next hop is no address"
    ROUTE_LENGTH = "impossible length of a route"
    PREFIX_LENGTH = "impossible prefix length"
    TWO_OVERLAY_INDEXES = "both a segment and a gateway are given"
    NO_OVERLAY_INDEX = "segment, gateway, label and Router's MAC are all zero"
    FAMILY_NOT_AGREED = "a family that was not agreed on"


class AttributeFault(NamedTuple):
    """One thing wrong in an UPDATE that the session survives."""

    kind: FaultKind
    action: FaultAction
    text: str

    def __str__(self) -> str:
        return f"{words(self.action)}: {self.kind.value}: {self.text}"


def notification_text(code: int, subcode: int, data: bytes) -> str:
    """A NOTIFICATION as a sentence; a Shutdown Communication (RFC 9003) in quotes."""
    try:
        known = NotificationCode(code)
    except ValueError:
        return f"code {code}, subcode {subcode}"
    if known is NotificationCode.CEASE and subcode == CeaseError.HARD_RESET and len(data) >= 2 and data[1] != subcode:
        code, subcode, data = data[0], data[1], data[2:]  # RFC 8538 section 3.1: the reason is inside
        return f"hard reset / {notification_text(code, subcode, data)}"
    text = words(known)
    names = SUBCODES.get(known)
    if names is not None and subcode in set(names):
        text += f" / {words(names(subcode))}"
    elif subcode:
        text += f" / subcode {subcode}"
    spoken = _shutdown_communication(subcode, data) if known is NotificationCode.CEASE else ""
    return f'{text}: "{spoken}"' if spoken else text


def _shutdown_communication(subcode: int, data: bytes) -> str:
    """RFC 9003: one octet of length, then UTF-8. Unprintable characters come from a stranger: they are replaced."""
    if subcode not in (CeaseError.ADMINISTRATIVE_SHUTDOWN, CeaseError.ADMINISTRATIVE_RESET) or not data:
        return ""
    spoken = data[1 : 1 + data[0]].decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "�" for c in spoken)
