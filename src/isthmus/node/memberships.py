"""Which route targets one peer is asked for (RFC 4684): what it was told of them, and whether it has answered.

    targets here change ─► told, the End-of-RIB of memberships behind the first ─► (ANSWER_S of quiet) ─► answered

A reflector that knows this family says what was asked for and nothing else, and *after* its End-of-RIB: GoBGP says
"that was all" to whoever has not asked for anything yet. So until it has answered what it was asked for first, its
End-of-RIB does not count; and its silence about a target proves nothing before it has answered for that one. Each
target is waited for by itself: what one VPN asks for, however often, holds up no other.

Rules: whole targets only, each once however many views import it. What a peer itself asks for is understood and limits
nothing that it is told: GoBGP asks for nothing on behalf of neighbours without this family, and a hypervisor's few
routes are no burden to it. A session that ends takes its memberships with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
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


class _Asking(NamedTuple):
    """A target that was asked for, and when a route with it came last."""

    asked_at: float
    last_at: float

    @property
    def due(self) -> float:
        """When it counts as answered."""
        return min(self.last_at + ANSWER_S, self.asked_at + ANSWER_MAX_S)


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
    _first: frozenset[RouteTarget] = frozenset()
    """What was asked for before that."""
    _open: dict[RouteTarget, _Asking] = field(default_factory=dict)
    """What may not have been answered yet; what has been is taken out by `tick`."""

    def began(self, *, agreed: bool) -> None:
        """A session is up."""
        self.went_down()
        self.spoken = agreed

    def went_down(self) -> None:
        """It is not."""
        self.spoken = self.ended = self.again = False
        self.told = self._first = frozenset()
        self._open = {}

    def resume(self, left: MembershipsTold | None, now: float) -> None:
        """Go on with those of a session of the last run, if it told any; whether its peer has answered it did not
        say."""
        left = left or MembershipsTold(frozenset(), ended=False)
        self.spoken, self.told, self.ended = True, left.told, left.ended
        self._first, self._open = left.told, {target: _Asking(now, now) for target in left.told}

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
        self._open = {target: one for target, one in self._open.items() if target in wanted}
        self._open |= {target: _Asking(now, now) for target in wanted - self.told}
        if not self.ended:
            self._first = wanted
            session.send_end_of_rib(ROUTE_TARGET_CONSTRAIN)
        self.told, self.ended, self.again = wanted, True, False

    def said(self, targets: Set[RouteTarget], now: float) -> None:
        """A route with these targets came: what has been answered stays so."""
        for target in self._open.keys() & targets if self._open else ():
            if now < (asking := self._open[target]).due:
                self._open[target] = asking._replace(last_at=now)

    def tick(self, now: float) -> None:
        """Wait no longer for what counts as answered."""
        self._open = {target: one for target, one in self._open.items() if now < one.due}

    def deadlines(self) -> Iterator[float]:
        """When something counts as answered next."""
        if self._open:
            yield min(one.due for one in self._open.values())

    def has_answered(self, now: float) -> bool:
        """Whether it has said what it knows of what it was asked for first. Without this family it says all unasked."""
        return not self.spoken or (self.ended and self._has_answered(self._first, now))

    def has_answered_for(self, targets: Set[RouteTarget], now: float) -> bool:
        """Whether what it has not said by now with one of these it does not know."""
        return not self.spoken or (targets <= self.told and self._has_answered(targets, now))

    def would_say(self, targets: Set[RouteTarget], now: float) -> bool:
        """Whether the peer would have said a route with these, had it one."""
        return not self.spoken or any(self._has_answered((target,), now) for target in self.told & targets)

    def _has_answered(self, targets: Iterable[RouteTarget], now: float) -> bool:
        return all(now >= self._open[target].due for target in targets if target in self._open)
