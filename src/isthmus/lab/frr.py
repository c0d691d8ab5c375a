"""A route reflector of a cloud: FRR's bgpd without zebra. It installs nothing, it passes routes on.

Hypervisors are dynamic neighbours: whoever in the underlay speaks the cloud's AS is an EVPN client. The reflectors of
the clouds peer by eBGP across the WAN and leave the next hop alone, so that tunnels run from hypervisor to hypervisor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any

from isthmus.lab import trust
from isthmus.lab.fault import PartFailed
from isthmus.lab.process import Processes, listening
from isthmus.lab.topology import Cloud, Family, Reflector, Topology

KEEPALIVE_S, HOLD_S = 3, 9
"""Short, so that a dead hypervisor's routes are gone before a reader loses patience."""

COALESCE_MS = 500
"""How long bgpd waits after a start for clients that it can tell the same together. Unless it is told, it waits 50 ms
for each client, 10 s at most; with 0 it tells each alone, at many times the cost (seen with 8.4.4)."""


_FILTER = (
    f"bgp extcommunity-list expanded AGREED permit RT:{trust.AGREED_WORDS}( |$)",
    f"bgp extcommunity-list expanded AGREED permit RT:{trust.BEACON}( |$)",
    "route-map AGREED permit 10",
    " match extcommunity AGREED",
)
"""A route passes that has one of the targets agreed on; what others stand beside it each hypervisor looks at."""


def configuration(cloud: Cloud, one: Reflector, topology: Topology) -> str:
    """bgpd.conf. `log … errors`: without zebra every EVPN route would log a warning about its next hop."""
    others = topology.neighbours(cloud)
    lines = [
        f"hostname {one.node}",
        "log stdout errors",
        *(_FILTER if topology.wary else ()),
        f"router bgp {cloud.asn}",
        f" bgp router-id {one.address}",
        f" bgp cluster-id {one.address}",
        " no bgp default ipv4-unicast",
        *([] if topology.wary else [" no bgp ebgp-requires-policy"]),
        f" timers bgp {KEEPALIVE_S} {HOLD_S}",
        f" coalesce-time {COALESCE_MS}",
        *([" no bgp suppress-duplicates"] if Family.VPNV4 in topology.families else []),  # or a new label goes unsaid
        " neighbor PE peer-group",
        f" neighbor PE remote-as {cloud.asn}",
        " neighbor PE passive",
        " neighbor PE advertisement-interval 0",
        *([f" neighbor PE password {trust.password(cloud)}"] if topology.wary else []),
        *([f" neighbor PE ttl-security hops {trust.SAME_LINK}"] if topology.wary else []),
        *_clients(cloud, topology),
    ]
    for peer in others:
        lines += [
            f" neighbor {peer.address} remote-as {peer.asn}",
            # Two hops: the WAN router stands between.
            f" neighbor {peer.address} {'ttl-security hops' if topology.wary else 'ebgp-multihop'} 2",
            *([f" neighbor {peer.address} password {trust.BETWEEN_CLOUDS}"] if topology.wary else []),
            f" neighbor {peer.address} timers connect 1",
            f" neighbor {peer.address} advertisement-interval 0",
        ]
    for family in topology.families:
        lines += list(_family(family, [one.address for one in others if family in one.families], topology))
    return "\n".join([*lines, ""])


def _clients(cloud: Cloud, topology: Topology) -> list[str]:
    """Whoever of the underlay comes; by name where MPLS is spoken, with which FRR 8.4 wants to know its neighbours."""
    if topology.families == (Family.EVPN,):
        return [f" bgp listen range {cloud.underlay} peer-group PE", " bgp listen limit 500"]
    return [f" neighbor {hypervisor.address} peer-group PE" for hypervisor in cloud.hypervisors]


def _family(family: Family, others: Sequence[IPv4Address], topology: Topology) -> Iterator[str]:
    """Hypervisors are clients; what a neighbour says is passed on as it came."""
    yield from (f" address-family {family}", "  neighbor PE activate", "  neighbor PE route-reflector-client")
    for address in others:
        yield f"  neighbor {address} activate"
        yield f"  neighbor {address} attribute-unchanged next-hop"
        if topology.wary:
            yield from (f"  neighbor {address} route-map AGREED {way}" for way in ("in", "out"))
    yield " exit-address-family"


def prepare(cloud: Cloud, one: Reflector, topology: Topology, processes: Processes) -> None:
    """Its directory and what it reads at the start."""
    home = processes.places.of(one.node)
    (home / "var-tmp").mkdir(parents=True)
    (home / "bgpd.conf").write_text(configuration(cloud, one, topology))
    (home / "vtysh.conf").touch()  # vtysh complains without one


def show(one: Reflector, processes: Processes, command: str) -> str:
    """What bgpd answers to a `show` command."""
    home = processes.places.of(one.node)
    argv = ["vtysh", "--vty_socket", str(home), "--config_dir", str(home), "-d", "bgpd", "-c", command]
    return processes.run(f"reflector {one.node}", argv)


def configure(one: Reflector, processes: Processes, *lines: str) -> None:
    """Change what bgpd runs with; its file stays as it is."""
    home = processes.places.of(one.node)
    argv = ["vtysh", "--vty_socket", str(home), "--config_dir", str(home), "-d", "bgpd"]
    words = [word for line in ("configure terminal", *lines) for word in ("-c", line)]
    processes.run(f"reflector {one.node}", [*argv, *words])


def sessions(one: Reflector, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included. Raises PartFailed while it does not answer."""
    silent = listening(processes.places.of(one.node) / "bgpd.vty")
    if silent is not None:
        raise PartFailed(f"reflector {one.node}", "bgpd to answer", silent)
    answer: Any = json.loads(show(one, processes, "show bgp summary json") or "{}")
    families = (part.get("peers", {}) for part in answer.values())
    return {address: str(peer["state"]) for peers in families for address, peer in peers.items()}
