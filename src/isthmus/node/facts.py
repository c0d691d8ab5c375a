"""Everything the node can be told. A closed union: a new fact fails type-checking wherever it is not handled.

Rules: facts about the world are *whole* (the intent as it stands, the switch as it stands), so a lost, doubled or late
one changes nothing. Facts about a connection are events, because a byte stream is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import AttachmentIntent, BadIntent
from isthmus.model.net import IpAddress
from isthmus.model.port import Gateway
from isthmus.model.port import LocalPort as LocalPort


@dataclass(frozen=True, slots=True)
class IntentRead:
    """The whole of what the cloud asks of this node, read while the database was in sync."""

    circuits: Mapping[CircuitName, AttachmentIntent | BadIntent]
    ports: tuple[LocalPort, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Ports of this hypervisor whose rows make no sense, and why: left out, but told."""
    gateways: tuple[Gateway, ...] = ()
    """The router ports of the attachments that have a machine here, as far as they are seen."""


@dataclass(frozen=True, slots=True)
class IntentLost:
    """The source of intent is gone or not in sync (or our own chassis row vanished): keep what stands."""

    why: str


@dataclass(frozen=True, slots=True)
class SwitchRead:
    """The ports of br-vpn as the switch numbered them; a port that has no number yet is left out."""

    circuits: Mapping[CircuitName, int]
    tunnel: int | None
    """The VXLAN port."""
    gre: int | None = None
    """The port by which labels go and come; none where no family with labels is spoken."""


@dataclass(frozen=True, slots=True)
class FlowsRead:
    """Every flow of br-vpn, ours or not."""

    flows: Mapping[FlowKey, Installed]


@dataclass(frozen=True, slots=True)
class FlowsApplied:
    """The bundle with this serial number was committed."""

    serial: int


@dataclass(frozen=True, slots=True)
class FlowsRefused:
    """The bundle with this serial number was not committed; nothing of it is in the switch."""

    serial: int
    why: str


@dataclass(frozen=True, slots=True)
class SwitchLost:
    """No OpenFlow connection to br-vpn: its flows may be gone; they are read again when it returns."""

    why: str


@dataclass(frozen=True, slots=True)
class DrainWanted:
    """Whether an operator wants this hypervisor out of use (before maintenance) or back in."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class NeighboursRead:
    """Tunnel endpoints the switch can send to at once (their next hop's MAC is known), or after a wait in vain."""

    resolved: frozenset[IpAddress]
    in_vain: frozenset[IpAddress] = frozenset()
    """Those of them whose next hop nobody has answered for; sent to nevertheless."""


class Answer(StrEnum):
    """What probes say of a tunnel endpoint."""

    UNKNOWN = "has never answered"
    """Another maker's PE does not know our probes: this alone means nothing."""
    ANSWERS = "answers"
    SILENT = "answered once and does not any more"


@dataclass(frozen=True, slots=True)
class AnswersRead:
    """What the endpoints say that were asked (`SetProbes`)."""

    answers: Mapping[IpAddress, Answer]


@dataclass(frozen=True, slots=True)
class AnswersForgotten:
    """An operator says that what these endpoints answered, or did not, counts no longer; without any: all."""

    endpoints: frozenset[IpAddress]


@dataclass(frozen=True, slots=True)
class Connected:
    """TCP to a peer is up."""

    peer: IpAddress


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """TCP to a peer could not be opened."""

    peer: IpAddress
    why: str


@dataclass(frozen=True, slots=True)
class Closed:
    """TCP to a peer ended."""

    peer: IpAddress
    why: str


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes from a peer, in order."""

    peer: IpAddress
    data: bytes


Fact = (
    IntentRead
    | IntentLost
    | SwitchRead
    | FlowsRead
    | FlowsApplied
    | FlowsRefused
    | SwitchLost
    | DrainWanted
    | NeighboursRead
    | AnswersRead
    | AnswersForgotten
    | Connected
    | ConnectFailed
    | Closed
    | Received
)
