"""One cloud's truth: networks, virtual machines, BGPVPNs, attachments, and the rows that say so to its hosts.

Holds the rules that Neutron keeps (an address is once in a network, subnets behind one router do not overlap, a VNI is
one BGPVPN's, a number one (attachment, BGPVPN)'s), so that random histories stay possible ones. What breaks no rule
happens: equal addresses in different networks, one network behind two routers, the same target everywhere.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from tests.sim.rows import Association, Port, Row, Snapshot, Spelling


def uuid(kind: int, number: int) -> str:
    return f"00000000-0000-0000-{kind:04x}-{number:012d}"


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    subnets: tuple[str, ...]
    unserved: frozenset[str]
    """Subnets on which no router has an interface."""


@dataclass(frozen=True, slots=True)
class Vpn:
    number: int
    vni: int
    imports: frozenset[str]
    exports: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bond:
    """An association: the whole attachment's, or one network's."""

    number: int
    vpn: int
    network: str | None
    local_pref: int | None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    number: int
    networks: tuple[str, ...]
    fallback: str
    bonds: tuple[Bond, ...] = ()
    spelling: Spelling = Spelling.GOOD

    @property
    def circuit(self) -> str:
        return f"isthmus-ac-{uuid(1, self.number)}"


@dataclass(frozen=True, slots=True)
class Vm:
    number: int
    network: str
    addresses: tuple[str, ...]
    revision: int
    host: str
    up: bool = True


def overlap(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return any(a == b for a in some for b in others)


class Cloud:
    """See the head of the file. `rows` is what is written; `write` brings one row up to the truth."""

    def __init__(self, name: str, asn: int) -> None:
        self.name, self.asn = name, asn
        self.networks: dict[str, Network] = {}
        self.vms: dict[int, Vm] = {}
        self.vpns: dict[int, Vpn] = {}
        self.attachments: dict[int, Attachment] = {}
        self.rows: dict[str, Row] = {}
        self.version = 0
        self._numbers: dict[tuple[int, int], int] = {}
        self._next = 100

    def fresh_number(self) -> int:
        self._next += 1
        return self._next

    def free_addresses(self, network: str) -> list[str]:
        """Of each subnet those that nobody has."""
        taken = {a for vm in self.vms.values() if vm.network == network for a in vm.addresses}
        return [a for s in self.networks[network].subnets for a in hosts(s) if a not in taken]

    def may_join(self, attachment: Attachment, network: str) -> bool:
        mine = tuple(s for n in attachment.networks for s in self.networks[n].subnets)
        return network not in attachment.networks and not overlap(mine, self.networks[network].subnets)

    def put(self, attachment: Attachment) -> None:
        self.attachments[attachment.number] = attachment

    def write(self, number: int) -> None:
        """This attachment's row as it should be."""
        attachment = self.attachments.get(number)
        circuit = f"isthmus-ac-{uuid(1, number)}"
        if attachment is None or not attachment.bonds:
            self.rows.pop(circuit, None)
            if attachment is not None:
                self.put(replace(attachment, spelling=Spelling.GOOD))
            return
        before = self.rows.get(circuit)
        row = self._row(attachment, before.revision if before else 1)
        self.rows[circuit] = row if row == before else replace(row, revision=row.revision + 1)

    def _row(self, attachment: Attachment, revision: int) -> Row:
        networks = [self.networks[n] for n in attachment.networks]
        return Row(
            circuit=attachment.circuit,
            attachment=f"router:{uuid(1, attachment.number)}",
            revision=revision,
            site=f"{self.asn}:1",
            networks=frozenset(attachment.networks),
            subnets=frozenset(s for n in networks for s in n.subnets if s not in n.unserved),
            fallback=attachment.fallback,
            associations=tuple(self._association(attachment, bond) for bond in attachment.bonds),
            spelling=attachment.spelling,
            lanes=self._lanes(attachment),
        )

    def _lanes(self, attachment: Attachment) -> tuple[tuple[str, int], ...]:
        """Every other attachment has them: a cloud on its way from one release to the next."""
        known = list(self.networks)
        return tuple((n, 16 + known.index(n)) for n in attachment.networks) if attachment.number % 2 else ()

    def _association(self, attachment: Attachment, bond: Bond) -> Association:
        vpn = self.vpns[bond.vpn]
        number = self._numbers.setdefault((attachment.number, bond.vpn), 16 + len(self._numbers))
        covered = attachment.networks if bond.network is None else (bond.network,)
        return Association(
            uuid=uuid(2, bond.number),
            whole_router=bond.network is None,
            vpn=uuid(3, bond.vpn),
            number=number,
            vni=vpn.vni,
            imports=vpn.imports,
            exports=vpn.exports,
            networks=frozenset(covered) & frozenset(attachment.networks),
            local_pref=bond.local_pref,
            shared=bond.shared,
        )

    def snapshot(self) -> Snapshot:
        self.version += 1
        ports: dict[str, list[Port]] = {}
        for vm in self.vms.values():
            port = Port(
                uuid(4, vm.number),
                f"02:aa:00:00:00:{vm.number % 256:02x}",
                vm.addresses,
                vm.network,
                vm.revision,
                vm.up,
            )
            ports.setdefault(vm.host, []).append(port)
        return Snapshot(self.version, dict(self.rows), {host: tuple(found) for host, found in ports.items()})


def hosts(subnet: str) -> list[str]:
    """A few addresses of a subnet: few enough that histories collide."""
    network = ipaddress.ip_network(subnet)
    return [str(network[n]) for n in (5, 6, 7, 8)]
