"""The two clouds as the benchmarks use them, and who sends to whom.

    cloud a   red    a-red1 on a-h1, a-red2 on a-h2; a-red3 on a-h1 is the one that is plugged and unplugged
              blue   a-blue1 on a-h2, behind a router of its own
    cloud b   red    b-red1 on b-h1, b-red2 on b-h2

Cloud a's routers are associated with the BGPVPN, cloud b's network. The WAN carries as much as the clouds do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from isthmus.lab import topology
from isthmus.lab.chaos.traffic import Flow
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import join
from isthmus.lab.vm import Vm

HOSTS = {("a", "red"): ("h1", "h2", "h1"), ("a", "blue"): ("h2",), ("b", "red"): ("h1", "h2")}
NETS = tuple(replace(net, hosts=HOSTS[net.cloud, net.name]) for net in grounds.NETS if (net.cloud, net.name) in HOSTS)
HERE, BESIDE, BLUE, COMING, THERE = "a-red1", "a-red2", "a-blue1", "a-red3", "b-red1"

DEMO_WAN, WAN = "wan_mtu = 1400", "wan_mtu = 1500"
REACHED_WITHIN = 40


def topology_text() -> tuple[str, str]:
    """The lab of `make demo` with another WAN, and where it is from."""
    path = topology.locate(None)
    text = path.read_text()
    assert text.count(DEMO_WAN) == 1, f"{path} does not say {DEMO_WAN}"
    return text.replace(DEMO_WAN, WAN), str(path)


def build(ground: Ground) -> None:
    """Networks, VMs, the VPN; returns when the clouds are joined."""
    grounds.build(ground, NETS)
    join(ground)
    api, blue = ground.admin("a"), ground.routers["a", "blue"]
    api.network.create_bgpvpn_router_association(bgpvpn(api), router_id=blue.id, project_id="tenant1")
    here, there, near = ground.vms[HERE], ground.vms[THERE], ground.vms[BLUE]
    pairs = ((here, there), (there, here), (here, near), (near, here))
    trips = [Trip(one.node, str(other.address(v)), other.node) for one, other in pairs for v in (4, 6)]
    for _ in range(REACHED_WITHIN):
        if not probe.unreached(trips):
            return
    raise PartFailed("the clouds", "to be joined", f"{HERE} does not reach {THERE} and {BLUE}")


def flow(source: Vm, target: Vm, version: int = 4) -> Flow:
    here, there = source.address(version), target.address(version)
    assert here is not None and there is not None
    name = f"{source.cloud} to {target.cloud}, IPv{version}"
    return Flow(name=name, source=source.node, address=here, target=target.node, to=there)


def four_ways(one: Vm, other: Vm) -> list[Flow]:
    return [flow(*pair, version) for version in (4, 6) for pair in ((one, other), (other, one))]


def bgpvpn(api: Any) -> Any:
    return api.network.find_bgpvpn("corp", ignore_missing=False)
