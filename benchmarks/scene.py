"""The two clouds as the benchmarks use them: one network of one tenant in each, and who sends to whom.

    a-red1 on a-h1, a-red2 on a-h2        b-red1 on b-h1, b-red2 on b-h2
    a-red3 on a-h1: the one that is plugged and unplugged

Cloud a's router is associated with the BGPVPN, cloud b's network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from isthmus.lab.chaos.traffic import Flow
from isthmus.lab.fault import PartFailed
from isthmus.lab.ladder import ground as grounds
from isthmus.lab.ladder import probe
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import Trip
from isthmus.lab.ladder.rungs import join
from isthmus.lab.vm import Vm

RED = [net for net in grounds.NETS if net.name == "red"]
NETS = tuple(replace(net, hosts=("h1", "h2", "h1")) if net.cloud == "a" else net for net in RED)
HERE, BESIDE, COMING, THERE = "a-red1", "a-red2", "a-red3", "b-red1"
REACHED_WITHIN = 40


def build(ground: Ground) -> None:
    """Networks, VMs, the VPN; returns when the clouds are joined."""
    grounds.build(ground, NETS)
    join(ground)
    here, there = ground.vms[HERE], ground.vms[THERE]
    trips = [Trip(one.node, str(other.address(v)), other.node) for one, other in ((here, there), (there, here))
             for v in (4, 6)]  # fmt: skip
    for _ in range(REACHED_WITHIN):
        if not probe.unreached(trips):
            return
    raise PartFailed("the clouds", "to be joined", f"{THERE} and {HERE} do not reach each other")


def flow(source: Vm, target: Vm, version: int = 4) -> Flow:
    here, there = source.address(version), target.address(version)
    assert here is not None and there is not None
    name = f"{source.cloud} to {target.cloud}, IPv{version}"
    return Flow(name=name, source=source.node, address=here, target=target.node, to=there)


def four_ways(one: Vm, other: Vm) -> list[Flow]:
    return [flow(*pair, version) for version in (4, 6) for pair in ((one, other), (other, one))]


def bgpvpn(api: Any) -> Any:
    return api.network.find_bgpvpn("corp", ignore_missing=False)
