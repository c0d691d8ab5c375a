"""How long what an ended session said is kept: stale, then long-lived stale (RFC 9494), then not at all.

    session ends ── RESTART_TIME_S ──► long-lived stale: least preferred, NO_LLGR goes ── long_lived_s ──► gone

Rules: what a reflector offered decides nothing here, because it is not on the way of any packet: whoever is cut off
from it for a week may well have all its tunnels. A session in sync ends this for all that it may contradict
(`contradiction.py`); one that returns has SETTLE_S to hear of everybody. While the peer's own session is up and says
its routes again nothing gets older.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from isthmus.bgp.family import Family
from isthmus.model.net import IpAddress
from isthmus.node.order import RESTART_TIME_S
from isthmus.rib.path import Channel


class Age(Enum):
    """How old what a peer said has become; in this order."""

    STALE = "as good as confirmed"
    LONG_LIVED = "least preferred"
    EXPIRED = "gone"


@dataclass(frozen=True, slots=True)
class Aged:
    """What this channel's ended session said has got older."""

    channel: Channel
    since: float
    """When that session ended."""
    age: Age


@dataclass(slots=True)
class Retention:
    """Which ended sessions are still believed."""

    long_lived_s: Mapping[IpAddress, int]
    """For each peer."""
    _ages: dict[tuple[Channel, float], Age] = field(default_factory=dict)

    def ended(self, channel: Channel, now: float) -> None:
        self._ages.setdefault((channel, now), Age.STALE)

    def contradicted(self, family: Family, left: Collection[tuple[Channel, float]]) -> None:
        """Of that family only these sessions' words are still stale."""
        self._ages = {key: age for key, age in self._ages.items() if key[0].family != family or key in left}

    def concerns(self, family: Family) -> bool:
        """Whether something of it may be stale."""
        return bool(self._ages) and any(channel.family == family for channel, _ in self._ages)

    def sessions(self, family: Family) -> list[float]:
        """When those ended of which something of it may be stale."""
        return [since for channel, since in self._ages if channel.family == family]

    def sessions_of(self, channel: Channel) -> list[float]:
        """And those of one channel."""
        return [since for one, since in self._ages if one == channel]

    def due(self, now: float, up: Collection[Channel]) -> Iterator[Aged]:
        """What gets older now, but for channels that are `up`."""
        for (channel, since), age in list(self._ages.items()):
            fresh = self._age_at(channel.peer, since, now)
            if channel in up or fresh is age:
                continue
            if fresh is Age.EXPIRED:
                del self._ages[channel, since]
            else:
                self._ages[channel, since] = fresh
            yield Aged(channel, since, fresh)

    def kept(self, peer: IpAddress) -> tuple[float, Age] | None:
        """Since when, and how old, the oldest of a peer is."""
        return min(((since, age) for (c, since), age in self._ages.items() if c.peer == peer), default=None, key=_since)

    def deadlines(self) -> Iterator[float]:
        for channel, since in self._ages:
            yield since + RESTART_TIME_S
            yield since + RESTART_TIME_S + self.long_lived_s[channel.peer]

    def _age_at(self, peer: IpAddress, since: float, now: float) -> Age:
        if now >= since + RESTART_TIME_S + self.long_lived_s[peer]:
            return Age.EXPIRED
        return Age.LONG_LIVED if now >= since + RESTART_TIME_S else Age.STALE


def _since(kept: tuple[float, Age]) -> float:
    return kept[0]
