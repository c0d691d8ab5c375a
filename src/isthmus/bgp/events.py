"""What goes into a session and what comes out: two closed unions of small values.

The shell's side of the contract: it feeds what happens to the one connection that the last `Dial` asked for, and after
`Hangup` (or after it fed `ConnectFailed` or `Closed`) nothing more of it. Before hanging up it writes what was to be
sent. Each `Dial` ends in exactly one `Down`, with at most one `Up` in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from isthmus.bgp.capability import Agreed
from isthmus.bgp.family import Family
from isthmus.bgp.update import Update


@dataclass(frozen=True, slots=True)
class Start:
    """Bring the session up and keep it up."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Take it down and leave it down; `text` is what the peer's operator reads (RFC 9003)."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection asked for stands."""


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """The connection asked for did not come about."""

    why: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone."""

    why: str


@dataclass(frozen=True, slots=True)
class Received:
    """Octets from the peer, in order, cut anywhere."""

    data: bytes


Input: TypeAlias = Start | Stop | Connected | ConnectFailed | Closed | Received


class DownReason(StrEnum):
    """Why an attempt ended; the value is what a user reads."""

    STOPPED = "taken down here"
    CONNECT_FAILED = "no connection"
    CLOSED = "the connection was closed"
    NOTIFICATION = "the peer ended it"
    HOLD_TIMER = "the peer fell silent"
    NO_ANSWER = "the peer did not answer in time"
    HEADER_ERROR = "the peer's octets are not BGP"
    OPEN_ERROR = "the peer's OPEN cannot be understood"
    PEER_AS = "the peer is in another AS than configured"
    ROUTER_ID = "the peer's router-id is impossible or ours"
    HOLD_TIME = "the peer's hold time is unacceptable"
    NO_COMMON_FAMILY = "the peer offers none of our families"
    UPDATE_ERROR = "an UPDATE of the peer cannot be understood"
    UNEXPECTED_MESSAGE = "a message in the wrong state"


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a connection to the peer."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """Write what is to be sent, close the connection (or give up opening it)."""


@dataclass(frozen=True, slots=True)
class Send:
    """Octets for the peer: one or several whole messages."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Up:
    """Established: routes may be sent, and routes and End-of-RIB will come."""

    agreed: Agreed


@dataclass(frozen=True, slots=True)
class Down:
    """An attempt has ended, after `Up` or before it."""

    reason: DownReason
    text: str
    was_up: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """What one UPDATE said of one family."""

    update: Update


@dataclass(frozen=True, slots=True)
class RefreshRequested:
    """The peer wants all routes of a family again (RFC 2918)."""

    family: Family


Output: TypeAlias = Dial | Hangup | Send | Up | Down | Routes | RefreshRequested
