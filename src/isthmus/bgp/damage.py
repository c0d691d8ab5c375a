"""Routes that a malformed UPDATE has cost (RFC 7606: treated as withdrawn) and that the peer has not said again since.

A fault that was corrected is history, one that was not may be why a route is missing: whoever asks why needs to know
which.
"""

from __future__ import annotations

from itertools import islice

from isthmus.bgp.nlri import NlriKey
from isthmus.bgp.update import Update

MISSING_MAX = 1000
"""Remembered; a peer of which more is malformed is in no need of a longer list."""
NAMED_MAX = 10


class Damage:
    """Of one session."""

    def __init__(self) -> None:
        self._missing: dict[NlriKey, None] = {}

    def __len__(self) -> int:
        return len(self._missing)

    def read(self, update: Update, *, withdrawn_by_fault: bool) -> None:
        """Take note of an update."""
        if withdrawn_by_fault:
            for route in update.withdrawn[: MISSING_MAX - len(self._missing)]:
                self._missing[route.key()] = None
        elif self._missing:
            for route in update.withdrawn:
                self._missing.pop(route.key(), None)
        if self._missing:
            for route in update.announced:
                self._missing.pop(route.key(), None)

    def named(self) -> list[str]:
        """The first few, by RD and prefix."""
        return [str(key) for key in islice(self._missing, NAMED_MAX)]
