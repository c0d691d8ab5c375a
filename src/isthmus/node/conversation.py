"""What is said to and heard from one peer in one family: the channel's state.

What the peer has:      told (this session), before (earlier ones: it may have kept that), refused (it said too much)
What is owed to it:     the beacon, whenever all the rest has been said; End-of-RIB once a session, after everything
What it is worth:       in sync from its End-of-RIB (or a deadline) until its session ends; while it *settles*, its
                        silence about a route is no proof yet

Rules: the session decides about octets, this file about routes of one family. Nothing here knows another channel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from isthmus.bgp.nlri import Destination
from isthmus.bgp.session import Session
from isthmus.model.reason import NotAccepted
from isthmus.rib.adj_out import AdjRibOut, Announcement, RouteKey
from isthmus.rib.budget import Budget
from isthmus.rib.path import Channel, PathKey
from isthmus.rib.refused import Refused

ROOM_AGAIN = 0.8
"""Of a peer's maximum: below it, what was refused is asked for again; also where warnings begin."""


@dataclass(slots=True)
class Conversation:
    """See the head of the file."""

    channel: Channel
    beacon: Announcement | None
    """What says in this family that we can be heard."""
    told: AdjRibOut = field(default_factory=AdjRibOut)
    before: dict[RouteKey, Announcement] = field(default_factory=dict)
    """What sessions before this one said, of this run or the last: the peer may have kept it for us."""
    spoken: bool = False
    """Whether a session is up that has agreed on the family."""
    said_all: bool = False
    """Whether it has said End-of-RIB."""
    in_sync: bool = False
    settles_at: float | None = None
    """In sync, but it may know too little still to contradict what is stale, until then."""
    settled_at: float | None = None
    """Since when what it does not say of those it shows is not so."""
    end_of_rib_owed: bool = False
    beacon_owed: bool = True
    refused: Refused = field(default_factory=Refused)
    """Routes not taken because the peer has as many as it may; forgotten when it says all again."""
    forbidden: Refused = field(default_factory=Refused)
    """Routes not taken because the peer may not say such."""

    @property
    def has_settled(self) -> bool:
        """Whether what it does not say of those it shows is not so."""
        return self.settled_at is not None

    def says_all(self, now: float, settles_at: float | None = None) -> None:
        """It is in sync, and may contradict: from now on, or when it has settled."""
        self.in_sync, self.settles_at = True, settles_at
        self.settled_at = now if settles_at is None else None

    @property
    def owes(self) -> bool:
        """Whether there is something to say even if no route of ours has changed."""
        return self.end_of_rib_owed or self.beacon_owed or self.told.again

    def began(self, *, agreed: bool) -> None:
        """A session is up."""
        self.spoken = self.end_of_rib_owed = agreed
        self.told, self.beacon_owed = AdjRibOut(), True
        self.refused.clear()
        self.forbidden.clear()

    def ended(self) -> None:
        """It is down."""
        self.spoken = self.said_all = self.in_sync = self.end_of_rib_owed = False
        self.settles_at = self.settled_at = None
        self.before |= self.told.told
        self.told = AdjRibOut()

    def tell(
        self,
        session: Session,
        wanted: Mapping[RouteKey, Announcement],
        *,
        complete: bool,
    ) -> None:
        """Bring the peer to these routes. `complete` when nothing of ours is still on its way into the switch, or that
        is not waited for any longer."""
        if not self.spoken:
            return
        self.beacon_owed |= self.told.again
        if plan := self.told.plan(wanted):
            session.send_routes([(a.attributes, a.nlri) for a in plan.put.values()], plan.delete.keys())
        self.told.done(wanted)
        if not self.end_of_rib_owed or complete:
            self._that_was_all(session)

    def _that_was_all(self, session: Session) -> None:
        """The beacon, and End-of-RIB."""
        if self.beacon_owed and self.beacon is not None:
            session.send_routes([(self.beacon.attributes, self.beacon.nlri)], ())
        self.beacon_owed = False
        if self.end_of_rib_owed:
            self._end_of_rib(session)

    def _end_of_rib(self, session: Session) -> None:
        """ "That was all", and what earlier sessions said besides is withdrawn by name: a helper of graceful restart
        should find out by itself, but FRR 8.4 forgets the copies it has made for its own VRFs."""
        gone = [key for key in self.before if key not in self.told]
        if gone:
            session.send_routes((), gone)
        session.send_end_of_rib(self.channel.family)
        self.end_of_rib_owed, self.before = False, {}

    def ask_again(self, session: Session, budget: Budget) -> None:
        """When there is room again for what was refused, the peer is asked for everything, once. One that cannot be
        asked has it refused still."""
        if not self.refused or not self.spoken:
            return
        peer = self.channel.peer
        room = self.refused.has_room(lambda why, largest: budget.has_room_again(peer, why, largest, ROOM_AGAIN))
        if room and session.ask_refresh(self.channel.family):
            self.refused.clear()
            self.forbidden.clear()

    def take_back(self, destination: Destination, key: PathKey) -> None:
        """The peer does not say any more what was not taken. Where nobody knows which it was, both fall."""
        both = (self.refused, self.forbidden)
        for table in [one for one in both if one.knows(destination, key)] or both:
            table.withdraw(destination, key)

    @property
    def not_taken(self) -> Counter[NotAccepted]:
        """Of what it says, by the reason."""
        return self.refused.reasons() + self.forbidden.reasons()

    @property
    def may_have(self) -> dict[RouteKey, Announcement]:
        """All of ours that the peer may have, said in this session or before."""
        return self.before | dict(self.told.told)
