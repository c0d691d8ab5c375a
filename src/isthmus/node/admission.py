"""What of its cloud's intent this hypervisor serves: as many attachments and ports as it may, and what is beyond.

Rules: a pure function of intent, ports, limits, and who is served already. Who is served stays, so nobody is put out by
a newcomer with a lower name; room goes by name. Whom an earlier run served the switch tells (`inherited.py`), and the
memory, so a restart serves the same. A port counts once, however many VPNs it is in; one in none does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.node.config import Limits


class Served(NamedTuple):
    """Who has a place already."""

    circuits: Set[CircuitName] = frozenset()
    ports: Set[str] = frozenset()


NOBODY = Served()


@dataclass(frozen=True, slots=True)
class Admission:
    """The attachments and ports that are served, and the surplus of both."""

    circuits: Mapping[CircuitName, AttachmentIntent] = field(default_factory=dict)
    ports: tuple[LocalPort, ...] = ()
    """Those in no VPN among them."""
    served: Served = NOBODY
    """Of `circuits` those with a machine here, of `ports` those in a VPN."""
    beyond: frozenset[CircuitName] = frozenset()
    ports_beyond: Mapping[str, LocalPort] = field(default_factory=dict)
    """By name."""

    @property
    def workloads(self) -> int:
        """Attachments with a machine here, those beyond the maximum among them."""
        return len(self.served.circuits) + len(self.beyond)

    @property
    def members(self) -> int:
        """Ports in a VPN, those beyond the maximum among them."""
        return len(self.served.ports) + len(self.ports_beyond)


def admit(
    circuits: Mapping[CircuitName, AttachmentIntent],
    ports: Iterable[LocalPort],
    limits: Limits,
    served: Served = NOBODY,
) -> Admission:
    """`circuits` and `ports` in the order of their names."""
    ports = tuple(ports)
    here = {port.network for port in ports}
    live = [name for name, intent in circuits.items() if here & _covered(intent)]
    live.sort(key=lambda name: name not in served.circuits)
    beyond = frozenset(live[limits.circuits :])
    admitted = {name: intent for name, intent in circuits.items() if name not in beyond}
    networks = {network for intent in admitted.values() for network in _covered(intent)}
    members = [port for port in ports if port.network in networks]
    members.sort(key=lambda port: port.name not in served.ports)
    surplus = {port.name: port for port in members[limits.ports :]}
    return Admission(
        circuits=admitted,
        ports=tuple(port for port in ports if port.name not in surplus),
        served=Served(frozenset(live[: limits.circuits]), frozenset(port.name for port in members[: limits.ports])),
        beyond=beyond,
        ports_beyond=surplus,
    )


def _covered(intent: AttachmentIntent) -> set[str]:
    """The networks that are in some BGPVPN."""
    return {network for association in intent.associations for network in association.networks}
