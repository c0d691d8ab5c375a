"""The picture at the end: the clouds, their hypervisors and VMs, and which routes of the VPN each hypervisor uses.

Pure: statuses of the agents and names in, text out. What the cloud's own routers serve is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from isthmus.lab.pe import HOST, Pe, PeKind
from isthmus.lab.topology import Cloud, Topology
from isthmus.lab.vm import Vm

WIDTH = 72


def picture(
    topology: Topology, vms: Iterable[Vm], statuses: Mapping[str, dict[str, Any]], target: str, nodes: set[str]
) -> str:
    """Cloud beside cloud. `target` is the VPN's route target; `nodes` the VMs that are drawn."""
    drawn = [one for one in vms if one.node in nodes]
    lines = _abreast([list(_cloud(cloud, drawn, statuses, target)) for cloud in topology.clouds])
    lines += _abreast([list(_pe(pe, target)) for pe in topology.pes])
    reflectors = "  ── eBGP ──  ".join(f"reflector {_both(c)} (AS {c.asn})" for c in topology.clouds)
    underlays = "  ── WAN ──  ".join(str(c.underlay) for c in topology.clouds)
    tail = [f"  BGP      {reflectors}", f"  packets  {underlays}   VXLAN, from hypervisor to hypervisor"]
    return "\n".join(["", *lines, *tail, ""])


def _abreast(columns: Sequence[Sequence[str]]) -> list[str]:
    height = max((len(column) for column in columns), default=0)
    return [
        " ".join((column[row] if row < len(column) else "").ljust(WIDTH) for column in columns).rstrip()
        for row in range(height)
    ]


def _pe(pe: Pe, target: str) -> Iterator[str]:
    """A PE that is not ours, with the customers that it has in the VPN."""
    ways = ["VXLAN"] * (pe.kind is PeKind.FABRIC) + ["MPLS in GRE"] * pe.labels
    yield f"╭─ {pe.kind} {pe.name} (AS {pe.asn}), {' and '.join(ways)} ".ljust(WIDTH - 1, "─") + "╮"
    yield _row(f"PE {pe.name}, {pe.address}")
    for vrf in pe.vrfs:
        if target in vrf.exports:
            yield _row(f"  customer {pe.host(vrf)}  {'  '.join(str(one.ip) for one in vrf.both(HOST))}")
    yield "╰" + "─" * (WIDTH - 2) + "╯"


def _cloud(cloud: Cloud, vms: Sequence[Vm], statuses: Mapping[str, dict[str, Any]], target: str) -> Iterator[str]:
    yield f"╭─ cloud {cloud.name}, route target {target} ".ljust(WIDTH - 1, "─") + "╮"
    for hypervisor in cloud.hypervisors:
        node = f"{cloud.name}-{hypervisor.name}"
        yield _row(f"hypervisor {node}, {hypervisor.address}")
        for one in vms:
            if one.site_node == node:
                yield _row(f"  VM {one.node}  {'  '.join(one.addresses)}")
        for route in _routes(statuses[node], target):
            yield _row(f"    {route}")
    yield "╰" + "─" * (WIDTH - 2) + "╯"


def _both(cloud: Cloud) -> str:
    return " and ".join(str(r.address) for r in cloud.reflectors)


def _row(text: str) -> str:
    return f"│ {text[: WIDTH - 4].ljust(WIDTH - 4)} │"


def _routes(status: dict[str, Any], target: str) -> Iterator[str]:
    """The routes this hypervisor has installed towards others."""
    for route in status["routes"]:
        if route["installed"] and route["next_hop"] != "local" and target in route["route_targets"]:
            address = route["prefix"].removesuffix("/32").removesuffix("/128")
            yield f"{address:37} via {route['next_hop']:12} {route['vni']:>8}"
