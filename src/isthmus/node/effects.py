"""Everything the node can ask for. The shell carries these out and answers with facts.

Rules: `Set…` effects are whole (all circuits wanted, all endpoints wanted); repeating one changes nothing. At most one
`ApplyFlows` is outstanding; it is answered by `FlowsApplied`, `FlowsRefused` or `SwitchLost`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import Claim, LocalPort
from isthmus.node.facts import Answer


@dataclass(frozen=True, slots=True)
class Dial:
    """Open TCP to this peer; answered by `Connected` or `ConnectFailed`."""

    peer: IpAddress


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close TCP to this peer after what was sent is flushed; no `Closed` is expected for it."""

    peer: IpAddress


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for a peer, in order."""

    peer: IpAddress
    data: bytes


@dataclass(frozen=True, slots=True)
class SetCircuits:
    """The attachment circuits that are to be plugged; any other circuit of ours is unplugged."""

    names: frozenset[CircuitName]


@dataclass(frozen=True, slots=True)
class SetNeighbours:
    """The tunnel endpoints whose next hop is to be kept resolved."""

    vteps: frozenset[IpAddress]


@dataclass(frozen=True, slots=True)
class SetProbes:
    """The tunnel endpoints that are to be asked whether they are there, and what is known of each; answered by
    `AnswersRead` whenever that changes. Any other is not asked any more."""

    endpoints: Mapping[IpAddress, Answer]
    tunnel: int | None
    """By which port; None only when there is nobody to ask."""
    shares: Mapping[IpAddress, float] = field(default_factory=dict)
    """What each of them is worth of the probes that there are; without any, as much as any other."""
    gre: int | None = None
    labelled: frozenset[IpAddress] = frozenset()
    """Those that are asked behind a label, by that port: nothing else leads to them."""


@dataclass(frozen=True, slots=True)
class ReadFlows:
    """Dump br-vpn; answered by `FlowsRead` or `SwitchLost`."""


@dataclass(frozen=True, slots=True)
class ApplyFlows:
    """One atomic bundle: delete these (strictly), then add these, all with this cookie."""

    serial: int
    cookie: int
    put: Mapping[FlowKey, str]
    delete: frozenset[FlowKey]


@dataclass(frozen=True, slots=True)
class Introduce:
    """Tell these machines who has a gateway's address on their network from now on, and which IPv6 routers are gone."""

    ports: tuple[LocalPort, ...]
    came: frozenset[Claim]
    gone: frozenset[Mac]


Effect = Dial | Hangup | Send | SetCircuits | SetNeighbours | SetProbes | Introduce | ReadFlows | ApplyFlows
