"""A view with more routes than its maximum: which of them it refuses, kept up change by change.

Rules: who is served stays, so nobody can put another out of a full view by announcing something that comes before it;
what the switch has from an earlier run comes first of all, so a restart serves the same. Room goes to local addresses,
then by prefix. One change costs about its own, whatever the view's size.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from isthmus.model.net import Prefix

SORT_AGAIN_FROM = 1 / 20
"""Of a view: when so many of its routes change at once, sorting it again is cheaper than moving each (at 100,000 routes
100 ms against 16 us each)."""


class Seat(IntEnum):
    """Who goes before whom."""

    INHERITED = 0
    """The switch had it when this run began."""
    SERVED = 1
    WAITING = 2


class Slot(NamedTuple):
    """Where a route stands among those of its view that have the same seat."""

    remote: bool
    prefix: Prefix


class Overfull:
    """One view's usable routes in their order, and those beyond the maximum."""

    def __init__(self, places: Iterable[Slot], most: int, seat: Callable[[Prefix], Seat]) -> None:
        """`seat`: of each as it is now."""
        self._order = sorted((seat(place.prefix), place) for place in places)
        self._most, self._seat = most, seat
        self.surplus: set[Prefix] = set()
        for at, (held, place) in enumerate(self._order):
            if at >= most:
                self.surplus.add(place.prefix)
                self._order[at] = (Seat.WAITING, place)
            elif held is Seat.WAITING:
                self._order[at] = (Seat.SERVED, place)
        self._order.sort()
        self._seats = {place.prefix: held for held, place in self._order}

    def __len__(self) -> int:
        return len(self._order)

    def replace(self, before: Slot | None, after: Slot | None) -> set[Prefix]:
        """A route comes, goes, or changes its place; whose surplus it may have changed."""
        if before == after:
            return set()
        if before is not None and after is not None:  # the same route, here and not there any more, or the other way
            held = self._take(before)
            self._put(held, after)
            return set()
        return self._leave(before) if before is not None else self._come(after) if after is not None else set()

    def _take(self, place: Slot) -> Seat:
        held = self._seats.pop(place.prefix)
        del self._order[bisect_left(self._order, (held, place))]
        return held

    def _put(self, held: Seat, place: Slot) -> None:
        insort(self._order, (held, place))
        self._seats[place.prefix] = held

    def _come(self, place: Slot) -> set[Prefix]:
        inherited = self._seat(place.prefix) is Seat.INHERITED
        if len(self._order) < self._most:
            self._put(Seat.INHERITED if inherited else Seat.SERVED, place)
            return set()
        last = self._order[self._most - 1]
        if not inherited or last[0] is Seat.INHERITED:
            self._put(Seat.WAITING, place)
            self.surplus.add(place.prefix)
            return {place.prefix}
        self._take(last[1])
        self._put(Seat.WAITING, last[1])
        self._put(Seat.INHERITED, place)
        self.surplus.add(last[1].prefix)
        return {last[1].prefix}

    def _leave(self, place: Slot) -> set[Prefix]:
        if self._take(place) is Seat.WAITING:
            self.surplus.discard(place.prefix)
            return {place.prefix}
        if len(self._order) < self._most:
            return set()
        first = self._order[self._most - 1][1]
        self._take(first)
        self._put(Seat.SERVED, first)
        self.surplus.discard(first.prefix)
        return {first.prefix}
