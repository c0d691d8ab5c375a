"""What one peer said of a family beyond its maximum, and has not taken back: names only, nothing is decided by it.

Rules: a route is counted once, however often it is announced, and no longer when it is withdrawn. `NAMES_MAX` are known
by name; of more there is only a number, which counts announcements: what it says is never too little.
"""

from __future__ import annotations

from isthmus.bgp.nlri import Destination
from isthmus.rib.adj_in import Path, PathKey

NAMES_MAX = 10_000
"""About 3 MB for a peer. Whoever says so much too much has no need of the exact number."""


class Refused:
    """One peer's."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._names_max = names_max
        self._names: set[tuple[Destination, PathKey]] = set()
        self._more = 0

    def __len__(self) -> int:
        return len(self._names) + self._more

    def refuse(self, path: Path) -> None:
        name = path.nlri.destination, path.key
        if len(self._names) < self._names_max:
            self._names.add(name)
        elif name not in self._names:
            self._more += 1

    def admit(self, path: Path) -> None:
        """Said again, it was taken."""
        self._names.discard((path.nlri.destination, path.key))

    def withdraw(self, destination: Destination, key: PathKey) -> None:
        """Taken back by its peer; not one of those that were taken."""
        if (destination, key) in self._names:
            self._names.discard((destination, key))
        elif self._more:
            self._more -= 1

    def clear(self) -> None:
        """The peer says all again."""
        self._names.clear()
        self._more = 0
