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

    def changed(self, wanted: SetCircuits | SetNeighbours) -> list[Effect]:
        if self._told.get(type(wanted)) == wanted:
            return []
        self._told[type(wanted)] = wanted
        return [wanted]

    def probes(self, asked: Mapping[IpAddress, Answer], tunnel: int | None) -> list[Effect]:
        """`asked` with what is known of each; told again when the set or the tunnel port is another."""
        probed = frozenset(asked)
        if (probed, tunnel) == (self.probed, self._probed_by):
            return []
        self.probed, self._probed_by = probed, tunnel
        return [SetProbes(asked, tunnel)]
