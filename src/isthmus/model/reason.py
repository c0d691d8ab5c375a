"""Every *why* of the node, as closed enums: CLI, metrics and logs print the same word.

A member's value is what a user reads; it never changes meaning between releases.
"""

from __future__ import annotations

from enum import StrEnum


class NotImported(StrEnum):
    """Why a received route is in no view."""

    NO_IMPORT_TARGET = "no view imports any of its route targets"
    OWN_ROUTE = "it is our own route, reflected back"
    AS_LOOP = "our AS is in its path"
    SITE_LOOP = "it left this cloud and came back, or somebody uses this cloud's Site of Origin"
    NO_ROUTER_MAC = "it has no Router's MAC, so nothing could be encapsulated"
    ENCAPSULATION = "it asks for an encapsulation this node does not speak"
    MPLS_IN_UDP = "it asks for MPLS in UDP: Open vSwitch makes a port for that, and then sends nothing by it"
    NEXT_HOP = "its next hop is not an address a tunnel can end at"
    NEXT_HOP_VERSION = "its next hop is an address of the other IP version, and no tunnel from here ends at such a one"
    REFLECTOR_NEXT_HOP = "its next hop is a reflector: somebody between does not leave next hops as they are"
    RESERVED_PREFIX = "no machine of a VPN has such an address: loopback, link-local, multicast, a router's own"
    ROUTER_ADDRESS = "a router of the VPN here has this address itself"
    BEACON = "it only says that its hypervisor can be heard"
    RESERVED_LABEL = "one of its labels is below 16 (RFC 3032) or of the highest two, which are of probes here"
    IMPLICIT_NULL = "its label is 3, implicit null: a packet without one belongs to no VPN"
    LABEL_STACK = "it has more than three labels, and Open vSwitch pushes no fourth"
    BRIDGED_ONLY = "it is for bridging only: it has no second label, by which its PE would route (EVPN type 2)"
    OVERLAY_INDEX = "it resolves through a gateway or segment, which this node does not follow"


class NotAccepted(StrEnum):
    """Why a received route is not remembered at all."""

    FOREIGN_TARGET = "none of its route targets is one that the peer may say (accept_targets)"
    FOREIGN_NEXT_HOP = "its next hop is not where tunnels of the peer's routes may end (tunnel_endpoints)"
    FOREIGN_PREFIX = "its destination is none that its cloud may have (accept_prefixes)"
    PEER_FULL = "the peer says more routes than its maximum"
    PEER_OCTETS = "the attributes of the peer's routes take more octets than its maximum"
    PEER_NEXT_HOPS = "the peer's routes lead to more next hops than its maximum"
    PEER_PATHS = "the peer says more routes of this one prefix than its maximum"
    TARGET_FULL = "the peer says more routes with one of its route targets than the maximum"
    TARGET_OCTETS = "the attributes of routes with one of its route targets take more octets than the maximum"
    TARGET_NEXT_HOPS = "routes with one of its route targets lead to more next hops than the maximum"
    TARGET_PATHS = "the peer says more routes of this one prefix with one of its route targets than the maximum"


class NotBest(StrEnum):
    """Why a route lost against another for the same prefix of a view; the order is the decision's."""

    SHARED = "its BGPVPN is another project's, and one of the project's own has the address"
    SILENT = "its next hop does not answer"
    SECOND = "another network of the VPN had the address first"
    LATER = "another network's had the address in this view before it"
    REMOTE = "a virtual machine of this hypervisor has the address"
    LONG_LIVED_STALE = "long-lived stale: who announced it has not been heard for long"
    ENCAPSULATION = "its encapsulation comes later in the operator's order (prefer)"
    LOCAL_PREF = "lower local preference"
    MOBILITY = "lower mobility sequence: the address has moved"
    AS_PATH = "longer AS path"
    ORIGIN = "worse origin"
    MED = "higher multi-exit discriminator"
    ROUTER_ID = "higher router-id of the originator"
    ROUTE_DISTINGUISHER = "higher route distinguisher"
    ETHERNET_TAG = "higher Ethernet tag"
    PEER = "higher address of the peer: the same route from another reflector"
    NAME = "its name comes later, and nothing else tells the two apart"


class NotInstalled(StrEnum):
    """Why the best route of a view has no flow."""

    HIDDEN_BY_ROUTER = "the router's own subnet or route covers it, and the router's configuration wins"
    NO_CIRCUIT = "the attachment circuit is not plugged yet"
    NO_TUNNEL_PORT = "the VXLAN port is not there yet"
    NO_GRE_PORT = "the GRE port, by which labels go, is not there yet"
    NEIGHBOUR_UNRESOLVED = "the tunnel's next hop does not answer yet"
    SILENT = "the tunnel endpoint does not answer any more"
    SPREADS_FULL = "it could share its prefix with others, and as many sets of PEs share prefixes in this view as may"
    VIEW_FULL = "the view is full: it has more routes than its maximum, and this one is beyond it"
    SWITCH = "Open vSwitch has not confirmed the flows yet"


class NotAnnounced(StrEnum):
    """Why a local address is not told to a peer."""

    NO_EXPORT_TARGET = "the BGPVPN exports no route target"
    TOO_MANY_TARGETS = "its BGPVPN exports more route targets than an UPDATE can carry"
    NO_NUMBER = "this hypervisor has given out all numbers of its route distinguishers"
    TOO_MANY_PORTS = "this hypervisor serves as many ports as it may; this one is beyond the maximum"
    PORT_DOWN = "the port is down"
    ARRIVING = "the machine is on its way here: its port is still bound to the hypervisor that it comes from"
    EXTERNAL = "OVN serves the port from a gateway chassis and not from its hypervisor (type external)"
    NO_FLOW = "its inbound flow is not confirmed: nothing is announced that cannot be forwarded"
    PEER_DOWN = "the session is down"
    NOT_NEGOTIATED = "no peer that is up speaks a family that could carry it"
    FAMILY_NOT_SPOKEN = "this hypervisor speaks none of the families in which its BGPVPN is announced"
    FAMILY_OF_OTHER_VERSION = "its BGPVPN is announced in families of the other IP version only"
    NUMBER_CLASH = "its VNI is another BGPVPN's on this hypervisor"
    NOT_SERVED = "the attachment's router has no interface on its subnet, so it could not be delivered"
    NOT_FOR_PEERS = "no reflector is to be told any of its route targets (announce_targets)"
    DRAINED = "this hypervisor is drained: an operator has taken it out of use"
    DUPLICATE_ADDRESS = "another port of the same VPN on this hypervisor has the address"


class Contested(StrEnum):
    """How an address of ours stands that another network of the same VPN claims too."""

    FIRST = "another network of this VPN claims it too; it came second, and nothing is sent there"
    SECOND = "another network of this VPN had it first; others send to that one"


class AttachmentState(StrEnum):
    """How far an attachment has come on this node."""

    ACTIVE = "active"
    TOO_MANY = "this hypervisor serves as many attachments as it may; this one is beyond the maximum"
    NO_WORKLOAD = "no virtual machine of it lives here"
    VIEW_CLASH = "the number of one of its views is another VPN's here: it looks nothing up there until that one goes"
    PLUGGING = "the attachment circuit is being plugged"
    BAD_ROW = "its row cannot be understood"
    UNKNOWN_SCHEMA = "its row was written by a newer Isthmus; the last state is kept"


class LimitState(StrEnum):
    """How much room there is below a maximum."""

    ROOM = "there is room"
    NEAR = "near its maximum: raise it, or find out who needs so many, before the surplus is refused"
    FULL = "at its maximum: the surplus is refused, and nothing else"


class Note(StrEnum):
    """Worth telling though nothing is refused."""

    DUPLICATE_ADDRESS = "two sites announce this address"
    DEFAULT_ROUTE = "a default route: what no longer prefix covers follows it into the VPN"
    CONTESTED = "two networks claim this address: one of them keeps it"
    STALE = "kept though its session is down, stale"
    LONG_LIVED_STALE = "kept though its session is down, long-lived stale"
    HELD = "kept though it was withdrawn: its hypervisor cannot be heard but answers probes"
    BLIND = "used though nobody answers for its next hop: no neighbour is there, and it has never answered a probe"
    OTHER_VNI = "its VNI is none of this VPN here: a PE that takes only its own (FRR 10.3) uses none of our routes"
    SHARED_DISTINGUISHER = "two PEs use its route distinguisher: of a prefix of both a reflector passes on one route"
    TARGETS_LEFT_OUT = "some of its route targets are none that the peer may say, and do not count"
    LLGR_STALE = "long-lived stale: a reflector keeps it for one that it has not heard for long"
