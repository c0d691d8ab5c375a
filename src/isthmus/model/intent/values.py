"""The intent as values: what every room of the node and the Neutron side mean by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteTarget, SiteOfOrigin

NUMBER_MIN, NUMBER_MAX = 16, 65535
"""Numbers of (attachment, BGPVPN): MPLS labels 0 to 15 are reserved (RFC 3032), a type 1 RD has 16 bits."""

# The attachment circuit's addresses, the same behind every router: each transit switch is a world of its own.
CIRCUIT_MAC = Mac.parse("02:00:5e:00:00:02")
ROUTER_MAC = Mac.parse("02:00:5e:00:00:01")
CIRCUIT_IPV4, ROUTER_IPV4 = IpAddress.parse("169.254.128.2"), IpAddress.parse("169.254.128.1")
CIRCUIT_IPV6, ROUTER_IPV6 = IpAddress.parse("fd00:56:50:4e::2"), IpAddress.parse("fd00:56:50:4e::1")
CIRCUIT_IPV4_LENGTH, CIRCUIT_IPV6_LENGTH = 30, 126


class BadIntent(ValueError):
    """A row of ours that cannot be understood: which key, and which rule it breaks."""

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(f"{key}: {rule}")
        self.key, self.rule = key, rule


class UnknownSchema(BadIntent):
    """Written by a newer Isthmus: keep the last state, report, wait for the upgrade."""


class AssociationKind(StrEnum):
    """The API object that binds something to a BGPVPN."""

    NETWORK = "network"
    ROUTER = "router"
    PORT = "port"


class Fallback(StrEnum):
    """Where a packet goes that the VPN does not know."""

    ALL = "all"
    """Back to the router, whatever the destination."""
    PUBLIC = "public"
    """Back to the router, but private destinations (RFC 1918, ULA) are dropped."""
    NONE = "none"
    """Dropped."""


@dataclass(frozen=True, slots=True, order=True)
class AssociationIntent:
    """One association of the attachment with a BGPVPN."""

    association: str
    kind: AssociationKind
    bgpvpn: str
    number: int | None
    """RD = router-id:number, if the cloud has given (attachment, BGPVPN) one; else the node does."""
    vni: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    networks: tuple[str, ...]
    """The Neutron network names this association covers: for a router association all of the attachment's."""
    local_pref: int | None = None
    shared: bool = False
    """Whether the BGPVPN is another project's, which shares it: in a view the project's own come first."""


@dataclass(frozen=True, slots=True)
class AttachmentIntent:
    """A logical router (or a network without one) as the VPNs see it."""

    attachment: str
    revision: int
    site: SiteOfOrigin
    networks: tuple[str, ...]
    subnets: tuple[Prefix, ...]
    associations: tuple[AssociationIntent, ...]
    fallback: Fallback = Fallback.ALL
    unresolved: tuple[tuple[str, str], ...] = ()
    """(BGPVPN, why): associations with it are left out, because its row is missing or cannot be read."""
    unread: tuple[str, ...] = ()
    """Associations whose BGPVPN's row is there and cannot be read: what stands of them stays (`carried`)."""
    ignored: int = 0
    """Keys and members in the rows this is made of that this release does not know."""


@dataclass(frozen=True, slots=True)
class BgpvpnIntent:
    """What all associations with one BGPVPN have in common."""

    bgpvpn: str
    revision: int
    vni: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    local_pref: int | None = None
    ignored: int = 0
