"""A PE that is not ours: from nothing to FRR with its sessions, and commands into it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from isthmus.lab import trust
from isthmus.lab.frr import HOLD_S, KEEPALIVE_S
from isthmus.lab.guests import carrier, fabric, running
from isthmus.lab.guests.guest import Session
from isthmus.lab.pe import Pe, PeKind
from isthmus.lab.plan import Programs, pe_guest
from isthmus.lab.process import Processes
from isthmus.lab.topology import Reflector, ReflectorKind, Topology

FRR = Path("/usr/lib/frr")
DAEMONS = ("zebra", "mgmtd", "staticd", "bgpd")
"""In the order of their start. FRR 8.4 has no mgmtd; 10.3 wants it."""


def start(pe: Pe, topology: Topology, processes: Processes, programs: Programs) -> None:
    """A kernel, FRR in it; it is left to connect by itself."""
    daemon = pe_guest(pe, processes.places, programs)
    files = {"frr.conf": configuration(pe, topology)}
    running.start(f"PE {pe.name}", daemon, _network(pe, topology), processes, files)
    _start_frr(pe)


def run(pe: Pe, argv: Sequence[str], stdin: str = "") -> str:
    """The output of a command in the guest. Raises PartFailed with its last words if it ends badly."""
    return running.run(f"PE {pe.name}", pe.name, argv, stdin)


def ask(pe: Pe, argv: Sequence[str], stdin: str = "") -> dict[str, Any]:
    """What a command in the guest has said: `code`, `out`, `err`."""
    return running.ask(f"PE {pe.name}", pe.name, argv, stdin)


def vtysh(pe: Pe, command: str) -> str:
    """What FRR in the guest answers."""
    return run(pe, ["vtysh", "--vty_socket", "/run/frr", "-c", command])


def sessions(pe: Pe) -> dict[str, str]:
    """Peer address to session state."""
    family = "l2vpn evpn" if pe.kind is PeKind.FABRIC else "ipv4 vpn"
    answer: Any = json.loads(vtysh(pe, f"show bgp {family} summary json") or "{}")
    return {address: str(peer["state"]) for address, peer in answer.get("peers", {}).items()}


def _start_frr(pe: Pe) -> None:
    """Its daemons say what they have to say to the console, and so to the guest's log."""
    there = [name for name in DAEMONS if (FRR / name).exists()]
    script = ["set -e", "install -d -o frr -g frr /run/frr", "cd /run/frr"]
    script += [
        f"{FRR / name} -i {name}.pid -z zserv.api --vty_socket /run/frr --log stdout --log-level notifications"
        + (" -f /dev/null" if name != "mgmtd" else "")
        + " </dev/null >/dev/console 2>&1 &\n"
        f"until [ -e {name}.vty ]; do sleep .02; done"
        for name in there
    ]
    script.append("exec vtysh --vty_socket /run/frr -f /mnt/home/frr.conf")
    run(pe, ["timeout", "30", "sh"], "\n".join([*script, ""]))


def _network(pe: Pe, topology: Topology) -> list[str]:
    match pe.kind:
        case PeKind.CARRIER:
            return list(carrier.network(pe, endpoints(pe, topology), topology.wan_mtu))
        case PeKind.FABRIC:
            return list(fabric.network(pe, endpoints(pe, topology), topology.wan_mtu))


def configuration(pe: Pe, topology: Topology) -> str:
    """frr.conf."""
    neighbours = [_neighbour(one, cloud.asn, topology) for cloud in topology.clouds for one in cloud.reflectors]
    match pe.kind:
        case PeKind.CARRIER:
            return carrier.configuration(pe, endpoints(pe, topology), neighbours)
        case PeKind.FABRIC:
            return fabric.configuration(pe, endpoints(pe, topology), neighbours)


def endpoints(pe: Pe, topology: Topology) -> list[IPv4Address]:
    """Where labelled packets of a PE may go. A carrier's: to every other PE. A fabric's: to others that are not ours,
    since hypervisors have a tunnel of another kind with it."""
    ours = [hypervisor.address for cloud in topology.clouds for hypervisor in cloud.hypervisors]
    others = [other.address for other in topology.pes if other.name != pe.name and other.labels]
    match pe.kind:
        case PeKind.CARRIER:
            return ours + others
        case PeKind.FABRIC:
            return others


def _neighbour(one: Reflector, asn: int, topology: Topology) -> Session:
    """A cloud's reflector, beyond the WAN router.

    FRR dials one that restarts once, and then waits for it to dial. So the others dial and are not dialled: of two
    sessions one would be closed again, and FRR drops what it has kept at that, as RFC 4724 section 4.2 wants it. Two
    FRR wait for each other's restarts, so there both dial.
    """
    said = [
        f"remote-as {asn}",
        "ttl-security hops 2" if topology.wary else "ebgp-multihop 2",
        f"timers {KEEPALIVE_S} {HOLD_S}",
        "timers connect 1",
        "advertisement-interval 0",
        *([f"password {trust.BETWEEN_CLOUDS}"] if topology.wary else []),
        *([] if one.kind is ReflectorKind.FRR else ["passive"]),
    ]
    return Session(one.address, tuple(f"neighbor {one.address} {words}" for words in said))
