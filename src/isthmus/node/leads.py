"""Which tunnel endpoints the views of a node lead to, and whether to another site.

Holds, view by view, the entries that count for that: those that ask for a flow and are not beyond the maximum.

Rules: the counts follow from the entries that were handed in and nothing else. They are brought up to date once for all
that changes in a view together, because its thousands of routes lead to few endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import NextHop, ViewId
from isthmus.model.net import IpAddress
from isthmus.vpn.imports import Entry, by_labels_alone, endpoints


class Leads:
    """See the head of the file."""

    def __init__(self) -> None:
        self.version = 0
        """Another number whenever some view uses other endpoints."""
        self._entries: dict[ViewId, dict[Destination, Entry]] = {}
        self._uses: dict[ViewId, dict[IpAddress, int]] = {}
        """How many of them have each tunnel endpoint among their candidates."""
        self._far: dict[ViewId, int] = {}
        """How many of them are of another site than the view's."""
        self._views: dict[IpAddress, int] = {}
        """How many views use each."""
        self._all_uses: dict[IpAddress, int] = {}
        """How many entries do, of whatever view."""
        self._labelled: dict[IpAddress, int] = {}
        """How many of those send to it behind labels, or would, and no other way."""
        self._endpoints: frozenset[IpAddress] | None = frozenset()
        self._shares: dict[IpAddress, float] = {}
        self._told_shares: Mapping[IpAddress, float] | None = None

    @property
    def endpoints(self) -> frozenset[IpAddress]:
        """Every tunnel endpoint that an entry leads to, or would if others went. The same object while it is so."""
        if self._endpoints is None:
            self._endpoints = frozenset(self._views)
        return self._endpoints

    @property
    def by_labels_alone(self) -> frozenset[IpAddress]:
        """Endpoints that labels lead to, or would, and nothing else does."""
        return frozenset(e for e, uses in self._labelled.items() if uses == self._all_uses[e])

    @property
    def shares(self) -> Mapping[IpAddress, float]:
        """What each endpoint is worth of what is done for all of them: every view has as much, or half of it, and
        shares it among its own. So the many endpoints of one VPN take nothing from the few of another. The same object
        while it is so."""
        if self._told_shares is None:
            self._told_shares = dict(self._shares)
        return self._told_shares

    def uses_some(self, number: ViewId, endpoints: Set[IpAddress]) -> bool:
        """Whether something in the view leads to one of these, or would if others went."""
        return not self._uses[number].keys().isdisjoint(endpoints)

    def is_alone(self, number: ViewId) -> bool:
        """Whether no route of another site is in the view."""
        return not self._far.get(number)

    # What changes

    def add(self, number: ViewId) -> None:
        """A view that leads nowhere yet."""
        self._entries[number], self._uses[number], self._far[number] = {}, {}, 0

    def drop(self, number: ViewId) -> None:
        """A view that is no more."""
        self.replace(number, dict.fromkeys(self._entries[number]))
        del self._entries[number], self._uses[number], self._far[number]

    def replace(self, number: ViewId, changed: Mapping[Destination, Entry | None]) -> None:
        """The entries that count at these destinations, in place of those that did; None: none does."""
        entries = self._entries[number]
        more: dict[IpAddress, int] = {}
        labelled: dict[IpAddress, int] = {}
        for destination, entry in changed.items():
            before = entries.get(destination)
            if before is entry:
                continue
            if entry is None:
                del entries[destination]
            else:
                entries[destination] = entry
                self._far[number] += entry.far
                _count_ways(entry, 1, more, labelled)
            if before is not None:
                self._far[number] -= before.far
                _count_ways(before, -1, more, labelled)
        self._use(number, more)
        _add(self._all_uses, more)
        if labelled:
            _add(self._labelled, labelled)
            self.version += 1

    def _use(self, number: ViewId, more: Mapping[IpAddress, int]) -> None:
        """By so many entries of a view more, or less."""
        uses, views = self._uses[number], self._views
        came, went = set[IpAddress](), set[IpAddress]()
        for endpoint, by in more.items():
            before = uses.get(endpoint, 0)
            if now := before + by:
                uses[endpoint] = now
                if not before:
                    came.add(endpoint)
            elif before:
                del uses[endpoint]
                went.add(endpoint)
        if not came and not went:
            return
        self.version += 1
        self._share(len(uses) - len(came) + len(went), uses.keys(), came, went)
        known = came <= views.keys()
        _add(views, dict.fromkeys(came, 1) | dict.fromkeys(went, -1))
        if not (known and went <= views.keys()):
            self._endpoints = None

    def _share(self, many: int, here: Set[IpAddress], came: Set[IpAddress], went: Set[IpAddress]) -> None:
        """A view had so many endpoints, and has these. Parts of one that are powers of two add up without loss, and
        those of the others change only when their number has doubled."""
        before, now = _part(many), _part(len(here))
        shares, self._told_shares = self._shares, None
        changed = dict.fromkeys(came, now) | dict.fromkeys(went, -before)
        if now != before:
            changed |= dict.fromkeys(here - came, now - before)
        for one, more in changed.items():
            if share := shares.get(one, 0.0) + more:
                shares[one] = share
            else:
                del shares[one]


def _part(count: int) -> float:
    """Of each of so many: the next power of two stands for their number."""
    return 1.0 / (1 << max(count - 1, 0).bit_length())


def _count_ways(entry: Entry, by: int, more: dict[IpAddress, int], labelled: dict[IpAddress, int]) -> None:
    """Where an entry leads, or would."""
    target = entry.target
    if type(target) is NextHop and not entry.losers:  # nearly all there are
        more[target.vtep] = more.get(target.vtep, 0) + by
        return
    _count(more, endpoints(entry), by)
    _count(labelled, by_labels_alone(entry), by)


def _count(counts: dict[IpAddress, int], found: Iterable[IpAddress], by: int) -> None:
    for endpoint in found:
        counts[endpoint] = counts.get(endpoint, 0) + by


def _add(counts: dict[IpAddress, int], more: Mapping[IpAddress, int]) -> None:
    """What comes to nothing is not there."""
    for endpoint, by in more.items():
        if total := counts.get(endpoint, 0) + by:
            counts[endpoint] = total
        else:
            counts.pop(endpoint, None)
