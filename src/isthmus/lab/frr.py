"""The route reflector of a cloud: FRR's bgpd without zebra. It installs nothing, it passes routes on.

Hypervisors are dynamic neighbours: whoever in the underlay speaks the cloud's AS is an EVPN client. The reflectors of
the clouds peer by eBGP across the WAN and leave the next hop alone, so that tunnels run from hypervisor to hypervisor.
"""

from __future__ import annotations

import json
from typing import Any

from isthmus.lab.plan import reflector, reflector_node
from isthmus.lab.process import Processes, listening
from isthmus.lab.topology import Cloud, Topology

KEEPALIVE_S, HOLD_S = 3, 9
"""Short, so that a dead hypervisor's routes are gone before a reader loses patience."""


def configuration(cloud: Cloud, topology: Topology) -> str:
    """bgpd.conf. `log … errors`: without zebra every EVPN route would log a warning about its next hop."""
    others = [other for other in topology.clouds if other.name != cloud.name]
    lines = [
        f"hostname {reflector_node(cloud)}",
        "log stdout errors",
        f"router bgp {cloud.asn}",
        f" bgp router-id {cloud.reflector}",
        f" bgp cluster-id {cloud.reflector}",
        " no bgp default ipv4-unicast",
        " no bgp ebgp-requires-policy",
        f" timers bgp {KEEPALIVE_S} {HOLD_S}",
        " neighbor PE peer-group",
        f" neighbor PE remote-as {cloud.asn}",
        " neighbor PE passive",
        " neighbor PE advertisement-interval 0",
        f" bgp listen range {cloud.underlay} peer-group PE",
        " bgp listen limit 500",
    ]
    for other in others:
        lines += [
            f" neighbor {other.reflector} remote-as {other.asn}",
            # Two hops: the WAN router stands between.
            f" neighbor {other.reflector} ebgp-multihop 2",
            f" neighbor {other.reflector} timers connect 1",
            f" neighbor {other.reflector} advertisement-interval 0",
        ]
    lines += [" address-family l2vpn evpn", "  neighbor PE activate", "  neighbor PE route-reflector-client"]
    for other in others:
        lines += [
            f"  neighbor {other.reflector} activate",
            f"  neighbor {other.reflector} attribute-unchanged next-hop",
        ]
    return "\n".join([*lines, " exit-address-family", ""])


def start(cloud: Cloud, topology: Topology, processes: Processes) -> None:
    """From nothing to an Established session with every other reflector that is up by then."""
    part, places = f"reflector {cloud.name}", processes.places
    home = places.of(reflector_node(cloud))
    (home / "var-tmp").mkdir(parents=True)
    (home / "bgpd.conf").write_text(configuration(cloud, topology))
    (home / "vtysh.conf").touch()  # vtysh complains without one
    started = processes.start(reflector(cloud, places))
    others = [other for other in topology.clouds if other.name != cloud.name]
    processes.until(
        part,
        f"Established sessions with {', '.join(f'the reflector of {o.name}' for o in others) or 'nobody'}",
        lambda: _not_established(cloud, others, processes),
        within_s=30,
        watch=[started],
    )


def show(cloud: Cloud, processes: Processes, command: str) -> str:
    """What bgpd answers to a `show` command."""
    home = processes.places.of(reflector_node(cloud))
    argv = ["vtysh", "--vty_socket", str(home), "--config_dir", str(home), "-d", "bgpd", "-c", command]
    return processes.run(f"reflector {cloud.name}", argv)


def sessions(cloud: Cloud, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included."""
    answer: Any = json.loads(show(cloud, processes, "show bgp l2vpn evpn summary json") or "{}")
    return {address: str(peer["state"]) for address, peer in answer.get("peers", {}).items()}


def _not_established(cloud: Cloud, others: list[Cloud], processes: Processes) -> str | None:
    silent = listening(processes.places.of(reflector_node(cloud)) / "bgpd.vty")
    if silent is not None:
        return silent
    states = sessions(cloud, processes)
    for other in others:
        state = states.get(str(other.reflector), "unknown")
        if state != "Established":
            return f"the session with {other.reflector} is {state}"
    return None
