"""Addresses that were announced and are no longer: their inbound flow stays a while, for packets that are under way.

One that is from now on delivered by another circuit of the same BGPVPN keeps the old way until that circuit is plugged.
Rule: a number that is another BGPVPN's now drains nothing: not one packet of that one may come out here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.node.order import LINGER_S
from isthmus.vpn.exports import Export


class Lingering:
    """The old ways, each with its end."""

    def __init__(self) -> None:
        self._until: dict[InboundKey, tuple[CircuitName, float]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def note(
        self,
        before: Iterable[Export],
        announced: Mapping[InboundKey, Export],
        plugged: Collection[CircuitName],
        now: float,
    ) -> None:
        """What is announced has changed: `before` are exports that are gone or judged otherwise, `announced` is all
        there is now; `plugged` are the circuits that are there."""
        for e in before:
            after = announced.get(e.inbound)
            if e.why_not is None and (after is None or after.circuit != e.circuit) and e.circuit in plugged:
                self._until[e.inbound] = (e.circuit, now + LINGER_S)
            if after is not None and after.bgpvpn != e.bgpvpn:
                self._until.pop(e.inbound, None)
        self._until = {
            key: (circuit, until)
            for key, (circuit, until) in self._until.items()
            if self._goes_on(announced.get(key), circuit, plugged, until > now)
        }

    @staticmethod
    def _goes_on(after: Export | None, circuit: CircuitName, plugged: Collection[CircuitName], in_time: bool) -> bool:
        if after is None:
            return in_time
        return after.circuit != circuit and (in_time or after.circuit not in plugged)

    def is_due(self, now: float) -> bool:
        """Whether one of them has had its time: `note` takes it away."""
        return any(until <= now for _, until in self._until.values())

    def deadlines(self) -> list[float]:
        return [until for _, until in self._until.values()]

    def ways(self) -> dict[InboundKey, CircuitName]:
        """By which circuit each is delivered still."""
        return {key: circuit for key, (circuit, _) in self._until.items()}
