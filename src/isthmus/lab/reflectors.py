"""The reflectors of a cloud, whichever speaker its topology names."""

from __future__ import annotations

from isthmus.lab import bird, frr, gobgp
from isthmus.lab.fault import PartFailed
from isthmus.lab.plan import reflector
from isthmus.lab.process import Processes
from isthmus.lab.topology import Cloud, Reflector, ReflectorKind, Topology


def start(cloud: Cloud, one: Reflector, topology: Topology, processes: Processes) -> None:
    """From nothing to an Established session with every reflector of the other clouds."""
    match one.kind:
        case ReflectorKind.FRR:
            frr.prepare(cloud, one, topology, processes)
        case ReflectorKind.GOBGP | ReflectorKind.GOBGP_UNDEFERRED:
            gobgp.prepare(cloud, one, topology, processes)
        case ReflectorKind.BIRD:
            bird.prepare(cloud, one, topology, processes)
    started = processes.start(reflector(one, processes.places))
    others = [peer for _cloud, peer in topology.reflectors_beside(cloud)]
    processes.until(
        f"reflector {one.node}",
        f"Established sessions with {', '.join(o.node for o in others) or 'nobody'}",
        lambda: _not_established(one, others, processes),
        within_s=30,
        watch=[started],
    )


def sessions(one: Reflector, processes: Processes) -> dict[str, str]:
    """Peer address to session state, clients included. Raises PartFailed while it does not answer."""
    match one.kind:
        case ReflectorKind.FRR:
            return frr.sessions(one, processes)
        case ReflectorKind.GOBGP | ReflectorKind.GOBGP_UNDEFERRED:
            return gobgp.sessions(one, processes)
        case ReflectorKind.BIRD:
            return bird.sessions(one, processes)


def _not_established(one: Reflector, others: list[Reflector], processes: Processes) -> str | None:
    try:
        states = sessions(one, processes)
    except PartFailed as failure:
        return failure.seen
    for other in others:
        state = states.get(str(other.address), "unknown")
        if state != "Established":
            return f"the session with {other.address} is {state}"
    return None
