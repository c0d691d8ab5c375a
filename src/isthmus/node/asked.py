"""What the cloud asks of this hypervisor, as last readable: the owner of attachments and ports, and of what changed.

    IntentRead ─► circuits (readable now, or once), refused, ports ─► which circuits somebody must look at again

Rules: facts are whole, work is not: what came is compared with what was, row by row, and only a circuit whose meaning
has changed is said to be dirty, or one that has a port on its networks that means something else. A new revision of
the same content, a port's new name, somebody else's router cost a comparison each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AttachmentIntent, BadIntent, UnknownSchema, carried
from isthmus.model.net import IpAddress, Mac
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.node.facts import IntentRead

IN_SYNC = "in sync"

Meaning = tuple[Mac, tuple[IpAddress, ...], str, bool, bool, NotAnnounced | None]


class Asked:
    """See the head of the file."""

    def __init__(self, remembered: Mapping[CircuitName, AttachmentIntent] | None = None) -> None:
        """`remembered`: what the last run could read."""
        self._remembered = dict(remembered or {})
        self.fact: IntentRead | None = None
        self.state = "not read yet"
        self.circuits: dict[CircuitName, AttachmentIntent] = {}
        self.refused: dict[CircuitName, BadIntent] = {}
        self.ports: dict[str, LocalPort] = {}
        self._meanings: dict[str, Meaning] = {}
        self._behind: dict[str, set[CircuitName]] = {}
        """The circuits that each network is behind, or covered by an association of."""

    def read(self, fact: IntentRead) -> set[CircuitName]:
        """All of it as it is now. Which circuits are to be looked at again."""
        self.state = IN_SYNC
        before, self.fact = self.fact, fact
        dirty: set[CircuitName] = set()
        networks = set[str]()
        if before is None or before.ports is not fact.ports:
            networks.update(self._read_ports(fact.ports))
        if before is None or before.circuits is not fact.circuits:
            dirty |= self._read_circuits(fact.circuits)
        dirty |= self.behind(networks)
        return dirty

    def _read_circuits(self, rows: Mapping[CircuitName, AttachmentIntent | BadIntent]) -> set[CircuitName]:
        dirty = set[CircuitName]()
        for name in self.circuits.keys() - rows.keys():
            self._put(name, None)
            dirty.add(name)
        self.refused = {name: row for name, row in rows.items() if isinstance(row, BadIntent)}
        for name, row in rows.items():
            known = self.circuits.get(name)
            if row is known:
                continue
            stands = _stands(row, known or self._remembered.get(name))
            if stands is None:
                continue
            if known is None or not _means_the_same(known, stands):
                dirty.add(name)
            self._put(name, stands)
        if self._remembered:
            self._forget(rows)
        return dirty

    def _forget(self, rows: Mapping[CircuitName, AttachmentIntent | BadIntent]) -> None:
        """What was remembered is of no use once it was read, or its row is gone: it has a machine here, and no row."""
        here = self.networks
        self._remembered = {
            name: intent
            for name, intent in self._remembered.items()
            if isinstance(rows.get(name), BadIntent) or (name not in rows and here.isdisjoint(intent.networks))
        }

    def _put(self, name: CircuitName, intent: AttachmentIntent | None) -> None:
        if (known := self.circuits.pop(name, None)) is not None:
            for network in _networks(known):
                self._behind[network].discard(name)
                if not self._behind[network]:
                    del self._behind[network]
        if intent is not None:
            self.circuits[name] = intent
            for network in _networks(intent):
                self._behind.setdefault(network, set()).add(name)

    def _read_ports(self, ports: Iterable[LocalPort]) -> Iterator[str]:
        """Networks that have a port which came, went, or means something else."""
        fresh = {port.name: port for port in sorted(ports, key=lambda port: port.name)}
        meanings = {name: (p.mac, p.addresses, p.network, p.up, p.floating, p.why_not) for name, p in fresh.items()}
        for name in self._meanings.keys() | meanings.keys():
            was, now = self._meanings.get(name), meanings.get(name)
            if was != now:
                yield from {meaning[2] for meaning in (was, now) if meaning is not None}
        self.ports, self._meanings = fresh, meanings

    @property
    def worth_remembering(self) -> dict[CircuitName, AttachmentIntent]:
        """Those with something here; before anything was read, what the last run left."""
        here = {name: self.circuits[name] for name in sorted(self.behind(self.networks))}
        return self._remembered | here

    @property
    def networks(self) -> frozenset[str]:
        """Those with a port here."""
        return frozenset(port.network for port in self.ports.values())

    def behind(self, networks: Iterable[str]) -> set[CircuitName]:
        """The circuits that these networks are behind."""
        return {name for network in networks for name in self._behind.get(network, ())}

    @property
    def unreadable(self) -> frozenset[CircuitName]:
        """Circuits of which an earlier run knew more than this one can read: what stands for them stays."""
        return frozenset(
            name
            for name, error in self.refused.items()
            if isinstance(error, UnknownSchema) and name not in self.circuits
        )


def _stands(row: AttachmentIntent | BadIntent, before: AttachmentIntent | None) -> AttachmentIntent | None:
    """What a row means, with what was known before: what cannot be read, of an attachment or of one of its BGPVPNs, was
    written by a newer Isthmus or is nonsense, and what stood stays. None: nobody ever knew."""
    return before if isinstance(row, BadIntent) else carried(row, before)


def _means_the_same(one: AttachmentIntent, other: AttachmentIntent) -> bool:
    return one is other or replace(one, revision=other.revision) == other


def _networks(intent: AttachmentIntent) -> set[str]:
    return set(intent.networks).union(*(a.networks for a in intent.associations))
