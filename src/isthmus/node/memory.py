"""What one run of the agent leaves to the next, as values: what each peer was told, what was decided here once, and if
the next run is to go on with the open sessions, all that those need.

Nothing here is needed for forwarding to survive; that is in the switch. How it lies in a file is handed_on.py's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.bgp.family import Family
from isthmus.bgp.negotiation import Suspended
from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.model.intent import AttachmentIntent
from isthmus.model.net import IpAddress
from isthmus.node.admission import NOBODY, Served
from isthmus.node.beacons import Absence
from isthmus.node.facts import Answer
from isthmus.node.issued import Pair
from isthmus.node.memberships import MembershipsTold
from isthmus.node.sections import HeardRoute
from isthmus.rib.adj_out import Announcement
from isthmus.vpn.beacons import Announcer
from isthmus.vpn.claims import Claim


class BadMemory(ValueError):
    """What was left cannot be read; one sentence."""


@dataclass(frozen=True, slots=True)
class ChannelMemory:
    """One family of a session that goes on."""

    received: Sequence[HeardRoute] = ()
    """All the peer has said and not withdrawn."""
    held: Sequence[HeardRoute] = ()
    """What it has withdrawn that is held (`beacons.py`)."""
    in_sync: bool = False
    """And settled."""
    settles_at: float | None = None
    """It has said all, and is given until then."""
    end_of_rib_owed: bool = False
    said_all: bool = False
    """It has said End-of-RIB, and is given the time to answer what it was asked for."""
    told_again: bool = False
    """The peer has asked for everything and was not answered yet."""
    absences: Mapping[Announcer, Absence] = field(default_factory=dict)
    """Who cannot be heard by it."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session whose connection is handed on."""

    suspended: Suspended
    up_since: float
    channels: Mapping[Family, ChannelMemory]
    memberships: MembershipsTold | None = None
    """The targets that its peer was asked for; None: it was not, or an older version wrote this."""


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
    numbers: Mapping[Pair, int] = field(default_factory=dict)
    """Of (attachment, BGPVPN), in our route distinguishers."""
    claims: Sequence[tuple[InboundKey, Claim]] = ()
    """Of addresses that are here, or were."""
    served: Served = NOBODY
    """Who had a place here, should places be few."""
    circuits: Mapping[CircuitName, AttachmentIntent] = field(default_factory=dict)
    """What the cloud asked for last, as far as something of it is here: a row that cannot be read any more has its
    meaning still."""


def time_of(value: Any) -> float:
    """Raises BadMemory, and what float() raises."""
    if not math.isfinite(found := float(value)):
        raise BadMemory(f"{value} is no time")
    return found


def absence_of(found: Sequence[Any]) -> tuple[Announcer, Absence]:
    """Endpoint, router-id, when its beacon went, when it was back or None."""
    endpoint, router_id, gone_at, back_at = found
    who = Announcer(IpAddress.parse(endpoint), IpAddress.parse(router_id))
    return who, Absence(time_of(gone_at), None if back_at is None else time_of(back_at))
