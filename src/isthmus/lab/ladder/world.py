"""The ladder of a topology with PEs that are not ours: clouds, a carrier and a fabric in one VPN.

    cloud a, tenant1   red   10.1.0.0/24    hub    10.5.0.0/24     behind the PEs: VRF red, twin, spoke, each with one
    cloud b, tenant1   red   10.11.0.0/24   spoke  10.15.0.0/24    customer's host (the topology says which prefixes)
    tenant2            twin  the prefixes of tenant1's red

A carrier forwards MPLS and a fabric VXLAN, and no hypervisor re-advertises the one as the other. The fabric's PE is a
border leaf: beside EVPN it has VPNv4 and VPNv6 with the carrier, under route targets of their own, so all sides meet.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product

from isthmus.lab.fault import PartFailed
from isthmus.lab.guests import pe as pes
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.climb import Rung, Slipped, until
from isthmus.lab.ladder.errors import HEADERS
from isthmus.lab.ladder.ground import Ground, Machine, Net
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import (
    VERSIONS,
    both_ways,
    client,
    must_not_reach,
    must_reach,
    reached_by_client,
    send,
    trips,
)
from isthmus.lab.ladder.standing import must_stand
from isthmus.lab.pe import GATEWAY, HOST, Pe, Vrf
from isthmus.lab.process import within
from isthmus.lab.progress import Step
from isthmus.lab.topology import Topology

NETS = (
    *(net for net in grounds.NETS if net.name in ("red", "twin")),
    Net("a", "tenant1", "hub", "10.5.0.0/24", "2001:db8:a5::/64", ("h1",)),
    Net("b", "tenant1", "spoke", "10.15.0.0/24", "2001:db8:b5::/64", ("h2",)),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """The host behind a VRF of a PE."""

    pe: Pe
    vrf: Vrf

    @property
    def node(self) -> str:
        return self.pe.host(self.vrf)

    def address(self, version: int) -> str | None:
        return str(self.vrf.both(HOST)[VERSIONS.index(version)].ip)


def every_customer(ground: Ground) -> list[Customer]:
    return [Customer(pe, vrf) for pe in ground.lab.topology.pes for vrf in pe.vrfs]


def customers(ground: Ground, vrf: str) -> list[list[Machine]]:
    """Each side of that VRF: the host behind a PE."""
    return [[one] for one in every_customer(ground) if one.vrf.name == vrf]


def vni(ground: Ground, vrf: str) -> int:
    """What a fabric's PE sends with, whatever it is told: its BGPVPN has the same."""
    found = {one.vni for pe in ground.lab.topology.pes for one in pe.vrfs if one.name == vrf and one.vni}
    assert len(found) == 1, f"the fabrics' PEs have one VNI for VRF {vrf}"
    return found.pop()


def sides(ground: Ground) -> list[list[Machine]]:
    """Who is in the VPN of `red`, each side's machines."""
    return [list(ground.of("a-red")), list(ground.of("b-red")), *customers(ground, "red")]


def across(members: Sequence[Sequence[Machine]]) -> list[tuple[Machine, Machine]]:
    """Every pair of machines of different sides, both ways."""
    return [pair for one, other in combinations(members, 2) for pair in both_ways(one, other)]


# The rungs


def ground_and_customers(ground: Ground, step: Step) -> None:
    step.note("networks, routers, VMs")
    grounds.build(ground, NETS)
    home = []
    for one in serve(ground):
        home += [Trip(one.node, str(gateway.ip), f"PE {one.pe.name}") for gateway in one.vrf.both(GATEWAY)]
    must_reach(step, home)
    until(step, "every PE to have its sessions", partial(unconnected, ground.lab.topology))


def serve(ground: Ground) -> list[Customer]:
    """The little service in every customer's host."""
    found = every_customer(ground)
    for one in found:
        grounds.serve(ground.lab, one.node)
    return found


def unconnected(topology: Topology) -> str | None:
    """The first session of a PE that is not there."""
    wanted = {str(one.address) for cloud in topology.clouds for one in cloud.reflectors}
    for pe in topology.pes:
        try:
            states = pes.sessions(pe)
        except PartFailed as failure:
            return f"PE {pe.name}: {failure.seen}"
        for address in sorted(wanted):
            if states.get(address) != "Established":
                return f"PE {pe.name}: the session with {address} is {states.get(address, 'unknown')}"
    return None


def apart(ground: Ground, step: Step) -> None:
    """Whom the PEs join is not for a cloud to ask."""
    pairs = across(sides(ground))
    abroad = [(a, b) for a, b in pairs if isinstance(a, Customer) and isinstance(b, Customer)]
    must_reach(step, trips(abroad))
    must_not_reach(trips(pair for pair in pairs if pair not in abroad))


def joined(ground: Ground, step: Step) -> None:
    step.note("openstack bgpvpn create, associate")
    join(ground)
    pairs = across(sides(ground))
    must_reach(step, trips(pairs))
    for cloud in ("a", "b"):
        must_stand(ground, step, cloud, "corp", "ACTIVE")
    step.result(f"{len(pairs)} pairs, IPv4 and IPv6")


def join(ground: Ground) -> None:
    """What a user types in each cloud; the fabric's VNI is the one thing more than between two clouds."""
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda words: _join(ground, *words), (("a", "router"), ("b", "network"))):
            pass


def _join(ground: Ground, cloud: str, kind: str) -> None:
    create(ground, cloud, "corp", "tenant1", "--route-target", "64512:5", "--vni", str(vni(ground, "red")))
    associate(ground, cloud, "corp", "tenant1", kind, "red")


def create(ground: Ground, cloud: str, name: str, tenant: str, *words: str) -> None:
    """As the administrator."""
    client(ground, cloud, "bgpvpn", "create", "--name", name, "--project", tenant, *words)


def associate(ground: Ground, cloud: str, name: str, tenant: str, kind: str, what: str) -> None:
    """As the tenant."""
    client(ground, cloud, "bgpvpn", kind, "association", "create", name, what, tenant=tenant)


def full_size(ground: Ground, step: Step) -> None:
    """Between each two sides: the largest packet that fits passes whole, and TCP finds out."""
    size = min(_fits(ground, cloud.name) for cloud in ground.lab.topology.clouds)
    pairs = across([side[:1] for side in sides(ground)])
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda pair: _sized(pair[0], pair[1], size), pairs):
            pass
    for (source, target), version in product(pairs, VERSIONS):
        step.note(f"10 MB from {source.node} to {target.node}")
        send(source, target, version)
    step.result(f"{size} octets whole, 10 MB of TCP each way between {len(pairs) // 2} pairs of sides")


def _fits(ground: Ground, cloud: str) -> int:
    found = ground.lab.topology.vpn_mtu(ground.lab.topology.cloud(cloud))
    assert found is not None, "the lab's WAN carries less than its clouds"
    return found


def _sized(source: Machine, target: Machine, size: int) -> None:
    for version, header in HEADERS.items():
        address = str(target.address(version))
        words = ["ping", "-n", "-q", "-c", "3", "-i", "0.3", "-W", "1", "-M", "do", "-s", str(size - header), address]
        done = subprocess.run(within(source.node, words), capture_output=True, text=True)
        if " 0 received" in done.stdout or done.returncode != 0:
            raise Slipped(f"{size} octets from {source.node} to {target.node}, IPv{version}, unbroken", done.stdout)


def twins(ground: Ground, step: Step) -> None:
    """The same prefixes in another VPN: the same address is answered by another."""
    for cloud, kind in (("a", "router"), ("b", "network")):
        create(ground, cloud, "twin", "tenant2", "--route-target", "64512:6", "--vni", str(vni(ground, "twin")))
        associate(ground, cloud, "twin", "tenant2", kind, "twin")
    others: list[list[Machine]] = [list(ground.of("a-twin")), list(ground.of("b-twin")), *customers(ground, "twin")]
    must_reach(step, trips(across(others)))
    for (source, target), version in product([*across(others), *across(sides(ground))], VERSIONS):
        answer = probe.ask(source.node, str(target.address(version)))["name"]
        if answer != target.node:
            raise Slipped(f"{target.node} to answer {source.node} at {target.address(version)}", f"{answer} answers")


def hub_and_spoke(ground: Ground, step: Step) -> None:
    """What imports the spokes' target and exports the hub's reaches everybody; a spoke reaches the hub alone."""
    words = {
        "a": ("64512:9", "64512:8", "hub", "--vni", str(vni(ground, "spoke"))),
        "b": ("64512:8", "64512:9", "spoke"),
    }
    for cloud, (imports, exports, name, *more) in words.items():
        targets = ("--import-target", imports, "--export-target", exports)
        create(ground, cloud, name, "tenant1", *targets, *more)
        associate(ground, cloud, name, "tenant1", "router", name)
    hub: list[Machine] = list(ground.of("a-hub"))
    spokes: list[list[Machine]] = [list(ground.of("b-spoke")), *customers(ground, "spoke")]
    must_reach(step, trips(pair for spoke in spokes for pair in both_ways(hub, spoke)))
    must_not_reach(trips(across(spokes)))


RUNGS = (
    Rung(1, "both clouds answer the stock openstack client", reached_by_client),
    Rung(2, "networks, routers, VMs; each customer's host has its PE, each PE its sessions", ground_and_customers),
    Rung(3, "no VM reaches anybody of another side; the PEs' customers reach each other", apart),
    Rung(4, "one route target at all sides: every VM and every customer's host reach each other", joined),
    Rung(5, "full-size packets pass, and TCP with them", full_size),
    Rung(6, "a second VPN with the same prefixes stays apart", twins),
    Rung(7, "hub and spoke by import and export targets", hub_and_spoke),
)
