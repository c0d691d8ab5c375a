"""Which route targets one peer is asked for (RFC 4684): what it was told of them, and whether it has answered.

    targets here change ─► told, the End-of-RIB of memberships behind the first ─► (ANSWER_S of quiet) ─► answered

A reflector that knows this family says what was asked for and nothing else, and *after* its End-of-RIB: GoBGP says
"that was all" to whoever has not asked for anything yet. So until it has answered, its End-of-RIB does not count, and
its silence about what was asked for last proves nothing. About what was never asked for it never does.

Rules: whole targets only, each once however many views import it. What a peer itself asks for is understood and limits
nothing that it is told: GoBGP asks for nothing on behalf of neighbours without this family, and a hypervisor's few
routes are no burden to it. A session that ends takes its memberships with it.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.nlri.membership import Membership
from isthmus.bgp.session import Session
from isthmus.model.vpn import RouteTarget
from isthmus.rib.decision import LOCAL_PREF_DEFAULT

ANSWER_S = 2.0
"""Of quiet after a target was asked for, or after the last route with it: GoBGP answers within a millisecond, one that
must read a large table first within a second."""

ANSWER_MAX_S = 30.0
"""Who still talks by then talks of what has happened since."""


class MembershipsTold(NamedTuple):
    """Of a session between two runs."""

    told: frozenset[RouteTarget]
    ended: bool


@dataclass(slots=True)
class Memberships:
    """See the head of the file."""

    spoken: bool = False
    """Whether a session is up that has agreed on the family."""
    told: frozenset[RouteTarget] = frozenset()
    ended: bool = False
    """Whether End-of-RIB was said behind the first memberships."""
    again: bool = False
    """The peer wants to hear all of them once more."""
    _fresh: frozenset[RouteTarget] = frozenset()
    """What was asked for last."""
    _fresh_at: float | None = None
    _last_at: float = 0.0
    """When a route with one of them came."""

    def began(self, *, agreed: bool) -> None:
        """A session is up."""
        self.ended_all()
        self.spoken = agreed

    def ended_all(self) -> None:
        """It is down."""
        self.spoken = self.ended = self.again = False
        self.told = self._fresh = frozenset()
        self._fresh_at = None

    def resume(self, left: MembershipsTold, now: float) -> None:
        """Go on with those of a session of the last run; whether its peer has answered that run did not say."""
        self.spoken, self.told, self.ended = True, left.told, left.ended
        self._fresh, self._fresh_at = left.told, now

    @property
    def left(self) -> MembershipsTold | None:
        return MembershipsTold(self.told, self.ended) if self.spoken else None

    def tell(self, session: Session, wanted: frozenset[RouteTarget], now: float) -> None:
        """Ask the peer for these targets and no others."""
        agreed = session.agreed
        if agreed is None or not self.spoken or (self.ended and not self.again and wanted == self.told):
            return
        fresh = wanted if self.again else wanted - self.told
        attributes = PathAttributes(next_hop=agreed.router_id, local_pref=LOCAL_PREF_DEFAULT)

        def memberships(targets: Set[RouteTarget]) -> list[Membership]:
            return [Membership.of(agreed.local_as, target) for target in sorted(targets)]

        session.send_memberships(attributes, memberships(fresh), memberships(self.told - wanted))
        if new := wanted - self.told:
            self._fresh, self._fresh_at = new, now
        if not self.ended:
            session.send_end_of_rib(ROUTE_TARGET_CONSTRAIN)
        self.told, self.ended, self.again = wanted, True, False

    def said(self, targets: Set[RouteTarget], now: float) -> None:
        """A route with these targets came."""
        if self._fresh_at is not None and not self._fresh.isdisjoint(targets):
            self._last_at = now

    @property
    def answer_due(self) -> float | None:
        """When the last memberships count as answered; None: nothing was asked, or no session asks."""
        if not self.spoken or self._fresh_at is None:
            return None
        return min(max(self._fresh_at, self._last_at) + ANSWER_S, self._fresh_at + ANSWER_MAX_S)

    def has_answered(self, now: float) -> bool:
        """Whether what it has not said by now it does not know. Without this family it says all unasked."""
        due = self.answer_due
        return not self.spoken or (self.ended and due is not None and now >= due)

    def would_hear_all(self, targets: Set[RouteTarget]) -> bool:
        """Whether it would say whatever has one of these."""
        return not self.spoken or targets <= self.told

    def would_hear(self, targets: Set[RouteTarget]) -> bool:
        """Whether the peer would say a route with these."""
        return not self.spoken or not self.told.isdisjoint(targets)
