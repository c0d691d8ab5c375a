"""How much one peer may make this node remember, in what it costs: routes, octets, next hops, paths of a prefix.

Each is counted for the peer and for each route target that it says, so that one VPN that floods takes no room from the
others. Octets are those of a route's attributes, whether or not others share them: what sharing saves is nobody's to
count on; to a peer's those are added that each of its targets takes, for one costs eight on the wire and a hundred
times as many here. Every next hop costs flows and probes on every hypervisor that imports it; every path of a prefix is
looked at whenever one of them changes.

Rules: counts follow from the paths that were added and removed and nothing else. What a peer has may change within the
maxima; what would go beyond is refused, with the maximum that was reached first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.model.net import IpAddress
from isthmus.model.reason import NotAccepted
from isthmus.model.vpn import BEACON_TARGET, RouteTarget
from isthmus.rib.path import Path
from isthmus.rib.refused import Counted, Refusal

CROWDED_FROM = 16
"""Paths of one prefix: with so many it is counted whose they are. Hardly any has."""


class Maxima(NamedTuple):
    """Of one peer, or of one route target that it says."""

    routes: int
    octets: int
    next_hops: int
    paths: int
    """Of one prefix."""


TARGET_OCTETS = 1024
"""What one more target takes, however few routes have it: its account, and its place in the index."""

UNBOUNDED = Maxima(*(2**63,) * 4)


class _Whys(NamedTuple):
    """What is said of a maximum that is reached."""

    routes: NotAccepted
    octets: NotAccepted
    next_hops: NotAccepted
    paths: NotAccepted


OF_PEER = _Whys(NotAccepted.PEER_FULL, NotAccepted.PEER_OCTETS, NotAccepted.PEER_NEXT_HOPS, NotAccepted.PEER_PATHS)
OF_TARGET = _Whys(
    NotAccepted.TARGET_FULL, NotAccepted.TARGET_OCTETS, NotAccepted.TARGET_NEXT_HOPS, NotAccepted.TARGET_PATHS
)


SETS_MAX = 8_192
"""Sets of targets whose accounts are remembered; forgetting costs time only."""

Whose = tuple[IpAddress, RouteTarget | None]
"""A peer's, or of those with one target."""

_WHOLE = (None, BEACON_TARGET)
"""Every hypervisor of every cloud says a beacon with this target, so a target's maxima are not for it."""

_BY_SIZE = (OF_PEER.octets, OF_TARGET.octets)


class Usage(NamedTuple):
    """How much is taken of what has a maximum."""

    routes: int
    octets: int
    next_hops: int


class _Account:
    """What paths of one peer, or with one target of it, take."""

    __slots__ = ("hops", "most", "octets", "routes", "whose", "whys")

    def __init__(self, whose: Whose, most: Maxima, whys: _Whys) -> None:
        self.whose, self.most, self.whys = whose, most, whys
        self.routes = self.octets = 0
        self.hops: dict[IpAddress | None, int] = {}
        """How many routes lead to each."""

    @property
    def usage(self) -> Usage:
        return Usage(self.routes, self.octets, len(self.hops))

    def beyond(self, path: Path, old: Path | None, besides: int) -> NotAccepted | None:
        """What keeps this path out that would take the place of `old`, if that counts here."""
        if old is None and self.routes >= self.most.routes:
            return self.whys.routes
        more = path.heard.octets - (0 if old is None else old.heard.octets) + besides
        if more > 0 and self.octets + more > self.most.octets:
            return self.whys.octets
        freed = old is not None and self.hops.get(old.heard.next_hop) == 1
        if path.heard.next_hop not in self.hops and len(self.hops) - freed >= self.most.next_hops:
            return self.whys.next_hops
        return None


class Budget:
    """Of all peers."""

    def __init__(self, of_peer: Maxima = UNBOUNDED, of_target: Maxima = UNBOUNDED) -> None:
        self.of_peer, self.of_target = of_peer, of_target
        self._accounts: dict[Whose, _Account] = {}
        self._sets: dict[tuple[IpAddress, frozenset[RouteTarget]], tuple[_Account, ...]] = {}
        """The accounts of paths with the same targets, remembered: this is asked for each route that comes or goes."""
        self._crowded_from = min(CROWDED_FROM, of_peer.paths - 1, of_target.paths - 1)
        self._crowds: dict[Destination, dict[Whose, int]] = {}
        """How many paths of a prefix with many are whose."""
        self.moved: set[Counted] | None = None
        """Of what there is more now, or less, whosever it is; None while nobody asks (`watch`)."""

    def watch(self) -> None:
        """From now on `moved` is wanted; whoever takes it empties it."""
        if self.moved is None:
            self.moved = set()

    # What is there

    def add(self, paths: Sequence[Path]) -> None:
        """Of one set of attributes."""
        accounts, heard = self._of(paths[0]), paths[0].heard
        self._count(accounts, heard.next_hop, len(paths), len(paths) * heard.octets)
        if self._crowds:
            self._count_crowds(paths, accounts, 1)

    def remove(self, path: Path) -> None:
        accounts = self._of(path)
        self._count(accounts, path.heard.next_hop, -1, -path.heard.octets)
        self._forget(accounts)
        if self._crowds:
            self._count_crowds((path,), accounts, -1)

    def _count(self, accounts: Sequence[_Account], hop: IpAddress | None, by: int, octets: int) -> None:
        of_peer = accounts[0]
        for account in accounts:
            before = account.routes
            account.routes += by
            account.octets += octets
            if not (before and account.routes) and account is not of_peer:
                of_peer.octets += TARGET_OCTETS if by > 0 else -TARGET_OCTETS
            hops = account.hops
            uses = hops.get(hop, 0) + by
            if uses:
                hops[hop] = uses
            else:
                del hops[hop]
        if self.moved is not None:
            self.moved.update(account.whose[1] for account in accounts)

    def _count_crowds(self, paths: Sequence[Path], accounts: Collection[_Account], step: int) -> None:
        for destination in (path.nlri.destination for path in paths):
            if (crowd := self._crowds.get(destination)) is None:
                continue
            for account in accounts:
                many = crowd.pop(account.whose, 0) + step
                if many:
                    crowd[account.whose] = many
            if not crowd:  # the last path of the prefix: nobody says so of one alone
                del self._crowds[destination]
            if self.moved is not None:
                self.moved.add(destination)

    def _of(self, path: Path) -> tuple[_Account, ...]:
        """The accounts that it counts in; the peer's own is the first."""
        key = path.peer, path.heard.route_targets
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= SETS_MAX:
                self._sets.clear()
            found = self._sets[key] = tuple(self._account((path.peer, t)) for t in (None, *path.heard.route_targets))
        return found

    def _account(self, whose: Whose) -> _Account:
        account = self._accounts.get(whose)
        if account is None:
            most, whys = (self.of_peer, OF_PEER) if whose[1] in _WHOLE else (self.of_target, OF_TARGET)
            account = self._accounts[whose] = _Account(whose, most, whys)
        return account

    def _forget(self, accounts: Collection[_Account]) -> None:
        """Those of them that nothing is in."""
        for account in accounts:
            if not account.routes:
                self._accounts.pop(account.whose, None)
                self._sets.clear()

    def crowd(self, destination: Destination, others: Collection[Path]) -> None:
        """A prefix has these paths, and one is about to be added, or one has just been removed."""
        if len(others) >= self._crowded_from:
            if destination not in self._crowds:
                crowd = self._crowds[destination] = {}
                for account in (one for path in others for one in self._of(path)):
                    crowd[account.whose] = crowd.get(account.whose, 0) + 1
        elif self._crowds.pop(destination, None) is not None and self.moved is not None:
            self.moved.add(destination)

    # What may come

    def take(self, announced: Sequence[Path]) -> bool:
        """Count all of these, of one set of attributes, if they surely may come; cheaper than to ask for each. `took`
        is to be told what became of them."""
        many, accounts, heard = len(announced), self._of(announced[0]), announced[0].heard
        octets, hop = many * heard.octets, heard.next_hop
        besides = self._new_targets(accounts) * TARGET_OCTETS
        for account in accounts:
            most, hops = account.most, account.hops
            if account.routes + many > most.routes or account.octets + octets + besides > most.octets:
                return False
            if hop not in hops and len(hops) >= most.next_hops:
                return False
            besides = 0  # the first is the peer's
        if many > 1 or self._crowds:
            destinations = {one.nlri.destination for one in announced}
            if len(destinations) < many or not destinations.isdisjoint(self._crowds):
                return False
        self._count(accounts, hop, many, octets)
        return True

    def took(self, announced: Sequence[Path], fresh: Sequence[Path]) -> None:
        """The table has them now, and had all but `fresh` before: those were counted twice."""
        if again := len(announced) - len(fresh):
            heard = announced[0].heard
            self._count(self._of(announced[0]), heard.next_hop, -again, -again * heard.octets)
        if self._crowds:
            self._count_crowds(fresh, self._of(announced[0]), 1)

    def beyond(self, path: Path, old: Path | None) -> Refusal | None:
        """What keeps this path out; `old`: what it takes the place of."""
        refusal = self._refusal(path, old)
        if refusal is not None:
            self._forget(self._of(path))  # whoever says too much may say new targets without end
        return refusal

    def _refusal(self, path: Path, old: Path | None) -> Refusal | None:
        crowd = self._crowds.get(path.nlri.destination, {})
        accounts = self._of(path)
        besides = self._new_targets(accounts) * TARGET_OCTETS
        if old is not None:
            besides -= sum(one.routes == 1 for one in self._of(old)[1:] if one not in accounts) * TARGET_OCTETS
        for account in accounts:
            target = account.whose[1]
            counted = old if target is None or (old is not None and target in old.heard.route_targets) else None
            if (why := account.beyond(path, counted, 0 if target else besides)) is not None:
                return Refusal(why, target)
            if counted is None and crowd.get(account.whose, 0) >= account.most.paths:
                return Refusal(account.whys.paths, path.nlri.destination)
        return None

    @staticmethod
    def _new_targets(accounts: tuple[_Account, ...]) -> int:
        new = 0
        for account in accounts[1:]:
            new += not account.routes
        return new

    # What others ask

    def routes(self, peer: IpAddress) -> int:
        account = self._accounts.get((peer, None))
        return 0 if account is None else account.routes

    def usage(self, peer: IpAddress, target: RouteTarget | None = None) -> Usage:
        account = self._accounts.get((peer, target))
        return Usage(0, 0, 0) if account is None else account.usage

    def near(self, share: float) -> list[tuple[IpAddress, RouteTarget]]:
        """Targets of peers that have come to this share of some maximum. Asked often, and there may be many."""
        routes, octets, hops, _ = (share * most for most in self.of_target)
        return [
            (peer, target)
            for (peer, target), account in self._accounts.items()
            if target not in _WHOLE
            and (account.routes >= routes or account.octets >= octets or len(account.hops) >= hops)
        ]

    def usages(self) -> Iterator[tuple[Whose, Usage]]:
        """All there are."""
        return ((whose, account.usage) for whose, account in self._accounts.items() if account.routes)

    def most_paths(self, peer: IpAddress) -> tuple[int, int]:
        """How many routes of one prefix it says, at most; and how many with one target. 0: few."""
        mine = [(whose, many) for crowd in self._crowds.values() for whose, many in crowd.items() if whose[0] == peer]
        of_peer = max((many for (_, target), many in mine if target is None), default=0)
        return of_peer, max((many for (_, target), many in mine if target is not None), default=0)

    def has_room_again(self, peer: IpAddress, refusal: Refusal, largest: int, share: float) -> bool:
        """Whether a maximum that refused something has come down to this share of it, and the largest of what was
        refused would go in: else it would be asked for again and again."""
        taken, most = self._taken(peer, refusal), self._maximum(refusal.why)
        return taken <= share * most and (refusal.why not in _BY_SIZE or taken + largest <= most)

    def _maximum(self, why: NotAccepted) -> int:
        return self.of_peer[OF_PEER.index(why)] if why in OF_PEER else self.of_target[OF_TARGET.index(why)]

    def _taken(self, peer: IpAddress, refusal: Refusal) -> int:
        why, of = refusal
        if why in (OF_PEER.paths, OF_TARGET.paths):
            crowd = self._crowds.get(of, {}) if isinstance(of, tuple) else {}
            mine = (many for (by, target), many in crowd.items() if by == peer and (target is None) == (why in OF_PEER))
            return max(mine, default=0)
        account = self._accounts.get((peer, of if isinstance(of, RouteTarget) else None))
        whys = OF_PEER if why in OF_PEER else OF_TARGET
        return 0 if account is None else account.usage[whys.index(why)]
