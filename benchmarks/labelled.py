"""What passing costs with labels: MPLS in GRE beside VXLAN, between the same hypervisors of two real clouds.

    cloud a   vx    a-vx1 on a-h1   vxn   a-vxn1 on a-h2     BGPVPN `vxlan`, announced as EVPN
              mp    a-mp1 on a-h1   mpn   a-mpn1 on a-h2     BGPVPN `mpls`, announced as VPNv4 and VPNv6
    cloud b   vx    b-vx1 on b-h1   mp    b-mp1 on b-h1

Every agent and reflector speaks all three families; which encapsulation a network has, its BGPVPN says. So nothing is
started anew between a turn of the one and a turn of the other. That each has its own is looked up in the datapath.
Brings up the lab, measures, takes it down, and writes its section of docs/figures.md. Run:
python -m benchmarks.labelled [--rounds N] [--keep]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from itertools import product

from benchmarks import forwarding, page, scene
from benchmarks.forwarding import Figures, Way
from benchmarks.machine import Run, switch, version
from benchmarks.samples import ratio, table
from isthmus.lab import lab as whole
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.ground import Ground, Net
from isthmus.lab.ladder.rungs import both_ways, client, trips
from isthmus.lab.plan import BGPD
from isthmus.lab.progress import Progress

ROUNDS = 12
AIM = 0.9
TENANT = "tenant1"
NETS = (
    Net("a", TENANT, "vx", "10.1.0.0/24", "2001:db8:a1::/64", ("h1",)),
    Net("a", TENANT, "vxn", "10.2.0.0/24", "2001:db8:a2::/64", ("h2",)),
    Net("b", TENANT, "vx", "10.3.0.0/24", "2001:db8:b1::/64", ("h1",)),
    Net("a", TENANT, "mp", "10.5.0.0/24", "2001:db8:a5::/64", ("h1",)),
    Net("a", TENANT, "mpn", "10.6.0.0/24", "2001:db8:a6::/64", ("h2",)),
    Net("b", TENANT, "mp", "10.7.0.0/24", "2001:db8:b5::/64", ("h1",)),
)
BGPVPNS = {"vx": ("vxlan", "64512:5", ("evpn",)), "mp": ("mpls", "64512:7", ("vpnv4", "vpnv6"))}
"""By how the names of their networks begin: name, route target, families."""

VXLAN, MPLS = "VXLAN across clouds", "MPLS across clouds"
VXLAN_NEAR, MPLS_NEAR = "VXLAN in one cloud", "MPLS in one cloud"
PAIRS = ((MPLS, VXLAN), (MPLS_NEAR, VXLAN_NEAR))
FAMILIES = 'families = ["evpn", "vpnv4", "vpnv6"]\n'
HEADERS = {"vx": "vxlan(", "mp": "proto=0x8847"}
"""How ovs-vswitchd prints what it puts before a packet; 0x8847 is MPLS, the protocol that GRE says it carries."""

ABOUT = """\
Two BGPVPNs on the same hypervisors, with a router and a VM each: one is announced as EVPN (its packets go in VXLAN),
one as VPNv4 and VPNv6 (in MPLS in GRE). A VM sends to one of the other cloud (a-h1 to b-h1, the WAN's router between),
and to one of another network on the other hypervisor of its own cloud (a-h1 to a-h2), by turns; tool, MTU, switches and
cores as for the throughput [of two clouds](#throughput-through-the-vpn-beside-plain-geneve). Ratios are of the rounds
side by side, their spread in brackets."""


def topology_text() -> tuple[str, str]:
    """The scene's, with every family."""
    text, source = scene.topology_text()
    return FAMILIES + text, source


def build(ground: Ground) -> dict[str, Way]:
    """Networks, VMs, both VPNs; returns when everybody is reached and each by the encapsulation that is meant."""
    grounds.build(ground, NETS)
    for cloud, (kind, (name, target, families)) in product(("a", "b"), BGPVPNS.items()):
        api = ground.admin(cloud).network
        made = api.create_bgpvpn(name=name, project_id=TENANT, route_targets=[target])
        client(ground, cloud, "bgpvpn", "attribute", "set", name, *(f"--family={family}" for family in families))
        for net in NETS:
            if net.cloud == cloud and net.name.startswith(kind):
                router = ground.routers[cloud, net.name]
                api.create_bgpvpn_router_association(made, router_id=router.id, project_id=TENANT)
    vms = ground.vms
    ways = {
        VXLAN: Way(vms["a-vx1"], vms["b-vx1"]),
        MPLS: Way(vms["a-mp1"], vms["b-mp1"]),
        VXLAN_NEAR: Way(vms["a-vx1"], vms["a-vxn1"]),
        MPLS_NEAR: Way(vms["a-mp1"], vms["a-mpn1"]),
    }
    missing = trips([pair for way in ways.values() for pair in both_ways([way.source], [way.target])])
    for _ in range(scene.REACHED_WITHIN):
        if not (missing := probe.unreached(missing)):
            return ways
    raise PartFailed("the clouds", "to be joined", ", ".join(map(str, missing)))


def look(ground: Ground, ways: Mapping[str, Way]) -> None:
    """Whether each way has the encapsulation that it is named after, asked of the sender's datapath."""
    for name, way in ways.items():
        header = HEADERS[way.source.name[:2]]
        flows, _ = forwarding.passes(ground.lab, way)
        if not any(header in one for one in flows):
            raise PartFailed(name, f"packets to get '{header}…' before them", "; ".join(flows))


def text(found: Figures, ways: Mapping[str, Way], met: list[tuple[str, ...]]) -> list[str]:
    head = ("what", *ways, "MPLS to VXLAN, across", "MPLS to VXLAN, in one cloud", "rounds")
    return [
        ABOUT,
        table(head, forwarding.compared(found, PAIRS)),
        aims(found),
        "Flows of the datapath that a packet meets, sender + receiver:",
        table(("", *ways), met),
        "A packet whose label is popped is looked up anew: one flow more at the receiver.",
    ]


def aims(found: Figures) -> str:
    """At least so much of VXLAN's, in the median of the rounds."""
    said = []
    for what in (forwarding.SMALL_PACKETS, forwarding.TCP):
        for mine, other in PAIRS:
            seen = ratio(found[what][mine], found[what][other]).median
            verdict = "met" if seen >= AIM else "**not met**"
            said.append(f"{mine}, {what.split(',')[0]}: {seen:.2f} of VXLAN's, aim {AIM}, {verdict}.")
    return " ".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labelled")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    words = parser.parse_args()
    run = Run()
    with Progress(sys.stdout) as progress:
        if whole.is_there():
            progress.line(f"an earlier lab goes first: {whole.down()}")
        ground = Ground(whole.up(*topology_text(), agents=True, progress=progress))
        with progress.step("networks and VMs in both clouds, two VPNs"):
            ways = build(ground)
            look(ground, ways)
        with progress.step("MPLS beside VXLAN") as step:
            found = forwarding.measure(ground.lab, ways, words.rounds, step)
        met = list(forwarding.met_by_each(ground.lab, ways))
        said = run.sentence(switch(), f"FRR {version(str(BGPD), '--version')}")
        whole_text = "\n\n".join([said, *text(found, ways, met)])
        page.write(page.LABELLED, whole_text)
        progress.line(whole_text)
        if not words.keep:
            progress.line(whole.down())


if __name__ == "__main__":
    main()
