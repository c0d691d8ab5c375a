"""Whose turn it is to be probed, when not all tunnel endpoints can be asked in every round. Pure.

Every endpoint has a share (`Leads.shares`): a VPN has as much as any other and divides it among its endpoints. Who has
enough for a turn in every round gets no more, and what is left over goes to the others, by their shares. So a thousand
endpoints of one VPN do not make the silence of another's few known any later.

A round has MOMENTS, and an endpoint is due at one of them: its pause after it was asked last. If more are due than may
be asked at once, those go first whose next turn would come first, so a crowd that has just come waits for the others
and not they for it.

Who comes, or has another share, is the only one looked at, unless everybody's turns come much sooner with it.

Rules: between two probes of an endpoint lies its pause and a moment at most; at no moment are more asked than its part
of a round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from math import ceil, inf

from isthmus.model.net import IpAddress

MOMENTS = 10
"""Of a round."""
EPSILON = 1e-6
"""What dividing loses, in moments."""
MUCH = 1.25
"""When turns come so much sooner, whoever waits for one waits no longer than it would now."""


def level(shares: Mapping[IpAddress, float], turns: int) -> float:
    """Turns a round for a whole share, when a round has so many and nobody more than one; the largest have theirs
    first, so what they leave is known."""
    kinds = Counter(shares.values())
    left, weight = float(turns), sum(share * count for share, count in kinds.items())
    for share in sorted(kinds, reverse=True):
        if left * share < weight:
            return left / weight
        left, weight = left - kinds[share], weight - share * kinds[share]
    return inf


class Turns:
    """Who is asked at each moment."""

    def __init__(self, a_round: int) -> None:
        self._a_round = a_round
        self._now = 0
        self._shares: Mapping[IpAddress, float] = {}
        self._level = self._level_before = inf
        """Now, and when those that waited were last looked at."""
        self._due: dict[IpAddress, float] = {}
        """The moment of the next turn; what is said of others below is not so any more."""
        self._later: dict[int, list[tuple[IpAddress, float]]] = {}
        """Those due at each moment that comes."""
        self._ready: list[tuple[float, IpAddress, float]] = []
        """A heap of those that are due: when they would be again, who, since when."""

    def share(self, shares: Mapping[IpAddress, float]) -> None:
        """These and no others from now on; no share is 0."""
        others = {endpoint for endpoint, _ in shares.items() - self._shares.items()}
        for endpoint in self._shares.keys() - shares.keys():
            del self._due[endpoint]
        self._shares, self._level = shares, level(shares, self._a_round)
        much = self._level > self._level_before * MUCH
        for endpoint in shares if much else others:
            soon = self._now + self._pause(endpoint) if endpoint in self._due else self._now
            if self._due.get(endpoint, soon + 1) > soon:
                self._at(endpoint, soon)
        self._level_before = self._level if much else min(self._level, self._level_before)

    def _pause(self, endpoint: IpAddress) -> float:
        """Between two turns, in moments."""
        return max(MOMENTS, MOMENTS / (self._level * self._shares[endpoint]))

    def _at(self, endpoint: IpAddress, due: float) -> None:
        self._due[endpoint] = due
        self._later.setdefault(max(ceil(due - EPSILON), self._now + 1), []).append((endpoint, due))

    @property
    def may_be_next(self) -> bool:
        """Whether it may be somebody's turn at the next moment."""
        return bool(self._ready) or self._now + 1 in self._later

    def asked(self, endpoint: IpAddress) -> None:
        """At this moment, whether it was its turn or not: its next turn is its pause later."""
        due, pause = self._due[endpoint], self._pause(endpoint)
        was_due = self._now - 1 < due <= self._now
        self._at(endpoint, (due if was_due else self._now) + pause)

    def next(self) -> list[IpAddress]:
        """A moment later: whose turn it is; each is to be `asked`."""
        self._now += 1
        for endpoint, due in self._later.pop(self._now, ()):
            if self._due.get(endpoint) == due:
                heappush(self._ready, (due + self._pause(endpoint), endpoint, due))
        found: list[IpAddress] = []
        while self._ready and len(found) < self._a_round // MOMENTS:
            _, endpoint, due = heappop(self._ready)
            if self._due.get(endpoint) == due:
                found.append(endpoint)
        return sorted(found)
