"""Routes that a malformed UPDATE has cost (RFC 7606: treated as withdrawn) and that the peer has not said again since.

A fault that was corrected is history, one that was not may be why a route is missing: whoever asks why needs to know
which. Written behind the last fault as text, because that is what leaves the process, and read back from it.
"""

from __future__ import annotations

from itertools import islice

from isthmus.bgp.nlri import NlriKey
from isthmus.bgp.update import Update

MISSING_MAX = 1000
"""Remembered; a peer of which more is malformed is in no need of a longer list."""
NAMED_MAX = 10

_STILL, _MORE = "; still missing: ", " and more"


class Damage:
    """Of one session."""

    def __init__(self) -> None:
        self._missing: dict[NlriKey, None] = {}

    def read(self, update: Update, *, withdrawn_by_fault: bool) -> bool:
        """Take note of an update; whether anything is different now."""
        before = len(self._missing)
        if withdrawn_by_fault:
            for route in update.withdrawn[: MISSING_MAX - before]:
                self._missing[route.key()] = None
        elif before:
            for route in update.withdrawn:
                self._missing.pop(route.key(), None)
        if self._missing:
            for route in update.announced:
                self._missing.pop(route.key(), None)
        return withdrawn_by_fault or len(self._missing) != before

    def __str__(self) -> str:
        """To stand behind the fault; empty if all is mended."""
        if not self._missing:
            return ""
        named = ", ".join(f"{rd} {prefix}" for rd, _, prefix in islice(self._missing, NAMED_MAX))
        return _STILL + named + (_MORE if len(self._missing) > NAMED_MAX else "")


def still_missing(fault: str) -> tuple[frozenset[str], bool]:
    """Of a fault's text: routes by RD and prefix, and whether there are more than are named."""
    _, there, names = fault.rpartition(_STILL)
    if not there:
        return frozenset(), False
    return frozenset(names.removesuffix(_MORE).split(", ")), names.endswith(_MORE)
