"""Addresses that were announced and are no longer: their inbound flow stays a while, for packets that are under way.

One that is from now on delivered by another circuit of the same BGPVPN keeps the old way until that circuit is plugged.
Rule: a number or label that is another BGPVPN's now drains nothing: not one packet of that one may come out here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from isthmus.fib.entries import CircuitName, Inbound
from isthmus.node.order import LINGER_S
from isthmus.vpn.exports import Export


class OldWay(NamedTuple):
    """How an address was delivered, and for how long it still is."""

    circuit: CircuitName
    bgpvpn: str
    until: float

    def goes_on(self, after: Export | None, plugged: Collection[CircuitName], now: float) -> bool:
        """`after`: what is announced for it now."""
        if after is None:
            return self.until > now
        if after.bgpvpn != self.bgpvpn:
            return False
        return after.circuit != self.circuit and (self.until > now or after.circuit not in plugged)


class Lingering:
    """The old ways, each with its end."""

    def __init__(self) -> None:
        self._old: dict[Inbound, OldWay] = {}

    def __len__(self) -> int:
        return len(self._old)

    def note(
        self,
        before: Iterable[Export],
        delivered: Mapping[Inbound, Export],
        ways_to: Callable[[Export], Iterable[Inbound]],
        plugged: Collection[CircuitName],
        now: float,
    ) -> None:
        """What is announced has changed: `before` are exports that are gone or judged otherwise, `delivered` is all
        there is now; `ways_to`: what each is delivered by; `plugged` are the circuits that are there."""
        for e in before:
            for key in ways_to(e) if e.why_not is None and e.circuit in plugged else ():
                after = delivered.get(key)
                if after is None or after.circuit != e.circuit:
                    self._old[key] = OldWay(e.circuit, e.bgpvpn, now + LINGER_S)
        self._old = {key: way for key, way in self._old.items() if way.goes_on(delivered.get(key), plugged, now)}

    def is_due(self, now: float) -> bool:
        """Whether one of them has had its time: `note` takes it away."""
        return any(way.until <= now for way in self._old.values())

    def deadlines(self) -> list[float]:
        return [way.until for way in self._old.values()]

    def ways(self) -> dict[Inbound, CircuitName]:
        """By which circuit each is delivered still."""
        return {key: way.circuit for key, way in self._old.items()}
