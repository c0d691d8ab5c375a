"""Whose address it is: who claims it in the name of which network, who was first, and what is told of it (ADR 11).

Within one Neutron network one port has an address, so what appears elsewhere in the name of the same network has moved.
Between two networks of a VPN nobody decides, so whoever announced the address first keeps it, and the other is second:
it is announced and delivered, and others send to it only while the first cannot be sent to or has gone.

    sequence      says
    1, 2, 3, …    first: with the number of moves within its network
    0             second

Rules: pure functions of what stood, what is heard and the time. Nothing that a tenant can do to a port makes it first
where another network is. A route without a claimant (an older release, another maker's) was there or was not; of what
it counts nothing is believed. The title of who was first outlasts its last route by TITLE_S: a machine that is
restarted, or moved with its hypervisor down, finds its address as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from isthmus.fib.entries import CircuitName
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import Claimant
from isthmus.vpn.meaning import Meaning

SECOND = 0
"""The sequence of who came second: lower than any that a first one, or an older release, announces."""

SEQUENCE_MAX = 2**32 - 1
"""Four octets (RFC 7432 section 7.7)."""

TITLE_S = 3600.0
"""Longer than a hypervisor takes to be restarted, shorter than anybody waits for an address that was given up."""


class Title(Enum):
    """What a claim is worth."""

    FIRST = "nobody else had it"
    SECOND = "another network has it"
    RESERVED = "another network had it until a while ago"
    UNKNOWN = "no peer has said yet who has it"


class Claim(NamedTuple):
    """What this hypervisor claims of an address in a BGPVPN."""

    claimant: Claimant
    circuit: CircuitName
    """By which it is delivered."""
    sequence: int
    title: Title
    until: float | None = None
    """Of one that is reserved, or was given up: when another may be first."""
    named: bool = True
    """Of one that is second: whether the other says in whose name; an older release does not."""
    since: float = 0.0
    """Of one that is first: when it became so."""

    @property
    def is_first(self) -> bool:
        return self.title is Title.FIRST

    def may_rise(self, *, knows: bool, now: float) -> bool:
        """Whether it may be first now though nothing was heard."""
        if self.title is Title.UNKNOWN:
            return knows
        return self.title is Title.RESERVED and self.until is not None and self.until <= now


class Hearing(NamedTuple):
    """What others announce of the same address in the same VPN."""

    moved: int = 0
    """The highest sequence in the name of the same network; 0: none."""
    first: bool = False
    """Another network, or nobody says who, has it."""
    named: bool = False
    """It is another network."""
    stronger: bool = False
    """Another network has it at a lower tunnel endpoint, and hears of us: both came first without having heard of each
    other. Whoever has had it for long does not care."""
    second: bool = False
    """Another network claims it and came second."""

    @property
    def contested(self) -> bool:
        return self.first or self.second


def hear(claimant: Claimant, endpoint: IpAddress, others: Iterable[tuple[Meaning, bool]]) -> Hearing:
    """`others`: the usable routes of other hypervisors that contend, and whether their VPN hears of ours too: it has an
    export target of ours. `endpoint`: ours."""
    moved, first, named, stronger, second = 0, False, False, False, False
    for one, mutual in others:
        if one.claimant == claimant:
            moved = max(moved, one.mobility)
        elif one.claimant is not None and one.mobility == SECOND:
            second = True
        else:
            first = True
            named |= one.claimant is not None
            lower = one.next_hop is not None and one.next_hop < endpoint
            stronger |= mutual and one.claimant is not None and lower
    return Hearing(moved, first, named, stronger, second)


def contends(mine: Prefix, theirs: Prefix, *, named: bool) -> bool:
    """Whether a route to `theirs` is a rival of one to `mine`: it leads to the same, or to what `mine` would take a
    part of by being longer. A default route is a way to what nobody has, and so is whatever has no claimant."""
    if mine == theirs:
        return True
    return named and theirs.length > 0 and theirs.length < mine.length and theirs.covers(mine)


def judge(
    before: Claim | None,
    claimant: Claimant,
    circuit: CircuitName,
    hearing: Hearing,
    *,
    left: Claim | None,
    knows: bool,
    now: float,
) -> Claim:
    """A claim as it stands now. `before`: as it stood, if it is the same network's. `left`: of who had the address here
    and gave it up. `knows`: whether peers have said all there is."""
    second = Claim(claimant, circuit, SECOND, Title.SECOND, None, hearing.named)
    if before is not None and before.is_first:
        young = now < before.since + TITLE_S
        return second if hearing.stronger and young else before._replace(circuit=circuit)
    if hearing.first:
        return second
    until = _reserved_until(before, left, claimant, now)
    if until is not None:
        return second._replace(title=Title.RESERVED, until=until)
    mine = left if left is not None and left.claimant == claimant else None
    if not knows and mine is None and not hearing.moved:
        return second._replace(title=Title.UNKNOWN)
    moves, since = min(hearing.moved + 1, SEQUENCE_MAX), now
    if mine is not None:
        moves, since = max(moves, mine.sequence), mine.since
    return Claim(claimant, circuit, moves, Title.FIRST, since=since)


def _reserved_until(before: Claim | None, left: Claim | None, claimant: Claimant, now: float) -> float | None:
    """Until when the title is another's whose route is not heard any more; None: it is nobody's."""
    until = None
    if before is not None and before.title is Title.SECOND and before.named:
        until = now + TITLE_S
    elif before is not None and before.title is Title.RESERVED:
        until = before.until
    elif left is not None and left.claimant != claimant:
        until = left.until
    return until if until is not None and until > now else None
