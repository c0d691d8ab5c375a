"""MPLS in GRE at a PE of Linux and FRR: the device, where other PEs are, VPNv4 and VPNv6, a VRF's labels. Pure.

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
from isthmus.lab.pe import Pe

GRE = "mgre"
LABELS = 100_000
HEADERS = 24
"""IPv4 and GRE; the kernel takes the label off the device's MTU by itself."""
_STANDS_FOR = int(IPv6Address("fd60::"))


def labels(number: int) -> tuple[int, int]:
    """Of a VRF, for IPv4 and for IPv6."""
    return 3000 + 10 * number, 3001 + 10 * number


def stand_in(endpoint: IPv4Address) -> IPv6Address:
    """The IPv6 next hop that stands for a PE."""
    return IPv6Address(_STANDS_FOR + int(endpoint))


def device(pe: Pe, endpoints: Iterable[IPv4Address], wan_mtu: int) -> Iterator[str]:
    """Lines for the guest's shell: what leads to those PEs, and takes labels from them."""
    yield f"sysctl -qw net.mpls.platform_labels={LABELS}"
    yield f"ip tunnel add {GRE} mode gre local {pe.address} ttl 64 dev vec0"
    yield f"ip link set {GRE} up mtu {wan_mtu - HEADERS}"
    yield f"sysctl -qw net.mpls.conf.{GRE}.input=1 net.ipv4.conf.{GRE}.rp_filter=0"
    for endpoint in endpoints:
        yield f"ip neigh replace {endpoint} lladdr {endpoint} dev {GRE} nud permanent"
        yield f"ip -6 neigh replace {stand_in(endpoint)} lladdr {endpoint} dev {GRE} nud permanent"


def ways(endpoints: Iterable[IPv4Address]) -> Iterator[str]:
    """Lines of frr.conf: by which device each of those PEs is met."""
    for endpoint in endpoints:
        yield from (f"ip route {endpoint}/32 {GRE}", f"ipv6 route {stand_in(endpoint)}/128 {GRE}")


def route_maps(pe: Pe, endpoints: Iterable[IPv4Address]) -> Iterator[str]:
    """What is made of next hops, in and out; out go its own routes (guest.NO_TRANSIT)."""
    yield from ("route-map IN4 permit 10", " set l3vpn next-hop encapsulation gre", "exit")
    for number, endpoint in enumerate(endpoints, start=1):
        yield f"route-map IN6 permit {10 * number}"
        yield f" match ipv6 next-hop address ::ffff:{endpoint}"
        yield " set l3vpn next-hop encapsulation gre"
        yield f" set ipv6 next-hop global {stand_in(endpoint)}"
        yield "exit"
    yield from ("route-map OUT4 permit 10", f" match as-path {guest.OWN}", "exit")
    yield from ("route-map OUT6 permit 10", f" match as-path {guest.OWN}")
    yield from (f" set ipv6 next-hop global ::ffff:{pe.address}", "exit")


def families(neighbours: Iterable[Session]) -> Iterator[str]:
    """What is spoken with them, within `router bgp`."""
    addresses = [address for address, _ in neighbours]
    for version in (4, 6):
        yield f" address-family ipv{version} vpn"
        for address in addresses:
            yield f"  neighbor {address} activate"
            yield from (f"  neighbor {address} route-map {way.upper()}{version} {way}" for way in ("in", "out"))
        yield " exit-address-family"


def exchanged(pe: Pe, number: int, version: int, imports: Sequence[str], exports: Sequence[str]) -> Iterator[str]:
    """What a VRF says and takes, within its `address-family`; `number` is the VRF's."""
    yield f"  label vpn export {labels(number)[(4, 6).index(version)]}"
    yield f"  rd vpn export {pe.address}:{number}"
    yield f"  rt vpn import {' '.join(imports)}"
    yield f"  rt vpn export {' '.join(exports)}"
    yield from ("  export vpn", "  import vpn")
