"""AS paths: two or four octets a number on the wire, one value here (RFC 4271, RFC 5065, RFC 6793).

Rules: a path in memory always has the true numbers. AS_TRANS appears only where a two-octet path is written, or where
an old speaker's AS4_PATH could not restore it.
"""

from __future__ import annotations

from isthmus.bgp.attribute import AsSegment
from isthmus.bgp.errors import FaultKind, Malformed
from isthmus.bgp.iana import AS_TRANS, AsSegmentType

SEGMENT_NUMBERS_MAX = 255
"""The count is one octet."""

_CONFEDERATION = (AsSegmentType.AS_CONFED_SEQUENCE, AsSegmentType.AS_CONFED_SET)


def decode(value: bytes, width: int) -> tuple[AsSegment, ...]:
    """The segments of a path with numbers of `width` octets. Raises Malformed (RFC 7606 section 7.2, RFC 7607)."""
    segments, at = [], 0
    while at < len(value):
        if len(value) - at < 2:
            raise Malformed(FaultKind.AS_PATH_FORM, "an octet is left over")
        kind, count = value[at], value[at + 1]
        after = at + 2 + count * width
        if not AsSegmentType.AS_SET <= kind <= AsSegmentType.AS_CONFED_SET:
            raise Malformed(FaultKind.AS_PATH_FORM, f"segment type {kind}")
        if count == 0 or after > len(value):
            raise Malformed(FaultKind.AS_PATH_FORM, f"a segment of {count} numbers")
        numbers = tuple([int.from_bytes(value[i : i + width], "big") for i in range(at + 2, after, width)])
        if 0 in numbers:
            raise Malformed(FaultKind.AS_ZERO, " ".join(str(n) for n in numbers))
        segments.append(AsSegment(AsSegmentType(kind), numbers))
        at = after
    return tuple(segments)


def decode_as4_path(value: bytes) -> tuple[AsSegment, ...]:
    """AS4_PATH: confederation segments in it are ignored (RFC 6793 section 6). Raises Malformed."""
    if not value:
        raise Malformed(FaultKind.ATTRIBUTE_LENGTH, "empty")
    return tuple(s for s in decode(value, 4) if s.kind not in _CONFEDERATION)


def refuse_confederation(path: tuple[AsSegment, ...]) -> None:
    """A peer outside the confederation has no business showing its insides (RFC 5065 section 5). Raises Malformed."""
    if any(s.kind in _CONFEDERATION for s in path):
        raise Malformed(FaultKind.AS_PATH_FORM, "confederation segments from outside")


def merge(path: tuple[AsSegment, ...], as4_path: tuple[AsSegment, ...]) -> tuple[AsSegment, ...]:
    """What an old speaker's two paths mean together (RFC 6793 section 4.2.3).

    The AS4_PATH replaces the tail that it covers; what newer hops put in front is kept. A longer AS4_PATH is ignored.
    """
    lead = sum(s.length for s in path) - sum(s.length for s in as4_path)
    if lead < 0:
        return path
    kept = []
    for segment in path:
        if lead <= 0 and segment.length:
            break
        if segment.kind is AsSegmentType.AS_SEQUENCE and segment.length > lead:
            kept.append(AsSegment(segment.kind, segment.numbers[:lead]))
        else:
            kept.append(segment)
        lead -= segment.length
    return join((*kept, *as4_path))


def join(segments: tuple[AsSegment, ...]) -> tuple[AsSegment, ...]:
    """Neighbouring sequences as one, as far as one segment can hold them."""
    joined: list[AsSegment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if (
            last is not None
            and segment.kind is last.kind is AsSegmentType.AS_SEQUENCE
            and len(last.numbers) + len(segment.numbers) <= SEGMENT_NUMBERS_MAX
        ):
            joined[-1] = AsSegment(last.kind, last.numbers + segment.numbers)
        else:
            joined.append(segment)
    return tuple(joined)


def prepend(path: tuple[AsSegment, ...], local_as: int) -> tuple[AsSegment, ...]:
    """The path as another AS is told it (RFC 4271 section 5.1.2 b)."""
    return join((AsSegment(AsSegmentType.AS_SEQUENCE, (local_as,)), *path))


def encode(path: tuple[AsSegment, ...], width: int) -> bytes:
    """The value of AS_PATH (or, four octets wide, AS4_PATH); too large numbers become AS_TRANS."""
    raw = bytearray()
    for kind, numbers in path:
        raw += bytes((kind, len(numbers)))
        for number in numbers:
            raw += (number if width == 4 or number < 2**16 else AS_TRANS).to_bytes(width, "big")
    return bytes(raw)


def needs_as4_path(path: tuple[AsSegment, ...]) -> bool:
    """Whether two octets cannot say it (RFC 6793 section 4.2.2)."""
    return any(number >= 2**16 for _, numbers in path for number in numbers)
