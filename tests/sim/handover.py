"""Connections between two lives of an agent: kept open, what arrives meanwhile waits in the socket."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.wire import Connection
from tests.sim.wiretap import Wiretap


@dataclass(slots=True)
class Link:
    """One connection to a reflector, and what was said on it."""

    connection: Connection
    tap: Wiretap


@dataclass(slots=True)
class Held:
    """A connection in safe keeping."""

    link: Link
    waiting: list[bytes] = field(default_factory=list)
    ended: str | None = None

    def keep(self) -> None:
        end = self.link.connection.ends[0]
        end.received = self.waiting.append
        end.closed = self._closed

    def _closed(self, why: str) -> None:
        self.ended = why
