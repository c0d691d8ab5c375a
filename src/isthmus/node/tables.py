"""The views of a node as computed: which entry each destination has, and which flow it asks for.

Holds what `vpn` decided, view by view and destination by destination, because a change of one route should cost one
decision and one flow whatever the table's size. What may have changed is handed in as sets: views, and destinations by
targets (`Touched`). Recompute is the reference: any history of changes gives what a fresh table gives that is told
whose the lines were.

Rules: `decisions` counts the decisions made; a test holds each kind of fact to what it may cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import Deliver, Spread, Target, ViewId
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.reason import Note, NotImported
from isthmus.model.vpn import BEACON_TARGET, Claimant, RouteTarget, SiteOfOrigin
from isthmus.node.config import ROUTES_PER_VIEW_MAX
from isthmus.node.leads import Leads
from isthmus.node.overfull import SORT_AGAIN_FROM, Overfull, Seat, Slot
from isthmus.node.spreads import Spreads
from isthmus.rib.adj_in import AdjRibIn, Targets, Touched
from isthmus.rib.path import Path
from isthmus.vpn.claims import TITLE_S
from isthmus.vpn.exports import Export, Speaker
from isthmus.vpn.imports import Entry, Past, claimant_of, decide, endpoints, only, why_not_imported
from isthmus.vpn.meaning import meaning
from isthmus.vpn.views import View

FORGET_BELOW = 0.8
"""Of the maximum: a view that comes down to it is not kept in order any more. One that is now full and now not is not
sorted each time."""


@dataclass(slots=True)
class Changes:
    """Flows to want, and flows not to want any more."""

    put: dict[FlowKey, str] = field(default_factory=dict)
    gone: set[FlowKey] = field(default_factory=set)
    """What is put counts, whoever gave it up before."""
    left: set[tuple[ViewId, Destination]] = field(default_factory=set)
    """Where a view led, and leads no longer."""

    def drop(self, key: FlowKey) -> None:
        """Whoever put it a moment ago has thought better of it."""
        self.put.pop(key, None)
        self.gone.add(key)


class First(NamedTuple):
    """Whose a line is that several networks claim."""

    claimant: Claimant
    gone_at: float | None = None
    """Since when no route is there in its name; the title ends a while after that."""


@dataclass(slots=True)
class Tables:
    """All views' entries."""

    speaker: Speaker
    views: dict[ViewId, View] = field(default_factory=dict)
    entries: dict[ViewId, dict[Destination, Entry]] = field(default_factory=dict)
    exports: dict[Destination, tuple[Export, ...]] = field(default_factory=dict)
    """The node's own, by where they lead to; whoever changes it says which destinations are touched."""
    silent: frozenset[IpAddress] = frozenset()
    """Endpoints that do not answer any more, as the node last said."""
    routes_max: int = ROUTES_PER_VIEW_MAX
    decisions: int = 0
    """Made since the start."""
    leads: Leads = field(default_factory=Leads)
    """Of the entries that ask for a flow and are not beyond the maximum."""
    spreads: Spreads = field(default_factory=Spreads)
    """Of those the ones that several PEs share."""
    inherited: dict[FlowKey, str] = field(default_factory=dict)
    """Lines of views that the switch had when this run began, as far as they were never given up."""
    now: float = 0.0
    """As the node last said."""
    _firsts: dict[ViewId, dict[Destination, First]] = field(default_factory=dict)
    """Of lines that several networks claim."""
    _overfull: dict[ViewId, Overfull] = field(default_factory=dict)
    """Views with more than the maximum, and those that had."""
    _sizes: dict[ViewId, int] = field(default_factory=dict)
    """How many entries of each view ask for a flow."""
    _importers: dict[RouteTarget, set[ViewId]] = field(default_factory=dict)
    """The views that import each target."""
    _local: dict[RouteTarget, set[Destination]] = field(default_factory=dict)
    """Where `exports` with each target lead to."""
    _flows: dict[ViewId, dict[Destination, FlowKey]] = field(default_factory=dict)
    _refusals: dict[ViewId, dict[Destination, tuple[tuple[NotImported, Targets], ...]]] = field(default_factory=dict)
    """Why routes with a target of the view cannot be used, and their targets; of nearly all views nothing."""
    _default_routes: dict[ViewId, set[Destination]] = field(default_factory=dict)
    """Those that each view has; few views have any."""
    _claimable: Counter[RouteTarget] = field(default_factory=Counter)
    """How many of `exports` others may claim with each target."""
    _known_targets: frozenset[RouteTarget] | None = None

    @property
    def endpoints(self) -> frozenset[IpAddress]:
        """Every tunnel endpoint that an entry leads to, or would if others went. The same object while it is so."""
        return self.leads.endpoints

    def imported(self) -> Set[RouteTarget]:
        return self._importers.keys()

    @property
    def targets(self) -> frozenset[RouteTarget]:
        """What routes must have to matter here: what a view imports, what others may claim an address of ours with, and
        the beacons'. The same object while it is so."""
        if self._known_targets is None:
            self._known_targets = frozenset((*self._importers, *self._claimable, BEACON_TARGET))
        return self._known_targets

    # What may have changed

    def put_exports(self, destination: Destination, exports: tuple[Export, ...]) -> None:
        """What leads there here; to be touched by whoever says it."""
        before = self.exports.pop(destination, ())
        self._count_claimable(before, -1)
        self._count_claimable(exports, +1)
        for target in {t for export in before for t in export.targets}:
            self._local[target].discard(destination)
            if not self._local[target]:
                del self._local[target]
        if exports:
            self.exports[destination] = exports
            for target in {t for export in exports for t in export.targets}:
                self._local.setdefault(target, set()).add(destination)

    def _count_claimable(self, exports: Iterable[Export], by: int) -> None:
        for target in (t for export in exports for t in export.heard_with):
            count = self._claimable[target] + by
            if count in (0, by):
                self._known_targets = None
            if count:
                self._claimable[target] = count
            else:
                del self._claimable[target]

    def drop_views(self, numbers: Iterable[ViewId], changes: Changes) -> None:
        """Nobody looks there any more."""
        for number in numbers:
            self._drop(number, changes)

    def replace_views(self, fresh: Iterable[View], rib: AdjRibIn, renderer: Renderer, changes: Changes) -> None:
        """These views as they are now. Decided anew is what is new; what a router hides now and did not, or did; and
        what somebody said in the cloud's name that has another. After `refresh`, which looks at what is touched in
        those that were there."""
        for view in fresh:
            number = view.id
            before = self.views.get(number)
            if before is not None and before.imports != view.imports:  # another set has come by the number
                self._drop(number, changes)
                before = None
            if before is None:
                self._add(view)
                local = {d for target in view.imports for d in self._local.get(target, ())}
                self._refresh(number, rib.destinations(view.imports) | local, rib, renderer, changes)
            else:
                self.views[number] = view
                again = set[Destination](map(Prefix.host, view.routers ^ before.routers))
                if view.hiding != before.hiding:
                    again.update(d for d in self.entries[number] if view.hides(d) != before.hides(d))
                if view.sites != before.sites:
                    again |= self._bearing(before.sites ^ view.sites, view, rib)
                if again:
                    self._refresh(number, again, rib, renderer, changes)

    def _bearing(self, sites: Set[SiteOfOrigin], view: View, rib: AdjRibIn) -> set[Destination]:
        """Where routes of these sites lead to that the view may import."""
        return {
            destination
            for destination in rib.destinations(view.imports)
            if any(meaning(path.heard, self.speaker).site in sites for path in rib.paths(destination))
        }

    def refresh(self, touched: Touched, rib: AdjRibIn, renderer: Renderer, changes: Changes) -> None:
        """Only these destinations, in the views that import one of the targets touched."""
        concerned: dict[ViewId, set[Destination]] = {}
        for targets, destinations in touched.items():
            for number in self._importing(targets):
                concerned.setdefault(number, set()).update(destinations)
        for number, found in concerned.items():
            self._refresh(number, found, rib, renderer, changes)

    def inherit(self, lines: Mapping[FlowKey, str], rib: AdjRibIn, renderer: Renderer, changes: Changes) -> None:
        """What the switch has of an earlier run is served already, and whose a line was that several claim it says
        better than who was heard first before it was read."""
        self.inherited = dict(lines)
        contested, self._firsts = self._firsts, {}
        for number, titles in contested.items():
            self._refresh(number, titles, rib, renderer, changes)
        for number, full in self._overfull.items():
            fresh = self._overfull[number] = self._sorted(number)
            self._render(number, fresh.surplus ^ full.surplus, renderer, changes)

    def render_again(self, renderer: Renderer, changes: Changes) -> None:
        """The tunnel port has another number, or one at last: decided is nothing, rendered is all."""
        for number, entries in self.entries.items():
            self._render(number, entries, renderer, changes)

    def concerned(self, changed: frozenset[IpAddress]) -> Touched:
        """The destinations for which any of these endpoints is a candidate, as `refresh` wants them."""
        touched: Touched = {}
        for number, entries in self.entries.items():
            found = {d for d, entry in entries.items() if not changed.isdisjoint(endpoints(entry))}
            if found:
                touched.setdefault(self.views[number].imports, set()).update(found)
        return touched

    def _importing(self, targets: Targets) -> set[ViewId]:
        return {number for t in targets if t in self._importers for number in self._importers[t]}

    # One view

    def _refresh(
        self,
        number: ViewId,
        destinations: Iterable[Destination],
        rib: AdjRibIn,
        renderer: Renderer,
        changes: Changes,
    ) -> None:
        entries, view, speaker = self.entries[number], self.views[number], self.speaker
        changed: dict[Destination, Entry | None] = {}
        size = self._sizes[number]
        for destination in destinations:
            local, paths = self.exports.get(destination, ()), rib.paths(destination)
            before = changed[destination] = entries.get(destination)
            alone = len(paths) == 1 and not local  # nearly all there are
            if alone:
                entry = only(view, destination, paths[0], speaker)
            else:
                past = partial(self._past, number, destination, before, renderer)
                entry = decide(view, destination, paths, local, speaker, self.silent, renderer.circuits, past)
            if entry is None or not alone:
                self._note_refusals(view, destination, paths)
            elif number in self._refusals:
                self._refusals[number].pop(destination, None)
            if number in self._firsts or (entry is not None and entry.losers):
                self._note_first(number, destination, entry)
            if number in self._default_routes or (entry is not None and entry.note is Note.DEFAULT_ROUTE):
                known = self._default_routes.setdefault(number, set())
                is_one = entry is not None and entry.note is Note.DEFAULT_ROUTE
                known.add(destination) if is_one else known.discard(destination)
            if before is not None:
                size -= before.hidden is None
            if entry is not None:
                size += entry.hidden is None
                entries[destination] = entry
            elif before is not None:
                del entries[destination]
                if self.inherited:
                    self.inherited.pop(Renderer.route_key(number, destination), None)
        self.decisions += len(changed)
        self._sizes[number] = size
        moved = self._fit(number, changed)
        self._render(number, changed.keys() | moved if moved else changed, renderer, changes)

    def _note_refusals(self, view: View, destination: Destination, paths: Sequence[Path]) -> None:
        asked = ((why_not_imported(view, path, self.speaker), path.heard.route_targets) for path in paths)
        whys = tuple((why, targets) for why, targets in asked if why is not None)
        if whys:
            self._refusals.setdefault(view.id, {})[destination] = whys
        elif view.id in self._refusals:
            self._refusals[view.id].pop(destination, None)

    def refusals(self, number: ViewId) -> Counter[tuple[NotImported, Targets]]:
        """Routes with a target of the view that cannot be used, by the reason and their targets."""
        return Counter(why for whys in self._refusals.get(number, {}).values() for why in whys)

    def default_routes(self, number: ViewId) -> list[Destination]:
        """Those of a view that lead somewhere, the widest first."""
        return sorted(self._default_routes.get(number, ()), key=lambda d: (d.version, d.length, d))

    def _past(self, number: ViewId, destination: Destination, before: Entry | None, renderer: Renderer) -> Past:
        """What is known from before of a line that is decided."""

        def had(target: Target) -> bool:
            flow = renderer.route(number, destination, target)
            return flow is not None and self.inherited.get(flow[0]) == flow[1]

        title = self._firsts.get(number, {}).get(destination)
        stands = title is not None and (title.gone_at is None or self.now < title.gone_at + TITLE_S)
        return Past(
            first=title.claimant if title is not None and stands else None,
            now=None if before is None else claimant_of(before.best, self.speaker),
            had=had if self.inherited else None,
        )

    def _note_first(self, number: ViewId, destination: Destination, entry: Entry | None) -> None:
        """Whose the line is, where several claim it, or did a while ago."""
        titles = self._firsts.get(number)
        title = titles.get(destination) if titles else None
        if title is None and (entry is None or not entry.losers):
            return
        first = title.claimant if title is not None else None
        if entry is not None and entry.first is not None:
            first = entry.first
        names = set() if entry is None else {claimant_of(c, self.speaker) for c in entry.candidates} - {None}
        if first is None or not names - {first}:
            if titles:
                titles.pop(destination, None)
            return
        since = title.gone_at if title is not None and title.claimant == first else None
        gone_at = None if first in names else self.now if since is None else since
        self._firsts.setdefault(number, {})[destination] = First(first, gone_at)

    def _render(
        self, number: ViewId, destinations: Iterable[Destination], renderer: Renderer, changes: Changes
    ) -> None:
        """The flows of these entries as they are now, in place of those they had."""
        flows, entries, surplus, put = self._flows[number], self.entries[number], self.surplus(number), changes.put
        leading: dict[Destination, Entry | None] = {}
        for destination in destinations:
            entry, flow = entries.get(destination), None
            if entry is not None and (entry.hidden is not None or destination in surplus):
                entry = None
            leading[destination] = entry
            if entry is not None:
                flow = renderer.route(number, destination, entry.target)
            if flow is not None:
                key, put[key] = flow
                flows[destination] = key
            elif (old := flows.pop(destination, None)) is not None:
                changes.drop(old)
                changes.left.add((number, destination))
        self.leads.replace(number, leading)
        if self.speaker.multipath > 1:
            self._share(number, leading, renderer, changes)

    def _share(
        self, number: ViewId, leading: Mapping[Destination, Entry | None], renderer: Renderer, changes: Changes
    ) -> None:
        """What those lines lead to that several PEs share; without room for that, a line leads to its best alone."""
        wanted = {d: e.target if e is not None and isinstance(e.target, Spread) else None for d, e in leading.items()}
        shift = self.spreads.replace(number, wanted, renderer)
        for key in shift.gone:
            changes.drop(key)
        changes.put |= shift.put
        for destination in shift.again:
            entry = self.entries[number][destination]
            target = entry.target if self.spreads.has(number, destination) else entry.alone
            if (flow := renderer.route(number, destination, target)) is not None:
                key, changes.put[key] = flow

    def surplus(self, number: ViewId) -> Set[Destination]:
        """What a full view refuses."""
        full = self._overfull.get(number)
        return frozenset() if full is None else full.surplus

    def _fit(self, number: ViewId, changed: Mapping[Destination, Entry | None]) -> set[Destination]:
        """Which routes of a view may be beyond its maximum now and were not, or were. `changed`: as they were."""
        size, full = self._sizes[number], self._overfull.get(number)
        if size <= self.routes_max and (full is None or size < self.routes_max * FORGET_BELOW):
            return set() if full is None else self._overfull.pop(number).surplus
        entries = self.entries[number]
        if full is None or len(changed) > len(full) * SORT_AGAIN_FROM:
            fresh = self._overfull[number] = self._sorted(number)
            return fresh.surplus ^ (set() if full is None else full.surplus)
        moved: set[Destination] = set()
        for destination, before in changed.items():
            moved |= full.replace(_place(destination, before), _place(destination, entries.get(destination)))
        return moved

    def _sorted(self, number: ViewId) -> Overfull:
        flows = self._flows[number]

        def seat(destination: Destination) -> Seat:
            if self.inherited and Renderer.route_key(number, destination) in self.inherited:
                return Seat.INHERITED
            return Seat.SERVED if destination in flows else Seat.WAITING

        places = (place for d, e in self.entries[number].items() if (place := _place(d, e)) is not None)
        return Overfull(places, self.routes_max, seat)

    def _add(self, view: View) -> None:
        self.views[view.id], self.entries[view.id], self._flows[view.id] = view, {}, {}
        self._sizes[view.id] = 0
        self.leads.add(view.id)
        for target in view.imports:
            if target not in self._importers:
                self._importers[target], self._known_targets = set(), None
            self._importers[target].add(view.id)

    def _drop(self, number: ViewId, changes: Changes) -> None:
        if (view := self.views.pop(number, None)) is None:
            return
        for target in view.imports:
            self._importers[target].discard(number)
            if not self._importers[target]:
                del self._importers[target]
                self._known_targets = None
        changes.gone |= set(self._flows.pop(number).values())
        self.leads.drop(number)
        for key in self.spreads.drop(number):
            changes.drop(key)
        del self.entries[number], self._sizes[number]
        self._refusals.pop(number, None)
        self._default_routes.pop(number, None)
        self._overfull.pop(number, None)
        self._firsts.pop(number, None)

    def size(self, view: ViewId) -> int:
        """How many entries ask for a flow, those beyond the maximum among them."""
        return self._sizes.get(view, 0)

    def flow_of(self, view: ViewId, destination: Destination) -> FlowKey | None:
        return self._flows.get(view, {}).get(destination)


def _place(destination: Destination, entry: Entry | None) -> Slot | None:
    """Of an entry that asks for a flow."""
    remote = entry is not None and not isinstance(entry.target, Deliver)
    return None if entry is None or entry.hidden is not None else Slot(remote, destination)
