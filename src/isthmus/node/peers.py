"""One peer of the node: its session, what it was told, and how far it is in sync.

Rules: the session decides about bytes, this file about routes. A peer is *in sync* from its End-of-RIB (or a deadline)
until its session ends; while it *settles* its silence about a route is no proof yet. Our own End-of-RIB follows the
whole inventory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from isthmus.bgp.events import Start
from isthmus.bgp.family import EVPN
from isthmus.bgp.session import Session, SessionConfig
from isthmus.model.net import IpAddress
from isthmus.node.beacons import Absence
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.memory import OpenSession, PeerMemory
from isthmus.node.order import END_OF_RIB_WAIT_S, INVENTORY_WAIT_S, RESTART_TIME_S
from isthmus.rib.adj_in import Path
from isthmus.rib.adj_out import AdjRibOut, Announcement, RouteKey
from isthmus.rib.refused import Refused
from isthmus.vpn.beacons import Announcer, beacon
from isthmus.vpn.exports import Export, Speaker, announcement

ROOM_AGAIN = 0.8
"""Of a peer's maximum: below it, what was refused is asked for again; also where warnings begin."""


@dataclass(slots=True)
class Peer:
    """See the head of the file."""

    config: PeerConfig
    session: Session
    told: AdjRibOut = field(default_factory=AdjRibOut)
    up_since: float | None = None
    changed_at: float = 0.0
    in_sync: bool = False
    settles_at: float | None = None
    """In sync, but it may know too little still to contradict what is stale, until then."""
    reason: str = "not tried yet"
    end_of_rib_owed: bool = False
    refused: Refused = field(default_factory=Refused)
    """Routes not taken because the peer has as many as it may; forgotten when it says all again."""
    before: dict[RouteKey, Announcement] = field(default_factory=dict)
    """What sessions before this one said, of this run or the last: the peer may have kept it for us."""
    beacon: Announcement = field(kw_only=True)
    """What says that we can be heard; told whenever all the rest has been."""
    beacon_owed: bool = True
    begun: bool = True
    """False while the first attempt waits for the switch to be read."""
    resumed: bool = False
    """This run goes on with a session of the last one."""

    @classmethod
    def start(cls, config: PeerConfig, node: NodeConfig, memory: PeerMemory, now: float) -> Peer:
        """Begin anew; not at once if an earlier run has told this peer something that may still be forwarded."""
        session = Session(_session_config(config, node), config.jitter)
        before = {a.nlri.key(): a for a in memory.told}
        peer = cls(config, session, changed_at=now, before=before, begun=not before, beacon=beacon(node.speaker))
        session.restarting = bool(before)
        if peer.begun:
            session.handle(Start(), now)
        return peer

    def begin(self, now: float) -> None:
        """The switch has been read, or waiting for it is over."""
        self.begun = True
        self.session.handle(Start(), now)

    @classmethod
    def resume(cls, config: PeerConfig, node: NodeConfig, memory: PeerMemory, now: float) -> Peer:
        """Go on where the last run stopped, and ask for everything once more, because this version may read what the
        last one did not. Raises ValueError when the session is not what this configuration would have made."""
        one = memory.session
        assert one is not None
        session = Session.resume(_session_config(config, node), one.suspended, now, config.jitter)
        session.ask_refresh(EVPN)
        return cls(
            config,
            session,
            told=AdjRibOut(memory.told, one.told_again),
            up_since=one.up_since,
            changed_at=one.up_since,
            in_sync=one.in_sync,
            reason="",
            end_of_rib_owed=one.end_of_rib_owed,
            resumed=True,
            beacon=beacon(node.speaker),
        )

    def remember(self) -> PeerMemory:
        """What the peer may have of ours, for a run that has to begin anew."""
        return PeerMemory(tuple((self.before | dict(self.told.told)).values()))

    def suspend(self, paths: Collection[Path], absences: Mapping[Announcer, Absence]) -> OpenSession | None:
        """Stop, so that the next run can go on with what was received or is held; None if it can not."""
        # One that settles is not waited for longer by the next run: END_OF_RIB_WAIT_S from when it came up.
        up_since, in_sync, owed, again = self.up_since, self.has_settled, self.end_of_rib_owed, self.told.again
        worth = self.speaks_evpn
        suspended = self.session.suspend()
        if suspended is None or up_since is None or not worth:
            return None
        routes = {held: tuple((p.attributes, p.nlri) for p in paths if p.held is held) for held in (False, True)}
        return OpenSession(suspended, routes[False], up_since, in_sync, owed, again, routes[True], absences)

    @property
    def address(self) -> IpAddress:
        return self.config.address

    @property
    def has_settled(self) -> bool:
        """Whether what it does not say is not so."""
        return self.in_sync and self.settles_at is None

    @property
    def speaks_evpn(self) -> bool:
        agreed = self.session.agreed
        return self.up_since is not None and agreed is not None and EVPN in agreed.families

    def came_up(self, now: float) -> None:
        self.up_since = self.changed_at = now
        self.reason = ""
        self.end_of_rib_owed = self.speaks_evpn
        self.told, self.beacon_owed = AdjRibOut(), True
        self.refused.clear()

    def went_down(self, why: str, now: float) -> None:
        if self.up_since is not None:
            self.changed_at = now
        self.up_since, self.in_sync, self.end_of_rib_owed = None, False, False
        self.settles_at = None
        self.reason = why
        self.before |= self.told.told
        self.told = AdjRibOut()

    def tell(
        self, routes: Mapping[RouteKey, Announcement], kept: Collection[RouteKey], *, complete: bool, now: float
    ) -> None:
        """Bring the peer to these routes; of `kept` it keeps what it knows. `complete` when nothing of ours is still on
        its way into the switch."""
        if not self.speaks_evpn:
            return
        told = self.told.told
        self.beacon_owed |= self.told.again
        plan = self.told.plan({**{key: told[key] for key in kept if key in told}, **routes})
        if plan:
            self.session.send_routes(
                [(a.attributes, a.nlri) for a in plan.put.values()], [a.nlri for a in plan.delete.values()]
            )
        assert self.up_since is not None
        if not self.end_of_rib_owed or complete or now >= self.up_since + INVENTORY_WAIT_S:
            self._that_was_all()

    def _that_was_all(self) -> None:
        """The beacon, and End-of-RIB."""
        if self.beacon_owed:
            self.session.send_routes([(self.beacon.attributes, self.beacon.nlri)], ())
            self.beacon_owed = False
        if self.end_of_rib_owed:
            self._end_of_rib()

    def _end_of_rib(self) -> None:
        """ "That was all", and what earlier sessions said besides is withdrawn by name: a helper of graceful restart
        should find out by itself, but FRR 8.4 forgets the copies it has made for its own VRFs."""
        gone = [a.nlri for key, a in self.before.items() if key not in self.told]
        if gone:
            self.session.send_routes((), gone)
        self.session.send_end_of_rib(EVPN)
        self.end_of_rib_owed, self.before = False, {}

    def ask_again(self, count: int, at_most: int) -> None:
        """When there is room again for what was refused, the peer is asked for everything, once. One that cannot be
        asked has it refused still."""
        if self.refused and self.speaks_evpn and count <= at_most * ROOM_AGAIN and self.session.ask_refresh(EVPN):
            self.refused.clear()

    def told_about(self, export: Export, speaker: Speaker) -> bool:
        return announcement(export, speaker).nlri.key() in self.told

    def deadlines(self) -> Iterable[float]:
        """When somebody should look at this peer again."""
        if (session := self.session.next_deadline()) is not None:
            yield session
        if self.up_since is not None and not self.in_sync:
            yield self.up_since + END_OF_RIB_WAIT_S
        if self.settles_at is not None:
            yield self.settles_at
        if self.up_since is not None and self.end_of_rib_owed:
            yield self.up_since + INVENTORY_WAIT_S


def _session_config(config: PeerConfig, node: NodeConfig) -> SessionConfig:
    return SessionConfig(
        local_as=node.asn,
        peer_as=config.asn,
        router_id=node.router_id,
        families=(EVPN,),
        hold_time_s=config.hold_time_s,
        restart_time_s=RESTART_TIME_S,
        long_lived_s=config.long_lived_s,
    )
