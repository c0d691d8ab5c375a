"""Who cannot be heard any more, and so what is held of what was withdrawn.

    beacon withdrawn, endpoint answers ──► routes withdrawn after it are held ── beacon back ── SETTLE_S ──► released
                                                     └───────────── RESTART_TIME_S ─────────────────────────► released

A hypervisor whose beacon (`vpn/beacons.py`) is withdrawn has not taken anything back: its agent, or a reflector on the
way, is gone. While its tunnel endpoint answers probes it forwards, and so do we. That is graceful restart (RFC 4724)
with the packets themselves as the helper, where a reflector is none.

Rules: one peer, one next hop, one story; a beacon that another peer still shows makes every withdrawal true. What an
endpoint without a beacon withdraws is withdrawn: another maker's PE is treated as ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.model.net import IpAddress, Prefix
from isthmus.node.facts import Answer
from isthmus.node.order import RESTART_TIME_S, SETTLE_S
from isthmus.rib.adj_in import AdjRibIn, Path, PathKey
from isthmus.vpn.beacons import whose

Withdrawn = Sequence[tuple[Prefix, PathKey]]


class Way(NamedTuple):
    """By which peer which hypervisor was heard."""

    peer: IpAddress
    endpoint: IpAddress


@dataclass(slots=True)
class Beacons:
    """Of those that are out of earshot, until when what they said is held."""

    _until: dict[Way, float] = field(default_factory=dict)
    _back: set[Way] = field(default_factory=set)
    """Those that are heard again and may not have said everything yet."""

    def __len__(self) -> int:
        return len(self._until)

    def listen(
        self,
        rib: AdjRibIn,
        announced: Iterable[Path],
        withdrawn: Withdrawn,
        answers: Mapping[IpAddress, Answer],
        now: float,
    ) -> None:
        """Before the table takes it in: who is going out of earshot, and who is back."""
        for prefix, key in withdrawn:
            path = rib.path(prefix, key)
            endpoint = whose(path.nlri, path.attributes) if path is not None else None
            if endpoint is None or answers.get(endpoint) is not Answer.ANSWERS:
                continue
            others = [p for p in rib.paths(prefix) if p.peer != key.peer and not p.stale]
            if not any(whose(other.nlri, other.attributes) for other in others):
                self._gone(Way(key.peer, endpoint), now)
        for path in announced:
            if (endpoint := whose(path.nlri, path.attributes)) is not None:
                self._shown(endpoint, now)

    def _gone(self, way: Way, now: float) -> None:
        self._until[way] = _whole_second(now + RESTART_TIME_S)
        self._back.discard(way)

    def _shown(self, endpoint: IpAddress, now: float) -> None:
        """By whatever peer: what it does not say from now on is not so, but it may have more to say."""
        for way in [way for way in self._until if way.endpoint == endpoint and way not in self._back]:
            self._until[way] = min(self._until[way], _whole_second(now + SETTLE_S))
            self._back.add(way)

    def sift(self, rib: AdjRibIn, withdrawn: Withdrawn) -> tuple[list[Path], Withdrawn]:
        """What is to be held of it, and what is taken back indeed."""
        if not self._until:
            return [], withdrawn
        held: list[Path] = []
        gone: list[tuple[Prefix, PathKey]] = []
        for prefix, key in withdrawn:
            path = rib.path(prefix, key)
            if path is not None and self._holds(path):
                held.append(path)
            else:
                gone.append((prefix, key))
        return held, gone

    def _holds(self, path: Path) -> bool:
        endpoint = path.attributes.next_hop
        if endpoint is None or whose(path.nlri, path.attributes) is not None:
            return False
        way = Way(path.peer, endpoint)
        return way in self._until and way not in self._back

    def unheard(self) -> frozenset[IpAddress]:
        """Those of which withdrawals are held, by whatever peer."""
        return frozenset(way.endpoint for way in self._until if way not in self._back)

    def over(self, now: float) -> frozenset[Way]:
        """Those for which nothing is to be held any longer."""
        over = frozenset(way for way, until in self._until.items() if until <= now)
        self._until = {way: until for way, until in self._until.items() if way not in over}
        self._back -= over
        return over

    def deadlines(self) -> Iterator[float]:
        yield from self._until.values()


def _whole_second(until: float) -> float:
    """Rounded up: a thousand that return together are one look at the table, not a thousand."""
    return float(math.ceil(until))
