"""What must be looked at again, and why: sets, so that work is in proportion to what has changed.

Rules: to note is cheap and may be done twice; whoever computes takes all of it at once. What is not here is not looked
at: a fact that touches nothing computes nothing. How often each occasion had something computed is a metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from isthmus.fib.entries import CircuitName


class Occasion(StrEnum):
    """Why something is looked at again."""

    INTENT = "the cloud asks for something else of an attachment, or a port of it has changed"
    PLUGGED = "a circuit or the tunnel has another port number"
    DRAINED = "an address that was withdrawn has had its time"
    NEIGHBOURS = "a tunnel endpoint can be sent to, or cannot any more"
    ANSWERS = "a tunnel endpoint has fallen silent, or answers again"
    ADOPTED = "the switch was read, and sends already to some"
    ROUTES = "a peer said something else, or can be believed more or less than before"


@dataclass(slots=True)
class Dirty:
    """See the head of the file."""

    circuits: dict[CircuitName, Occasion] = field(default_factory=dict)
    """Whose exports, views and sources may be others."""
    tunnel: Occasion | None = None
    """Every route is to be rendered again."""
    base: Occasion | None = None
    """The flows that are of no view."""

    def __bool__(self) -> bool:
        return bool(self.circuits) or self.tunnel is not None or self.base is not None

    def occasions(self) -> set[Occasion]:
        return {*self.circuits.values(), *(one for one in (self.tunnel, self.base) if one is not None)}

    def note(self, circuits: Iterable[CircuitName], cause: Occasion) -> None:
        for name in circuits:
            self.circuits[name] = cause
            self.base = cause

    def note_base(self, cause: Occasion) -> None:
        self.base = cause

    def note_tunnel(self, cause: Occasion) -> None:
        self.tunnel = self.base = cause
