"""The memory of the release before this one: read, never written. To go when no agent of that release is exchanged any
more.

It kept routes as the UPDATE messages that would say them, in base64 within JSON, of the one family that there was.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from isthmus.bgp.family import EVPN
from isthmus.bgp.frame import Stream
from isthmus.bgp.heard import WITHIN_AN_AS
from isthmus.bgp.negotiation import Suspended
from isthmus.bgp.update import UpdateReader
from isthmus.node.memory import ChannelMemory, OpenSession, PeerMemory, absence_of, time_of
from isthmus.node.order import END_OF_RIB_WAIT_S
from isthmus.node.sections import BadSection, HeardRoute
from isthmus.rib.adj_out import Announcement

FORMATS = (1, 2)
"""The first knew no beacons: what is of them is left out."""

_MESSAGE_BYTES_MAX = 65535
_PEN = replace(WITHIN_AN_AS, families=(EVPN,), message_bytes_max=_MESSAGE_BYTES_MAX)
"""The imaginary session within one AS that its messages were written for."""


def decode_peer(found: Mapping[str, Any]) -> PeerMemory:
    """Raises BadSection and what looking into JSON raises."""
    told = tuple(Announcement(nlri, heard.read()) for heard, nlri in _read(found["told"]))
    one = found.get("session")
    if one is None:
        return PeerMemory(told)
    suspended = Suspended(*(_octets(one[name]) for name in ("sent_open", "received_open", "unread")))
    in_sync, up_since = bool(one["in_sync"]), time_of(one["up_since"])
    channel = ChannelMemory(
        received=tuple(_read(one["received"])),
        held=tuple(_read(one.get("held", ""))),
        in_sync=in_sync,
        settles_at=None if in_sync else up_since + END_OF_RIB_WAIT_S,
        end_of_rib_owed=bool(one["end_of_rib_owed"]),
        told_again=bool(one["told_again"]),
        absences=dict(map(absence_of, one.get("absences", ()))),
    )
    return PeerMemory(told, OpenSession(suspended, up_since, {EVPN: channel}))


def _read(text: str) -> Iterator[HeardRoute]:
    stream, reader = Stream(_MESSAGE_BYTES_MAX), UpdateReader(_PEN)
    stream.push(_octets(text))
    while (message := stream.take()) is not None:
        for update in reader.read(message[1]):
            if update.heard is None or update.faults or update.withdrawn:
                raise BadSection(f"a route in it is damaged: {update.faults}")
            yield from ((update.heard, nlri) for nlri in update.announced)
    if stream.rest:
        raise BadSection("it ends in the middle of a route")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
