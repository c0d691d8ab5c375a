"""Whose turn it is to be probed, when not all tunnel endpoints can be asked in every round. Pure.

Every endpoint has a share (`Tables.shares`): a VPN has as much as any other and divides it among its endpoints. Who has
enough for a turn in every round gets no more, and what is left over goes to the others, by their shares. So a thousand
endpoints of one VPN do not make the silence of another's few known any later.

A round has MOMENTS, and an endpoint is due at one of them: its pause after it was asked last. If more are due than may
be asked at once, those go first whose next turn would come first, so a crowd that has just come waits for the others
and not they for it.

Rules: between two probes of an endpoint lies its pause and a moment at most; at no moment are more asked than its part
of a round.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from math import ceil

from isthmus.model.net import IpAddress

MOMENTS = 10
"""Of a round."""
EPSILON = 1e-6
"""What dividing loses, in moments."""


def rates(shares: Mapping[IpAddress, float], turns: int) -> dict[IpAddress, float]:
    """Turns a round of each, when a round has so many; no share is 0. The largest first, so what it leaves is known."""
    left, weight, found = float(turns), sum(shares.values()), dict[IpAddress, float]()
    for endpoint in sorted(shares, key=lambda e: (-shares[e], e)):
        share = shares[endpoint]
        found[endpoint] = rate = min(1.0, left * share / max(weight, share))
        left, weight = left - rate, weight - share
    return found


class Turns:
    """Who is asked at each moment."""

    def __init__(self, a_round: int) -> None:
        self._a_round = a_round
        self._now = 0
        self._pauses: dict[IpAddress, float] = {}
        """In moments."""
        self._due: dict[IpAddress, float] = {}
        """The moment of the next turn; what is said of others below is not so any more."""
        self._later: dict[int, list[tuple[IpAddress, float]]] = {}
        """Those due at each moment that comes."""
        self._ready: list[tuple[float, IpAddress, float]] = []
        """A heap of those that are due: when they would be again, who, since when."""

    def share(self, shares: Mapping[IpAddress, float]) -> None:
        """These and no others from now on."""
        self._pauses = {endpoint: MOMENTS / rate for endpoint, rate in rates(shares, self._a_round).items()}
        for endpoint in self._due.keys() - shares.keys():
            del self._due[endpoint]
        for endpoint, pause in self._pauses.items():
            soon = self._now + pause if endpoint in self._due else self._now
            if self._due.get(endpoint, soon + 1) > soon:
                self._at(endpoint, soon)

    def _at(self, endpoint: IpAddress, due: float) -> None:
        self._due[endpoint] = due
        self._later.setdefault(max(ceil(due - EPSILON), self._now + 1), []).append((endpoint, due))

    @property
    def some_at_once(self) -> bool:
        """Whether it may be somebody's turn at the next moment."""
        return bool(self._ready) or self._now + 1 in self._later

    def asked(self, endpoint: IpAddress) -> None:
        """At this moment, whether it was its turn or not: its next turn is its pause later."""
        due, pause = self._due[endpoint], self._pauses[endpoint]
        was_due = self._now - 1 < due <= self._now
        self._at(endpoint, (due if was_due else self._now) + pause)

    def next(self) -> list[IpAddress]:
        """A moment later: whose turn it is; each is to be `asked`."""
        self._now += 1
        for endpoint, due in self._later.pop(self._now, ()):
            if self._due.get(endpoint) == due:
                heappush(self._ready, (due + self._pauses[endpoint], endpoint, due))
        found: list[IpAddress] = []
        while self._ready and len(found) < self._a_round // MOMENTS:
            _, endpoint, due = heappop(self._ready)
            if self._due.get(endpoint) == due:
                found.append(endpoint)
        return sorted(found)
