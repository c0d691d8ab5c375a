"""The picture at the end: the clouds, their hypervisors and VMs, and what each hypervisor holds of the VPN.

Pure: statuses of the agents and names in, text out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isthmus.lab.topology import Cloud, Topology
from isthmus.lab.vm import Vm

WIDTH = 58


def picture(
    topology: Topology, vms: Iterable[Vm], statuses: Mapping[str, dict[str, Any]], target: str, tenant: set[str]
) -> str:
    """Cloud beside cloud. `target` is the VPN's route target; `tenant` the VMs (nodes) that are drawn."""
    drawn = [one for one in vms if one.node in tenant]
    columns = [list(_cloud(cloud, drawn, statuses, target)) for cloud in topology.clouds]
    height = max(len(column) for column in columns)
    lines = []
    for row in range(height):
        cells = [column[row] if row < len(column) else "" for column in columns]
        lines.append(" ".join(cell.ljust(WIDTH) for cell in cells).rstrip())
    reflectors = "  ──eBGP──  ".join(f"reflector {c.reflector} (AS {c.asn})" for c in topology.clouds)
    underlays = "  ──WAN──  ".join(str(c.underlay) for c in topology.clouds)
    return "\n".join(["", *lines, "", f"  {reflectors}", f"  {underlays}   VXLAN from hypervisor to hypervisor", ""])


def _cloud(cloud: Cloud, vms: Sequence[Vm], statuses: Mapping[str, dict[str, Any]], target: str) -> list[str]:
    lines = [f"╭─ cloud {cloud.name} ".ljust(WIDTH - 1, "─") + "╮"]
    for hypervisor in cloud.hypervisors:
        node = f"{cloud.name}-{hypervisor.name}"
        lines.append(_row(f"hypervisor {node}  {hypervisor.address}"))
        for one in vms:
            if one.site_node == node:
                lines.append(_row(f"  VM {one.node:10} {' '.join(one.addresses)}"))
        lines.append(_row(f"  routes of {target}:"))
        for route in _routes(statuses[node], target):
            lines.append(_row(f"    {route}"))
    lines.append("╰" + "─" * (WIDTH - 2) + "╯")
    return lines


def _row(text: str) -> str:
    return f"│ {text[: WIDTH - 4].ljust(WIDTH - 4)} │"


def _routes(status: dict[str, Any], target: str) -> Iterable[str]:
    for route in status["routes"]:
        if not route["best"] or target not in route["route_targets"]:
            continue
        where = "here" if route["next_hop"] == "local" else f"{route['next_hop']} VNI {route['vni']}"
        hidden = "" if route["installed"] else "  (the router's own)"
        yield f"{route['prefix']:30} {where}{hidden}"
