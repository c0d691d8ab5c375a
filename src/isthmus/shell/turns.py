"""Whose turn it is to be probed, when not all tunnel endpoints can be asked in every round. Pure.

Every endpoint has a share (`Tables.shares`): a VPN has as much as any other and divides it among its endpoints. Who has
enough for a turn in every round gets no more, and what is left over goes to the others, by their shares. So a thousand
endpoints of one VPN do not make the silence of another's few known any later.

Rules: in the long run nobody has less than its share, and never more than one turn a round.
"""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.model.net import IpAddress

GOLDEN = 0.618033988749895
"""Spreads first turns evenly, however many there are."""
EPSILON = 1e-9
"""What adding up parts of one loses."""


def rates(shares: Mapping[IpAddress, float], turns: int) -> dict[IpAddress, float]:
    """Turns a round of each, when a round has so many; no share is 0. The largest first, so what it leaves is known."""
    left, weight, found = float(turns), sum(shares.values()), dict[IpAddress, float]()
    for endpoint in sorted(shares, key=lambda e: (-shares[e], e)):
        share = shares[endpoint]
        found[endpoint] = rate = min(1.0, left * share / max(weight, share))
        left, weight = left - rate, weight - share
    return found


class Turns:
    """Who is asked in each round."""

    def __init__(self, a_round: int) -> None:
        self._a_round = a_round
        self._rates: dict[IpAddress, float] = {}
        self._credit: dict[IpAddress, float] = {}

    def share(self, shares: Mapping[IpAddress, float]) -> None:
        """These and no others from now on."""
        self._rates = rates(shares, self._a_round)
        spread = {endpoint: number * GOLDEN % 1 for number, endpoint in enumerate(sorted(shares))}
        self._credit = {endpoint: self._credit.get(endpoint, spread[endpoint]) for endpoint in shares}

    def next(self) -> list[IpAddress]:
        """Those of the next round, in order."""
        found: list[IpAddress] = []
        for endpoint, rate in self._rates.items():
            credit = self._credit[endpoint] + rate
            if credit >= 1.0 - EPSILON:
                found.append(endpoint)
                credit -= 1.0
            self._credit[endpoint] = credit
        return sorted(found)
