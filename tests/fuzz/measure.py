"""What one input costs, counted and not timed: calls, and octets of memory, against the octets that came.

Counting slows a decoder down tenfold, so a few hundred inputs of each million are counted; the first of each length
that is a power of two among them.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

CALLS, CALLS_OF_AN_OCTET = 40_000, 400
OCTETS, OCTETS_OF_AN_OCTET = 4 * 2**20, 4_000
"""Generous: what grows faster than its input is found with long inputs whatever the factor."""


class TooMuch(AssertionError):
    """An input that costs more than its length excuses."""


def within_bounds(run: Callable[[bytes], None], raw: bytes) -> None:
    """Raises TooMuch, and what `run` raises."""
    calls = 0

    def count(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1

    tracemalloc.start()
    sys.setprofile(count)
    try:
        run(raw)
    finally:
        sys.setprofile(None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    if calls > CALLS + CALLS_OF_AN_OCTET * len(raw):
        raise TooMuch(f"{calls} calls for {len(raw)} octets")
    if peak > OCTETS + OCTETS_OF_AN_OCTET * len(raw):
        raise TooMuch(f"{peak} octets of memory for {len(raw)} octets")
