"""A view with more routes than its maximum: which of them it refuses, kept up change by change.

Rules: local addresses come first, then the order of prefixes, so the order in which routes came decides nothing and a
restart refuses the same. Recompute is the reference: any history of `replace` gives what a fresh `Overfull` of the
routes left gives. One change costs about its own, whatever the view's size.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from isthmus.model.net import Prefix

SORT_AGAIN_FROM = 1 / 20
"""Of a view: when so many of its routes change at once, sorting it again is cheaper than moving each (at 100,000 routes
100 ms against 16 us each)."""


class Slot(NamedTuple):
    """Where a route stands among those of its view."""

    remote: bool
    prefix: Prefix


class Overfull:
    """One view's usable routes in their order, and those beyond the maximum."""

    def __init__(self, places: Iterable[Slot], most: int) -> None:
        self._order = sorted(places)
        self._most = most
        self.surplus = {prefix for _, prefix in self._order[most:]}

    def __len__(self) -> int:
        return len(self._order)

    def replace(self, before: Slot | None, after: Slot | None) -> set[Prefix]:
        """A route comes, goes, or changes its place; whose surplus it may have changed."""
        if before == after:
            return set()
        moved = set() if before is None else self._remove(before)
        return moved if after is None else moved | self._insert(after)

    def _insert(self, place: Slot) -> set[Prefix]:
        insort(self._order, place)
        if len(self._order) <= self._most:
            return set()
        last = self._order[self._most].prefix if place < self._order[self._most] else place.prefix
        self.surplus.add(last)
        return {last}

    def _remove(self, place: Slot) -> set[Prefix]:
        at = bisect_left(self._order, place)
        del self._order[at]
        if at >= self._most:
            self.surplus.discard(place.prefix)
            return {place.prefix}
        if len(self._order) < self._most:
            return set()
        first = self._order[self._most - 1].prefix
        self.surplus.discard(first)
        return {first}
