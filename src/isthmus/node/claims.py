"""What this hypervisor claims of each address in each VPN, and who has given one up: the owner of that (ADR 11).

Rules: what a claim is worth is decided in `vpn/claims.py`; here it is kept, from run to run, because who was first is
history and follows from nothing else. Bounded: forgetting a title costs somebody who comes back his precedence.
"""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.model.vpn import Claimant
from isthmus.node.order import RESTART_TIME_S
from isthmus.vpn.claims import TITLE_S, Claim, Hearing, judge
from isthmus.vpn.exports import Occupant

LEFT_MAX = 32_768
"""Titles kept of who has left; the oldest go first."""


Remembered = tuple[InboundKey, Claim]


class Claims:
    """See the head of the file."""

    def __init__(self, remembered: Iterable[Remembered] = (), *, at: float = 0.0, now: float = 0.0) -> None:
        """`remembered`: what the last run claimed, `at`. While peers keep what it said that stands; later it is a
        title."""
        self.live: dict[InboundKey, Claim] = {}
        self._open: set[InboundKey] = set()
        """Of those the ones that are not first."""
        self._left: dict[InboundKey, Claim] = {}
        """Of who was first and left, until the title ends."""
        self._resumed: dict[InboundKey, Claim] = {}
        """What the last run claimed, until this one knows what it does."""
        for key, claim in remembered:
            if claim.is_first and (claim.until is not None or now > at + RESTART_TIME_S):
                self._left[key] = claim._replace(until=claim.until or at + TITLE_S)
            else:
                self._resumed[key] = claim

    def __getitem__(self, key: InboundKey) -> Claim:
        return self.live[key]

    def all(self, now: float) -> tuple[Remembered, ...]:
        """For the next run."""
        titles = ((key, claim) for key in self._left if (claim := self._title(key, now)) is not None)
        return (*titles, *(self._resumed | self.live).items())

    def occupant(self, key: InboundKey, now: float) -> Occupant | None:
        """Who has the address here, or had it and would have it again."""
        live, left = self.live.get(key) or self._resumed.get(key), self._title(key, now)
        claim = live if live is not None and live.is_first else left or live
        return None if claim is None else Occupant(claim.claimant, claim.circuit)

    def _title(self, key: InboundKey, now: float) -> Claim | None:
        left = self._left.get(key)
        return left if left is not None and left.until is not None and left.until > now else None

    def judge(
        self, key: InboundKey, claimant: Claimant, circuit: CircuitName, hearing: Hearing, *, knows: bool, now: float
    ) -> Claim:
        """Who is announced for the address: as it stands with what is heard now."""
        before = self.live.get(key) or self._resumed.pop(key, None)
        if before is not None and before.claimant != claimant:
            self._leave(key, before, now)
            before = None
        claim = judge(before, claimant, circuit, hearing, left=self._title(key, now), knows=knows, now=now)
        if claim.is_first:
            self._left.pop(key, None)
        self.live[key] = claim
        (self._open.discard if claim.is_first else self._open.add)(key)
        return claim

    def drop(self, key: InboundKey, now: float) -> None:
        """Nobody here is announced for it any more."""
        claim = self.live.pop(key, None) or self._resumed.pop(key, None)
        self._open.discard(key)
        if claim is not None:
            self._leave(key, claim, now)

    def _leave(self, key: InboundKey, claim: Claim, now: float) -> None:
        if not claim.is_first:
            return
        self._left.pop(key, None)
        self._left[key] = claim._replace(until=now + TITLE_S)
        if len(self._left) > LEFT_MAX:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """What has ended, and if that is not enough the oldest half."""
        kept = [(key, claim) for key, claim in self._left.items() if claim.until is None or claim.until > now]
        self._left = dict(kept if len(kept) <= LEFT_MAX else kept[LEFT_MAX // 2 :])

    # Time

    def due(self, *, knows: bool, now: float) -> set[InboundKey]:
        """Those that may be first now though nothing was heard."""
        return {key for key in self._open if self.live[key].may_rise(knows=knows, now=now)}

    def deadlines(self) -> Iterable[float]:
        return (until for key in self._open if (until := self.live[key].until) is not None)
