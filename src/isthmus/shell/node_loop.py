"""The rhythm of the agent: facts in, one computation for a batch of them, effects out, one timer.

Facts are noted at once and computed a moment later, so that a burst of a thousand costs one computation; under load
batches grow, memory does not. There is exactly one timer, for the node's next deadline.

Rules: everything here runs in the loop's thread. An exception of the node is the end: `failed` gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from isthmus.model.net import IpAddress
from isthmus.model.report import NodeReport
from isthmus.node.bulletin import About, bulletin
from isthmus.node.core import Node
from isthmus.node.effects import Effect
from isthmus.node.facts import Fact
from isthmus.node.memory import Memory
from isthmus.node.report import status
from isthmus.node.status import Detail, NodeStatus

DEBOUNCE_S = 0.002
"""Long enough for the rest of a burst to arrive, short against the 20 ms that OVN takes for its own part."""


class NodeLoop:
    """Owns the node. To be made in the loop's thread."""

    def __init__(self, node: Node, carry_out: Callable[[Effect], None]) -> None:
        self._node, self._carry_out = node, carry_out
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self.batches = 0

    def start(self) -> None:
        """Have the node say what it wants first."""
        self._schedule()

    def tell(self, fact: Fact) -> None:
        """Hand a fact to the node."""
        if not self.failed.done():
            self._guarded(lambda: self._node.handle(fact, self._loop.time()))
            self._schedule()

    def status(self, detail: Detail) -> NodeStatus:
        """The node's story as of now."""
        return status(self._node, self._loop.time(), detail)

    def bulletin(self, about: About, before: NodeReport | None) -> NodeReport | None:
        """What the node tells its cloud as of now; None while it cannot say anything."""
        return bulletin(self._node, about, self._loop.time(), before)

    def remember(self) -> Memory:
        """For a run that begins anew."""
        return self._node.remember(self._loop.time())

    def flush(self) -> None:
        """Compute and carry out what is due now."""
        if not self.failed.done():
            self._guarded(self._compute_now)

    def sign_of_life(self) -> None:
        """To every peer, before `flush` and `suspend`."""
        if not self.failed.done():
            self._guarded(lambda: self._node.sign_of_life(self._loop.time()))

    def suspend(self, peers: Collection[IpAddress]) -> Memory:
        """The end, for a run that goes on; after `flush` and `stop`."""
        return self._node.suspend(self._loop.time(), peers)

    def farewell(self, why: str) -> None:
        """A last word to every peer; after `stop`."""
        for effect in self._node.farewell(why, self._loop.time()):
            self._carry_out(effect)

    def stop(self) -> None:
        """No more computing."""
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self.failed.cancel()

    def _schedule(self) -> None:
        if self._soon is None and not self.failed.done():
            self._soon = self._loop.call_later(DEBOUNCE_S, self._guarded, self._compute)

    def _compute(self) -> None:
        self._soon = None
        self.batches += 1
        for effect in self._node.effects(self._loop.time()):
            self._carry_out(effect)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._node.next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._guarded, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._node.tick(self._loop.time())
        self._compute_now()

    def _compute_now(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
        self._compute()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a supervisor: whoever waits for `failed` ends the process
            if not self.failed.done():
                self.failed.set_exception(error)
