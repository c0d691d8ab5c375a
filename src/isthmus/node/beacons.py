"""Who cannot be heard any more, and so what is held of what was withdrawn.

    beacon withdrawn, endpoint answers ──► routes withdrawn after it are held ── beacon back ── SETTLE_S ──► released
                                                     ├───────────── RESTART_TIME_S ─────────────────────────► released
                                                     └── the peer's session ends ──► stale, like all it said

A hypervisor whose beacon (`vpn/beacons.py`) is withdrawn has not taken anything back: its agent, or a reflector on the
way, is gone. While its tunnel endpoint answers probes it forwards, and so do we. That is graceful restart (RFC 4724)
with the packets themselves as the helper, where a reflector is none.

Rules: one peer, one family, one hypervisor, one story (FRR keeps VPNv4 routes of who is gone and withdraws EVPN's at
once); a beacon of the same endpoint that anybody still shows in the family makes every withdrawal true. What an
endpoint without a beacon withdraws is withdrawn: another maker's PE is treated as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from isthmus.bgp.family import Family
from isthmus.bgp.nlri import Destination
from isthmus.model.net import IpAddress
from isthmus.model.vpn import BEACON_TARGET
from isthmus.node.facts import Answer
from isthmus.node.order import RESTART_TIME_S, SETTLE_S
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.path import Channel, Path, PathKey, Standing
from isthmus.vpn.beacons import Announcer, announcer, forms, whose

Announced = Sequence[Path]
Withdrawn = Sequence[tuple[Destination, PathKey]]


class HeardBy(NamedTuple):
    """By which channel which hypervisor was heard."""

    channel: Channel
    announcer: Announcer


@dataclass(frozen=True, slots=True)
class Absence:
    """When its beacon was withdrawn, and since when it is shown again."""

    gone_at: float
    back_at: float | None = None

    @property
    def until(self) -> float:
        """When nothing is held any longer: never later than RESTART_TIME_S after it went for the first time, or an
        agent that crashes again and again would keep for ever what it does not say."""
        settled = math.inf if self.back_at is None else self.back_at + SETTLE_S
        return float(math.ceil(min(self.gone_at + RESTART_TIME_S, settled)))  # many at once are one look at the table


class Beacons:
    """Who is out of earshot; see the head of the file."""

    def __init__(self) -> None:
        self._absences: dict[HeardBy, Absence] = {}
        self.version = 0
        """Another number whenever a beacon has come."""

    def __bool__(self) -> bool:
        """Whether anything may be held."""
        return bool(self._absences)

    def of(self, channel: Channel) -> dict[Announcer, Absence]:
        """Who cannot be heard by it."""
        return {way.announcer: one for way, one in self._absences.items() if way.channel == channel}

    def resume(self, channel: Channel, absences: Mapping[Announcer, Absence]) -> None:
        """As the last run left them, whose session goes on."""
        self._absences |= {HeardBy(channel, who): one for who, one in absences.items()}

    def unheard(self) -> frozenset[IpAddress]:
        """Endpoints of which withdrawals are held, by whatever peer."""
        return frozenset(way.announcer.endpoint for way, one in self._absences.items() if one.back_at is None)

    def listen(
        self,
        rib: AdjRibIn,
        announced: Announced,
        withdrawn: Withdrawn,
        answers: Mapping[IpAddress, Answer],
        now: float,
    ) -> None:
        """Before the table takes it in: who is going out of earshot, and who is back."""
        for destination, key in withdrawn:
            path = rib.path(destination, key)
            if path is None or BEACON_TARGET not in path.heard.route_targets:
                continue
            found = whose(path.nlri, path.heard)
            if found is None or answers.get(found.endpoint) is not Answer.ANSWERS:
                continue
            same = [p for p in rib.paths(destination) if p.nlri.family == path.nlri.family and not p.stale]
            others = [p for p in same if (destination, p.key) not in withdrawn]
            if not any(whose(other.nlri, other.heard) for other in others):
                self._gone(HeardBy(path.channel, found), now)
        if announced and BEACON_TARGET in announced[0].heard.route_targets:  # one set of attributes, so all or none
            self.version += 1
            for path in announced:
                if (found := whose(path.nlri, path.heard)) is not None:
                    self._shown(found.endpoint, path.nlri.family, now)

    def _gone(self, way: HeardBy, now: float) -> None:
        before = self._absences.get(way)
        self._absences[way] = Absence(before.gone_at if before else now)

    def _shown(self, endpoint: IpAddress, family: Family, now: float) -> None:
        """By whatever peer: what it does not say from now on is not so, but it may have more to say."""
        for way, one in self._absences.items():
            if (way.announcer.endpoint, way.channel.family) == (endpoint, family) and one.back_at is None:
                self._absences[way] = replace(one, back_at=now)

    def sift(self, rib: AdjRibIn, withdrawn: Withdrawn) -> tuple[list[Path], Withdrawn]:
        """What is to be held of it, and what is taken back indeed; what is held already is neither."""
        if not self._absences:
            return [], withdrawn
        held: list[Path] = []
        gone: list[tuple[Destination, PathKey]] = []
        for destination, key in withdrawn:
            path = rib.path(destination, key)
            if path is None or not self._holds(path):
                gone.append((destination, key))
            elif path.standing is not Standing.HELD:
                held.append(path)
        return held, gone

    def _holds(self, path: Path) -> bool:
        one = self._absences.get(way) if (way := _way(path)) is not None else None
        return one is not None and one.back_at is None and whose(path.nlri, path.heard) is None

    def over(self, now: float) -> frozenset[HeardBy]:
        """Those for which nothing is to be held any longer."""
        over = frozenset(way for way, one in self._absences.items() if one.until <= now)
        self._absences = {way: one for way, one in self._absences.items() if way not in over}
        return over

    def ended(self, channel: Channel) -> None:
        """Its session is over: all it said is stale now, whoever could be heard by it."""
        self._absences = {way: one for way, one in self._absences.items() if way.channel != channel}

    def deadlines(self) -> Iterator[float]:
        for one in self._absences.values():
            yield one.until


def is_shown(rib: AdjRibIn, endpoint: IpAddress) -> bool:
    """Whether a beacon of this endpoint is in the table: it is a hypervisor's."""
    return any(whose(path.nlri, path.heard) for form in forms(endpoint) for path in rib.paths(form))


def came_by(ways: Collection[HeardBy]) -> Callable[[Path], bool]:
    """Whether a path came by one of these."""
    return lambda path: _way(path) in ways


def _way(path: Path) -> HeardBy | None:
    found = announcer(path.nlri, path.heard)
    return None if found is None else HeardBy(path.channel, found)
