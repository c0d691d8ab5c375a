"""Adj-RIB-In of all peers and families in one table, with an index by route target.

The one mutable table of received routes. Everything a peer says stays here as it was said; what a view makes of it is
decided elsewhere, so a new view needs no exchange with anybody. Of a route only its family's words are known here
(`bgp.nlri.Route`): where it leads to, and what tells it from its peer's others.

Rules: every change returns what it touched: destinations by the targets that their paths had or have. How far a path
is still to be believed is its `Standing`; the table below is all there is to it.

    what happens                        FRESH        STALE          LONG_LIVED     HELD
    said again (`apply`)                FRESH        FRESH          FRESH *        FRESH *
    withdrawn (`apply`)                 gone *       gone *         gone *         gone *
    withdrawn, unheard (`hold`)         HELD *       HELD *         HELD *         HELD *
    session ends (`mark_stale`)         STALE        -              -              STALE *
    stale for long (`make_long_lived`)  -            LONG_LIVED *   -              -
    stale for too long (`expire`)       -            gone *         gone *         -
    contradicted (`sweep`)              -            gone *         gone *         -
    to be held no longer (`release`)    -            -              -              gone *

`*` touches: a decision may come out otherwise. What would become HELD or LONG_LIVED but carries NO_LLGR is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from isthmus.bgp.nlri import Destination
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget
from isthmus.rib.budget import Budget
from isthmus.rib.path import Channel, Path, PathKey, Standing
from isthmus.rib.refused import Refusal

NO_LLGR = 0xFFFF0007
"""RFC 9494 section 3.2: whoever announced it would rather have no route than one that is long-lived stale."""

Targets = frozenset[RouteTarget]
Touched = dict[Targets, set[Destination]]


_CONTRADICTABLE = frozenset({Standing.STALE, Standing.LONG_LIVED})

Several = dict[PathKey, Path]


class AdjRibIn:
    """All received paths."""

    def __init__(self, budget: Budget | None = None, watched: RouteTarget | None = None) -> None:
        """`watched`: a target of which somebody wants to know what comes and goes (`take_moved`)."""
        self.budget = budget or Budget()
        self._watched = watched
        self._paths: dict[Destination, Path | Several] = {}
        """Nearly every destination has one path: a dictionary for each would be a third of all memory."""
        self._destinations: dict[Targets, dict[Destination, int]] = {}
        """How many paths each destination has with exactly these targets. A cloud has few sets of targets."""
        self._sets: dict[RouteTarget, set[Targets]] = {}
        self._moved: set[Destination] = set()

    def paths(self, destination: Destination) -> Sequence[Path]:
        there = self._paths.get(destination)
        if there is None:
            return ()
        return (there,) if isinstance(there, Path) else tuple(there.values())

    def now(self, path: Path) -> Path:
        """The path as it stands: whoever took it earlier does not know that it has become stale since."""
        return self.path(path.nlri.destination, path.key) or path

    def destinations(self, targets: Iterable[RouteTarget]) -> set[Destination]:
        """Every one that has a path with one of these targets."""
        sets = {one for target in targets for one in self._sets.get(target, ())}
        return set[Destination]().union(*(self._destinations[one] for one in sets))

    def take_moved(self) -> set[Destination]:
        """Where a path with the watched target has come or gone since this was last asked."""
        taken, self._moved = self._moved, set()
        return taken

    def path(self, destination: Destination, key: PathKey) -> Path | None:
        there = self._paths.get(destination)
        if there is None or not isinstance(there, Path):
            return None if there is None else there.get(key)
        return there if there.key == key else None

    def count(self, peer: IpAddress) -> int:
        return self.budget.routes(peer)

    def __iter__(self) -> Iterator[Path]:
        for there in self._paths.values():
            if isinstance(there, Path):
                yield there
            else:
                yield from there.values()

    def admit(self, announced: Sequence[Path], touched: Touched) -> tuple[Sequence[Path], list[tuple[Path, Refusal]]]:
        """Take in what a peer says with one set of attributes, as far as its budget goes. One that goes beyond is
        refused, and what it would have replaced is gone: the peer does not say that any more."""
        if not announced:
            return (), []
        if self.budget.take(announced):
            fresh = [path for path in announced if self._put(path, touched)]
            self.budget.took(announced, fresh)
            return announced, []
        admitted, refused = [], []
        for path in announced:
            old = self.path(path.nlri.destination, path.key)
            refusal = self.budget.beyond(path, old)
            if refusal is None:
                self.apply([path], (), touched)
                admitted.append(path)
            else:
                self.apply((), [(path.nlri.destination, path.key)] if old is not None else (), touched)
                refused.append((path, refusal))
        return admitted, refused

    def apply(
        self,
        announced: Iterable[Path],
        withdrawn: Iterable[tuple[Destination, PathKey]],
        into: Touched | None = None,
    ) -> Touched:
        """Withdrawals first, as in one UPDATE (RFC 4271 section 4.3: the same prefix in both counts as announced). What
        is touched is added to `into`."""
        touched: Touched = {} if into is None else into
        for destination, key in withdrawn:
            if (old := self._take_out(destination, key)) is not None:
                touch(touched, old.heard.route_targets, destination)
        for path in announced:
            if self._put(path, touched):
                self.budget.add((path,))
        return touched

    def mark_stale(self, channel: Channel, now: float) -> Touched:
        """The session ended: nothing this peer said is confirmed any more. Touched is only what was held: it counts
        like the rest now."""
        touched: Touched = {}

        def ended(path: Path) -> Path:
            if path.standing not in (Standing.FRESH, Standing.HELD) or not path.came_by(channel):
                return path
            if path.standing is Standing.HELD:
                touch(touched, path.heard.route_targets, path.nlri.destination)
            return path.standing_as(Standing.STALE, now)

        for destination, there in self._paths.items():
            if isinstance(there, Path):
                self._paths[destination] = ended(there)
            else:
                for key, path in there.items():
                    there[key] = ended(path)
        return touched

    def make_long_lived(self, channel: Channel, since: float) -> Touched:
        """What has been stale since then has been so for long."""
        stale = [path for path in self._stale_since(channel, since) if path.standing is Standing.STALE]
        return self._prefer_least(Standing.LONG_LIVED, stale, since)

    def hold(self, paths: Iterable[Path], now: float) -> Touched:
        """Withdrawn, but not by whoever announced them: least preferred until they are released or said again."""
        return self._prefer_least(Standing.HELD, paths, now)

    def _prefer_least(self, standing: Standing, paths: Iterable[Path], since: float) -> Touched:
        """RFC 9494 section 4.2: a route with NO_LLGR goes."""
        touched: Touched = {}
        for path in paths:
            destination = path.nlri.destination
            if path.heard.has_community(NO_LLGR):
                self._take_out(destination, path.key)
            else:
                self._store(path.standing_as(standing, since))
            touch(touched, path.heard.route_targets, destination)
        return touched

    def release(self, over: Callable[[Path], bool]) -> Touched:
        """Drop what is held and need not be any longer."""
        return self._drop([path for path in self if path.standing is Standing.HELD and over(path)])

    def expire(self, channel: Channel, since: float) -> Touched:
        """Drop what has been stale since then."""
        return self._drop(self._stale_since(channel, since))

    def _stale_since(self, channel: Channel, since: float) -> list[Path]:
        return [p for p in self if p.stale_since == since and p.standing in _CONTRADICTABLE and p.came_by(channel)]

    def sweep(self, contradicted: Callable[[Path], bool]) -> Touched:
        """Drop what is stale and not so."""
        return self._drop([path for path in self if path.standing in _CONTRADICTABLE and contradicted(path)])

    @property
    def stale_sessions(self) -> set[tuple[Channel, float]]:
        """Of which ended sessions something is still believed, and when each ended."""
        stale = (path for path in self if path.standing in _CONTRADICTABLE)
        return {(path.channel, path.stale_since) for path in stale if path.stale_since is not None}

    def _drop(self, paths: Iterable[Path]) -> Touched:
        return self.apply((), [(path.nlri.destination, path.key) for path in paths])

    # The table

    def _put(self, path: Path, touched: Touched) -> bool:
        """Whether it is another than before, and so to be added to the budget."""
        destination, targets = path.nlri.destination, path.heard.route_targets
        old, says_the_same = self._seat(destination, path)
        if old is not None:
            if says_the_same:
                if old.least_preferred:  # it counts in full again
                    touch(touched, targets, destination)
                return False
            self._forget(old, touched)
        self._index(targets, destination)
        touch(touched, targets, destination)
        return True

    def _forget(self, old: Path, touched: Touched) -> None:
        """What another will take the place of."""
        self.budget.remove(old)
        self._unindex(old.heard.route_targets, old.nlri.destination)
        touch(touched, old.heard.route_targets, old.nlri.destination)

    def _seat(self, destination: Destination, path: Path) -> tuple[Path | None, bool]:
        """Put it in its place; whom it has replaced there, and whether that said the same: then it is no younger."""
        there = self._paths.get(destination)
        if there is None:
            self._paths[destination] = path
            return None, False
        if isinstance(there, Path):
            if there.peer == path.peer and there.key == path.key:
                same = there.says(path)
                self._paths[destination] = path.said_since(there.since) if same else path
                return there, same
            self.budget.crowd(destination, (there,))
            self._paths[destination] = {there.key: there, path.key: path}
            return None, False
        key = path.key
        old = there.get(key)
        if old is None:
            self.budget.crowd(destination, there.values())
        same = old is not None and old.says(path)
        there[key] = path.said_since(old.since) if old is not None and same else path
        return old, same

    def _store(self, path: Path) -> None:
        destination = path.nlri.destination
        there = self._paths[destination]
        if isinstance(there, Path):
            self._paths[destination] = path
        else:
            there[path.key] = path

    def _take_out(self, destination: Destination, key: PathKey) -> Path | None:
        old = self.path(destination, key)
        if old is None:
            return None
        there = self._paths[destination]
        if isinstance(there, Path):
            del self._paths[destination]
        else:
            del there[key]
            if len(there) == 1:
                (self._paths[destination],) = there.values()
        self.budget.remove(old)
        if isinstance(there, dict):
            self.budget.crowd(destination, there.values())
        self._unindex(old.heard.route_targets, destination)
        return old

    def _index(self, targets: Targets, destination: Destination) -> None:
        there = self._destinations.get(targets)
        if there is None:
            there = self._destinations[targets] = {}
            for target in targets:
                self._sets.setdefault(target, set()).add(targets)
        there[destination] = there.get(destination, 0) + 1
        if self._watched in targets:
            self._moved.add(destination)

    def _unindex(self, targets: Targets, destination: Destination) -> None:
        if self._watched in targets:
            self._moved.add(destination)
        there = self._destinations[targets]
        there[destination] -= 1
        if there[destination]:
            return
        del there[destination]
        if there:
            return
        del self._destinations[targets]
        for target in targets:
            self._sets[target].discard(targets)
            if not self._sets[target]:
                del self._sets[target]


def touch(touched: Touched, targets: Targets, destination: Destination) -> None:
    """A path with these targets has come, gone or changed."""
    there = touched.get(targets)
    if there is None:
        touched[targets] = {destination}
    else:
        there.add(destination)


def merge(into: Touched, more: Mapping[Targets, set[Destination]]) -> None:
    """Add what another change touched."""
    for targets, destinations in more.items():
        into.setdefault(targets, set()).update(destinations)
