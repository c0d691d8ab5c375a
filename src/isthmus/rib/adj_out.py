"""What one peer was told of one family, against what it should be told.

Rules: `told` changes only by `done`, when what `plan` asked for is said; a session that ends takes its table with it.
Two equal announcements of one route are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.nlri import Nlri, NlriKey
from isthmus.model.delta import Plan, diff
from isthmus.rib.decision import GRACEFUL_SHUTDOWN

RouteKey: TypeAlias = NlriKey


@dataclass(frozen=True, slots=True)
class Announcement:
    """A route of ours, ready for the wire."""

    nlri: Nlri
    attributes: PathAttributes

    def leaving(self) -> Announcement:
        """The same route when it is about to go: everybody is asked to prefer another (RFC 8326)."""
        return replace(self, attributes=replace(self.attributes, local_pref=0, communities=(GRACEFUL_SHUTDOWN,)))


class AdjRibOut:
    """One channel's."""

    def __init__(self, told: Iterable[Announcement] = (), again: bool = False) -> None:
        self._told: dict[RouteKey, Announcement] = {a.nlri.key(): a for a in told}
        self.again = again
        """Whether all is to be said again."""

    @property
    def told(self) -> Mapping[RouteKey, Announcement]:
        return self._told

    def __len__(self) -> int:
        return len(self._told)

    def __contains__(self, key: RouteKey) -> bool:
        return key in self._told

    def plan(self, desired: Mapping[RouteKey, Announcement]) -> Plan[RouteKey, Announcement]:
        """What to announce and to withdraw now."""
        plan = diff(desired, self._told)
        return Plan(put=dict(desired), delete=plan.delete) if self.again else plan

    def done(self, desired: Mapping[RouteKey, Announcement]) -> None:
        """The plan for it has been said."""
        self._told, self.again = dict(desired), False

    def forget(self) -> None:
        """The peer asks for everything again (RFC 2918): the next plan says it all. What the peer has is remembered,
        because a refresh withdraws nothing: a route that goes in the same moment would stay with it for ever."""
        self.again = True
