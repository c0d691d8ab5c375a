"""The intent as values: what every room of the node and the Neutron side mean by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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

# A circuit with lanes has a next hop for each network of its router. `Lane` has their addresses; the networks above
# are as much wider.
LANE_MIN, LANE_MAX = 16, 4079
"""Numbers of networks' lanes."""
CIRCUIT_LANE = 2
"""The circuit's own addresses: the router's errors come by it, and everything where there are no lanes."""
NOBODYS_LANE = 3
"""What leaves by our default route and by no policy: it is in no BGPVPN."""
LANES_IPV4_LENGTH, LANES_IPV6_LENGTH = 20, 112
CIRCUITS_IPV6 = Prefix.of(ROUTER_IPV6, LANES_IPV6_LENGTH)
"""What every router has towards br-vpn, lanes too; the IPv4 ones are link-local anyway."""
_LANES_MAC, _LANES_IPV4 = Mac.parse("02:00:5e:00:00:00"), IpAddress.parse("169.254.128.0")
_LANES_IPV6 = IpAddress.parse("fd00:56:50:4e::")


class Lane(NamedTuple):
    """A next hop of a router on the way to its circuit. The MAC tells the circuit whose packet it is: a router takes
    the next hop by the port that a packet came in by, whatever source address it bears."""

    number: int

    @property
    def mac(self) -> Mac:
        return Mac(self._after(_LANES_MAC))

    @property
    def ipv4(self) -> IpAddress:
        return IpAddress(self._after(_LANES_IPV4))

    @property
    def ipv6(self) -> IpAddress:
        return IpAddress(self._after(_LANES_IPV6))

    def _after(self, first: bytes) -> bytes:
        return (int.from_bytes(first, "big") + self.number).to_bytes(len(first), "big")


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
    """Where a packet goes that the VPN does not know; the further down, the stricter."""

    ALL = "all"
    """Back to the router, whatever the destination."""
    PUBLIC = "public"
    """Back to the router, but private destinations are dropped, unless the router has a route of its own to them."""
    NONE = "none"
    """Dropped."""

    @classmethod
    def strictest(cls, found: Iterable[Fallback]) -> Fallback:
        """Of at least one."""
        return max(found, key=list(cls).index)


class FamilyName(StrEnum):
    """A family of routes, as the API, the rows and `[bgp] families` name it."""

    EVPN = "evpn"
    VPNV4 = "vpnv4"
    VPNV6 = "vpnv6"

    @classmethod
    def named(cls, said: object) -> tuple[FamilyName, ...] | None:
        """Those of a list, in the order in which we have them; None unless it names at least one, each once."""
        names = list(cls)
        if not isinstance(said, list) or not said or any(one not in names for one in said):
            return None
        return tuple(name for name in names if name in said) if len(set(said)) == len(said) else None


PRIVATE_PREFIXES = tuple(
    Prefix.parse(text) for text in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""What `public` keeps in: RFC 1918, RFC 6598, RFC 4193."""


def is_private(prefix: Prefix) -> bool:
    """Whether any of its addresses is private."""
    return any(one.covers(prefix) or prefix.covers(one) for one in PRIVATE_PREFIXES)


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
    families: tuple[FamilyName, ...] | None = None
    """In which alone its addresses are announced; None: in all that the node speaks."""


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
    outside: tuple[Prefix, ...] = ()
    """Private prefixes that the router itself has a route of its own to, beyond its gateway or by a default route into
    a network of its own: `public` lets them through, and a floating IP is answered there."""
    unresolved: tuple[tuple[str, str], ...] = ()
    """(BGPVPN, why): associations with it are left out, because its row is missing or cannot be read."""
    unread: tuple[str, ...] = ()
    """Associations whose BGPVPN's row is there and cannot be read: what stands of them stays (`carried`)."""
    ignored: int = 0
    """Keys and members in the rows this is made of that this release does not know."""
    lanes: tuple[int, ...] = ()
    """The lanes of `networks`, one each and in their order; empty: the router sends everything to the circuit's own
    addresses, and only the source address says whose it is."""

    routes: tuple[Prefix, ...] = ()
    """Prefixes of the router's own routes into its networks: they hide what the VPN has there."""
    own_defaults: tuple[int, ...] = ()
    """IP versions in which the router keeps to a default route of its own, whatever the VPN has."""
    addresses: tuple[IpAddress, ...] = ()
    """The router's own, on its networks and beyond its gateway: nobody else's, whoever says so."""

    def lane(self, network: str) -> int | None:
        """By which lane packets of a network come; None if there are none."""
        return self.lanes[self.networks.index(network)] if self.lanes else None


@dataclass(frozen=True, slots=True)
class BgpvpnIntent:
    """What all associations with one BGPVPN have in common."""

    bgpvpn: str
    revision: int
    vni: int
    imports: tuple[RouteTarget, ...]
    exports: tuple[RouteTarget, ...]
    local_pref: int | None = None
    families: tuple[FamilyName, ...] | None = None
    ignored: int = 0
