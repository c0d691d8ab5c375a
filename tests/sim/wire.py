"""Connections between processes as TCP has them: octets arrive in order, late, cut anywhere, or the connection ends.

Rules: an end that hung up or died hears nothing more; what was written before hanging up still arrives; a reset loses
what is under way, and each end learns of it at a time of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.sim.time_line import TimeLine

CUT = 0.25
"""How often what is written arrives in pieces."""
SLOW = 0.02


@dataclass(slots=True)
class End:
    """What happens at one end."""

    received: Callable[[bytes], None]
    closed: Callable[[str], None]
    listening: bool = True
    last: float = 0.0
    """When what was sent to this end last will have arrived."""


class Connection:
    """One connection; side 0 dialled, side 1 took it."""

    def __init__(self, line: TimeLine, rng: random.Random, dialler: End, listener: End) -> None:
        self._line, self._rng = line, rng
        self.ends = (dialler, listener)
        self.broken = False
        self._stalled_until = 0.0

    def send(self, side: int, data: bytes) -> None:
        for piece in self._pieces(data):
            self._deliver(1 - side, piece)

    def close(self, side: int) -> None:
        """What was sent arrives first."""
        self.ends[side].listening = False
        far = self.ends[1 - side]
        self._line.at(self._arrival(far), lambda: self._end(far, "closed by the peer"))

    def reset(self) -> None:
        """Lost on the way; both ends hear of it, each in its time."""
        self.broken = True
        for end in self.ends:
            self._line.after(self._rng.uniform(0, 0.2), partial(self._end, end, "connection reset by peer"))

    def abandon(self, side: int) -> None:
        """That end is gone without a word, like a machine without power: the other finds out by itself."""
        self.ends[side].listening = False

    def stall(self, seconds: float) -> None:
        """The path loses everything for a while; TCP sends it again."""
        self._stalled_until = self._line.now + seconds

    def heal(self) -> None:
        self._stalled_until = 0.0

    def _pieces(self, data: bytes) -> list[bytes]:
        if self._rng.random() > CUT or len(data) < 2:
            return [data]
        at = self._rng.randrange(1, len(data))
        return [data[:at], data[at:]]

    def _arrival(self, end: End) -> float:
        delay = self._rng.expovariate(200) if self._rng.random() > SLOW else self._rng.uniform(0.1, 1.0)
        end.last = max(end.last, self._line.now + delay, self._stalled_until)
        return end.last

    def _deliver(self, side: int, data: bytes) -> None:
        end = self.ends[side]
        self._line.at(self._arrival(end), lambda: self._take(end, data))

    def _take(self, end: End, data: bytes) -> None:
        if end.listening and not self.broken:
            end.received(data)

    def _end(self, end: End, why: str) -> None:
        if end.listening:
            end.listening = False
            end.closed(why)
