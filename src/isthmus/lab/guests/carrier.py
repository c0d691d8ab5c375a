"""A carrier's PE: FRR with VPNv4 and VPNv6, the kernel's VRFs, and MPLS in GRE to all other PEs (mpls.py). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from isthmus.lab.guests import guest, mpls
from isthmus.lab.guests.guest import Session
from isthmus.lab.pe import GATEWAY, Pe, Vrf

TABLE = 1000


def network(pe: Pe, endpoints: Iterable[IPv4Address], wan_mtu: int) -> Iterator[str]:
    """Lines for the guest's shell."""
    yield from guest.addresses(pe)
    yield from mpls.device(pe, endpoints, wan_mtu)
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
    lines += [*mpls.ways(endpoints), *guest.NO_TRANSIT, *mpls.route_maps(pe, endpoints)]
    lines += [f"router bgp {pe.asn}", f" bgp router-id {pe.address}", " no bgp default ipv4-unicast"]
    lines += [" no bgp ebgp-requires-policy", " bgp graceful-restart"]
    lines += [f" {line}" for one in neighbours for line in one.lines]
    lines += mpls.families(neighbours)
    for (number, _), vrf in zip(guest.vrfs(pe), pe.vrfs, strict=True):
        lines += list(_vrf(pe, number, vrf))
    return "\n".join([*lines, ""])


def _vrf(pe: Pe, number: int, vrf: Vrf) -> Iterator[str]:
    yield f"router bgp {pe.asn} vrf {vrf.name}"
    yield f" bgp router-id {pe.address}"
    for version in (4, 6):
        yield f" address-family ipv{version} unicast"
        yield "  redistribute connected"
        yield from mpls.exchanged(pe, number, version, vrf.imports, vrf.exports)
        yield " exit-address-family"
