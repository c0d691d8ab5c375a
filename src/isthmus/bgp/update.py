"""The UPDATE message, read.

Rules: a message becomes one value per family it speaks of; whoever applies one takes `withdrawn` before `announced`.
Routes of a family that was not agreed on are never decoded: they are one fault, discarded. A fault of the attributes
costs all routes of the message, a fault of one route only that route.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.attribute_reader import Piece, Split, flags_fault, malformed_list, split
from isthmus.bgp.attribute_table import AttributeTable
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind, MessageError
from isthmus.bgp.family import IPV4_UNICAST, ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import AttributeFlag, NotificationCode, UpdateError
from isthmus.bgp.nlri import CODECS, Nlri, NlriCodec
from isthmus.bgp.nlri.decoded import BoundaryLost
from isthmus.bgp.nlri.membership import Membership
from isthmus.model.net import IpAddress

_OPTIONAL = AttributeFlag.OPTIONAL.value
_WITHDRAW = FaultAction.TREAT_AS_WITHDRAW


class Update(NamedTuple):
    """What an UPDATE says of one family."""

    family: Family | None
    """None when this speaker has no name for it, or the message was about no family."""
    announced: tuple[Nlri, ...] = ()
    withdrawn: tuple[Nlri, ...] = ()
    """Only their keys mean anything. With TREAT_AS_WITHDRAW what was announced stands here."""
    heard: Heard | None = None
    """The attributes; present exactly when something is announced."""
    end_of_rib: Family | None = None
    faults: tuple[AttributeFault, ...] = ()
    skipped: int = 0
    """Routes of types this speaker does not read."""
    beside: tuple[object, ...] = ()
    """What was read that leads nowhere, said or taken back: EVPN of types 1, 3, 4, and of type 2 without an address."""
    memberships: tuple[Membership, ...] = ()
    """What targets the peer wants to hear of from now on."""
    memberships_withdrawn: tuple[Membership, ...] = ()
    """And not any more; these are taken first."""

    @property
    def attributes(self) -> PathAttributes | None:
        """As values; reading them costs more than all the rest."""
        return None if self.heard is None else self.heard.read()


class _NlriField(NamedTuple):
    """What one multiprotocol attribute held."""

    family: Family | None
    codec: NlriCodec[Any, Any] | None
    """None when the family was not agreed on; nothing below is filled then but `faults`."""
    empty: bool
    """No NLRI at all."""
    next_hop: IpAddress | None
    routes: list[Any]
    """Of the codec's kind."""
    skipped: int
    beside: tuple[object, ...]
    faults: list[AttributeFault]
    """Of the attribute: they cost the whole message."""
    route_faults: list[AttributeFault]


class UpdateReader:
    """Reads the UPDATEs of one session; attribute sets it has seen are the same objects again."""

    def __init__(self, agreed: Agreed) -> None:
        self._codecs = {f.encode(): (f, CODECS[f]) for f in agreed.families}
        self._table = AttributeTable(agreed)

    def read(self, body: bytes) -> tuple[Update, ...]:
        """A message without its header. Raises MessageError where the session must end."""
        withdrawn, raw, announced = _fields(body)
        parts = split(raw)
        reach = self._reach(raw, parts.reach) if parts.reach is not None else None
        if reach is not None and parts.unreach is None and not withdrawn and not announced:
            update = self._announcement(reach, parts)
            if update is not None:
                return (update,)
        unreach = self._unreach(raw, parts.unreach) if parts.unreach is not None else None
        updates = self._by_family(reach, unreach, parts)
        if (reach is None or reach.empty) and not announced:
            harmless = self._nothing_reachable(parts)
            updates += [Update(None, faults=harmless)] if harmless else []
        if withdrawn or announced or not raw:  # RFC 4271's own fields, or RFC 4724's empty message: IPv4 unicast
            updates.append(Update(IPV4_UNICAST, faults=(_not_agreed(str(IPV4_UNICAST)),)))
        elif unreach is not None and unreach.codec is not None and reach is None and unreach.empty and not parts.rest:
            return (Update(unreach.family, end_of_rib=unreach.family, faults=tuple(unreach.faults)),)
        return tuple(updates)

    def _by_family(self, reach: _NlriField | None, unreach: _NlriField | None, rest: Split) -> list[Update]:
        if reach is not None and unreach is not None and reach.family == unreach.family:
            return [self._update(reach, unreach, rest)]
        updates = [self._update(None, unreach, rest)] if unreach is not None else []
        return updates + ([self._update(reach, None, rest)] if reach is not None else [])

    def _nothing_reachable(self, rest: Split) -> tuple[AttributeFault, ...]:
        """RFC 7606 section 5.2: without routes to withdraw, a malformed attribute can only end the session."""
        _, faults = self._table.read(rest, None)
        for fault in faults:
            if fault.action is _WITHDRAW:
                raise malformed_list(f"no routes to withdraw, but {fault.kind.value}: {fault.text}")
        return faults

    def _unreach(self, raw: bytes, piece: Piece) -> _NlriField:
        """MP_UNREACH_NLRI: AFI (2), SAFI (1), NLRI (RFC 4760 section 4)."""
        if piece.stop - piece.start < 3:
            raise _optional_attribute(raw, piece, "an MP_UNREACH_NLRI too short for a family")
        return self._routes(raw, piece, piece.start + 3)

    def _reach(self, raw: bytes, piece: Piece) -> _NlriField:
        """MP_REACH_NLRI: AFI (2), SAFI (1), length (1) and next hop, reserved (1), NLRI (RFC 4760 section 3)."""
        hop = piece.start + 4
        if piece.stop - hop < 1 or (begin := hop + raw[hop - 1] + 1) > piece.stop:
            raise _optional_attribute(raw, piece, "an MP_REACH_NLRI too short for its next hop")
        return self._routes(raw, piece, begin, raw[hop : begin - 1])

    def _routes(self, raw: bytes, piece: Piece, begin: int, next_hop: bytes | None = None) -> _NlriField:
        known = self._codecs.get(raw[piece.start : piece.start + 3])
        if known is None:
            afi, safi = raw[piece.start] << 8 | raw[piece.start + 1], raw[piece.start + 2]
            unasked = Family.of(afi, safi)
            ignored = _not_agreed(str(unasked) if unasked is not None else f"AFI {afi} SAFI {safi}")
            return _NlriField(unasked, None, begin == piece.stop, None, [], 0, (), [ignored], [])
        family, codec = known
        try:
            parsed = codec.decode(raw[begin : piece.stop])
        except BoundaryLost as error:  # RFC 7606 sections 5.3 and 7.11: no way to know what to withdraw
            raise _optional_attribute(raw, piece, str(error)) from None
        faults = []
        if (fault := flags_fault(raw[piece.at + 1], raw[piece.at], _OPTIONAL)) is not None:
            faults.append(fault)
        hop = None if next_hop is None else codec.read_next_hop(next_hop)
        if next_hop is not None and hop is None:
            # RFC 7606 section 7.11 fears that the NLRI cannot be found behind it. Here they were: each route carries
            # its length and the last one ended with the attribute, so withdrawing them is enough.
            faults.append(AttributeFault(FaultKind.NEXT_HOP_LENGTH, _WITHDRAW, f"{len(next_hop)} octets"))
        empty = begin == piece.stop
        routes, more, skipped, beside = parsed
        return _NlriField(family, codec, empty, hop, routes, skipped, beside, faults, more)

    def _announcement(self, reach: _NlriField, rest: Split) -> Update | None:
        """What nearly all messages are: routes, and nothing wrong with anything. None for all others."""
        if reach.codec is None or reach.faults or reach.route_faults or not reach.routes:
            return None
        if reach.family == ROUTE_TARGET_CONSTRAIN:
            return None
        heard, faults = self._table.read(rest, reach.next_hop)
        if heard is None or faults or reach.codec.check(reach.routes, heard):
            return None
        return Update(reach.family, tuple(reach.routes), heard=heard, skipped=reach.skipped, beside=reach.beside)

    def _update(self, reach: _NlriField | None, unreach: _NlriField | None, rest: Split) -> Update:
        """One family's part of a message."""
        there = [r for r in (unreach, reach) if r is not None]
        faults = [f for r in there for f in (*r.faults, *r.route_faults)]
        withdrawn: list[Any] = list(unreach.routes) if unreach is not None else []
        announced: Iterable[Any] = ()
        heard = None
        if reach is not None and reach.codec is not None and reach.routes:
            heard, more = self._table.read(rest, reach.next_hop)
            faults += more
            if heard is None or any(f.action is _WITHDRAW for r in there for f in r.faults):
                withdrawn += reach.routes
            else:
                bad = reach.codec.check(reach.routes, heard)
                refused = {id(route) for route, _ in bad}
                withdrawn += [route for route, _ in bad]
                faults += [fault for _, fault in bad]
                announced = [r for r in reach.routes if id(r) not in refused] if bad else reach.routes
        family, ours, gone = there[0].family, tuple(announced), tuple(withdrawn)
        if family == ROUTE_TARGET_CONSTRAIN:
            return Update(family, faults=tuple(faults), memberships=ours, memberships_withdrawn=gone)
        return Update(
            family=family,
            announced=ours,
            withdrawn=gone,
            heard=heard if ours else None,
            faults=tuple(faults),
            skipped=sum(r.skipped for r in there),
            beside=tuple(one for r in there for one in r.beside),
        )


def _fields(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Withdrawn routes, path attributes, NLRI (RFC 4271 section 4.3); the first and last are IPv4 unicast."""
    at = 2 + int.from_bytes(body[:2], "big")
    if at + 2 > len(body):
        raise malformed_list("the withdrawn routes run over the end of the message")
    begin = at + 2
    end = begin + (body[at] << 8 | body[at + 1])
    if end > len(body):
        raise malformed_list("the attributes run over the end of the message")
    return body[2:at], body[begin:end], body[end:]


def _not_agreed(what: str) -> AttributeFault:
    return AttributeFault(FaultKind.FAMILY_NOT_AGREED, FaultAction.DISCARD, what)


def _optional_attribute(raw: bytes, piece: Piece, text: str) -> MessageError:
    """RFC 4760 section 7: the NOTIFICATION carries the attribute."""
    return MessageError(NotificationCode.UPDATE, UpdateError.OPTIONAL_ATTRIBUTE, text, raw[piece.at : piece.stop])
