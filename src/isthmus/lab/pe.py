"""PEs that are not ours, as a topology says them: a carrier's (BGP/MPLS VPN) or a fabric's (EVPN), their VRFs, and one
customer's host behind each VRF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Any

GATEWAY, HOST = 1, 10
"""Which address of a VRF's subnet is the PE's, and which the customer's host."""
TAKEN = frozenset({"nic", "ctl", "lab"})
"""Devices beside those that are called as the VRFs."""


class PeKind(StrEnum):
    """What a PE speaks and how it forwards."""

    CARRIER = "carrier"
    """VPNv4 and VPNv6 (RFC 4364, RFC 4659), MPLS in GRE (RFC 4023)."""
    FABRIC = "fabric"
    """EVPN type 5 and type 2 (RFC 9136, RFC 9135), VXLAN with a VNI for each VRF. A border leaf, if a VRF of it has
    route targets for MPLS: then it speaks what a carrier does too."""


@dataclass(frozen=True, slots=True)
class Vrf:
    """One VPN at a PE, with the subnet of its customer."""

    name: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    ipv4: IPv4Network
    ipv6: IPv6Network
    vni: int | None = None
    """Of a fabric; a carrier has labels."""
    bridged: int | None = None
    """The VNI of the subnet, if it is a stretched network of the fabric: then its hosts are told one by one as well."""
    mpls: tuple[str, ...] = ()
    """Of a fabric: the route targets that it imports and exports in VPNv4 and VPNv6."""

    def both(self, number: int) -> tuple[IPv4Interface, IPv6Interface]:
        """The addresses of that number in its subnet."""
        four, six = self.ipv4, self.ipv6
        return IPv4Interface((four[number], four.prefixlen)), IPv6Interface((six[number], six.prefixlen))


@dataclass(frozen=True, slots=True)
class Pe:
    """A PE on the WAN, in an AS and on an underlay of its own. Its sessions are with the reflectors of every cloud."""

    name: str
    kind: PeKind
    asn: int
    underlay: IPv4Network
    address: IPv4Address
    vrfs: tuple[Vrf, ...]

    @property
    def labels(self) -> bool:
        """Whether it speaks VPNv4 and VPNv6, and forwards MPLS in GRE."""
        return self.kind is PeKind.CARRIER or any(vrf.mpls for vrf in self.vrfs)

    @property
    def overhead(self) -> int:
        """Of its tunnels: IPv4, GRE and a label; or IPv4, UDP, VXLAN and Ethernet."""
        return 28 if self.kind is PeKind.CARRIER else 50

    @property
    def wan_router(self) -> IPv4Address:
        """The first address of the underlay: its way out."""
        return self.underlay[1]

    def host(self, vrf: Vrf) -> str:
        """The node of the customer's host behind a VRF."""
        return f"{self.name}-{vrf.name}"

    def mac(self, number: int) -> str:
        """Of its NICs, by their number: locally administered, unique in the lab."""
        return f"02:{0x20 + number:02x}:{self.address.packed.hex(':')}"

    @property
    def router_mac(self) -> str:
        """What other PEs put on the frames they send to it (RFC 9135)."""
        return f"02:1e:{self.address.packed.hex(':')}"


def build(data: dict[str, Any]) -> Pe:
    """From the file's table, whose shape was checked. Raises ValueError."""
    return Pe(
        name=data["name"],
        kind=PeKind(data["kind"]),
        asn=data["as"],
        underlay=IPv4Network(data["underlay"]),
        address=IPv4Address(data["address"]),
        vrfs=tuple(_vrf(one) for one in data["vrf"]),
    )


def _vrf(data: dict[str, Any]) -> Vrf:
    return Vrf(
        name=data["name"],
        imports=tuple(data["import"]),
        exports=tuple(data["export"]),
        ipv4=IPv4Network(data["ipv4"]),
        ipv6=IPv6Network(data["ipv6"]),
        vni=data.get("vni"),
        bridged=data.get("bridged"),
        mpls=tuple(data.get("mpls", ())),
    )


def sense(pe: Pe) -> Iterator[str]:
    """What a schema cannot say, one sentence each."""
    if pe.underlay.prefixlen > 29 or pe.address not in list(pe.underlay.hosts())[1:]:
        yield f"PE {pe.name}: {pe.address} is no address of its underlay {pe.underlay} beside the WAN router's"
    for name, count in Counter(vrf.name for vrf in pe.vrfs).items():
        if count > 1 or name in TAKEN:
            yield f"PE {pe.name}: the VRF name '{name}' " + ("stands twice" if count > 1 else "is the lab's own")
    for vrf in pe.vrfs:
        if (vrf.vni is None) is (pe.kind is PeKind.FABRIC):
            need = "needs a vni" if vrf.vni is None else "has labels, and no vni"
            yield f"PE {pe.name}, VRF {vrf.name}: a {pe.kind} {need}"
        if vrf.bridged is not None and pe.kind is PeKind.CARRIER:
            yield f"PE {pe.name}, VRF {vrf.name}: a carrier stretches no network"
        if vrf.mpls and pe.kind is PeKind.CARRIER:
            yield f"PE {pe.name}, VRF {vrf.name}: a carrier's import and export are of MPLS already"
