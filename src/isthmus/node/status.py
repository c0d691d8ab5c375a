"""An object's story, as values: wanted, computed, installed, since when, and why not.

The looking glass, the CLI and the metrics all read these; none of them computes anything. Shapes are plain (text,
numbers, lists), because they leave the process as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Detail(Enum):
    """How much of it is wanted. What is left out is empty; with very many routes they are nearly all of the work."""

    ALL = "everything"
    NUMBERS = "what metrics count: no routes, no machines"
    STATES = "what the log looks at: attachments, sessions, the switch"


@dataclass(frozen=True, slots=True)
class AssociationStatus:
    """One association of an attachment with a BGPVPN, as its row says it."""

    association: str
    kind: str
    bgpvpn: str
    vni: int
    imports: list[str]
    exports: list[str]
    networks: list[str]
    """The networks it covers."""


@dataclass(frozen=True, slots=True)
class AttachmentStatus:
    """One attachment circuit row."""

    circuit: str
    attachment: str
    state: str
    """An `AttachmentState` in words."""
    reason: str
    """Empty, or what is wrong in words."""
    revision: int
    bgpvpns: list[str]
    ports: int
    """Local ports of it."""
    ofport: int | None
    site: str
    networks: list[str]
    subnets: list[str]
    """What its router serves itself; a packet for it never reaches a view."""
    fallback: str
    associations: list[AssociationStatus]
    unresolved: dict[str, str] = field(default_factory=dict)
    """BGPVPNs whose row is missing or cannot be read, and why: associations with them are left out, or stand as last
    known."""
    own_routes: list[str] = field(default_factory=list)
    """Where its router goes by a route of its own; no VPN is asked."""
    own_defaults: list[int] = field(default_factory=list)
    """IP versions in which its router keeps to its own default route."""
    outside: list[str] = field(default_factory=list)
    """Private, and beyond its router's gateway."""
    ignored: int = 0
    """Keys of its rows that this release does not know: a newer one wrote them."""


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """One import view."""

    view: str
    """Its number as flows show it, hexadecimal."""
    bgpvpns: list[str]
    """Those whose import targets it unites."""
    import_targets: list[str]
    sources: list[str]
    """Local addresses that look here."""
    routes: int
    installed: int
    alone: bool = False
    """Whether no route of another site is in it."""
    departed: list[str] = field(default_factory=list)
    """Where it led a moment ago: what is sent there is dropped, and does not leave by the router."""


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One path of one prefix in one view (or in none)."""

    view: str
    prefix: str
    best: bool
    installed: bool
    why: str
    """Empty for an installed best path; else the reason it is not."""
    note: str
    peer: str
    """The reflector's address; empty for a local port's route."""
    next_hop: str
    vni: int
    router_mac: str
    route_distinguisher: str
    route_targets: list[str]
    site: str
    local_pref: int
    as_path: list[int]
    mobility: int
    since_s: float
    stale_s: float = 0.0
    """For how long nobody has confirmed it; 0: somebody does."""
    labels: list[int] = field(default_factory=list)
    """By which packets are sent there instead of a VNI, the outermost first."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One BGP session."""

    address: str
    asn: int
    state: str
    since_s: float
    reason: str
    """Why it is down, or went down last."""
    families: list[str]
    received: int
    """Its routes that are remembered, stale and held ones among them."""
    refused: int
    """Routes not taken, because the peer has as many here as it may."""
    announced: int
    in_sync: bool
    """Whether its End-of-RIB has come."""
    updates_in: int
    updates_out: int
    treated_as_withdraw: int
    discarded_attributes: int
    notifications_in: int
    notifications_out: int
    last_fault: str
    """The last message or attribute of the peer that was refused, or our last failed attempt."""
    not_taken: dict[str, int] = field(default_factory=dict)
    """Routes that it says and that are not taken, by a `NotAccepted` in words."""
    beacons: int = 0
    """Hypervisors that show it theirs; no routes of anybody's."""
    next_hops_changed_to: list[str] = field(default_factory=list)
    """What stands, in what it passes on, where hypervisors had said their own tunnel endpoints."""
    families_lacking: list[str] = field(default_factory=list)
    """Families of routes that it was to carry, and that it has not offered."""
    families_kept_back: list[str] = field(default_factory=list)
    """VPNv4 or VPNv6, if the session carries both and it shows hypervisors in the other one alone."""
    missing: list[str] = field(default_factory=list)
    """Routes, by RD and prefix, that malformed UPDATEs have cost and that were not said again: the first few."""
    missing_more: int = 0
    """How many more of those."""
    kept: str = ""
    """What becomes of the routes of a session that ended, while nothing contradicts them: a `Note` in words."""
    kept_s: float = 0.0
    """Since when they have been kept."""
    asks_long_lived_s: int = 0
    """For how long it asks to have its routes kept (RFC 9494). What is kept here does not depend on it."""
    targets_asked_for: int | None = None
    """Route targets that it is asked for (RFC 4684); None: it says all it knows."""


@dataclass(frozen=True, slots=True)
class PortStatus:
    """One local address in one BGPVPN."""

    port: str
    address: str
    attachment: str
    circuit: str
    bgpvpn: str
    vni: int
    route_distinguisher: str
    route_targets: list[str]
    mobility: int
    delivered: bool
    """Whether the switch is known to deliver what comes for it from a tunnel."""
    announced_to: list[str]
    why_not: str
    contested: str = ""
    """A `Contested` in words; empty: nobody else claims it."""
    label: int = 0
    """By which it is delivered beside the VNI; 0: no family with labels is spoken."""


@dataclass(frozen=True, slots=True)
class DoorStatus:
    """Where a machine's packets meet br-vpn: one attachment that has its network."""

    circuit: str
    attachment: str
    view: str
    """Empty: nothing is imported for it."""
    closed: list[str]
    """Its addresses whose packets the switch does not lead into the view."""


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """One virtual machine's port that is bound to this hypervisor, in a VPN or not."""

    port: str
    device: str
    mac: str
    addresses: list[str]
    network: str
    up: bool
    revision: int
    doors: list[DoorStatus]
    floating: bool = False
    """Whether it has a floating IP, by which it goes rather than by a VPN's default route."""
    why_not: str = ""
    """Why nobody is told of it, whatever its BGPVPNs are."""


@dataclass(frozen=True, slots=True)
class SwitchStatus:
    """br-vpn and the feeds."""

    flows_wanted: int
    flows_installed: int
    in_sync: bool
    """Whether the switch holds exactly what is wanted."""
    swept: bool
    """Whether what an earlier run left has been swept."""
    foreign_flows: int
    missing: list[str]
    """Some of the flows that are wanted and not there, or altered."""
    foreign: list[str]
    """Some of the flows that are not ours."""
    tunnel_ofport: int | None
    tunnel_open: bool
    """Whether the switch takes what comes by the tunnel port."""
    southbound: str
    """"in sync", or why not."""
    switch: str
    """"connected", or why not."""
    dropped_inbound: int
    """Packets from tunnels that no announcement asked for, as of the last look at the switch."""
    bundles: int
    refused_bundles: int
    refusal: str
    """Why the last one was refused; empty once one is committed."""
    neighbours_unresolved: list[str]
    endpoints_probed: int
    """Tunnel endpoints that are asked whether they are there."""
    endpoints_silent: list[str]
    """Those that answered once and do not any more: nothing is sent to them."""
    endpoints_unheard: list[str] = field(default_factory=list)
    """Those whose beacon was withdrawn while they answered: what is withdrawn of them is held."""
    endpoints_blind: list[str] = field(default_factory=list)
    """Those sent to though their next hop has no neighbour and they have never answered."""
    endpoints_doubted: list[str] = field(default_factory=list)
    """Those that answered once, do not any more, and are used as ever: most fell silent together, or so it is set."""
    doubts: int = 0
    """How often most fell silent together."""
    liveness: str = ""
    """What is made of silence: "on", "warn", "off"; empty from an agent that has no such setting."""
    dropped_strangers: int = 0
    """Packets from tunnels that come from where none may (tunnel_endpoints of all reflectors)."""
    gre_ofport: int | None = None
    """By which labels go and come; none where no family with labels is spoken."""
    dropped_labelled: int = 0
    """Packets by that port without a label, or behind one that no announcement gave with their address."""


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """One maximum, and how near to it this node is."""

    limit: str
    """Its key in `[limits]` of the agent's file."""
    of: str
    """The view or the peer; empty where the whole node has one."""
    taken: int
    maximum: int
    refused: int
    """The surplus."""
    state: str
    """A `LimitState`."""
    reason: str
    """The same in words."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Everything, at one instant."""

    router_id: str
    vtep: str
    asn: int
    router_mac: str
    generation: int
    attachments: list[AttachmentStatus]
    views: list[ViewStatus]
    routes: list[RouteStatus]
    peers: list[PeerStatus]
    ports: list[PortStatus]
    machines: list[MachineStatus]
    skipped: dict[str, str]
    """Ports of this hypervisor whose rows make no sense, and why."""
    unused: dict[str, int]
    """Paths without a flow of their own, counted by the reason."""
    switch: SwitchStatus
    drain: str = "in use"
    """"in use", "leaving" (others are asked to prefer another way) or "drained" (nothing is announced)."""
    limits: list[LimitStatus] = field(default_factory=list)
    looks: dict[str, int] = field(default_factory=dict)
    """How often something was computed since the start, by the occasion (`dirty.Occasion`)."""
    decisions: int = 0
    """Where a destination of a view leads, decided since the start."""
    refused: dict[str, int] = field(default_factory=dict)
    """Routes with a target that a view imports, and none can use, by the reason; known to the log too."""
    noted: dict[str, int] = field(default_factory=dict)
    """Best routes by what is worth telling of them though nothing is refused (`Note`)."""
