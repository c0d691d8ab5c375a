"""A carrier's PE: FRR with VPNv4 and VPNv6, the kernel's VRFs and MPLS, and one GRE device for all other PEs. Pure.

What FRR 8.4 needs, as tried with packets: the next hop of a VPN route must resolve through a GRE device (one without a
remote end serves all, its neighbour entries say where each PE is); `set l3vpn next-hop encapsulation gre` on what comes
in; MPLS switched on for that device, `platform_labels` above every label. A VPNv6 next hop that is an IPv4 address in
IPv6 form is believed by BGP and refused by the kernel: so it is turned into an address that only stands for that PE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from isthmus.lab.guests import guest
from isthmus.lab.guests.guest import Session
from isthmus.lab.pe import GATEWAY, Pe, Vrf

GRE, TABLE = "mgre", 1000
LABELS = 100_000
LABEL = 4
"""Octets, which the kernel takes off the device's MTU by itself."""
_STANDS_FOR = int(IPv6Address("fd60::"))


def labels(number: int) -> tuple[int, int]:
    """Of a VRF, for IPv4 and for IPv6."""
    return 3000 + 10 * number, 3001 + 10 * number


def stand_in(endpoint: IPv4Address) -> IPv6Address:
    """The IPv6 next hop that stands for a PE."""
    return IPv6Address(_STANDS_FOR + int(endpoint))


def network(pe: Pe, endpoints: Iterable[IPv4Address], wan_mtu: int) -> Iterator[str]:
    """Lines for the guest's shell."""
    yield from guest.addresses(pe)
    yield f"sysctl -qw net.mpls.platform_labels={LABELS}"
    yield f"ip tunnel add {GRE} mode gre local {pe.address} ttl 64 dev vec0"
    yield f"ip link set {GRE} up mtu {wan_mtu - pe.overhead + LABEL}"
    yield f"sysctl -qw net.mpls.conf.{GRE}.input=1 net.ipv4.conf.{GRE}.rp_filter=0"
    for endpoint in endpoints:
        yield f"ip neigh replace {endpoint} lladdr {endpoint} dev {GRE} nud permanent"
        yield f"ip -6 neigh replace {stand_in(endpoint)} lladdr {endpoint} dev {GRE} nud permanent"
    for (number, nic), vrf in zip(guest.vrfs(pe), pe.vrfs, strict=True):
        yield f"ip link add {vrf.name} type vrf table {TABLE + number}"
        yield f"ip link set {vrf.name} up"
        yield f"ip link set {nic} master {vrf.name} up"
        four, six = vrf.both(GATEWAY)
        yield f"ip addr add {four} dev {nic}"
        yield f"ip -6 addr add {six} dev {nic} nodad"


def configuration(pe: Pe, endpoints: Sequence[IPv4Address], neighbours: Sequence[Session]) -> str:
    """frr.conf."""
    lines = [f"hostname {pe.name}", "ip nht resolve-via-default"]
    lines += [line for vrf in pe.vrfs for line in (f"vrf {vrf.name}", "exit-vrf")]
    for endpoint in endpoints:
        lines += [f"ip route {endpoint}/32 {GRE}", f"ipv6 route {stand_in(endpoint)}/128 {GRE}"]
    lines += list(_route_maps(pe, endpoints))
    lines += [f"router bgp {pe.asn}", f" bgp router-id {pe.address}", " no bgp default ipv4-unicast"]
    lines += [" no bgp ebgp-requires-policy", " bgp graceful-restart"]
    lines += [f" {line}" for one in neighbours for line in one.lines]
    for version in (4, 6):
        lines.append(f" address-family ipv{version} vpn")
        for address, _ in neighbours:
            lines.append(f"  neighbor {address} activate")
            lines += [f"  neighbor {address} route-map {way.upper()}{version} {way}" for way in ("in", "out")]
        lines.append(" exit-address-family")
    for (number, _), vrf in zip(guest.vrfs(pe), pe.vrfs, strict=True):
        lines += list(_vrf(pe, number, vrf))
    return "\n".join([*lines, ""])


def _route_maps(pe: Pe, endpoints: Iterable[IPv4Address]) -> Iterator[str]:
    yield from ("route-map IN4 permit 10", " set l3vpn next-hop encapsulation gre", "exit")
    for number, endpoint in enumerate(endpoints, start=1):
        yield f"route-map IN6 permit {10 * number}"
        yield f" match ipv6 next-hop address ::ffff:{endpoint}"
        yield " set l3vpn next-hop encapsulation gre"
        yield f" set ipv6 next-hop global {stand_in(endpoint)}"
        yield "exit"
    yield from (*guest.NO_TRANSIT, "route-map OUT4 permit 10", f" match as-path {guest.OWN}", "exit")
    yield from ("route-map OUT6 permit 10", f" match as-path {guest.OWN}")
    yield from (f" set ipv6 next-hop global ::ffff:{pe.address}", "exit")


def _vrf(pe: Pe, number: int, vrf: Vrf) -> Iterator[str]:
    yield f"router bgp {pe.asn} vrf {vrf.name}"
    yield f" bgp router-id {pe.address}"
    for version, label in zip((4, 6), labels(number), strict=True):
        yield f" address-family ipv{version} unicast"
        yield "  redistribute connected"
        yield f"  label vpn export {label}"
        yield f"  rd vpn export {pe.address}:{number}"
        yield f"  rt vpn import {' '.join(vrf.imports)}"
        yield f"  rt vpn export {' '.join(vrf.exports)}"
        yield "  export vpn"
        yield "  import vpn"
        yield " exit-address-family"
