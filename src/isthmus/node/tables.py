"""The views of a node as computed: which entry each prefix has, and which flow it asks for.

Holds what `vpn` decided, view by view and prefix by prefix, because a change of one route should cost one decision and
one flow whatever the table's size. Recompute is the reference: `refresh` of every prefix gives the same as `rebuild`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from isthmus.fib.entries import NextHop, SourceKey, ViewId
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteTarget
from isthmus.node.config import ROUTES_PER_VIEW_MAX
from isthmus.rib.adj_in import AdjRibIn, Touched
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.imports import Entry, decide, endpoints
from isthmus.vpn.views import View, Views


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
    surplus: dict[ViewId, frozenset[Prefix]] = field(default_factory=dict)
    """What each full view refuses."""
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
        changed = set(prefixes)
        for prefix in changed:
            paths = rib.paths(prefix)
            local = self.exports.get(prefix, ())
            entry = decide(self.views[number], prefix, paths, local, self.speaker, self.silent, renderer.circuits)
            self._count(number, entries.get(prefix), -1)
            self._count(number, entry, +1)
            if entry is None:
                entries.pop(prefix, None)
            else:
                entries[prefix] = entry
        before, after = self.surplus.get(number, frozenset()), self._beyond_limit(number)
        self.surplus[number] = after
        for prefix in changed | (before ^ after):
            self._render(number, prefix, renderer, changes)

    def _render(self, number: ViewId, prefix: Prefix, renderer: Renderer, changes: Changes) -> None:
        """The flow of one entry as it is now, in place of the one it had."""
        flows = self._flows.setdefault(number, {})
        if (old := flows.pop(prefix, None)) is not None:
            changes.gone.add(old)
        entry = self.entries[number].get(prefix)
        if entry is None or entry.hidden is not None or prefix in self.surplus[number]:
            return
        if (flow := renderer.route(number, prefix, entry.target)) is not None:
            flows[prefix] = flow[0]
            changes.put[flow[0]] = flow[1]

    def _beyond_limit(self, number: ViewId) -> frozenset[Prefix]:
        """What a full view refuses: local addresses come first, then the order of prefixes, so the order in which
        routes came decides nothing and a restart refuses the same."""
        if self._sizes.get(number, 0) <= self.routes_max:
            return frozenset()
        usable = [(isinstance(e.target, NextHop), p) for p, e in self.entries[number].items() if e.hidden is None]
        return frozenset(prefix for _, prefix in sorted(usable)[self.routes_max :])

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
        self.surplus.pop(view, None)
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
