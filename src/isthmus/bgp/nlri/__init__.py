"""The families this speaker carries: one file each, and this table.

What a family carries is a value of its own: what makes it itself (`key`), and whatever else the family says of it. One
that leads somewhere is a `Route` (`destination`, `distinguisher`); tables of routes know that word only. Reading,
packing and what peers were told ask for the key alone.

To add a family: write its file (a value, its key, decode, check, encode, encode_key, its next hop), widen the aliases,
give it a row in `CODECS`; `mypy --strict` says what is missing. Two families may lead to one destination: the decision
compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, VPNV4, VPNV6, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri import evpn, membership, vpn
from isthmus.bgp.nlri.decoded import Decoded
from isthmus.bgp.nlri.ethernet import MacIp, MacIpDistinguisher, MacIpKey
from isthmus.model.net import IpAddress, Prefix

Destination: TypeAlias = Prefix
"""Where a route leads to, and so what candidates are compared for."""
Distinguisher: TypeAlias = evpn.EvpnDistinguisher | MacIpDistinguisher | vpn.VpnDistinguisher
"""What tells a peer's routes of one family to one destination apart."""
Nlri: TypeAlias = evpn.EvpnPrefix | MacIp | vpn.VpnPrefix
NlriKey: TypeAlias = evpn.EvpnKey | MacIpKey | vpn.VpnKey


class Key(Protocol):
    """What makes two announcements of a peer the same route; hashable, compared by value."""

    @property
    def family(self) -> Family: ...


class Route(Key, Protocol):
    """What every family's route must be able to say; hashable, compared by value."""

    @property
    def destination(self) -> Destination: ...

    def key(self) -> NlriKey: ...

    @property
    def distinguisher(self) -> Distinguisher: ...

    @property
    def vni(self) -> int:
        """By which packets are sent there; 0 where it is no VNI."""

    @property
    def labels(self) -> tuple[int, ...]:
        """By which they are, the outermost first; empty where it is a VNI."""


R = TypeVar("R", bound=Key)
K = TypeVar("K", bound=Key)


@dataclass(frozen=True, slots=True)
class NlriCodec(Generic[R, K]):
    """How one family's routes are read and written."""

    decode: Callable[[bytes], Decoded[R]]
    check: Callable[[Sequence[R], Heard], list[tuple[R, AttributeFault]]]
    encode: Callable[[R], bytes]
    encode_key: Callable[[K], bytes]
    read_next_hop: Callable[[bytes], IpAddress | None]
    """None: an impossible length."""
    write_next_hop: Callable[[IpAddress], bytes]


CODECS: Mapping[Family, NlriCodec[Any, Any]] = {
    EVPN: NlriCodec(evpn.decode, evpn.check, evpn.encode, evpn.encode_key, evpn.read_next_hop, evpn.write_next_hop),
    VPNV4: NlriCodec(
        vpn.decode_vpnv4, vpn.check, vpn.encode, vpn.encode_key, vpn.read_next_hop, vpn.write_next_hop_vpnv4
    ),
    VPNV6: NlriCodec(
        vpn.decode_vpnv6, vpn.check, vpn.encode, vpn.encode_key, vpn.read_next_hop, vpn.write_next_hop_vpnv6
    ),
    # Of memberships, which lead nowhere: they never come among the routes (update.py). Their next hop is as EVPN's.
    ROUTE_TARGET_CONSTRAIN: NlriCodec(
        membership.decode,
        membership.check,
        membership.encode,
        membership.encode,
        evpn.read_next_hop,
        evpn.write_next_hop,
    ),
}
