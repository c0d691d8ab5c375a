"""Addresses that were announced and are no longer: their inbound flow stays a while, for packets that are under way.

One that is from now on delivered by another circuit of the same BGPVPN keeps the old way until that circuit is plugged.
Rule: a number that is another BGPVPN's now drains nothing: not one packet of that one may come out here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.node.order import DRAIN_S
from isthmus.vpn.exports import Export


class Draining:
    """The old ways, each with its end."""

    def __init__(self) -> None:
        self._until: dict[InboundKey, tuple[CircuitName, float]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def note(
        self, before: Iterable[Export], fresh: Iterable[Export], plugged: Collection[CircuitName], now: float
    ) -> None:
        """What is exported has changed; `plugged` are the circuits that are there."""
        announced = [e for e in fresh if e.why_not is None]
        wanted = {e.inbound: e.circuit for e in announced}
        vpns = {e.inbound: e.bgpvpn for e in announced}
        for e in before:
            if e.why_not is None and wanted.get(e.inbound) != e.circuit and e.circuit in plugged:
                self._until[e.inbound] = (e.circuit, now + DRAIN_S)
            if vpns.get(e.inbound, e.bgpvpn) != e.bgpvpn:
                self._until.pop(e.inbound, None)
        unplugged = {key for key, circuit in wanted.items() if circuit not in plugged}
        self._until = {
            key: (circuit, until)
            for key, (circuit, until) in self._until.items()
            if wanted.get(key) != circuit and (until > now or key in unplugged)
        }

    def is_due(self, now: float) -> bool:
        """Whether one of them has had its time: `note` takes it away."""
        return any(until <= now for _, until in self._until.values())

    def deadlines(self) -> list[float]:
        return [until for _, until in self._until.values()]

    def ways(self) -> dict[InboundKey, CircuitName]:
        """By which circuit each is delivered still."""
        return {key: circuit for key, (circuit, _) in self._until.items()}
