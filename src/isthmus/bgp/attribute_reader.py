"""Path attributes off the wire, with the error handling of RFC 7606.

Rules: reading raises nothing but `MessageError`, and that only where the RFC has the session reset. A malformed
attribute becomes an `AttributeFault`, the strongest of which decides the UPDATE (section 3 h). MP_REACH_NLRI and
MP_UNREACH_NLRI are taken out by `split` before; what is read here depends only on the octets that are left, so a
session reads each distinct set once (`AttributeTable`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from isthmus.bgp import as_path
from isthmus.bgp.attribute import AsSegment, PathAttributes, RawAttribute, typed_community
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind, Malformed, MessageError
from isthmus.bgp.iana import AttributeFlag, AttributeType, NotificationCode, Origin, UpdateError, words
from isthmus.model.net import IpAddress

TABLE_SETS_MAX = 8192
"""Distinct attribute sets remembered by their octets; beyond that the memory starts anew. Sets in use stay shared."""

_MP_REACH, _MP_UNREACH = AttributeType.MP_REACH_NLRI.value, AttributeType.MP_UNREACH_NLRI.value
_ORIGIN, _AS_PATH, _LOCAL_PREF = (
    AttributeType.ORIGIN.value,
    AttributeType.AS_PATH.value,
    AttributeType.LOCAL_PREF.value,
)
_EXTENDED = AttributeFlag.EXTENDED_LENGTH.value
_KIND_BITS = int(AttributeFlag.OPTIONAL | AttributeFlag.TRANSITIVE)
_WELL_KNOWN = int(AttributeFlag.TRANSITIVE)
_OPTIONAL = int(AttributeFlag.OPTIONAL)
_OPTIONAL_TRANSITIVE = _OPTIONAL | _WELL_KNOWN

_DISCARD, _WITHDRAW = FaultAction.DISCARD, FaultAction.TREAT_AS_WITHDRAW


class Piece(NamedTuple):
    """One attribute as it stands: where its flags are and where its value is."""

    at: int
    start: int
    stop: int


class Split(NamedTuple):
    """An UPDATE's attributes, the multiprotocol ones set apart."""

    reach: Piece | None
    unreach: Piece | None
    rest: bytes
    """All other attributes, in order; ends in rubbish if the list was cut short."""


def piece_at(raw: bytes, at: int) -> Piece | None:
    """The attribute that begins at an octet; None if it does not fit (RFC 7606 section 4)."""
    left = len(raw) - at
    if left < 3:
        return None
    if not raw[at] & _EXTENDED:
        start, length = at + 3, raw[at + 2]
    elif left < 4:
        return None
    else:
        start, length = at + 4, raw[at + 2] << 8 | raw[at + 3]
    return Piece(at, start, start + length) if start + length <= len(raw) else None


def split(raw: bytes) -> Split:
    """Set MP_REACH_NLRI and MP_UNREACH_NLRI apart. Raises MessageError if one is there twice or cut short."""
    found: dict[int, Piece] = {}
    kept, begin, at = [], 0, 0
    while at < len(raw):
        piece = piece_at(raw, at)
        if piece is None:
            if len(raw) - at >= 2 and raw[at + 1] in (_MP_REACH, _MP_UNREACH):
                raise malformed_list("a multiprotocol attribute runs over the end of the attributes")
            break
        code = raw[at + 1]
        if code in (_MP_REACH, _MP_UNREACH):
            if code in found:  # RFC 7606 section 3 g
                raise malformed_list(f"{words(AttributeType(code))} appears twice")
            found[code] = piece
            kept.append(raw[begin:at])
            begin = piece.stop
        at = piece.stop
    kept.append(raw[begin:])
    return Split(found.get(_MP_REACH), found.get(_MP_UNREACH), b"".join(kept))


def malformed_list(text: str) -> MessageError:
    """The UPDATE cannot be understood at all."""
    return MessageError(NotificationCode.UPDATE, UpdateError.MALFORMED_ATTRIBUTE_LIST, text)


def flags_fault(code: int, flags: int, wanted: int) -> AttributeFault | None:
    """RFC 7606 section 3 c: the Optional and Transitive bits must be the attribute's own."""
    if flags & _KIND_BITS == wanted:
        return None
    text = f"{words(AttributeType(code))} with flags {flags:#04x}"
    return AttributeFault(FaultKind.ATTRIBUTE_FLAGS, _WITHDRAW, text)


def _exactly(*lengths: int) -> Callable[[bytes], bytes]:
    def check(value: bytes) -> bytes:
        if len(value) not in lengths:
            raise Malformed(FaultKind.ATTRIBUTE_LENGTH, f"{len(value)} octets")
        return value

    return check


def _items(size: int, make: Callable[[bytes], Any]) -> Callable[[bytes], tuple[Any, ...]]:
    """A list of items of one size, at least one (RFC 7606 sections 7.8, 7.10, 7.14; RFC 8092 section 6)."""

    def read(value: bytes) -> tuple[Any, ...]:
        if not value or len(value) % size:
            raise Malformed(FaultKind.ATTRIBUTE_LENGTH, f"{len(value)} octets are no list of {size}-octet items")
        return tuple([make(value[i : i + size]) for i in range(0, len(value), size)])

    return read


def _number(value: bytes) -> int:
    return int.from_bytes(_exactly(4)(value), "big")


def _address(value: bytes) -> IpAddress:
    return IpAddress(_exactly(4)(value))


def _origin(value: bytes) -> Origin:
    number = _exactly(1)(value)[0]
    if number > Origin.INCOMPLETE:
        raise Malformed(FaultKind.ORIGIN_VALUE, str(number))
    return Origin(number)


class _Rule(NamedTuple):
    """How one attribute is read and what a malformed one costs."""

    flags: int
    action: FaultAction
    read: Callable[[bytes], Any]
    expected: bool = True
    """Whether this session's peer may send it at all."""


# RFC 7606 section 7, attribute by attribute; `_session_rules` adds what depends on the session.
_RULES: Final[Mapping[int, _Rule]] = {
    AttributeType.ORIGIN: _Rule(_WELL_KNOWN, _WITHDRAW, _origin),
    AttributeType.NEXT_HOP: _Rule(_WELL_KNOWN, _WITHDRAW, _address),
    AttributeType.MULTI_EXIT_DISC: _Rule(_OPTIONAL, _WITHDRAW, _number),
    AttributeType.LOCAL_PREF: _Rule(_WELL_KNOWN, _WITHDRAW, _number),
    AttributeType.ATOMIC_AGGREGATE: _Rule(_WELL_KNOWN, _DISCARD, _exactly(0)),
    AttributeType.COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _WITHDRAW, _items(4, lambda b: int.from_bytes(b, "big"))),
    AttributeType.ORIGINATOR_ID: _Rule(_OPTIONAL, _WITHDRAW, _address),
    AttributeType.CLUSTER_LIST: _Rule(_OPTIONAL, _WITHDRAW, _items(4, IpAddress)),
    AttributeType.EXTENDED_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _WITHDRAW, _items(8, typed_community)),
    AttributeType.AS4_AGGREGATOR: _Rule(_OPTIONAL_TRANSITIVE, _DISCARD, _exactly(8)),
    AttributeType.LARGE_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _WITHDRAW, _items(12, bytes)),
}
_INSIDE_AN_AS = (AttributeType.LOCAL_PREF, AttributeType.ORIGINATOR_ID, AttributeType.CLUSTER_LIST)
"""RFC 7606 sections 7.5, 7.9, 7.10: from another AS they are discarded."""
_FROM_OLD_SPEAKERS = (AttributeType.AS4_PATH, AttributeType.AS4_AGGREGATOR)
"""RFC 6793 section 4.1: from a new speaker they are discarded."""


def _session_rules(agreed: Agreed) -> dict[int, _Rule]:
    """The rules as this session has them: the width of an AS number, and what its peer has no business sending."""
    width = 4 if agreed.four_octet_as else 2

    def path(value: bytes) -> tuple[AsSegment, ...]:
        segments = as_path.decode(value, width)
        if not agreed.is_ibgp:
            as_path.refuse_confederation(segments)
        return segments

    rules = dict(_RULES)
    rules[AttributeType.AS_PATH] = _Rule(_WELL_KNOWN, _WITHDRAW, path)
    rules[AttributeType.AGGREGATOR] = _Rule(_OPTIONAL_TRANSITIVE, _DISCARD, _exactly(width + 4))
    rules[AttributeType.AS4_PATH] = _Rule(_OPTIONAL_TRANSITIVE, _DISCARD, as_path.decode_as4_path)
    unexpected = (() if agreed.is_ibgp else _INSIDE_AN_AS) + (_FROM_OLD_SPEAKERS if agreed.four_octet_as else ())
    for code in unexpected:
        rules[code] = rules[code]._replace(expected=False)
    # Plain numbers as keys: an IntEnum hashes in Python, several times per message.
    return {int(code): rule for code, rule in rules.items()}


class AttributeTable:
    """Reads attribute sets of one session; equal sets are one object for as long as anybody holds it."""

    def __init__(self, agreed: Agreed) -> None:
        self._rules = _session_rules(agreed)
        self._mandatory = (_ORIGIN, _AS_PATH, _LOCAL_PREF) if agreed.is_ibgp else (_ORIGIN, _AS_PATH)
        self._read: dict[tuple[bytes, bytes], tuple[PathAttributes | None, tuple[AttributeFault, ...]]] = {}
        self._shared: WeakValueDictionary[int, PathAttributes] = WeakValueDictionary()

    def read(self, rest: bytes, next_hop: bytes) -> tuple[PathAttributes | None, tuple[AttributeFault, ...]]:
        """The attributes that `split` left over, for routes with this next hop; empty when none are announced.

        No attributes come back when nothing is announced or a fault asks for treat-as-withdraw. Raises MessageError.
        """
        key = (rest, next_hop)
        known = self._read.get(key)
        if known is None:
            if len(self._read) >= TABLE_SETS_MAX:
                self._read.clear()
            known = self._read[key] = self._read_anew(rest, next_hop)
        return known

    def _read_anew(self, rest: bytes, next_hop: bytes) -> tuple[PathAttributes | None, tuple[AttributeFault, ...]]:
        values, unknown, faults = self._values(rest)
        if next_hop:
            faults += self._missing(values, faults)
        if not next_hop or any(f.action is _WITHDRAW for f in faults):
            return None, tuple(faults)
        return self._share(_attributes(values, tuple(unknown), next_hop)), tuple(faults)

    def _values(self, rest: bytes) -> tuple[dict[int, Any], list[RawAttribute], list[AttributeFault]]:
        values: dict[int, Any] = {}
        unknown: list[RawAttribute] = []
        faults: list[AttributeFault] = []
        seen: set[int] = set()
        at = 0
        while at < len(rest):
            piece = piece_at(rest, at)
            if piece is None:  # RFC 7606 section 4
                text = f"{len(rest) - at} octets are left over"
                faults.append(AttributeFault(FaultKind.ATTRIBUTE_LIST, _WITHDRAW, text))
                break
            flags, code, value = rest[at], rest[at + 1], rest[piece.start : piece.stop]
            at = piece.stop
            if code in seen:  # RFC 7606 section 3 g: all but the first are discarded
                faults.append(AttributeFault(FaultKind.ATTRIBUTE_TWICE, _DISCARD, _name(code)))
                continue
            seen.add(code)
            rule = self._rules.get(code)
            if rule is None:
                unknown += _unknown(flags, code, value)
            else:
                _read_one(rule, flags, code, value, values, faults)
        return values, unknown, faults

    def _missing(self, values: Mapping[int, Any], faults: list[AttributeFault]) -> list[AttributeFault]:
        """RFC 7606 section 3 d; an attribute that is there but malformed has its own fault already."""
        absent = [code for code in self._mandatory if code not in values]
        if any(f.action is _WITHDRAW for f in faults):
            return []
        return [AttributeFault(FaultKind.ATTRIBUTE_MISSING, _WITHDRAW, _name(code)) for code in absent]

    def _share(self, made: PathAttributes) -> PathAttributes:
        known = self._shared.get(hash(made))
        if known is not None and known == made:
            return known
        self._shared[hash(made)] = made
        return made


def _read_one(
    rule: _Rule, flags: int, code: int, value: bytes, values: dict[int, Any], faults: list[AttributeFault]
) -> None:
    """The value of a known attribute goes into `values`, what is wrong with it into `faults`."""
    if not rule.expected:
        faults.append(AttributeFault(FaultKind.ATTRIBUTE_UNEXPECTED, _DISCARD, _name(code)))
    elif (fault := flags_fault(code, flags, rule.flags)) is not None:
        faults.append(fault)
    else:
        try:
            values[code] = rule.read(value)
        except Malformed as error:
            faults.append(AttributeFault(error.kind, rule.action, f"{_name(code)}: {error}"))


def _name(code: int) -> str:
    return words(AttributeType(code)) if code in set(AttributeType) else f"attribute {code}"


def _unknown(flags: int, code: int, value: bytes) -> list[RawAttribute]:
    """RFC 4271 section 5: optional transitive ones travel on, other optional ones are quietly ignored."""
    if not flags & AttributeFlag.OPTIONAL:
        # RFC 4271 section 6.3; RFC 7606 leaves this one as it was
        raise MessageError(
            NotificationCode.UPDATE,
            UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
            f"well-known attribute {code} is unknown here",
            bytes((flags | _EXTENDED, code)) + len(value).to_bytes(2, "big") + value,
        )
    return [RawAttribute(flags & ~_EXTENDED, code, value)] if flags & AttributeFlag.TRANSITIVE else []


def _attributes(values: Mapping[int, Any], unknown: tuple[RawAttribute, ...], next_hop: bytes) -> PathAttributes:
    """All mandatory attributes are there and nothing is malformed."""
    get = values.get
    path: tuple[AsSegment, ...] = values[AttributeType.AS_PATH]
    if AttributeType.AS4_PATH in values:
        path = as_path.merge(path, values[AttributeType.AS4_PATH])
    return PathAttributes(
        origin=values[AttributeType.ORIGIN],
        as_path=path,
        next_hop=IpAddress(next_hop) if len(next_hop) in (4, 16) else None,
        med=get(AttributeType.MULTI_EXIT_DISC),
        local_pref=get(AttributeType.LOCAL_PREF),
        communities=get(AttributeType.COMMUNITIES, ()),
        originator_id=get(AttributeType.ORIGINATOR_ID),
        cluster_list=get(AttributeType.CLUSTER_LIST, ()),
        extended_communities=get(AttributeType.EXTENDED_COMMUNITIES, ()),
        large_communities=get(AttributeType.LARGE_COMMUNITIES, ()),
        unknown=unknown,
    )
