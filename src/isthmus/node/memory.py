"""What one run of the agent leaves to the next: what each peer was told, and if the next run is to go on with the open
sessions, all that those need.

Routes are kept as the UPDATE messages that would say them: the one codec of the house is tested to read what it writes,
and a hundred thousand routes of few attributes take few octets. Nothing here is needed for forwarding to survive; that
is in the switch.

Rules: written whole, read whole; what cannot be read is no memory, never half of one. `FORMAT` changes with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.capability import Agreed
from isthmus.bgp.errors import MessageError
from isthmus.bgp.family import EVPN
from isthmus.bgp.frame import Stream
from isthmus.bgp.negotiation import Suspended
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.packing import encode_updates
from isthmus.bgp.update import UpdateReader
from isthmus.model.net import IpAddress
from isthmus.node.beacons import Absence
from isthmus.node.facts import Answer
from isthmus.rib.adj_out import Announcement
from isthmus.vpn.beacons import Announcer

FORMAT = 2
READABLE = (1, FORMAT)
"""The first knew no beacons: what is of them is left out."""

_MESSAGE_BYTES_MAX = 65535
_PEN = Agreed(
    local_as=1,
    peer_as=1,
    families=(EVPN,),
    hold_time_s=0,
    four_octet_as=True,
    route_refresh=False,
    router_id=IpAddress(bytes(4)),
    peer_router_id=IpAddress(bytes(4)),
    message_bytes_max=_MESSAGE_BYTES_MAX,
)
"""An imaginary session within one AS, which leaves attributes as they are, with messages large enough for any."""

Route = tuple[PathAttributes, EvpnPrefix]


class BadMemory(ValueError):
    """What was left cannot be read; one sentence."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session whose connection is handed on."""

    suspended: Suspended
    received: tuple[Route, ...]
    """All the peer has said and not withdrawn."""
    up_since: float
    in_sync: bool
    end_of_rib_owed: bool
    told_again: bool
    """The peer has asked for everything and was not answered yet."""
    held: tuple[Route, ...] = ()
    """What it has withdrawn that is held (`beacons.py`)."""
    absences: Mapping[Announcer, Absence] = field(default_factory=dict)
    """Who cannot be heard by it."""


@dataclass(frozen=True, slots=True)
class PeerMemory:
    """One peer."""

    told: tuple[Announcement, ...] = ()
    session: OpenSession | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The whole."""

    at: float
    """When it was written; the clock is the machine's, so that runs can compare."""
    vtep: IpAddress
    router_id: IpAddress
    asn: int
    answers: Mapping[IpAddress, Answer] = field(default_factory=dict)
    peers: Mapping[IpAddress, PeerMemory] = field(default_factory=dict)


def encode(memory: Memory) -> bytes:
    """As it lies in the file."""
    peers = {str(address): _encode_peer(peer) for address, peer in memory.peers.items()}
    whole = {
        "format": FORMAT,
        "at": memory.at,
        "vtep": str(memory.vtep),
        "router_id": str(memory.router_id),
        "as": memory.asn,
        "answers": {str(endpoint): answer.name for endpoint, answer in memory.answers.items()},
        "peers": peers,
    }
    return sealed(json.dumps(whole, separators=(",", ":")).encode())


def sealed(text: bytes) -> bytes:
    """With a fingerprint in front: a file that a full disk has cut short is told from a whole one."""
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def decode(octets: bytes) -> Memory:
    """Raises BadMemory."""
    text = octets.partition(b"\n")[2]
    if octets != sealed(text):
        raise BadMemory("it is not as it was written")
    try:
        whole = json.loads(text)
        if whole["format"] not in READABLE:
            raise BadMemory(f"it is in format {whole['format']}, this version reads {READABLE[0]} to {FORMAT}")
        return Memory(
            at=float(whole["at"]),
            vtep=IpAddress.parse(whole["vtep"]),
            router_id=IpAddress.parse(whole["router_id"]),
            asn=int(whole["as"]),
            answers={IpAddress.parse(text): Answer[name] for text, name in whole["answers"].items()},
            peers={IpAddress.parse(text): _decode_peer(peer) for text, peer in whole["peers"].items()},
        )
    except BadMemory:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, MessageError, binascii.Error) as error:
        raise BadMemory(f"it cannot be read: {type(error).__name__}: {error}") from None


def _encode_peer(peer: PeerMemory) -> dict[str, Any]:
    found: dict[str, Any] = {"told": _write((a.attributes, a.nlri) for a in peer.told)}
    if (one := peer.session) is not None:
        found["session"] = {
            "sent_open": _text(one.suspended.sent_open),
            "received_open": _text(one.suspended.received_open),
            "unread": _text(one.suspended.unread),
            "received": _write(one.received),
            "up_since": one.up_since,
            "in_sync": one.in_sync,
            "end_of_rib_owed": one.end_of_rib_owed,
            "told_again": one.told_again,
            "held": _write(one.held),
            "absences": [
                [str(who.endpoint), str(who.router_id), absence.gone_at, absence.back_at]
                for who, absence in one.absences.items()
            ],
        }
    return found


def _decode_peer(found: Mapping[str, Any]) -> PeerMemory:
    told = tuple(Announcement(nlri, attributes) for attributes, nlri in _read(found["told"]))
    one = found.get("session")
    if one is None:
        return PeerMemory(told)
    suspended = Suspended(*(_octets(one[name]) for name in ("sent_open", "received_open", "unread")))
    session = OpenSession(
        suspended,
        received=tuple(_read(one["received"])),
        up_since=float(one["up_since"]),
        in_sync=bool(one["in_sync"]),
        end_of_rib_owed=bool(one["end_of_rib_owed"]),
        told_again=bool(one["told_again"]),
        held=tuple(_read(one.get("held", ""))),
        absences=dict(map(_decode_absence, one.get("absences", ()))),
    )
    return PeerMemory(told, session)


def _decode_absence(found: Sequence[Any]) -> tuple[Announcer, Absence]:
    endpoint, router_id, gone_at, back_at = found
    who = Announcer(IpAddress.parse(endpoint), IpAddress.parse(router_id))
    return who, Absence(float(gone_at), None if back_at is None else float(back_at))


def _write(routes: Iterable[Route]) -> str:
    return _text(b"".join(encode_updates(routes, (), _PEN)))


def _read(text: str) -> Iterator[Route]:
    stream, reader = Stream(_MESSAGE_BYTES_MAX), UpdateReader(_PEN)
    stream.push(_octets(text))
    while (message := stream.take()) is not None:
        for update in reader.read(message[1]):
            if update.attributes is None or update.faults or update.withdrawn:
                raise BadMemory(f"a route in it is damaged: {update.faults}")
            yield from ((update.attributes, nlri) for nlri in update.announced)
    if stream.rest:
        raise BadMemory("it ends in the middle of a route")


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
