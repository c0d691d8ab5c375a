"""What one peer said of a family, was not taken, and has not been taken back: names and reasons, which decide nothing.

Rules: a route is counted once, however often it is announced, and no longer when it is withdrawn. `NAMES_MAX` are known
by name, the first `PATHS_MAX` of them with all they say; of more there is only a number for each reason, an estimate:
it counts announcements, and falls with what is taken back that nobody knows. That some are there is said until the peer
says all again: else nobody would ask it for them when there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from isthmus.bgp.nlri import Destination
from isthmus.model.reason import NotAccepted
from isthmus.model.vpn import RouteTarget
from isthmus.rib.path import Path, PathKey

NAMES_MAX = 10_000
"""About 3 MB for a peer. Whoever says so much too much has no need of the exact number."""

PATHS_MAX = 200
"""An operator looks at a few; each may have 4 KB of attributes."""


Counted = RouteTarget | Destination | None
"""What a maximum is of, if it is not the peer's own."""


class Refusal(NamedTuple):
    """Why, and what the maximum is of that was reached."""

    why: NotAccepted
    of: Counted = None


class Refused:
    """One peer's."""

    def __init__(self, names_max: int = NAMES_MAX, paths_max: int = PATHS_MAX) -> None:
        self._names_max, self._paths_max = names_max, paths_max
        self._names: dict[tuple[Destination, PathKey], Refusal] = {}
        self._paths: dict[tuple[Destination, PathKey], Path] = {}
        self._counts: Counter[Refusal] = Counter()
        """Of the names, by what they were refused for."""
        self._largest: dict[Refusal, int] = {}
        """The most octets that one of them had."""
        self._more: Counter[NotAccepted] = Counter()
        self._by: dict[Counted, set[Refusal]] = {}
        """Those of `_largest`, by what their maximum is of."""
        self._full: set[Refusal] = set()
        """Those of them without room, when that was last asked."""
        self._unsure: set[Refusal] = set()
        """For which that may be otherwise now."""

    def __len__(self) -> int:
        return len(self._names) + self._more.total()

    def __bool__(self) -> bool:
        """Asked several times for each UPDATE."""
        return bool(self._names) or bool(self._more)

    def refuse(self, path: Path, refusal: Refusal) -> None:
        name = path.nlri.destination, path.key
        if name in self._names or len(self._names) < self._names_max:
            self._forget(name)
            self._names[name] = refusal
            self._counts[refusal] += 1
            self._largest[refusal] = max(path.heard.octets, self._largest.get(refusal, 0))
            self._by.setdefault(refusal.of, set()).add(refusal)
            self._unsure.add(refusal)
            if len(self._paths) < self._paths_max:
                self._paths[name] = path
        else:
            self._more[refusal.why] += 1

    def admit(self, path: Path) -> None:
        """Said again, it was taken."""
        self._forget((path.nlri.destination, path.key))

    def withdraw(self, destination: Destination, key: PathKey) -> None:
        """Taken back by its peer; not one of those that were taken."""
        if self.knows(destination, key):
            self._forget((destination, key))
        elif self._more.total() > 1:
            ((most, _),) = self._more.most_common(1)
            self._more[most] -= 1
            if not self._more[most]:
                del self._more[most]

    def knows(self, destination: Destination, key: PathKey) -> bool:
        """By name."""
        return (destination, key) in self._names

    def may_have(self, destination: Destination, key: PathKey) -> bool:
        """Whether this may be one of them: of more than are known by name nobody can say that it is not."""
        return bool(self._more) or self.knows(destination, key)

    def clear(self) -> None:
        """The peer says all again."""
        for table in (self._names, self._paths, self._counts, self._largest, self._more, self._by):
            table.clear()
        self._full.clear()
        self._unsure.clear()

    def reasons(self) -> Counter[NotAccepted]:
        """How many for each."""
        found = Counter(self._more)
        for refusal, count in self._counts.items():
            found[refusal.why] += count
        return found

    def count(self, refusal: Refusal) -> int:
        """Of those known by name."""
        return self._counts[refusal]

    @property
    def refusals(self) -> Iterator[tuple[Refusal, int]]:
        """What those known by name were refused for, each once, and the most octets that one of them had."""
        return iter(self._largest.items())

    # Whether there is room again

    def look_again(self, moved: Iterable[Counted]) -> None:
        """Of these there is more now, or less."""
        for one in moved:
            self._unsure |= self._by.get(one, set())

    def has_room(self, fits: Callable[[Refusal, int], bool]) -> bool:
        """Whether every maximum that something was refused for has room again. `fits` says so of one, and of the most
        octets that it refused; it is asked only for those that may have changed."""
        for refusal in self._unsure:
            largest = self._largest.get(refusal)
            if largest is None or fits(refusal, largest):
                self._full.discard(refusal)
            else:
                self._full.add(refusal)
        self._unsure.clear()
        return not self._full

    @property
    def paths(self) -> Iterator[tuple[Path, NotAccepted]]:
        """Some of them, whole."""
        return ((path, self._names[name].why) for name, path in self._paths.items())

    def _forget(self, name: tuple[Destination, PathKey]) -> None:
        refusal = self._names.pop(name, None)
        if refusal is None:
            return
        self._paths.pop(name, None)
        self._counts[refusal] -= 1
        if not self._counts[refusal]:
            del self._counts[refusal], self._largest[refusal]
            self._full.discard(refusal)
            self._by[refusal.of].discard(refusal)
            if not self._by[refusal.of]:
                del self._by[refusal.of]
