"""Cutting a stream into messages: any cut, any rubbish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bgp.errors import MessageError
from isthmus.bgp.frame import MARKER, Stream, frame
from isthmus.bgp.iana import HeaderError, MessageType, NotificationCode


def all_of(stream: Stream) -> list[tuple[MessageType, bytes]]:
    return list(iter(stream.take, None))


def header(length: int, kind: int, marker: bytes = MARKER) -> bytes:
    return marker + length.to_bytes(2, "big") + bytes((kind,))


bodies = st.lists(st.binary(min_size=4, max_size=300), max_size=8)


@given(bodies, st.lists(st.integers(0, 3000), max_size=30))
def test_any_cutting_gives_the_same_messages(bodies: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(frame(MessageType.UPDATE, body) for body in bodies)
    stream, found, at = Stream(), [], 0
    for cut in [*sorted(c for c in cuts if c < len(octets)), len(octets)]:
        stream.push(octets[at:cut])
        found += all_of(stream)
        at = cut
    assert found == [(MessageType.UPDATE, body) for body in bodies]


def test_octet_by_octet() -> None:
    octets = frame(MessageType.KEEPALIVE, b"") + frame(MessageType.UPDATE, b"\0" * 4077)
    stream, found = Stream(), []
    for octet in octets:
        stream.push(bytes((octet,)))
        found += all_of(stream)
    assert found == [(MessageType.KEEPALIVE, b""), (MessageType.UPDATE, b"\0" * 4077)]


@pytest.mark.parametrize(
    ("octets", "subcode", "data"),
    [
        (header(19, 4, b"\xff" * 15 + b"\xfe"), HeaderError.CONNECTION_NOT_SYNCHRONIZED, b""),
        (header(18, 4), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x12"),
        (header(4097, 2), HeaderError.BAD_MESSAGE_LENGTH, b"\x10\x01"),
        (header(20, 4), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x14"),
        (header(28, 1), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x1c"),
        (header(22, 2), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x16"),
        (header(20, 3), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x14"),
        (header(24, 5), HeaderError.BAD_MESSAGE_LENGTH, b"\x00\x18"),
        (header(19, 0), HeaderError.BAD_MESSAGE_TYPE, b"\x00"),
        (header(19, 6), HeaderError.BAD_MESSAGE_TYPE, b"\x06"),
    ],
)
def test_a_bad_header_is_told_as_rfc_4271_wants_it(octets: bytes, subcode: HeaderError, data: bytes) -> None:
    stream = Stream()
    stream.push(octets)
    with pytest.raises(MessageError) as caught:
        stream.take()
    assert (caught.value.code, caught.value.subcode) == (NotificationCode.MESSAGE_HEADER, subcode)
    assert caught.value.data == data


def test_messages_before_a_bad_header_are_still_given() -> None:
    stream = Stream()
    stream.push(frame(MessageType.KEEPALIVE, b"") + bytes(19))
    assert stream.take() == (MessageType.KEEPALIVE, b"")
    with pytest.raises(MessageError):
        stream.take()
