"""EVPN routes of Ethernet segments and machines: types 1 to 4 (RFC 7432 section 7, RFC 9135 section 9.1).

    type                    RD  segment  tag  then                                                        label(s)
    1 auto-discovery         8    10      4                                                                  3
    2 MAC/IP advertisement   8    10      4   48 (1) MAC (6), bits of the address (1) and it (0, 4, 16)      3 or 6
    3 inclusive multicast    8            4   bits of the address (1) and it (4, 16)
    4 Ethernet segment       8    10          bits of the address (1) and it (4, 16)

Rules: only type 2 with an address leads anywhere in a routed VPN, to that host; the second label is then the routed one
(symmetric IRB). Everything else is read, so that a peer which says it wrong is told from one that does not, and stands
beside the routes: nobody here bridges. Neither segment nor labels are of the key (RFC 7432 section 7.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from isthmus.bgp.errors import AttributeFault, FaultAction, FaultKind, Malformed
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.iana import EvpnRouteType
from isthmus.bgp.nlri.decoded import distinguisher, shared
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import RouteDistinguisher

ESI_ZERO = bytes(10)
_MAC_BITS = 48


class MacIpDistinguisher(NamedTuple):
    """What tells the routes of one peer to one host apart."""

    rd: RouteDistinguisher
    ethernet_tag: int
    mac: Mac


class MacIpKey(NamedTuple):
    """What makes two announcements the same route (RFC 7432 section 7.2)."""

    rd: RouteDistinguisher
    ethernet_tag: int
    mac: Mac
    address: IpAddress

    @property
    def family(self) -> Family:
        return EVPN

    def key(self) -> MacIpKey:
        return self

    def __str__(self) -> str:
        return f"{self.rd} {self.mac} {Prefix.host(self.address)}"


class MacIp(NamedTuple):
    """Route type 2 with an address. `label` is the one that is bridged by, `routed` that of packets which are routed;
    None: the host's PE does not take any."""

    rd: RouteDistinguisher
    esi: bytes
    ethernet_tag: int
    mac: Mac
    address: IpAddress
    label: int
    routed: int | None

    @property
    def family(self) -> Family:
        return EVPN

    @property
    def destination(self) -> Prefix:
        return Prefix.host(self.address)

    @property
    def distinguisher(self) -> MacIpDistinguisher:
        return MacIpDistinguisher(self.rd, self.ethernet_tag, self.mac)

    @property
    def vni(self) -> int:
        return self.routed or 0

    @property
    def labels(self) -> tuple[int, ...]:
        return ()

    def key(self) -> MacIpKey:
        return MacIpKey(self.rd, self.ethernet_tag, self.mac, self.address)

    def __str__(self) -> str:
        routed = "" if self.routed is None else f" routed {self.routed}"
        text = f"rd {self.rd} tag {self.ethernet_tag} mac {self.mac} {self.address} label {self.label}{routed}"
        return text + _esi(self.esi)


class MacOnly(NamedTuple):
    """Route type 2 without an address."""

    rd: RouteDistinguisher
    esi: bytes
    ethernet_tag: int
    mac: Mac
    label: int

    def __str__(self) -> str:
        return f"rd {self.rd} tag {self.ethernet_tag} mac {self.mac} label {self.label}{_esi(self.esi)}"


class AutoDiscovery(NamedTuple):
    """Route type 1."""

    rd: RouteDistinguisher
    esi: bytes
    ethernet_tag: int
    label: int

    def __str__(self) -> str:
        return f"rd {self.rd} auto-discovery tag {self.ethernet_tag} label {self.label}{_esi(self.esi)}"


class InclusiveMulticast(NamedTuple):
    """Route type 3."""

    rd: RouteDistinguisher
    ethernet_tag: int
    originator: IpAddress

    def __str__(self) -> str:
        return f"rd {self.rd} multicast tag {self.ethernet_tag} from {self.originator}"


class EthernetSegment(NamedTuple):
    """Route type 4."""

    rd: RouteDistinguisher
    esi: bytes
    originator: IpAddress

    def __str__(self) -> str:
        return f"rd {self.rd} segment from {self.originator}{_esi(self.esi)}"


Beside: TypeAlias = MacOnly | AutoDiscovery | InclusiveMulticast | EthernetSegment
"""What leads to no address."""


def _esi(esi: bytes) -> str:
    return "" if esi == ESI_ZERO else f" esi {esi.hex(':')}"


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _auto_discovery(raw: bytes) -> AutoDiscovery:
    if len(raw) != 25:
        raise Malformed(FaultKind.ROUTE_LENGTH, f"a type 1 route of {len(raw)} octets; only 25 exist")
    return AutoDiscovery(distinguisher(raw[:8]), raw[8:18], _number(raw[18:22]), _number(raw[22:]))


def _mac_ip(raw: bytes) -> MacIp | MacOnly:
    if len(raw) not in (33, 36, 37, 40, 49, 52):
        raise Malformed(FaultKind.ROUTE_LENGTH, f"a type 2 route of {len(raw)} octets")
    if raw[22] != _MAC_BITS:
        raise Malformed(FaultKind.PREFIX_LENGTH, f"a type 2 route with a MAC of {raw[22]} bits")
    labels = 30 + (len(raw) - 33) // 4 * 4  # one label more is 3 octets, an address 4 or 16
    address = _address(raw[29:labels], 2) if labels > 30 else None
    if address is None and raw[29]:
        raise Malformed(FaultKind.PREFIX_LENGTH, f"a type 2 route with an address of {raw[29]} bits out of 0")
    rd, esi, tag, mac = distinguisher(raw[:8]), raw[8:18], _number(raw[18:22]), Mac(raw[23:29])
    esi, label = ESI_ZERO if esi == ESI_ZERO else esi, shared(_number(raw[labels : labels + 3]))
    if address is None:
        return MacOnly(rd, esi, tag, mac, label)
    return MacIp(rd, esi, tag, mac, address, label, shared(_number(raw[labels + 3 :])) if raw[labels + 3 :] else None)


def _inclusive_multicast(raw: bytes) -> InclusiveMulticast:
    originator = _originator(raw, 12, 3)
    return InclusiveMulticast(distinguisher(raw[:8]), _number(raw[8:12]), originator)


def _ethernet_segment(raw: bytes) -> EthernetSegment:
    originator = _originator(raw, 18, 4)
    return EthernetSegment(distinguisher(raw[:8]), raw[8:18], originator)


def _originator(raw: bytes, at: int, kind: int) -> IpAddress:
    if len(raw) - at not in (5, 17):
        raise Malformed(
            FaultKind.ROUTE_LENGTH, f"a type {kind} route of {len(raw)} octets; only {at + 5} and {at + 17} exist"
        )
    return _address(raw[at:], kind)


def _address(raw: bytes, kind: int) -> IpAddress:
    """One octet that says how many bits, and so many."""
    bits = 8 * (len(raw) - 1)
    if raw[0] != bits:
        raise Malformed(FaultKind.PREFIX_LENGTH, f"a type {kind} route with an address of {raw[0]} bits out of {bits}")
    return IpAddress(raw[1:])


_READERS: Mapping[int, Callable[[bytes], MacIp | Beside]] = {
    EvpnRouteType.ETHERNET_AUTO_DISCOVERY.value: _auto_discovery,
    EvpnRouteType.MAC_IP_ADVERTISEMENT.value: _mac_ip,
    EvpnRouteType.INCLUSIVE_MULTICAST.value: _inclusive_multicast,
    EvpnRouteType.ETHERNET_SEGMENT.value: _ethernet_segment,
}


def read(kind: int, raw: bytes) -> MacIp | Beside | AttributeFault | None:
    """One route without type and length; None: a type that this speaker does not read."""
    reader = _READERS.get(kind)
    if reader is None:
        return None
    try:
        return reader(raw)
    except Malformed as error:
        return AttributeFault(error.kind, FaultAction.TREAT_AS_WITHDRAW, str(error))


def encode(route: MacIp) -> bytes:
    """One route as MP_REACH_NLRI carries it."""
    body = b"".join(
        (
            *(route.rd, route.esi, route.ethernet_tag.to_bytes(4, "big")),
            *(bytes((_MAC_BITS,)), route.mac, bytes((8 * len(route.address),)), route.address),
            *(route.label.to_bytes(3, "big"), b"" if route.routed is None else route.routed.to_bytes(3, "big")),
        )
    )
    return bytes((EvpnRouteType.MAC_IP_ADVERTISEMENT.value, len(body))) + body


def encode_key(key: MacIpKey) -> bytes:
    """One route as MP_UNREACH_NLRI carries it: what is not part of the key is zero."""
    return encode(MacIp(key.rd, ESI_ZERO, key.ethernet_tag, key.mac, key.address, 0, None))
