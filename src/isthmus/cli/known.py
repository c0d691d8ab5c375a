"""What several agents said, found by name: ports, addresses, tunnel endpoints, announcements. Pure.

Rules: an address means something only in a VPN, so looking one up gives every port that has it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.model.reason import AttachmentState, NotAnnounced
from isthmus.node.status import (
    AssociationStatus,
    AttachmentStatus,
    MachineStatus,
    NodeStatus,
    PortStatus,
    RouteStatus,
    ViewStatus,
)

PREFIX_MIN = 4
"""Letters of a port's id that may stand for it."""

UNREADABLE = {AttachmentState.BAD_ROW.name, AttachmentState.UNKNOWN_SCHEMA.name}


@dataclass(frozen=True, slots=True)
class Told:
    """One agent's answer."""

    name: str
    status: NodeStatus
    how: str = ""
    """What must be added to a command to ask this very agent again: nothing, or its socket."""
    elsewhere: bool = False
    """Its answer was brought along: commands must be typed there."""

    def command(self, words: str) -> str:
        return f"{f'on {self.name}: ' if self.elsewhere else ''}isthmus {words}{self.how}"

    def attachment(self, circuit: str) -> AttachmentStatus | None:
        return next((a for a in self.status.attachments if a.circuit == circuit), None)

    def view(self, number: str) -> ViewStatus | None:
        return next((v for v in self.status.views if v.view == number), None)

    def exports(self, machine: MachineStatus, address: str) -> list[PortStatus]:
        return [p for p in self.status.ports if p.port == machine.port and p.address == address]

    def unreadable(self) -> AttachmentStatus | None:
        """An attachment's row that could never be read, if there is one: whose it is, nobody knows."""
        return next((a for a in self.status.attachments if a.state in UNREADABLE and not a.attachment), None)


class Place(NamedTuple):
    """A port where it is bound."""

    node: Told
    machine: MachineStatus

    def __str__(self) -> str:
        return f"port {self.machine.port[:8]} on {self.node.name}"

    def associations(self) -> Iterator[tuple[AttachmentStatus, AssociationStatus]]:
        """What covers it."""
        for door in self.machine.doors:
            attachment = self.node.attachment(door.circuit)
            if attachment is not None:
                yield from ((attachment, a) for a in attachment.associations if self.machine.network in a.networks)

    def imports(self) -> set[str]:
        return {target for _, a in self.associations() for target in a.imports}

    def own(self, version: int) -> str | None:
        """Its first address of that version."""
        return next((a for a in self.machine.addresses if ipaddress.ip_address(a).version == version), None)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that was said."""

    told: Sequence[Told]
    silent: Mapping[str, str] = field(default_factory=dict)
    """Agents that do not answer, and why."""

    @property
    def alone(self) -> bool:
        """Whether only one node was asked."""
        return len(self.told) + len(self.silent) == 1

    def places(self) -> Iterator[Place]:
        for node in self.told:
            yield from (Place(node, machine) for machine in node.status.machines)

    def find(self, word: str) -> list[Place]:
        """The ports somebody means by a port's id or the beginning of it, a device, a MAC or an address."""
        address, lower = _address(word), word.lower()
        found = []
        for place in self.places():
            m = place.machine
            by_id = len(word) >= PREFIX_MIN and m.port.startswith(lower)
            if by_id or lower in (m.mac, m.device.lower()) or (address and address in m.addresses):
                found.append(place)
        exact = [p for p in found if p.machine.port == lower]
        return exact or found

    def holders(self, address: str) -> list[Place]:
        """One that is on its way has it where it comes from."""
        arriving = NotAnnounced.ARRIVING.value
        return [p for p in self.places() if address in p.machine.addresses and p.machine.why_not != arriving]

    def at(self, vtep: str) -> Told | None:
        return next((node for node in self.told if node.status.vtep == vtep), None)

    def announcer(self, route: RouteStatus) -> tuple[Told, PortStatus] | None:
        """Who has the local address that this route tells of, by the route distinguisher."""
        address = route.prefix.partition("/")[0]
        for node in self.told:
            for port in node.status.ports:
                if (port.route_distinguisher, port.address) == (route.route_distinguisher, address):
                    return node, port
        return None


def _address(word: str) -> str | None:
    """An address as agents write it."""
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return None


def address_of(word: str) -> str | None:
    """The address that was meant, if it was one."""
    return _address(word)


def version_of(address: str) -> int:
    return ipaddress.ip_address(address).version


def covers(prefix: str, address: str) -> bool:
    network, host = ipaddress.ip_network(prefix, strict=False), ipaddress.ip_address(address)
    return network.version == host.version and host in network


def length_of(prefix: str) -> int:
    return int(prefix.partition("/")[2])
