"""What is left of a VPN after it was removed: rows in OVN, flows and ports on br-vpn, routes in BGP."""

from __future__ import annotations

import re

from isthmus.lab.ladder import agents
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.plan import ovs_env

_TABLES = ("Logical_Switch", "Logical_Router", "Logical_Switch_Port", "Logical_Router_Port", "Logical_Router_Policy",
           "Logical_Router_Static_Route")  # fmt: skip
_SAME_FOR_ALL = re.compile(r"table=5,|table=15,(?!.*in_port)")
"""What no machine of a VPN can have, and which destinations are private: of the empty layout (docs/design/flows.md)."""
_PREFIX = re.compile(r"\[5\]:\[0\]:\[\d+\]:\[[0-9a-f.:]+\]")


def left(ground: Ground) -> str | None:
    """The first thing that is still there, in words; None when nothing is."""
    lab = ground.lab
    for cloud in lab.topology.clouds:
        rows = northbound(ground, cloud.name)
        if rows:
            return f"northbound of {cloud.name}: {rows[0]}"
        routes = reflected(ground, cloud.name)
        if routes:
            return f"the reflector of {cloud.name} has {len(routes)} routes: {routes[0]}"
    for site in lab.plan.sites:
        said = agents.status(lab, site.node)
        if said["attachments"] or said["routes"] or said["ports"]:
            return f"the agent of {site.node} still knows {said['attachments'] or said['routes'] or said['ports']}"
        flows = forwarding(ground, site.node)
        if flows:
            return f"br-vpn of {site.node}: {flows[0]}"
    return None


def northbound(ground: Ground, cloud: str) -> list[str]:
    """Rows of ours, whatever their table; but for the sixteen switches that BGPVPNs' rows hang on, which stay."""
    found = []
    for table in _TABLES:
        words = ["ovn-nbctl", f"--db=unix:{ground.lab.places.northbound(cloud)}", "--bare"]
        words += ["--columns=_uuid,external_ids", "find", table]
        text = ground.lab.processes.run(f"northbound of {cloud}", words)
        ours = (row for row in text.split("\n\n") if "isthmus:" in row and "isthmus:kind=vpns" not in row)
        found += [f"{table} {row}" for row in ours]
    return found


def reflected(ground: Ground, cloud: str) -> list[str]:
    """EVPN prefixes the cloud's reflectors hold, but for the hypervisors' beacons, which stay."""
    lab, found = ground.lab, []
    beacons = {f"[{site.hypervisor.address}]" for site in lab.plan.sites}
    for one in lab.topology.cloud(cloud).reflectors:
        words = ["vtysh", "--vty_socket", str(lab.places.of(one.node)), "-c", "show bgp l2vpn evpn"]
        routes = _PREFIX.findall(lab.processes.run(f"reflector {one.node}", words, node=one.node))
        found += [route for route in routes if route.rpartition(":")[2] not in beacons]
    return found


def forwarding(ground: Ground, node: str) -> list[str]:
    """Flows of br-vpn that concern somebody: all but the empty layout; and circuits still plugged."""
    lab = ground.lab
    home = lab.places.of(node)
    words = ["ovs-ofctl", "-O", "OpenFlow15", "--no-stats", "dump-flows", f"unix:{home}/br-vpn.mgmt"]
    text = lab.processes.run(f"br-vpn of {node}", words, env=ovs_env(home))
    own = re.compile(r"tun_id|nw_dst|ipv6_dst|metadata|tun_dst")
    matches = ((line, line.split(" actions=")[0]) for line in text.splitlines())
    flows = [line.strip() for line, match in matches if own.search(match) and not _SAME_FOR_ALL.search(match)]
    ports = lab.processes.run(f"br-vpn of {node}", ["ovs-vsctl", "list-ports", "br-vpn"], env=ovs_env(home)).split()
    return flows + [f"port {port}" for port in ports if "ac-" in port]
