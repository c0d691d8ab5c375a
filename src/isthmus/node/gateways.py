"""Telling local machines that their gateway is another one now.

A network's gateway changes hands when a Neutron router comes to a network that had none, or leaves it: the address
stays, the MAC and the link-local address do not. A machine finds out by itself when its ARP entry ages (a minute); its
IPv6 default router lives for hours, and the new one's next advertisement may be ten minutes away. So what a router
that takes over says itself is said in its place, and the machine is made to look like it has asked.

Rules: only a change is told, to machines of this hypervisor, a few times, because OVN may need a moment to serve a new
port. What was there when this run began, or when a network was first looked at, is no change. A gateway that is not
seen any more is gone only if it was ours, or if another is there: that nobody looks at a router is not its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from isthmus.model.net import Mac
from isthmus.model.port import Claim, Gateway, LocalPort
from isthmus.node.effects import Introduce

AFTER_S = (0.0, 0.3, 1.0, 3.0, 8.0)
"""When it is told, since the change was seen. ovn-controller serves a new router port 50 ms after the row is there, on
a busy hypervisor after seconds; being told twice costs a machine nothing."""

Present = frozenset[Gateway]


def _claims(gateways: Present) -> frozenset[Claim]:
    return frozenset((one.mac, address) for one in gateways for address in one.addresses)


def _routers(gateways: Iterable[Gateway]) -> frozenset[Mac]:
    """Those that a machine may have as IPv6 default router."""
    return frozenset(one.mac for one in gateways if any(address.version == 6 for address in one.addresses))


@dataclass(frozen=True, slots=True)
class _News:
    """A change under way."""

    came: frozenset[Claim]
    gone: frozenset[Mac]
    since: float
    told: int = 0

    @property
    def due(self) -> float:
        return self.since + AFTER_S[self.told]


@dataclass(slots=True)
class Gateways:
    """Of the networks that have a machine here, as OVN's rows last said."""

    _known: dict[str, Present] | None = None
    _news: dict[str, _News] = field(default_factory=dict)

    def read(self, gateways: Iterable[Gateway], local: frozenset[str], now: float) -> None:
        """All that are seen now, and the networks with a machine here."""
        present: dict[str, Present] = {}
        for one in gateways:
            if one.network in local:
                present[one.network] = present.get(one.network, frozenset()) | {one}
        before = self._known
        self._known = {n: present.get(n, frozenset()) for n in local if n in present or n in (before or {})}
        self._news = {network: news for network, news in self._news.items() if network in local}
        if before is not None:
            for network in sorted(self._known):
                self._compare(network, before.get(network), self._known[network], now)

    def _compare(self, network: str, before: Present | None, after: Present, now: float) -> None:
        if before is None:  # looked at for the first time: only if it is ours it was not there all along
            before = frozenset(one for one in after if not one.ours)
        came = _claims(after) - _claims(before)
        gone = _routers(one for one in before if one.ours or after) - _routers(after)
        fresh = _News(frozenset(), frozenset(), now)
        old = self._news.pop(network, fresh)
        news = replace(
            fresh if came or gone else old,
            came=(came | old.came) & _claims(after),
            gone=(gone | old.gone) - _routers(after),
        )
        if news.came or news.gone:
            self._news[network] = news

    def effects(self, ports: Iterable[LocalPort], now: float) -> Iterator[Introduce]:
        """What is due."""
        due = {network: news for network, news in self._news.items() if news.due <= now}
        machines = tuple(ports) if due else ()
        for network, news in due.items():
            yield Introduce(tuple(port for port in machines if port.network == network), news.came, news.gone)
            if news.told + 1 == len(AFTER_S):
                del self._news[network]
            else:
                self._news[network] = replace(news, told=news.told + 1)

    def deadlines(self) -> Iterator[float]:
        for news in self._news.values():
            yield news.due
