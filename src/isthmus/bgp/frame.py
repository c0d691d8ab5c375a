"""Messages in a byte stream: the header, and cutting a stream into messages (RFC 4271 section 4.1).

Rules: octets are joined at most twice on their way (once to see the header, once to see the message), however small
the pieces that arrive. Nothing past the first message with a bad header is looked at: the stream is out of step.
"""

from __future__ import annotations

from struct import Struct

from isthmus.bgp.capability import MESSAGE_BYTES_MAX
from isthmus.bgp.errors import MessageError
from isthmus.bgp.iana import HeaderError, MessageType, NotificationCode, words

MARKER = b"\xff" * 16
HEADER_BYTES = 19
_HEADER = Struct(">16sHB")  # marker, length, type

_BYTES_MIN = {
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: 19,
    MessageType.ROUTE_REFRESH: 23,
}
_KINDS = {kind.value: kind for kind in MessageType}
_BYTES_EXACT = frozenset((MessageType.KEEPALIVE, MessageType.ROUTE_REFRESH))


def frame(kind: MessageType, body: bytes) -> bytes:
    """A message with its header."""
    return MARKER + (HEADER_BYTES + len(body)).to_bytes(2, "big") + bytes((kind,)) + body


class Stream:
    """Takes octets as they come, gives whole messages."""

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._message_bytes_max = message_bytes_max
        self._joined = b""
        self._at = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = HEADER_BYTES

    def push(self, data: bytes) -> None:
        """More octets from the peer."""
        self._pieces.append(data)
        self._held += len(data)

    @property
    def rest(self) -> bytes:
        """What has come and has not been taken."""
        return b"".join((self._joined[self._at :], *self._pieces))

    def take(self) -> tuple[MessageType, bytes] | None:
        """The next message, type and body; None when it has not arrived whole. Raises MessageError."""
        while self._held >= self._needed:
            if len(self._joined) - self._at < self._needed:
                self._joined = b"".join((self._joined[self._at :], *self._pieces))
                self._pieces.clear()
                self._at = 0
            kind, length = self._header()
            if length > self._held:
                self._needed = length
                return None
            if length > len(self._joined) - self._at:
                self._needed = length
                continue
            body = self._joined[self._at + HEADER_BYTES : self._at + length]
            self._at += length
            self._held -= length
            self._needed = HEADER_BYTES
            return kind, body
        return None

    def _header(self) -> tuple[MessageType, int]:
        """RFC 4271 section 6.1, in its order: marker, length, type."""
        marker, length, number = _HEADER.unpack_from(self._joined, self._at)
        if marker != MARKER:
            raise MessageError(
                NotificationCode.MESSAGE_HEADER, HeaderError.CONNECTION_NOT_SYNCHRONIZED, "the marker is not all ones"
            )
        if not HEADER_BYTES <= length <= self._message_bytes_max:
            raise _bad_length(length, "a message")
        kind = _KINDS.get(number)
        if kind is None:
            raise MessageError(
                NotificationCode.MESSAGE_HEADER,
                HeaderError.BAD_MESSAGE_TYPE,
                f"message type {number}",
                bytes((number,)),
            )
        if length < _BYTES_MIN[kind] or (kind in _BYTES_EXACT and length != _BYTES_MIN[kind]):
            raise _bad_length(length, words(kind))
        return kind, length


def _bad_length(length: int, what: str) -> MessageError:
    return MessageError(
        NotificationCode.MESSAGE_HEADER,
        HeaderError.BAD_MESSAGE_LENGTH,
        f"{what} of {length} octets",
        length.to_bytes(2, "big"),
    )
