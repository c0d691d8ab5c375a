"""What the shell is told whole, whenever it has changed: circuits to plug, next hops to resolve, endpoints to probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from isthmus.model.net import IpAddress
from isthmus.node.effects import Effect, SetCircuits, SetNeighbours, SetProbes
from isthmus.node.facts import Answer


class WholeStates:
    """Knows what was told last."""

    def __init__(self) -> None:
        self._told: dict[type[Effect], Effect] = {}
        self.probed: frozenset[IpAddress] = frozenset()
        self._probes: SetProbes | None = None
        """As the prober was told last, whatever was known of each."""
        self._looked: object = None

    def changed(self, wanted: SetCircuits | SetNeighbours) -> list[Effect]:
        if self._told.get(type(wanted)) == wanted:
            return []
        self._told[type(wanted)] = wanted
        return [wanted]

    def looks_otherwise(self, *seen: object) -> bool:
        """Whether what decides about probes is other than at the last look."""
        before, self._looked = self._looked, seen
        return before != self._looked

    def ask_anew(self) -> None:
        """What the prober was told of answers is not so any more."""
        self.probed, self._probes, self._looked = frozenset(), None, None

    def probes(
        self,
        wish: SetProbes,
        asked: frozenset[IpAddress],
        answers: Mapping[IpAddress, Answer],
        *,
        under_way: bool,
    ) -> list[Effect]:
        """`wish` for those that are asked, with what is known of each; told again when the set, a share or a way to ask
        is another. What a share is while more of them are `under_way` is told with those."""
        told = self._probes
        if under_way and told is not None and asked == self.probed:
            wish = replace(wish, shares=told.shares)
        if (asked, wish) == (self.probed, told):
            return []
        self.probed, self._probes = asked, wish
        known = {endpoint: answers.get(endpoint, Answer.UNKNOWN) for endpoint in asked}
        shares = wish.shares if len(wish.shares) == len(asked) else {e: wish.shares[e] for e in asked}
        return [replace(wish, endpoints=known, shares=shares)]
