"""What the shell is told whole, whenever it has changed: circuits to plug, next hops to resolve, endpoints to probe."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.model.net import IpAddress
from isthmus.node.effects import Effect, SetCircuits, SetNeighbours, SetProbes
from isthmus.node.facts import Answer


class WholeStates:
    """Knows what was told last."""

    def __init__(self) -> None:
        self._told: dict[type[Effect], Effect] = {}
        self.probed: frozenset[IpAddress] = frozenset()
        self._probed_by: int | None = None
        """The tunnel port the prober was told of."""
        self._looked: object = None

    def changed(self, wanted: SetCircuits | SetNeighbours) -> list[Effect]:
        if self._told.get(type(wanted)) == wanted:
            return []
        self._told[type(wanted)] = wanted
        return [wanted]

    def looks_otherwise(self, switch: int, endpoints: frozenset[IpAddress], tunnel: int | None) -> bool:
        """Whether the switch (its version), the endpoints or the tunnel port are others than at the last look."""
        before, self._looked = self._looked, (switch, endpoints, tunnel)
        return before != self._looked

    def ask_anew(self) -> None:
        """What the prober was told of answers is not so any more."""
        self.probed, self._probed_by, self._looked = frozenset(), None, None

    def probes(self, asked: Mapping[IpAddress, Answer], tunnel: int | None) -> list[Effect]:
        """`asked` with what is known of each; told again when the set or the tunnel port is another."""
        probed = frozenset(asked)
        if (probed, tunnel) == (self.probed, self._probed_by):
            return []
        self.probed, self._probed_by = probed, tunnel
        return [SetProbes(asked, tunnel)]
