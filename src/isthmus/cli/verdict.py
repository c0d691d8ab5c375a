"""What `isthmus why` can answer: is the path whole, and if not, what is the first thing that is wrong.

Rules: a cause is a member of a closed enum, so that programs and the fault suite can tell it; the sentence is for
people and names the things themselves; the command shows more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class BadQuestion(ValueError):
    """What was asked names nothing, or more than one thing, in a sentence."""


class Step(StrEnum):
    """Where on the path it is; in the order of the walk."""

    SOURCE = "the source's port"
    ATTACHMENT = "its attachment"
    VIEW = "its import view"
    ROUTE = "the route"
    TUNNEL = "the tunnel"
    FAR_END = "the far end"
    WHOLE = "all of it"


class Way(StrEnum):
    """A conversation needs both."""

    THERE = "there"
    BACK = "back"


class Cause(StrEnum):
    """What is wrong."""

    WHOLE = "nothing is wrong"
    WHOLE_HERE = "nothing is wrong on this side; the other was not asked"
    NOT_THE_VPNS = "nothing is wrong here: OVN carries it and no VPN is asked"

    SOURCE_UNKNOWN = "nobody knows the source"
    DESTINATION_UNKNOWN = "nobody knows the destination"
    NO_ADDRESS = "one end has no address of that IP version"
    PORT_DOWN = "a port is down"
    ROW_NONSENSE = "a row in OVN cannot be understood"
    UNKNOWN_SCHEMA = "a row in OVN was written by a newer Isthmus"
    BGPVPN_UNREADABLE = "the row of a BGPVPN is missing in OVN, or cannot be understood"
    NOT_ASSOCIATED = "no association covers a port"
    NOT_SERVED = "the attachment's router has no interface on a port's subnet"
    PORT_EXTERNAL = "OVN serves a port from a gateway chassis"
    NUMBER_CLASH = "a VNI is another BGPVPN's on the hypervisor"
    NO_IMPORT_TARGETS = "a port's associations import nothing"
    NO_EXPORT_TARGETS = "a port's associations export nothing"
    TOO_MANY_TARGETS = "more route targets than an UPDATE can carry"
    NOT_IN_FAMILY = "no family in which a BGPVPN is announced carries it from there"
    TARGETS_DIFFER = "exports and imports have no route target in common"
    TARGETS_LOST = "a reflector took the route targets away"
    DUPLICATE_ADDRESS = "two ports claim one address"
    DUPLICATE_NODE = "two nodes have one router-id or VTEP"
    HIDDEN_BY_ROUTER = "the router's own subnet or route covers the destination"

    AGENT_SILENT = "an agent does not answer"
    SOUTHBOUND_AWAY = "an agent does not hear OVN's southbound database"
    DRAINED = "an operator has taken a hypervisor out of use"
    SWITCH_AWAY = "an agent does not reach Open vSwitch"
    SWITCH_REFUSES = "Open vSwitch refuses the flows"
    CIRCUIT_UNPLUGGED = "an attachment circuit is not plugged"
    NO_TUNNEL_PORT = "a tunnel port is not there"
    FLOW_MISSING = "a flow is missing in Open vSwitch"
    FOREIGN_FLOW = "somebody else's flow is on the bridge"

    VIEW_FULL = "the import view has as many routes as it may"
    PEER_FULL = "a reflector has as many routes here as it may"
    NODE_FULL = "the hypervisor serves as many attachments or ports as it may"

    SESSION_DOWN = "no BGP session"
    NO_COMMON_FAMILY = "no BGP session, because the peer offers no family of routes that is spoken here"
    NOT_IN_SYNC = "a reflector has not sent all its routes yet"
    NOT_PASSED_ON = "the route is announced and does not arrive"
    ROUTE_MALFORMED = "an UPDATE was malformed"
    ROUTE_UNUSABLE = "the route cannot be used"
    ROUTE_CHANGED = "the route arrives changed"
    ROUTE_STALE = "the route leads to a node that does not announce it"
    NO_ROUTE = "no route arrives, and the far end was not asked"
    NOT_USED = "the route is not used"
    VTEP_UNREACHABLE = "the tunnel's far end does not answer"


WHOLE = frozenset({Cause.WHOLE, Cause.WHOLE_HERE, Cause.NOT_THE_VPNS})


class Tunnel(NamedTuple):
    """From where to where, and how many labels go before each packet; none: VXLAN."""

    near: str
    far: str
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer."""

    cause: Cause
    step: Step
    sentence: str
    command: str
    """What shows more."""
    way: Way = Way.THERE
    remarks: tuple[str, ...] = ()
    """True things beside the point."""
    tunnel: Tunnel | None = None
    """By which a whole path runs."""

    @property
    def whole(self) -> bool:
        return self.cause in WHOLE
