"""Who wins, and why each loser lost.

A total order over the candidates of one prefix in one view, compared field by field; the first field that differs is
the reason, kept with the loser. It follows RFC 4271 section 9.1.2.2 with some fields of ours before and between:

    shared            from a BGPVPN that is shared with the project, where one of its own has the address (ADR 11)
    silent            the next hop does not answer any more (RFC 4271 section 9.1.2: an unresolvable one is no candidate
                      at all; here it stays the last resort)
    second            another network of the VPN had the address first (ADR 11)
    later             another network had it in this view, which unites VPNs that hear nothing of each other
    remote            a virtual machine of this very hypervisor has it
    long_lived_stale  here or where it comes from (RFC 9494 section 4.3: least preferred)
    encapsulation     what packets go there in: the operator's order, for whoever can be sent to in two ways
    mobility          the address has moved on within one network (RFC 7432 section 15), so that a stale route of a node
                      which it has left cannot take half of its packets

Rules: but for whose the line was no field depends on the order of arrival or on the time; MED is compared between all
neighbours (RFC 4271 leaves that to the operator; here every reflector is the operator's own).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from isthmus.model.reason import NotBest

LOCAL_PREF_DEFAULT = 100
"""What a route without LOCAL_PREF counts as: it came over eBGP."""


GRACEFUL_SHUTDOWN = 0xFFFF0000
"""RFC 8326 section 5: a route with this community is about to go; it counts as one of local preference 0."""


LLGR_STALE = 0xFFFF0006
"""RFC 9494 section 3.1: some reflector keeps this route for a peer of its own that has been away for long."""


class Rank(NamedTuple):
    """What is compared, in this order; smaller is better, so what should be high is negated."""

    shared: bool
    silent: bool
    second: int
    """0: first, or who knows; 2: second; 1: without a name, beside one that says it is first."""
    later: int
    """0: who had the line, or it is nobody's; else in another name."""
    remote: bool
    long_lived_stale: bool
    encapsulation: int
    """Its place in the operator's order; 0 for what is here."""
    local_pref: int
    mobility: bool
    """Whether the address has moved on: sequences of one claim are compared, and of no two."""
    as_path_length: int
    origin: int
    med: int
    router_id: bytes
    route_distinguisher: bytes
    ethernet_tag: int
    peer: bytes
    name: bytes
    """Whatever else tells two candidates apart: equals would make the order of arrival decide."""


_REASONS = tuple(NotBest)
assert len(_REASONS) == len(Rank._fields)


def choose(ranks: Sequence[Rank]) -> tuple[int, tuple[NotBest | None, ...]]:
    """The index of the best and why each lost (None for the winner). `ranks` is not empty; no two are equal."""
    best = min(range(len(ranks)), key=ranks.__getitem__)
    return best, tuple(None if i == best else _why(rank, ranks[best]) for i, rank in enumerate(ranks))


def _why(loser: Rank, winner: Rank) -> NotBest:
    for reason, mine, theirs in zip(_REASONS, loser, winner, strict=True):
        if mine != theirs:
            return reason
    return NotBest.NAME  # nothing at all tells them apart: the first stays
