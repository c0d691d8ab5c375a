"""What the peers are to be told: offers that the switch has proved, and what is kept of those it has yet to.

    offer ─► proof confirmed? ── yes ─► told
                              └─ no ──► waiting: told is kept by who has it, for PATIENCE_S
    drain: told as leaving (GSHUT), then nothing

Until the cloud's intent is known what was told before is on offer, and the flow itself is the proof: whoever crashes
while the cloud's database is away goes on being reached.

Rules: announced means that the inbound flow is confirmed. Looking has no effects; `look` is called when something may
have changed, and does nothing when nothing has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum

from isthmus.fib.entries import Inbound
from isthmus.flows.render import Renderer
from isthmus.node.local_routes import LocalRoutes
from isthmus.node.order import GRACEFUL_S, PATIENCE_S
from isthmus.node.switch import Switch
from isthmus.rib.adj_out import Announcement, RouteKey
from isthmus.vpn.offers import Offer

BEFORE_INTENT = -1
"""The version of what is on offer before there is any of `LocalRoutes`."""


class DrainState(Enum):
    """Whether an operator has this hypervisor in use; the value is what a user reads."""

    IN_USE = "in use"
    LEAVING = "leaving"
    """Others are asked to prefer another way."""
    DRAINED = "drained"
    """Nothing is announced."""


class Announcing:
    """See the head of the file."""

    def __init__(self, inherited: Iterable[RouteKey]) -> None:
        self.use = DrainState.IN_USE
        self.routes: dict[RouteKey, Announcement] = {}
        """What is proved, as it is to be told."""
        self.version = 0
        """Another number whenever `routes` or what waits has changed."""
        self._waiting: dict[RouteKey, float] = {}
        """Routes whose flow is not confirmed, and since when."""
        self._inherited = frozenset(inherited)
        """What the last run told, and this one has not offered itself yet: from then on it says when it goes."""
        self._drained_at: float | None = None
        self._seen: tuple[int, int, DrainState] | None = None

    def want_drain(self, wanted: bool, told_anything: bool, now: float) -> None:
        """The operator's wish. Whoever has told nobody anything, as a fresh process of a drained node, need not leave
        gracefully."""
        if wanted == (self.use is not DrainState.IN_USE):
            return
        self._drained_at = now + GRACEFUL_S if wanted else None
        self.use = DrainState.IN_USE if not wanted else DrainState.LEAVING if told_anything else DrainState.DRAINED

    def tick(self, now: float) -> None:
        if self.use is DrainState.LEAVING and self._drained_at is not None and now >= self._drained_at:
            self.use = DrainState.DRAINED

    def look(self, local: LocalRoutes, switch: Switch, now: float) -> None:
        """What is proved now."""
        seen = (local.offers_version, switch.proofs, self.use)
        if seen != self._seen:
            self._inherited -= local.offers.keys()
        self._look(seen, local.offers.values(), lambda proof: switch.has(local.proofs[proof]), now)

    def look_back(self, offers: Collection[Offer], switch: Switch, now: float) -> None:
        """What of that, which was told before, is proved still; the intent is not known."""
        seen = (BEFORE_INTENT, switch.proofs, self.use)
        self._look(seen, offers, lambda proof: switch.has_of_ours(Renderer.inbound_key(proof)), now)

    def _look(
        self,
        seen: tuple[int, int, DrainState],
        offers: Iterable[Offer],
        is_proved: Callable[[Inbound], bool],
        now: float,
    ) -> None:
        if seen == self._seen:
            return
        self._seen = seen
        proved: dict[RouteKey, Announcement] = {}
        waiting: dict[RouteKey, float] = {}
        if self.use is not DrainState.DRAINED:
            for offer in offers:
                if is_proved(offer.proof):
                    proved[offer.key] = offer.route if self.use is DrainState.IN_USE else offer.route.leaving()
                else:
                    waiting[offer.key] = self._waiting.get(offer.key, now)
        if proved != self.routes or waiting != self._waiting:
            self.routes, self._waiting = proved, waiting
            self.version += 1

    @property
    def complete(self) -> bool:
        """Whether nothing of ours is still on its way into the switch."""
        return not self._waiting

    def kept(self, now: float, unreadable: bool) -> frozenset[RouteKey]:
        """Routes of which a peer that was told them keeps what it knows: their flow is being written, or their row
        cannot be read."""
        if self.use is DrainState.DRAINED:
            return frozenset()
        patient = {key for key, since in self._waiting.items() if now < since + PATIENCE_S}
        return frozenset(patient | self._inherited if unreadable else patient)

    def deadlines(self) -> Iterator[float]:
        yield from (since + PATIENCE_S for since in self._waiting.values())
        if self._drained_at is not None:
            yield self._drained_at
