"""Virtual time: a queue of what will happen, and the story of what did.

One *step* is one thing taken off the queue. Rules: nothing here is random; two things due at one instant happen in the
order in which they were asked for, so a history depends on nothing but its seed.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Callable, Iterator

LAST = 20
"""How many events a report shows."""


class TimeLine:
    """The clock and the queue."""

    def __init__(self, *, trace: Callable[[str], None] | None = None) -> None:
        self.now = 1000.0
        self.steps = 0
        self.stirred_at = self.now
        """When something last happened that may lead to something else; keepalives and audits do not."""
        self.digest = 0
        """Of the whole story: two runs of one seed have the same."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._asked = 0
        self._story: deque[str] = deque(maxlen=LAST)
        self._trace = trace

    def after(self, seconds: float, do: Callable[[], None]) -> float:
        """Have something happen later; when it will."""
        return self.at(self.now + seconds, do)

    def at(self, when: float, do: Callable[[], None]) -> float:
        when = max(when, self.now)
        self._asked += 1
        heapq.heappush(self._queue, (when, self._asked, do))
        return when

    def step(self) -> None:
        """The next thing happens."""
        self.now, _, do = heapq.heappop(self._queue)
        self.steps += 1
        do()

    def due_before(self, until: float) -> bool:
        return bool(self._queue) and self._queue[0][0] <= until

    def stir(self) -> None:
        self.stirred_at = self.now

    def note(self, text: str) -> None:
        """One line of the story."""
        line = f"{self.now:12.4f}  {text}"
        self.digest = zlib.crc32(line.encode(), self.digest)
        self._story.append(line)
        if self._trace is not None:
            self._trace(f"{self.steps:8d} {line}")

    def last(self) -> Iterator[str]:
        yield from self._story
