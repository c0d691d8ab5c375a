"""The lines of views that several PEs share, and the flows that such lines lead to.

A set of hops has its flows once, whatever the number of lines that lead to it; a set of endpoints has its choice once,
whatever labels its PEs gave out for each prefix. Each is there while a line leads to it.

Rules: work is in proportion to the lines that changed. What a view may have of sets is bounded, because a set costs far
more flows than a line, and who announces prefixes chooses their sets: beyond that a line leads to its best PE alone
until there is room. Who has room keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import Spread, ViewId, endpoints_of
from isthmus.flows.render import Renderer
from isthmus.flows.spreading import choice
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress

HOPS_MAX = 2_048
"""Sets of hops in a view: as many prefixes, where PEs give each a label of its own."""

ENDPOINTS_MAX = 64
"""Sets of endpoints in a view, 64 flows each: sites with two PEs each are as many sets."""

T = TypeVar("T")
_Endpoints = tuple[IpAddress, ...]


class Shift(NamedTuple):
    """What comes of lines that changed."""

    put: Mapping[FlowKey, str] = {}
    gone: Set[FlowKey] = frozenset()
    again: Set[Destination] = frozenset()
    """Lines to be looked at once more: for which there is no room, and for which there is room at last."""


@dataclass(slots=True)
class _OfView:
    lines: dict[Destination, Spread] = field(default_factory=dict)
    hops: Counter[Spread] = field(default_factory=Counter)
    endpoints: Counter[_Endpoints] = field(default_factory=Counter)
    """Of the lines, each with their number."""
    waits: dict[Destination, Spread] = field(default_factory=dict)
    waiting: dict[_Endpoints, dict[Spread, dict[Destination, None]]] = field(default_factory=dict)
    """Lines for whose sets there is no room. None of a set that is there."""

    def has_room(self, target: Spread) -> bool:
        if target in self.hops:
            return True
        known = endpoints_of(target) in self.endpoints
        return len(self.hops) < HOPS_MAX and (known or len(self.endpoints) < ENDPOINTS_MAX)

    def wait(self, destination: Destination, target: Spread) -> None:
        self.waits[destination] = target
        self.waiting.setdefault(endpoints_of(target), {}).setdefault(target, {})[destination] = None

    def wait_no_more(self, destination: Destination) -> None:
        if (target := self.waits.pop(destination, None)) is None:
            return
        sets = self.waiting[ends := endpoints_of(target)]
        del sets[target][destination]
        if not sets[target]:
            del sets[target]
        if not sets:
            del self.waiting[ends]

    def next(self) -> Spread | None:
        """One of those that wait for which there is room now; found without a look at all of them."""
        if not self.waiting or len(self.hops) >= HOPS_MAX:
            return None
        ends = next((one for one in self.endpoints if one in self.waiting), None)
        if ends is None and len(self.endpoints) < ENDPOINTS_MAX:
            ends = next(iter(self.waiting))
        return None if ends is None else next(iter(self.waiting[ends]))


class Spreads:
    """See the head of the file."""

    def __init__(self) -> None:
        self._views: dict[ViewId, _OfView] = {}
        """Few have any."""
        self._hops: Counter[Spread] = Counter()
        self._endpoints: Counter[_Endpoints] = Counter()
        """Of all views' lines."""
        self._flows: dict[Spread | _Endpoints, Set[FlowKey]] = {}

    def has(self, number: ViewId, destination: Destination) -> bool:
        """Whether the line is shared, if it could be."""
        return number in self._views and destination in self._views[number].lines

    def flows_of(self, number: ViewId, destination: Destination) -> Set[FlowKey]:
        """What such a line leads to."""
        return self._flows[self._views[number].lines[destination]]

    def drop(self, number: ViewId) -> Set[FlowKey]:
        """A view that is no more; what only its lines led to."""
        view = self._views.pop(number, _OfView())
        for target in view.lines.values():
            self._count(view, target, -1)
        return self._unused(view.lines.values())

    def replace(self, number: ViewId, wanted: Mapping[Destination, Spread | None], renderer: Renderer) -> Shift:
        """These lines of a view, in place of what they were; None: nobody shares it."""
        view = self._views.get(number)
        if view is None:
            if not any(wanted.values()):
                return Shift()
            view = self._views[number] = _OfView()
        changed = {d: target for d, target in wanted.items() if target != view.lines.get(d) or d in view.waits}
        left = [view.lines.pop(d) for d in changed if d in view.lines]
        for target in left:
            self._count(view, target, -1)
        for destination in changed:
            view.wait_no_more(destination)
        put, entered = dict[FlowKey, str](), set[Destination]()
        for destination, new in changed.items():
            if new is not None:
                view.wait(destination, new)
                if view.has_room(new):
                    entered.update(self._let_in(view, new, put, renderer))
        while left and (waited := view.next()) is not None:
            entered.update(self._let_in(view, waited, put, renderer))
        again = (entered - changed.keys()) | (view.waits.keys() & changed.keys())
        return Shift(put, self._unused(left), again)

    def _let_in(self, view: _OfView, target: Spread, put: dict[FlowKey, str], renderer: Renderer) -> list[Destination]:
        """All lines that wait for this set."""
        ends = endpoints_of(target)
        lines = [*view.waiting[ends][target]]
        for destination in lines:
            view.wait_no_more(destination)
            view.lines[destination] = target
            self._count(view, target, +1)
        if target not in self._flows:
            put |= self._shown(target, renderer.members(target))
        if ends not in self._flows:
            put |= self._shown(ends, choice(ends))
        return lines

    def _shown(self, of: Spread | _Endpoints, flows: Mapping[FlowKey, str]) -> Mapping[FlowKey, str]:
        self._flows[of] = flows.keys()
        return flows

    def _unused(self, left: Iterable[Spread]) -> Set[FlowKey]:
        """The flows of those to which no line leads any more."""
        hops = {target for target in left if target not in self._hops}
        unused: set[Spread | _Endpoints] = {ends for ends in map(endpoints_of, hops) if ends not in self._endpoints}
        return {key for one in unused | hops for key in self._flows.pop(one, ())}

    def _count(self, view: _OfView, target: Spread, by: int) -> None:
        ends = endpoints_of(target)
        for hops, endpoints in ((view.hops, view.endpoints), (self._hops, self._endpoints)):
            _add(hops, target, by)
            _add(endpoints, ends, by)


def _add(counts: Counter[T], one: T, by: int) -> None:
    counts[one] += by
    if not counts[one]:
        del counts[one]
