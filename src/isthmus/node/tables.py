"""The views of a node as computed: which entry each prefix has, and which flow it asks for.

Holds what `vpn` decided, view by view and prefix by prefix, because a change of one route should cost one decision and
one flow whatever the table's size. Recompute is the reference: `refresh` of every prefix gives the same as `rebuild`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from isthmus.fib.entries import NextHop, SourceKey, ViewId
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.node.config import ROUTES_PER_VIEW_MAX
from isthmus.node.overfull import SORT_AGAIN_FROM, Overfull, Place
from isthmus.rib.adj_in import AdjRibIn, Touched
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.imports import Entry, decide, endpoints
from isthmus.vpn.views import View, Views

FORGET_BELOW = 0.8
"""Of the maximum: a view that comes down to it is not kept in order any more. One that is now full and now not is not
sorted each time."""


@dataclass(slots=True)
class Changes:
    """Flows to want, and flows not to want any more."""

    put: dict[FlowKey, str] = field(default_factory=dict)
    gone: set[FlowKey] = field(default_factory=set)


@dataclass(slots=True)
class Tables:
    """All views' entries; `exports` are the node's own, by prefix."""

    speaker: Speaker
    views: Mapping[ViewId, View] = field(default_factory=dict)
    sources: Mapping[SourceKey, ViewId] = field(default_factory=dict)
    entries: dict[ViewId, dict[Prefix, Entry]] = field(default_factory=dict)
    exports: Mapping[Prefix, list[Export]] = field(default_factory=dict)
    silent: frozenset[IpAddress] = frozenset()
    """Endpoints that do not answer any more, as the node last said."""
    routes_max: int = ROUTES_PER_VIEW_MAX
    _overfull: dict[ViewId, Overfull] = field(default_factory=dict)
    """Views with more than the maximum, and those that had."""
    _sizes: dict[ViewId, int] = field(default_factory=dict)
    """How many entries of each view ask for a flow."""
    _importers: dict[RouteTarget, set[ViewId]] = field(default_factory=dict)
    """The views that import each target."""
    _flows: dict[ViewId, dict[Prefix, FlowKey]] = field(default_factory=dict)
    _endpoints: dict[IpAddress, int] = field(default_factory=dict)
    """How many entries have each tunnel endpoint among their candidates."""

    @property
    def endpoints(self) -> frozenset[IpAddress]:
        """Every tunnel endpoint that an entry leads to, or would if others went."""
        return frozenset(self._endpoints)

    def imported(self) -> frozenset[RouteTarget]:
        return frozenset(t for view in self.views.values() for t in view.imports)

    def rebuild(self, views: Views, exports: Iterable[Export], rib: AdjRibIn, renderer: Renderer) -> Changes:
        """Everything from the present facts."""
        changes = Changes()
        by_prefix: dict[Prefix, list[Export]] = {}
        for export in exports:
            by_prefix.setdefault(export.prefix, []).append(export)
        self.exports = by_prefix
        for view in self.entries.keys() - views.views.keys():
            self._drop(view, changes)
        self.views, self.sources = views.views, views.sources
        self._importers, local = {}, dict[RouteTarget, set[Prefix]]()
        for prefix, found in by_prefix.items():
            for t in {t for export in found for t in export.targets}:
                local.setdefault(t, set()).add(prefix)
        for number, wanted in views.views.items():
            ours = {prefix for t in wanted.imports for prefix in local.get(t, ())}
            prefixes = rib.prefixes(wanted.imports) | ours | set(self.entries.get(number, ()))
            self._refresh(number, prefixes, rib, renderer, changes)
            for t in wanted.imports:
                self._importers.setdefault(t, set()).add(number)
        return changes

    def refresh(self, touched: Mapping[Prefix, frozenset[RouteTarget]], rib: AdjRibIn, renderer: Renderer) -> Changes:
        """Only these prefixes, in the views that import one of the targets touched."""
        changes = Changes()
        concerned: dict[ViewId, set[Prefix]] = {}
        for prefix, targets in touched.items():
            for number in {n for t in targets for n in self._importers.get(t, ())}:
                concerned.setdefault(number, set()).add(prefix)
        for number in self.views:
            if number in concerned:
                self._refresh(number, concerned[number], rib, renderer, changes)
        return changes

    def _refresh(
        self, number: ViewId, prefixes: Iterable[Prefix], rib: AdjRibIn, renderer: Renderer, changes: Changes
    ) -> None:
        entries = self.entries.setdefault(number, {})
        changed = {prefix: entries.get(prefix) for prefix in prefixes}
        for prefix, before in changed.items():
            paths = rib.paths(prefix)
            local = self.exports.get(prefix, ())
            entry = decide(self.views[number], prefix, paths, local, self.speaker, self.silent, renderer.circuits)
            self._count(number, before, -1)
            self._count(number, entry, +1)
            if entry is None:
                entries.pop(prefix, None)
            else:
                entries[prefix] = entry
        for prefix in changed.keys() | self._fit(number, changed):
            self._render(number, prefix, renderer, changes)

    def _render(self, number: ViewId, prefix: Prefix, renderer: Renderer, changes: Changes) -> None:
        """The flow of one entry as it is now, in place of the one it had."""
        flows = self._flows.setdefault(number, {})
        if (old := flows.pop(prefix, None)) is not None:
            changes.gone.add(old)
        entry = self.entries[number].get(prefix)
        if entry is None or entry.hidden is not None or prefix in self.surplus(number):
            return
        if (flow := renderer.route(number, prefix, entry.target)) is not None:
            flows[prefix] = flow[0]
            changes.put[flow[0]] = flow[1]

    def surplus(self, number: ViewId) -> Set[Prefix]:
        """What a full view refuses."""
        full = self._overfull.get(number)
        return frozenset() if full is None else full.surplus

    def _fit(self, number: ViewId, changed: Mapping[Prefix, Entry | None]) -> set[Prefix]:
        """Which routes of a view may be beyond its maximum now and were not, or were. `changed`: as they were."""
        size, full = self._sizes.get(number, 0), self._overfull.get(number)
        if size <= self.routes_max and (full is None or size < self.routes_max * FORGET_BELOW):
            return set() if full is None else self._overfull.pop(number).surplus
        entries = self.entries[number]
        if full is None or len(changed) > len(full) * SORT_AGAIN_FROM:
            places = (place for p, e in entries.items() if (place := _place(p, e)) is not None)
            fresh = self._overfull[number] = Overfull(places, self.routes_max)
            return fresh.surplus ^ (set() if full is None else full.surplus)
        moved: set[Prefix] = set()
        for prefix, before in changed.items():
            moved |= full.replace(_place(prefix, before), _place(prefix, entries.get(prefix)))
        return moved

    def concerned(self, changed: frozenset[IpAddress]) -> Touched:
        """The prefixes for which any of these endpoints is a candidate, as `refresh` wants them."""
        touched: Touched = {}
        for number, entries in self.entries.items():
            imports = self.views[number].imports
            for prefix, entry in entries.items():
                if not changed.isdisjoint(endpoints(entry)):
                    touched[prefix] = touched.get(prefix, frozenset()) | imports
        return touched

    def _drop(self, view: ViewId, changes: Changes) -> None:
        changes.gone |= set(self._flows.pop(view, {}).values())
        for entry in self.entries.pop(view).values():
            self._count(view, entry, -1)
        self._overfull.pop(view, None)
        self._sizes.pop(view, None)

    def _count(self, number: ViewId, entry: Entry | None, by: int) -> None:
        if entry is None or entry.hidden is not None:
            return
        self._sizes[number] = self._sizes.get(number, 0) + by
        for endpoint in endpoints(entry):
            self._endpoints[endpoint] = self._endpoints.get(endpoint, 0) + by
            if not self._endpoints[endpoint]:
                del self._endpoints[endpoint]

    def size(self, view: ViewId) -> int:
        """How many entries ask for a flow, those beyond the maximum among them."""
        return self._sizes.get(view, 0)

    def flow_of(self, view: ViewId, prefix: Prefix) -> FlowKey | None:
        return self._flows.get(view, {}).get(prefix)


def _place(prefix: Prefix, entry: Entry | None) -> Place | None:
    """Of an entry that asks for a flow."""
    return None if entry is None or entry.hidden is not None else Place(isinstance(entry.target, NextHop), prefix)
