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
        self._probed_by: tuple[int | None, Mapping[IpAddress, float]] = None, {}
        """The tunnel port and the shares that the prober was told of."""
        self._looked: object = None

    def changed(self, wanted: SetCircuits | SetNeighbours) -> list[Effect]:
        if self._told.get(type(wanted)) == wanted:
            return []
        self._told[type(wanted)] = wanted
        return [wanted]

    def looks_otherwise(self, switch: int, uses: int, tunnel: int | None) -> bool:
        """Whether the switch or the endpoints' uses (their versions) or the tunnel port are others than at the last
        look."""
        before, self._looked = self._looked, (switch, uses, tunnel)
        return before != self._looked

    def ask_anew(self) -> None:
        """What the prober was told of answers is not so any more."""
        self.probed, self._probed_by, self._looked = frozenset(), (None, {}), None

    def probes(
        self, asked: Mapping[IpAddress, Answer], tunnel: int | None, shares: Mapping[IpAddress, float]
    ) -> list[Effect]:
        """`asked` with what is known of each; told again when the set, a share or the tunnel port is another."""
        probed = frozenset(asked)
        if (probed, (tunnel, shares)) == (self.probed, self._probed_by):
            return []
        self.probed, self._probed_by = probed, (tunnel, shares)
        return [SetProbes(asked, tunnel, shares)]
