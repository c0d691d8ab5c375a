"""A fabric's PE: FRR with EVPN, the kernel's VRFs, and for each a VXLAN device and a router MAC (RFC 9135). Pure.

A VRF's bridge (its SVI) has the router MAC and needs no address. FRR 8.4 sends with the VRF's own VNI, whatever label a
route has: so whoever is to hear it announces the same. A VRF whose subnet is a stretched network has a second bridge,
with the gateway's address; then FRR says its hosts too, type 2 with two labels, once it has seen them speak. That
bridge needs an address of its link as well: the kernel asks for a neighbour (ND) with no other.

A VRF with route targets for MPLS (`Vrf.mpls`) makes it a border leaf: it speaks VPNv4 and VPNv6 too, for that VRF and
under those targets, and forwards MPLS in GRE to other PEs that do (mpls.py). FRR would go on and tell in each family
what the VRF has from the other: `OWN` keeps that back, and so neither side hears of the other through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from isthmus.lab.guests import guest, mpls
from isthmus.lab.guests.guest import Session
from isthmus.lab.pe import GATEWAY, Pe, Vrf

TABLE = 1000


def network(pe: Pe, endpoints: Sequence[IPv4Address], wan_mtu: int) -> Iterator[str]:
    """Lines for the guest's shell; `endpoints` are those of the PEs that it exchanges MPLS with."""
    yield from guest.addresses(pe)
    if pe.labels:
        yield from mpls.device(pe, endpoints, wan_mtu)
    for (number, nic), vrf in zip(guest.vrfs(pe), pe.vrfs, strict=True):
        yield f"ip link add {vrf.name} type vrf table {TABLE + number}"
        yield f"ip link set {vrf.name} up"
        yield from _bridge(pe, vrf.vni, vrf, mac=pe.router_mac)
        yield f"ip link set br{vrf.vni} mtu {wan_mtu - pe.overhead}"
        gateway = nic
        if vrf.bridged is None:
            yield f"ip link set {nic} master {vrf.name} up"
        else:
            yield from _bridge(pe, vrf.bridged, vrf, mac=pe.mac(0x10 + number))
            yield f"ip link set {nic} master br{vrf.bridged} up"
            gateway = f"br{vrf.bridged}"
        four, six = vrf.both(GATEWAY)
        yield f"ip addr add {four} dev {gateway}"
        yield f"ip -6 addr add {six} dev {gateway} nodad"


def _bridge(pe: Pe, vni: int | None, vrf: Vrf, *, mac: str) -> Iterator[str]:
    """A bridge in the VRF with its VXLAN device, which learns nothing: BGP says where a MAC is."""
    bridge, vxlan = f"br{vni}", f"vx{vni}"
    yield f"ip link add {bridge} type bridge stp_state 0"
    yield f"ip link set {bridge} address {mac}"
    yield f"ip link set {bridge} master {vrf.name} up"
    yield f"ip link add {vxlan} type vxlan id {vni} local {pe.address} dstport 4789 nolearning"
    yield f"ip link set {vxlan} master {bridge} addrgenmode none"
    yield f"bridge link set dev {vxlan} learning off neigh_suppress on"
    yield f"ip link set {vxlan} up"


def configuration(pe: Pe, endpoints: Sequence[IPv4Address], neighbours: Sequence[Session]) -> str:
    """frr.conf."""
    lines = [f"hostname {pe.name}", "ip nht resolve-via-default", *guest.NO_TRANSIT]
    lines += ["route-map OUT permit 10", f" match as-path {guest.OWN}", "exit"]
    if pe.labels:
        lines += [*mpls.ways(endpoints), *mpls.route_maps(pe, endpoints)]
    for vrf in pe.vrfs:
        lines += [f"vrf {vrf.name}", f" vni {vrf.vni}", "exit-vrf"]
    lines += [f"router bgp {pe.asn}", f" bgp router-id {pe.address}", " no bgp default ipv4-unicast"]
    lines += [" no bgp ebgp-requires-policy", " bgp graceful-restart"]
    lines += [f" {line}" for one in neighbours for line in one.lines]
    lines += [" address-family l2vpn evpn", "  advertise-all-vni", "  advertise-svi-ip"]
    for address, _ in neighbours:
        lines += [f"  neighbor {address} activate", f"  neighbor {address} route-map OUT out"]
    for vrf in pe.vrfs:
        if vrf.bridged is not None:
            lines += [f"  vni {vrf.bridged}", f"   rd {pe.address}:{vrf.bridged}"]
            lines += [f"   route-target both {pe.asn}:{vrf.bridged}", "  exit-vni"]
    lines.append(" exit-address-family")
    lines += mpls.families(neighbours) if pe.labels else ()
    for (number, _), vrf in zip(guest.vrfs(pe), pe.vrfs, strict=True):
        lines += list(_vrf(pe, number, vrf))
    return "\n".join([*lines, ""])


def _vrf(pe: Pe, number: int, vrf: Vrf) -> Iterator[str]:
    yield f"router bgp {pe.asn} vrf {vrf.name}"
    yield f" bgp router-id {pe.address}"
    for version in (4, 6):
        yield from (f" address-family ipv{version} unicast", "  redistribute connected")
        if vrf.mpls:
            yield from mpls.exchanged(pe, number, version, vrf.mpls, vrf.mpls)
        yield " exit-address-family"
    yield " address-family l2vpn evpn"
    yield f"  rd {pe.address}:{vrf.vni}"
    yield from (f"  route-target import {target}" for target in vrf.imports)
    yield from (f"  route-target export {target}" for target in vrf.exports)
    yield from ("  advertise ipv4 unicast", "  advertise ipv6 unicast", " exit-address-family")
