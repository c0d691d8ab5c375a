"""The memory in its file, written and read.

Routes are kept as the table of routes has them: attributes as octets (`bgp.heard`), with their targets beside them, and
the family's own octets of each route. Nothing is read that is not asked for, so half a million routes are back before
a peer misses a keepalive.

    sha256 of the rest, a line · what is small, JSON in one line · sections: routes, one after the other

Rules: written whole, read whole; what cannot be read is no memory, never half of one. `FORMAT` changes with it, and the
one before is read still (memory_2.py): an exchange is an upgrade more often than not. What releases before VPNv4 cannot
read (whatever is not EVPN of type 5) stands beside, under keys that they do not know: they pass it over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from isthmus.bgp.errors import MessageError
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import Afi, Safi
from isthmus.bgp.negotiation import Suspended
from isthmus.bgp.nlri.decoded import BoundaryLost
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.model.intent import NUMBER_MAX, NUMBER_MIN, from_memory, to_memory
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import Claimant, RouteTarget
from isthmus.node import memory_2
from isthmus.node.admission import Served
from isthmus.node.facts import Answer
from isthmus.node.issued import Pair
from isthmus.node.memberships import MembershipsTold
from isthmus.node.memory import BadMemory, ChannelMemory, Memory, OpenSession, PeerMemory, absence_of, time_of
from isthmus.node.order import END_OF_RIB_WAIT_S
from isthmus.node.sections import BadSection, HeardRoute, read, write
from isthmus.rib.adj_out import Announcement
from isthmus.vpn.claims import SECOND, SEQUENCE_MAX, Claim, Title

FORMAT = 3

_BESIDE = "_beside"
"""Ends the name of what earlier releases of this format do not read."""

_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MessageError,
    BadSection,
    BoundaryLost,
    binascii.Error,
)
"""What reading something that is not a memory may raise."""


def encode(memory: Memory) -> bytes:
    """As it lies in the file."""
    sections = _Sections()
    whole = {
        "format": FORMAT,
        "at": memory.at,
        "vtep": str(memory.vtep),
        "router_id": str(memory.router_id),
        "as": memory.asn,
        "answers": {str(endpoint): answer.name for endpoint, answer in memory.answers.items()},
        "numbers": [[*pair, number] for pair, number in memory.numbers.items()],
        "claims": [_encode_claim(key, claim) for key, claim in memory.claims],
        "served": [sorted(memory.served.circuits), sorted(memory.served.ports)],
        "circuits": {name: to_memory(intent) for name, intent in memory.circuits.items()},
        "peers": {str(address): _encode_peer(peer, sections) for address, peer in memory.peers.items()},
    }
    return sealed(json.dumps(whole, separators=(",", ":")).encode() + b"\n" + b"".join(sections.written))


class _Sections:
    """The routes, section after section."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._end = 0

    def add(self, routes: Iterable[HeardRoute]) -> list[int]:
        """Where it begins and ends."""
        octets = write(routes)
        self.written.append(octets)
        begin, self._end = self._end, self._end + len(octets)
        return [begin, self._end]

    def named(self, name: str, routes: Iterable[HeardRoute]) -> dict[str, list[int]]:
        """Where what every release reads is, and what stands beside it."""
        plain: list[HeardRoute] = []
        beside: list[HeardRoute] = []
        for heard, route in routes:
            (plain if isinstance(route, EvpnPrefix) else beside).append((heard, route))
        return {name: self.add(plain)} | ({name + _BESIDE: self.add(beside)} if beside else {})


def sealed(text: bytes) -> bytes:
    """With a fingerprint in front: a file that a full disk has cut short is told from a whole one."""
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def decode(octets: bytes) -> Memory:
    """Raises BadMemory."""
    text = octets.partition(b"\n")[2]
    if octets != sealed(text):
        raise BadMemory("it is not as it was written")
    head, _, sections = text.partition(b"\n")
    try:
        whole = json.loads(head)
        if whole["format"] in memory_2.FORMATS:
            return _decode(whole, memory_2.decode_peer)
        if whole["format"] != FORMAT:
            raise BadMemory(f"it is in format {whole['format']}, this version reads {memory_2.FORMATS[0]} to {FORMAT}")
        return _decode(whole, lambda peer: _decode_peer(peer, sections))
    except BadMemory:
        raise
    except _UNREADABLE as error:
        raise BadMemory(f"it cannot be read: {type(error).__name__}: {error}") from None


def _decode(whole: Mapping[str, Any], decode_peer: Callable[[Any], PeerMemory]) -> Memory:
    return Memory(
        at=time_of(whole["at"]),
        vtep=IpAddress.parse(whole["vtep"]),
        router_id=IpAddress.parse(whole["router_id"]),
        asn=int(whole["as"]),
        answers={IpAddress.parse(text): Answer[name] for text, name in whole["answers"].items()},
        peers={IpAddress.parse(text): decode_peer(peer) for text, peer in whole["peers"].items()},
        numbers=_numbers(whole.get("numbers", ())),
        claims=tuple(_decode_claim(*one) for one in whole.get("claims", ())),
        served=_served(*whole.get("served", ((), ()))),
        circuits={CircuitName(name): from_memory(one) for name, one in whole.get("circuits", {}).items()},
    )


def _numbers(found: Iterable[Sequence[Any]]) -> dict[Pair, int]:
    numbers = {(str(attachment), str(bgpvpn)): int(number) for attachment, bgpvpn, number in found}
    if len(set(numbers.values())) < len(numbers) or not all(NUMBER_MIN <= n <= NUMBER_MAX for n in numbers.values()):
        raise BadMemory("its numbers are not one of each, or none that a route distinguisher can have")
    return numbers


def _served(circuits: Iterable[str], ports: Iterable[str]) -> Served:
    return Served(frozenset(CircuitName(str(name)) for name in circuits), frozenset(str(name) for name in ports))


def _encode_claim(key: InboundKey, c: Claim) -> list[Any]:
    return [key.vni, str(key.prefix), str(c.claimant), c.circuit, c.sequence, c.title.name, c.until, c.named, c.since]


def _decode_claim(
    vni: int,
    prefix: str,
    claimant: str,
    circuit: str,
    sequence: int,
    title: str,
    until: float | None,
    named: bool,
    since: float,
) -> tuple[InboundKey, Claim]:
    until = None if until is None else time_of(until)
    claim = Claim(
        Claimant.parse(claimant), CircuitName(circuit), int(sequence), Title[title], until, bool(named), time_of(since)
    )
    if not 0 <= claim.sequence <= SEQUENCE_MAX or claim.is_first != (claim.sequence > SECOND):
        raise BadMemory(f"{sequence} is not the sequence of one that is {title}")
    return InboundKey(int(vni), Prefix.parse(prefix)), claim


def _encode_peer(peer: PeerMemory, sections: _Sections) -> dict[str, Any]:
    found: dict[str, Any] = sections.named("told", ((Heard.of(a.attributes), a.nlri) for a in peer.told))
    if (one := peer.session) is not None:
        found["session"] = {
            "sent_open": _text(one.suspended.sent_open),
            "received_open": _text(one.suspended.received_open),
            "unread": _text(one.suspended.unread),
            "up_since": one.up_since,
            "channels": _encode_channels(one.channels, lambda family: family == EVPN, sections),
            "channels" + _BESIDE: _encode_channels(one.channels, lambda family: family != EVPN, sections),
        }
        if (asked := one.memberships) is not None:
            found["session"]["memberships"] = [asked.ended, *sorted(target.hex() for target in asked.told)]
    return found


def _encode_channels(
    channels: Mapping[Family, ChannelMemory], are: Callable[[Family], bool], sections: _Sections
) -> list[Any]:
    return [[*family, _encode_channel(one, sections)] for family, one in channels.items() if are(family)]


def _encode_channel(channel: ChannelMemory, sections: _Sections) -> dict[str, Any]:
    return {
        **sections.named("received", channel.received),
        **sections.named("held", channel.held),
        "in_sync": channel.in_sync,
        "settles_at": channel.settles_at,
        "end_of_rib_owed": channel.end_of_rib_owed,
        "said_all": channel.said_all,
        "told_again": channel.told_again,
        "absences": [
            [str(who.endpoint), str(who.router_id), absence.gone_at, absence.back_at]
            for who, absence in channel.absences.items()
        ],
    }


def _decode_peer(found: Mapping[str, Any], sections: bytes) -> PeerMemory:
    told = tuple(Announcement(nlri, heard.read()) for heard, nlri in _section(found, "told", sections))
    one = found.get("session")
    if one is None:
        return PeerMemory(told)
    suspended = Suspended(*(_octets(one[name]) for name in ("sent_open", "received_open", "unread")))
    up_since = time_of(one["up_since"])
    all_channels = (*one["channels"], *one.get("channels" + _BESIDE, ()))
    channels = {Family(Afi(a), Safi(s)): _decode_channel(channel, sections, up_since) for a, s, channel in all_channels}
    memberships = None if "memberships" not in one else _decode_memberships(*one["memberships"])
    return PeerMemory(told, OpenSession(suspended, up_since, channels, memberships))


def _decode_memberships(ended: bool, *targets: str) -> MembershipsTold:
    return MembershipsTold(frozenset(RouteTarget(bytes.fromhex(target)) for target in targets), bool(ended))


def _decode_channel(found: Mapping[str, Any], sections: bytes, up_since: float) -> ChannelMemory:
    in_sync = bool(found["in_sync"])
    # Who wrote no such key did not tell whether the peer settles or has not said End-of-RIB.
    settles_at = found.get("settles_at", None if in_sync else up_since + END_OF_RIB_WAIT_S)
    return ChannelMemory(
        received=_section(found, "received", sections),
        held=_section(found, "held", sections),
        in_sync=in_sync,
        settles_at=None if settles_at is None else time_of(settles_at),
        end_of_rib_owed=bool(found["end_of_rib_owed"]),
        said_all=bool(found.get("said_all", False)),
        told_again=bool(found["told_again"]),
        absences=dict(map(absence_of, found["absences"])),
    )


def _section(found: Mapping[str, Any], name: str, sections: bytes) -> tuple[HeardRoute, ...]:
    (begin, end), (more, last) = found[name], found.get(name + _BESIDE, (0, 0))
    return tuple(read(sections[begin:end]) + read(sections[more:last]))


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
