"""What of its cloud's intent this hypervisor serves: as many attachments and ports as it may, and what is beyond.

Rules: a pure function of intent, ports and limits. Who comes first is decided by name, never by the order of arrival,
so a restart serves the same. A port counts once, however many VPNs it is in; one that is in none does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.node.config import Limits


@dataclass(frozen=True, slots=True)
class Admission:
    """The attachments and ports that are served, and the surplus of both."""

    circuits: Mapping[CircuitName, AttachmentIntent] = field(default_factory=dict)
    ports: tuple[LocalPort, ...] = ()
    """Those in no VPN among them."""
    workloads: int = 0
    """Attachments with a machine here, those beyond the maximum among them."""
    members: int = 0
    """Ports in a VPN, those beyond the maximum among them."""
    beyond: frozenset[CircuitName] = frozenset()
    ports_beyond: Mapping[str, LocalPort] = field(default_factory=dict)
    """By name."""


def admit(circuits: Mapping[CircuitName, AttachmentIntent], ports: Iterable[LocalPort], limits: Limits) -> Admission:
    """`circuits` and `ports` in the order of their names."""
    ports = tuple(ports)
    here = {port.network for port in ports}
    live = [name for name, intent in circuits.items() if here & _covered(intent)]
    beyond = frozenset(live[limits.circuits :])
    served = {name: intent for name, intent in circuits.items() if name not in beyond}
    networks = {network for intent in served.values() for network in _covered(intent)}
    members = [port for port in ports if port.network in networks]
    surplus = {port.name: port for port in members[limits.ports :]}
    return Admission(
        circuits=served,
        ports=tuple(port for port in ports if port.name not in surplus),
        workloads=len(live),
        members=len(members),
        beyond=beyond,
        ports_beyond=surplus,
    )


def _covered(intent: AttachmentIntent) -> set[str]:
    """The networks that are in some BGPVPN."""
    return {network for association in intent.associations for network in association.networks}
