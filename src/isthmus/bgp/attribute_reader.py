"""Path attributes off the wire, with the error handling of RFC 7606.

Rules: reading raises nothing but `MessageError`, and that only where the RFC has the session reset. A malformed
attribute becomes an `AttributeFault`, the strongest of which decides the UPDATE (section 3 h). MP_REACH_NLRI and
MP_UNREACH_NLRI are taken out by `split` before; what is read here depends only on the octets that are left, so a
session reads each distinct set once (attribute_table.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from isthmus.bgp import as_path
from isthmus.bgp.attribute import AsSegment, PathAttributes, RawAttribute, typed_community
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind, Malformed, MessageError
from isthmus.bgp.iana import AttributeFlag, AttributeType, NotificationCode, Origin, UpdateError, words
from isthmus.model.net import IpAddress
from isthmus.model.vpn import ExtendedCommunity

COMMUNITIES_MAX = 8192
"""Extended communities remembered: a cloud has some for each BGPVPN, and others for each move of an address."""

# Plain numbers: an IntEnum hashes in Python, and these are looked up several times a message.
_MP_REACH, _MP_UNREACH = AttributeType.MP_REACH_NLRI.value, AttributeType.MP_UNREACH_NLRI.value
_ORIGIN, _AS_PATH = AttributeType.ORIGIN.value, AttributeType.AS_PATH.value
_MULTI_EXIT_DISC, _LOCAL_PREF = AttributeType.MULTI_EXIT_DISC.value, AttributeType.LOCAL_PREF.value
COMMUNITIES, _LARGE_COMMUNITIES = AttributeType.COMMUNITIES.value, AttributeType.LARGE_COMMUNITIES.value
_ORIGINATOR_ID, _CLUSTER_LIST = AttributeType.ORIGINATOR_ID.value, AttributeType.CLUSTER_LIST.value
_AS4_PATH = AttributeType.AS4_PATH.value
EXTENDED_COMMUNITIES = AttributeType.EXTENDED_COMMUNITIES.value
_EXTENDED = AttributeFlag.EXTENDED_LENGTH.value
KIND_BITS = int(AttributeFlag.OPTIONAL | AttributeFlag.TRANSITIVE)
_WELL_KNOWN = int(AttributeFlag.TRANSITIVE)
_OPTIONAL = int(AttributeFlag.OPTIONAL)
_OPTIONAL_TRANSITIVE = _OPTIONAL | _WELL_KNOWN
EXTENDED_COMMUNITIES_FLAGS = _OPTIONAL_TRANSITIVE

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
    communities: Piece | None = None
    """Of `rest` the extended communities, the first if they are there twice."""


def span(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the value of the attribute that begins at an octet starts and stops; beyond `end` if it does not fit."""
    if end - at >= 3 and not raw[at] & _EXTENDED:
        return at + 3, at + 3 + raw[at + 2]
    if end - at >= 4:
        return at + 4, at + 4 + (raw[at + 2] << 8 | raw[at + 3])
    return end, end + 1


def split(raw: bytes) -> Split:
    """Set MP_REACH_NLRI and MP_UNREACH_NLRI apart. Raises MessageError if one is there twice or cut short."""
    reach: Piece | None = None
    unreach: Piece | None = None
    communities: Piece | None = None
    kept, begin, at, end, taken = [], 0, 0, len(raw), 0
    while at < end:
        if at + 3 <= end and not raw[at] & _EXTENDED:  # as `span`, without the call: once for each attribute of all
            start, stop = at + 3, at + 3 + raw[at + 2]
        else:
            start, stop = span(raw, at, end)
        code = raw[at + 1] if at + 1 < end else 0
        multiprotocol = _MP_REACH <= code <= _MP_UNREACH
        if stop > end:  # RFC 7606 section 4
            if multiprotocol:
                raise malformed_list("a multiprotocol attribute runs over the end of the attributes")
            break
        if multiprotocol:
            if (reach if code == _MP_REACH else unreach) is not None:  # RFC 7606 section 3 g
                raise malformed_list(f"{words(AttributeType(code))} appears twice")
            if code == _MP_REACH:
                reach = Piece(at, start, stop)
            else:
                unreach = Piece(at, start, stop)
            kept.append(raw[begin:at])
            begin = stop
            taken += stop - at
        elif code == EXTENDED_COMMUNITIES and communities is None:
            communities = Piece(at - taken, start - taken, stop - taken)
        at = stop
    rest = raw[begin:] if not kept else b"".join((*kept, raw[begin:]))
    return Split(reach, unreach, rest, communities)


def malformed_list(text: str) -> MessageError:
    """The UPDATE cannot be understood at all."""
    return MessageError(NotificationCode.UPDATE, UpdateError.MALFORMED_ATTRIBUTE_LIST, text)


def flags_fault(code: int, flags: int, wanted: int) -> AttributeFault | None:
    """RFC 7606 section 3 c: the Optional and Transitive bits must be the attribute's own."""
    if flags & KIND_BITS == wanted:
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


_community = lru_cache(COMMUNITIES_MAX)(typed_community)


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
    AttributeType.EXTENDED_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _WITHDRAW, _items(8, _community)),
    AttributeType.AS4_AGGREGATOR: _Rule(_OPTIONAL_TRANSITIVE, _DISCARD, _exactly(8)),
    AttributeType.LARGE_COMMUNITIES: _Rule(_OPTIONAL_TRANSITIVE, _WITHDRAW, _items(12, bytes)),
}
_INSIDE_AN_AS = (AttributeType.LOCAL_PREF, AttributeType.ORIGINATOR_ID, AttributeType.CLUSTER_LIST)
"""RFC 7606 sections 7.5, 7.9, 7.10: from another AS they are discarded."""
_FROM_OLD_SPEAKERS = (AttributeType.AS4_PATH, AttributeType.AS4_AGGREGATOR)
"""RFC 6793 section 4.1: from a new speaker they are discarded."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules as one session has them: the width of an AS number, and what its peer has no business sending."""

    by_code: Mapping[int, _Rule]
    mandatory: tuple[int, ...]

    @classmethod
    def of(cls, agreed: Agreed) -> Rules:
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
        mandatory = (_ORIGIN, _AS_PATH, _LOCAL_PREF) if agreed.is_ibgp else (_ORIGIN, _AS_PATH)
        return cls({int(code): rule for code, rule in rules.items()}, mandatory)


class _Read(NamedTuple):
    """One attribute: its value, or what is wrong with it."""

    value: Any
    fault: AttributeFault | None
    unknown: tuple[RawAttribute, ...] = ()


def communities_of(value: bytes) -> tuple[ExtendedCommunity, ...]:
    """The value of a well formed attribute; each community is remembered, as most of a cloud's are the same."""
    return tuple([_community(value[at : at + 8]) for at in range(0, len(value), 8)])


class Attributes(NamedTuple):
    """A list of attributes as read; `values` by their codes."""

    values: Mapping[int, Any]
    faults: list[AttributeFault]

    @property
    def withdraws(self) -> bool:
        return any(f.action is _WITHDRAW for f in self.faults)


UNKNOWN = -1
"""Where `values` has the attributes that nobody here reads."""


class AttributeReader:
    """Reads lists of attributes by the rules of one session."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.by_code

    def read(self, octets: bytes) -> Attributes:
        """What is left when the multiprotocol attributes are out. Raises MessageError."""
        values: dict[int, Any] = {}
        faults: list[AttributeFault] = []
        at, end = 0, len(octets)
        while at < end:
            start, stop = span(octets, at, end)
            if stop > end:  # RFC 7606 section 4
                faults.append(AttributeFault(FaultKind.ATTRIBUTE_LIST, _WITHDRAW, f"{end - at} octets are left over"))
                break
            flags, code = octets[at], octets[at + 1]
            at = stop
            if code in values:  # RFC 7606 section 3 g: all but the first are discarded, whatever is in them
                faults.append(AttributeFault(FaultKind.ATTRIBUTE_TWICE, _DISCARD, _name(code)))
                continue
            read = self._one(flags, code, octets[start:stop])
            values[code] = read.value
            if read.fault is not None:
                faults.append(read.fault)
            if read.unknown:
                values[UNKNOWN] = values.get(UNKNOWN, ()) + read.unknown
        return Attributes(values, faults)

    def _one(self, flags: int, code: int, value: bytes) -> _Read:
        rule = self._rules.get(code)
        if rule is None:
            return _Read(None, None, _unknown(flags, code, value))
        return _read_one(rule, flags, code, value)


def _read_one(rule: _Rule, flags: int, code: int, value: bytes) -> _Read:
    """A known attribute."""
    if not rule.expected:
        return _Read(None, AttributeFault(FaultKind.ATTRIBUTE_UNEXPECTED, _DISCARD, _name(code)))
    if (fault := flags_fault(code, flags, rule.flags)) is not None:
        return _Read(None, fault)
    try:
        return _Read(rule.read(value), None)
    except Malformed as error:
        return _Read(None, AttributeFault(error.kind, rule.action, f"{_name(code)}: {error}"))


def missing(values: Mapping[int, Any], mandatory: Iterable[int]) -> Iterator[AttributeFault]:
    """RFC 7606 section 3 d; an attribute that is there but malformed has its own fault already."""
    for code in mandatory:
        if code not in values:
            yield AttributeFault(FaultKind.ATTRIBUTE_MISSING, _WITHDRAW, _name(code))


def _name(code: int) -> str:
    return words(AttributeType(code)) if code in set(AttributeType) else f"attribute {code}"


def _unknown(flags: int, code: int, value: bytes) -> tuple[RawAttribute, ...]:
    """RFC 4271 section 5: optional transitive ones travel on, other optional ones are quietly ignored."""
    if not flags & AttributeFlag.OPTIONAL:
        # RFC 4271 section 6.3; RFC 7606 leaves this one as it was
        raise MessageError(
            NotificationCode.UPDATE,
            UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
            f"well-known attribute {code} is unknown here",
            bytes((flags | _EXTENDED, code)) + len(value).to_bytes(2, "big") + value,
        )
    return (RawAttribute(flags & ~_EXTENDED, code, value),) if flags & AttributeFlag.TRANSITIVE else ()


def combine(values: Mapping[int, Any], next_hop: IpAddress | None) -> PathAttributes:
    """What was read as one value; what is missing is as if nobody had ever said it."""
    get = values.get
    path: tuple[AsSegment, ...] = get(_AS_PATH) or ()
    if (true_numbers := get(_AS4_PATH)) is not None:
        path = as_path.merge(path, true_numbers)
    origin = get(_ORIGIN)
    return PathAttributes(
        origin=Origin.IGP if origin is None else origin,
        as_path=path,
        next_hop=next_hop,
        med=get(_MULTI_EXIT_DISC),
        local_pref=get(_LOCAL_PREF),
        communities=get(COMMUNITIES) or (),
        originator_id=get(_ORIGINATOR_ID),
        cluster_list=get(_CLUSTER_LIST) or (),
        extended_communities=get(EXTENDED_COMMUNITIES) or (),
        large_communities=get(_LARGE_COMMUNITIES) or (),
        unknown=get(UNKNOWN, ()),
    )
