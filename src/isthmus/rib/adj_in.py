"""Adj-RIB-In of all peers in one table, with an index by route target.

The one mutable table of received routes. Everything a peer says stays here as it was said; what a view makes of it is
decided elsewhere, so a new view needs no exchange with anybody.

Rules: every change returns what it touched, (prefix -> route targets before and after), and nothing else is kept about
it. A path of a peer whose session ended is *stale*: it stays until a session that is in sync contradicts it. When that
takes long it becomes *long-lived stale* (RFC 9494): least preferred, and gone if it was never to be kept so long. A
path that was withdrawn though nobody took it back is *held*: as little preferred, until somebody says how long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteDistinguisher, RouteTarget

NO_LLGR = 0xFFFF0007
"""RFC 9494 section 3.2: whoever announced it would rather have no route than one that is long-lived stale."""

Touched = dict[Prefix, frozenset[RouteTarget]]


class PathKey(NamedTuple):
    """What makes a path of a prefix itself and no other: the peer and the rest of the route key (RFC 9136 3.1)."""

    peer: IpAddress
    rd: RouteDistinguisher
    ethernet_tag: int


@dataclass(frozen=True, slots=True)
class Path:
    """One route as one peer told it."""

    peer: IpAddress
    peer_router_id: IpAddress
    nlri: EvpnPrefix
    attributes: PathAttributes
    since: float
    """When this very content was first heard (the node's clock, seconds)."""
    stale_since: float | None = None
    """When the session ended that it came by."""
    long_lived: bool = False
    """Stale for longer than the time of RFC 4724, or held: least preferred."""
    held: bool = False
    """Its peer withdrew it, but whoever announced it did not (`hold`)."""

    @property
    def key(self) -> PathKey:
        return PathKey(self.peer, self.nlri.rd, self.nlri.ethernet_tag)

    @property
    def stale(self) -> bool:
        return self.stale_since is not None

    @property
    def originator(self) -> IpAddress:
        """RFC 4456 section 9: the originator's id stands for the router-id when a reflector passed the route on."""
        return self.attributes.originator_id or self.peer_router_id


class AdjRibIn:
    """All received paths."""

    def __init__(self) -> None:
        self._paths: dict[Prefix, dict[PathKey, Path]] = {}
        self._prefixes: dict[RouteTarget, dict[Prefix, int]] = {}
        self._counts: dict[IpAddress, int] = {}

    def paths(self, prefix: Prefix) -> Iterable[Path]:
        return self._paths.get(prefix, {}).values()

    def now(self, path: Path) -> Path:
        """The path as it stands: whoever took it earlier does not know that it has become stale since."""
        return self._paths.get(path.nlri.prefix, {}).get(path.key, path)

    def prefixes(self, targets: Iterable[RouteTarget]) -> set[Prefix]:
        """Every prefix that has a path with one of these targets."""
        return {prefix for target in targets for prefix in self._prefixes.get(target, ())}

    def path(self, prefix: Prefix, key: PathKey) -> Path | None:
        return self._paths.get(prefix, {}).get(key)

    def count(self, peer: IpAddress) -> int:
        return self._counts.get(peer, 0)

    def __iter__(self) -> Iterator[Path]:
        for paths in self._paths.values():
            yield from paths.values()

    def admit(self, peer: IpAddress, announced: Sequence[Path], at_most: int) -> tuple[Sequence[Path], Sequence[Path]]:
        """Those of a peer's routes that it may have, and the others: all that replace one, new ones while there is
        room."""
        room = at_most - self.count(peer)
        if room >= len(announced):
            return announced, ()
        admitted, beyond = [], []
        for path in announced:
            known = self.path(path.nlri.prefix, path.key) is not None
            if known or room > 0:
                admitted.append(path)
                room -= not known
            else:
                beyond.append(path)
        return admitted, beyond

    def apply(self, announced: Iterable[Path], withdrawn: Iterable[tuple[Prefix, PathKey]]) -> Touched:
        """Withdrawals first, as in one UPDATE (RFC 4271 section 4.3: the same prefix in both counts as announced)."""
        touched: Touched = {}
        for prefix, key in withdrawn:
            self._remove(prefix, key, touched)
        for path in announced:
            self._put(path, touched)
        return touched

    def mark_stale(self, peer: IpAddress, now: float) -> Touched:
        """The session ended: nothing this peer said is confirmed any more. Touched is only what was held: it counts
        like the rest now."""
        touched: Touched = {}
        for prefix, paths in self._paths.items():
            for key, path in paths.items():
                if key.peer == peer and path.held:
                    paths[key] = replace(path, stale_since=now, held=False, long_lived=False)
                    merge(touched, {prefix: path.attributes.route_targets})
                elif key.peer == peer and not path.stale:
                    paths[key] = replace(path, stale_since=now)
        return touched

    def make_long_lived(self, peer: IpAddress, since: float) -> Touched:
        """What has been stale since then has been so for long."""
        return self._least_preferred(replace(path, long_lived=True) for path in self._stale_since(peer, since))

    def hold(self, paths: Iterable[Path], now: float) -> Touched:
        """Withdrawn, but not by whoever announced them: least preferred until they are released or said again."""
        return self._least_preferred(replace(path, stale_since=now, long_lived=True, held=True) for path in paths)

    def _least_preferred(self, paths: Iterable[Path]) -> Touched:
        """In place of what they were. RFC 9494 section 4.2: a route with NO_LLGR goes."""
        touched: Touched = {}
        for path in paths:
            prefix = path.nlri.prefix
            if NO_LLGR in path.attributes.communities:
                self._remove(prefix, path.key, touched)
            else:
                self._paths[prefix][path.key] = path
                merge(touched, {prefix: path.attributes.route_targets})
        return touched

    def release(self, over: Callable[[Path], bool]) -> Touched:
        """Drop what is held and need not be any longer."""
        return self._drop([path for path in self if path.held and over(path)])

    def expire(self, peer: IpAddress, since: float) -> Touched:
        """Drop what has been stale since then."""
        return self._drop(self._stale_since(peer, since))

    def _stale_since(self, peer: IpAddress, since: float) -> list[Path]:
        return [path for path in self if path.peer == peer and path.stale_since == since and not path.held]

    def sweep(self, peers: Iterable[IpAddress]) -> Touched:
        """Drop the stale paths of these peers: a session in sync has had its say."""
        among = frozenset(peers)
        return self._drop([path for path in self if path.stale and not path.held and path.peer in among])

    def _drop(self, paths: Iterable[Path]) -> Touched:
        return self.apply((), [(path.nlri.prefix, path.key) for path in paths])

    def _put(self, path: Path, touched: Touched) -> None:
        prefix = path.nlri.prefix
        key = path.key
        paths = self._paths.setdefault(prefix, {})
        old = paths.get(key)
        if old is not None and old.attributes == path.attributes and old.nlri == path.nlri:
            paths[key] = replace(path, since=old.since)
            if old.long_lived:  # it counts in full again
                touched[prefix] = touched.get(prefix, frozenset()) | path.attributes.route_targets
            return
        targets = path.attributes.route_targets
        if old is None:
            self._counts[path.peer] = self._counts.get(path.peer, 0) + 1
        else:
            self._unindex(prefix, old.attributes.route_targets)
            targets |= old.attributes.route_targets
        paths[key] = path
        for target in path.attributes.route_targets:
            holders = self._prefixes.setdefault(target, {})
            holders[prefix] = holders.get(prefix, 0) + 1
        touched[prefix] = touched.get(prefix, frozenset()) | targets

    def _remove(self, prefix: Prefix, key: PathKey, touched: Touched) -> None:
        paths = self._paths.get(prefix, {})
        old = paths.pop(key, None)
        if old is None:
            return
        if not paths:
            del self._paths[prefix]
        self._counts[key.peer] -= 1
        self._unindex(prefix, old.attributes.route_targets)
        touched[prefix] = touched.get(prefix, frozenset()) | old.attributes.route_targets

    def _unindex(self, prefix: Prefix, targets: Iterable[RouteTarget]) -> None:
        for target in targets:
            holders = self._prefixes[target]
            holders[prefix] -= 1
            if not holders[prefix]:
                del holders[prefix]
            if not holders:
                del self._prefixes[target]


def merge(into: Touched, more: Mapping[Prefix, frozenset[RouteTarget]]) -> None:
    """Add what another change touched."""
    for prefix, targets in more.items():
        into[prefix] = into.get(prefix, frozenset()) | targets
