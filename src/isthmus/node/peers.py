"""One peer of the node: its session, and a conversation for each family.

Rules: the session decides about bytes, `conversation.py` about routes. Where a state is one of the whole peer (up,
down, why, not begun) it is here; what differs from family to family is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from isthmus.bgp.events import Start
from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.session import Session, SessionConfig
from isthmus.model.net import IpAddress
from isthmus.model.reason import NotAccepted
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.conversation import Conversation
from isthmus.node.memberships import Memberships
from isthmus.node.order import END_OF_RIB_WAIT_MAX_S, END_OF_RIB_WAIT_S, INVENTORY_WAIT_S, RESTART_TIME_S
from isthmus.rib.adj_out import Announcement, RouteKey
from isthmus.rib.path import Channel
from isthmus.rib.refused import Refusal
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.trust import Trust


@dataclass(slots=True)
class Peer:
    """See the head of the file."""

    config: PeerConfig
    session: Session
    conversations: Mapping[Family, Conversation]
    changed_at: float
    up_since: float | None = None
    reason: str = "not tried yet"
    begun: bool = True
    """False while the first attempt waits for the switch to be read."""
    is_told_a_part: bool = False
    """Whether there are routes of ours in families other than one."""
    memberships: Memberships = field(default_factory=Memberships)
    resumed: bool = False
    """This run goes on with a session of the last one."""
    _told_as: object = field(default=None, init=False)
    """Of what it was told last; None: of nothing in this session."""

    @classmethod
    def start(cls, config: PeerConfig, node: NodeConfig, told: Iterable[Announcement], now: float) -> Peer:
        """Begin anew; not at once if an earlier run has told this peer something that may still be forwarded."""
        session = Session(session_config(config, node), config.jitter)
        conversations = conversations_of(config, node)
        for announcement in told:
            if (one := conversations.get(announcement.nlri.family)) is not None:
                one.before[announcement.nlri.key()] = announcement
        begun = not any(one.before for one in conversations.values())
        several = len(node.speaker.families) > 1
        peer = cls(config, session, conversations, now, begun=begun, is_told_a_part=several)
        session.restarting = not begun
        if begun:
            session.handle(Start(), now)
        return peer

    def begin(self, now: float) -> None:
        """The switch has been read, or waiting for it is over."""
        self.begun = True
        self.session.handle(Start(), now)

    @property
    def address(self) -> IpAddress:
        return self.config.address

    @property
    def spoken(self) -> list[Conversation]:
        """Those of the families that the session that is up has agreed on."""
        return [one for one in self.conversations.values() if one.spoken]

    @property
    def in_sync(self) -> bool:
        """In every family that is spoken."""
        return self.up_since is not None and all(one.in_sync for one in self.spoken)

    @property
    def has_settled(self) -> bool:
        """Whether what it does not say is not so, in every family that is spoken."""
        return self.up_since is not None and all(one.has_settled for one in self.spoken)

    @property
    def end_of_rib_until(self) -> float | None:
        """How long it has to say End-of-RIB; then it counts as said. None: there is no session."""
        if self.up_since is None:
            return None
        agreed = self.session.agreed
        if agreed is None or not agreed.peer_sends_end_of_rib:
            return self.up_since + END_OF_RIB_WAIT_S
        return self.up_since + max(END_OF_RIB_WAIT_MAX_S, RESTART_TIME_S + self.config.long_lived_s)

    @property
    def announced(self) -> int:
        return sum(len(one.told) for one in self.conversations.values())

    @property
    def not_taken(self) -> Counter[NotAccepted]:
        """Of what it says, by the reason."""
        return sum((one.not_taken for one in self.conversations.values()), Counter[NotAccepted]())

    @property
    def budget_refusals(self) -> Iterator[tuple[Refusal, int]]:
        """What its routes were refused for want of room, and how often."""
        for one in self.conversations.values():
            yield from ((refusal, one.refused.count(refusal)) for refusal, _ in one.refused.refusals)

    @property
    def refused(self) -> int:
        return sum(len(one.refused) for one in self.conversations.values())

    def came_up(self, now: float) -> None:
        self.up_since = self.changed_at = now
        self.reason, self._told_as = "", None
        agreed = self.session.agreed
        self.memberships.began(agreed=agreed is not None and ROUTE_TARGET_CONSTRAIN in agreed.families)
        for family, one in self.conversations.items():
            one.began(agreed=agreed is not None and family in agreed.families)

    def went_down(self, why: str, now: float) -> None:
        if self.up_since is not None:
            self.changed_at = now
        self.up_since, self.reason = None, why
        self.memberships.went_down()
        for one in self.conversations.values():
            one.ended()

    def tell(
        self,
        routes: Mapping[RouteKey, Announcement],
        kept: Collection[RouteKey],
        version: int,
        *,
        complete: bool,
        now: float,
    ) -> None:
        """Bring the peer to these routes, each in the family that carries it (`Conversation.tell`); of `kept` it keeps
        what it knows, as far as it may still hear of it. `version` is another number when the routes are others:
        without one, and with nothing owed, nothing is compared."""
        if self.up_since is None or not (self._told_as != (version, kept) or any(one.owes for one in self.spoken)):
            return
        self._told_as = version, kept
        late = now >= self.up_since + INVENTORY_WAIT_S
        for one in self.spoken:
            known = {key: route for key in kept if (route := one.told.told.get(key)) is not None}
            one.tell(self.session, self._own({**known, **routes}, one), complete=complete or late)

    def leave(self, *, drained: bool, now: float) -> None:
        """What the peer was told is about to go, or goes, whatever the cloud asks for by now."""
        self._told_as = None
        for one in self.spoken:
            told = {} if drained else {key: route.leaving() for key, route in one.told.told.items()}
            late = self.up_since is not None and now >= self.up_since + INVENTORY_WAIT_S
            one.tell(self.session, told, complete=drained or late)

    def _own(self, routes: Mapping[RouteKey, Announcement], one: Conversation) -> Mapping[RouteKey, Announcement]:
        if self.is_told_a_part:
            routes = {key: route for key, route in routes.items() if key.family == one.channel.family}
        trust = self.config.trust
        return routes if trust.announce_targets is None else dict(_as_told(routes, trust))

    def asked_again(self, family: Family) -> None:
        """The peer wants to hear everything of a family once more (RFC 2918)."""
        if family == ROUTE_TARGET_CONSTRAIN:
            self.memberships.again = True
        else:
            self.conversations[family].told.forget()

    def told_about(self, key: RouteKey) -> bool:
        one = self.conversations.get(key.family)
        return one is not None and key in one.told

    def deadlines(self) -> Iterable[float]:
        """When somebody should look at this peer again."""
        yield from self.memberships.deadlines()
        if (session := self.session.next_deadline()) is not None:
            yield session
        for one in self.conversations.values():
            if one.settles_at is not None:
                yield one.settles_at
            if (until := self.end_of_rib_until) is not None and one.spoken and not one.in_sync:
                yield until
            if self.up_since is not None and one.end_of_rib_owed:
                yield self.up_since + INVENTORY_WAIT_S


def _as_told(routes: Mapping[RouteKey, Announcement], trust: Trust) -> Iterator[tuple[RouteKey, Announcement]]:
    """With those of their targets that the peer may hear of; the others not at all."""
    for key, route in routes.items():
        a = route.attributes
        kept = trust.told(a.route_targets)
        if kept:
            left = tuple(c for c in a.extended_communities if c not in a.route_targets or c in kept)
            yield key, replace(route, attributes=replace(a, extended_communities=left))


def conversations_of(config: PeerConfig, node: NodeConfig) -> dict[Family, Conversation]:
    """One for each family that it is spoken to in."""
    beacons = {family: FAMILIES[family].beacon for family in config.families}
    return {
        family: Conversation(Channel(config.address, family), None if make is None else make(node.speaker))
        for family, make in beacons.items()
    }


def session_config(config: PeerConfig, node: NodeConfig) -> SessionConfig:
    return SessionConfig(
        local_as=node.asn,
        peer_as=config.asn,
        router_id=node.router_id,
        families=(*config.families, ROUTE_TARGET_CONSTRAIN) if config.rt_constrain else config.families,
        hold_time_s=config.hold_time_s,
        restart_time_s=RESTART_TIME_S,
        long_lived_s=config.long_lived_s,
    )
