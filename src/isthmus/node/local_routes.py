"""This hypervisor's own addresses in every VPN: what of them may be announced, and what each is delivered by.

Kept circuit by circuit, because what changes is one circuit's. (VNI, address) is delivered by one export only, so those
of other circuits that share it are judged again, and nothing else. Recompute is the reference: `vpn.exports.exports` of
everything and the same occupants gives the same (a test says so for random histories).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import CircuitName, Inbound, InboundKey
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.reason import Contested
from isthmus.model.vpn import RouteTarget
from isthmus.node.claims import Claims
from isthmus.rib.adj_in import Touched, touch
from isthmus.rib.adj_out import RouteKey
from isthmus.vpn.claims import Hearing, Title
from isthmus.vpn.exports import Export, Speaker, one_each
from isthmus.vpn.offers import Offer, of_export

_CONTESTED = {
    Title.FIRST: Contested.FIRST,
    Title.SECOND: Contested.SECOND,
    Title.RESERVED: Contested.SECOND,
}


class Change(NamedTuple):
    """What a replacement has changed."""

    before: list[Export]
    """Exports that are gone or judged otherwise."""
    touched: Touched
    """Destinations by the targets that their exports had or have."""


class Ear(NamedTuple):
    """What claims are judged by."""

    hear: Callable[[Export], Hearing]
    knows: bool
    """Whether peers have said all there is."""
    knows_of: Callable[[frozenset[RouteTarget]], bool]
    """Whether they have of what has these targets."""
    now: float


class LocalRoutes:
    """See the head of the file."""

    def __init__(self, speaker: Speaker, claims: Claims) -> None:
        self._speaker, self._claims = speaker, claims
        self._rivals: dict[InboundKey, dict[CircuitName, list[Export]]] = {}
        """All that anybody wants for an address, as it is before rivals are looked at."""
        self._judged: dict[InboundKey, tuple[Export, ...]] = {}
        self._keys: dict[CircuitName, dict[InboundKey, None]] = {}
        """In the order in which their exports were made."""
        self._at: dict[Destination, set[InboundKey]] = {}
        self.delivered: dict[Inbound, Export] = {}
        """What comes for those that may be announced, family by family."""
        self.proofs: dict[Inbound, FlowKey] = {}
        """The flow of each."""
        self.offers: dict[RouteKey, Offer] = {}
        """What the peers are to be told, once it is proved."""
        self.offers_version = 0
        """Another number whenever `offers` has changed."""

    def __iter__(self) -> Iterator[Export]:
        for circuit in sorted(self._keys):
            yield from self.of(circuit)

    @property
    def circuits(self) -> Iterable[CircuitName]:
        """Those with an address in some BGPVPN."""
        return self._keys.keys()

    def of(self, circuit: CircuitName) -> Iterator[Export]:
        """One circuit's, as judged."""
        for key in self._keys.get(circuit, ()):
            yield from (e for e in self._judged[key] if e.circuit == circuit)

    def touched_by(self, circuits: Iterable[CircuitName]) -> Touched:
        """Whether these can be delivered to has changed."""
        touched: Touched = {}
        for export in (e for circuit in circuits for e in self.of(circuit)):
            touch(touched, export.targets, export.prefix)
        return touched

    def at(self, destination: Destination) -> tuple[Export, ...]:
        """All exports of an address, in whatever VPN."""
        return tuple(e for key in sorted(self._at.get(destination, ())) for e in self._judged[key])

    def replace(
        self, fresh: Mapping[CircuitName, Iterable[Export]], heard: Collection[Destination], ear: Ear
    ) -> Change:
        """These circuits' exports as they are now. `heard`: where others' routes have changed, which may change what
        is claimed here."""
        concerned = {key for destination in self._at.keys() & heard for key in self._at[destination]}
        concerned |= self._claims.due(knows=ear.knows, now=ear.now)
        for circuit, exports in fresh.items():
            for key in self._keys.pop(circuit, {}):
                del self._rivals[key][circuit]
                concerned.add(key)
            for export in exports:
                self._keys.setdefault(circuit, {})[export.inbound] = None
                self._rivals.setdefault(export.inbound, {}).setdefault(circuit, []).append(export)
                concerned.add(export.inbound)
        change = Change([], {})
        for key in sorted(concerned):
            self._judge(key, change, ear)
        return change

    def _judge(self, key: InboundKey, change: Change, ear: Ear) -> None:
        wanted = [export for exports in self._rivals.get(key, {}).values() for export in exports]
        before, after = self._judged.get(key, ()), self._claimed(key, wanted, ear)
        if not wanted:
            self._rivals.pop(key, None)
        if before == after:
            return
        change.before.extend(before)
        for export in (*before, *after):
            touch(change.touched, export.targets, key.prefix)
        if after:
            self._judged[key] = after
            self._at.setdefault(key.prefix, set()).add(key)
        else:
            del self._judged[key]
            self._at[key.prefix].discard(key)
            if not self._at[key.prefix]:
                del self._at[key.prefix]
        self._offer(before, after)

    def _claimed(self, key: InboundKey, wanted: list[Export], ear: Ear) -> tuple[Export, ...]:
        """Who has it, with what is claimed for it, and the others."""
        first, *others = one_each(wanted, self._claims.occupant(key, ear.now)) if wanted else (None,)
        if first is None or first.why_not is not None:
            self._claims.drop(key, ear.now)
            return () if first is None else (first, *others)
        hearing, knows = ear.hear(first), ear.knows and ear.knows_of(first.heard_with)
        claim = self._claims.judge(key, first.claimant, first.circuit, hearing, knows=knows, now=ear.now)
        contested = hearing.contested or any(other.claimant != first.claimant for other in others)
        words = _CONTESTED.get(claim.title) if contested else None
        return (replace(first, mobility=claim.sequence, contested=words), *others)

    def _offer(self, before: Iterable[Export], after: Iterable[Export]) -> None:
        for export in before:
            for offer in of_export(export, self._speaker) if export.why_not is None else ():
                if self.delivered.get(offer.proof) is not export:
                    continue  # a BGPVPN has another VNI: by its label the address is delivered for the new one by now
                del self.delivered[offer.proof], self.proofs[offer.proof]
                there = self.offers.get(offer.key)
                if there is not None and there.proof == offer.proof:  # else it is offered with another VNI by now
                    del self.offers[offer.key]
        for export in after:
            for offer in of_export(export, self._speaker) if export.why_not is None else ():
                self.offers[offer.key], self.delivered[offer.proof] = offer, export
                self.proofs[offer.proof] = Renderer.inbound_key(offer.proof)
        self.offers_version += 1
