"""The reflector of a cloud, whichever speaker its topology names."""

from __future__ import annotations

from isthmus.lab import frr, gobgp
from isthmus.lab.process import Processes
from isthmus.lab.topology import Cloud, ReflectorKind, Topology


def start(cloud: Cloud, topology: Topology, processes: Processes) -> None:
    """From nothing to an Established session with every other reflector that is up by then."""
    match cloud.reflector_kind:
        case ReflectorKind.FRR:
            frr.start(cloud, topology, processes)
        case ReflectorKind.GOBGP:
            gobgp.start(cloud, topology, processes)


def sessions(cloud: Cloud, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included."""
    match cloud.reflector_kind:
        case ReflectorKind.FRR:
            return frr.sessions(cloud, processes)
        case ReflectorKind.GOBGP:
            return gobgp.sessions(cloud, processes)
