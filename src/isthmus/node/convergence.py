"""What all peers have said, and how far it is to be believed: the owner of the RIB, of sync, retention and beacons.

    Routes ─► refused for lack of room? ─► held? (beacons) ─► Adj-RIB-In ─► touched
    End-of-RIB, or END_OF_RIB_WAIT_S ─► in sync ─► (settles) ─► contradicts what only ended sessions said
    session ends ─► stale ─► long-lived ─► gone (retention)

Everything is of one family of one peer (`Channel`): a peer that is in sync in one family contradicts nothing in
another. Rules: `touched` collects what a decision may come out otherwise for, until somebody takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from isthmus.bgp.family import Family
from isthmus.bgp.nlri import Destination
from isthmus.bgp.update import Update
from isthmus.model.net import IpAddress
from isthmus.model.vpn import BEACON_TARGET
from isthmus.node.beacons import Absence, Announced, Beacons, Withdrawn, came_by
from isthmus.node.conversation import Conversation
from isthmus.node.facts import Answer
from isthmus.node.order import END_OF_RIB_WAIT_S, SETTLE_S, SWEEP_WAIT_S
from isthmus.node.peers import Peer
from isthmus.node.retention import Age, Retention
from isthmus.rib.adj_in import AdjRibIn, Channel, Path, PathKey, Touched, merge
from isthmus.vpn.beacons import Announcer
from isthmus.vpn.families import FAMILIES


class Convergence:
    """See the head of the file. `peers` is the node's, filled after this is made."""

    def __init__(self, peers: Mapping[IpAddress, Peer], long_lived_s: Mapping[IpAddress, int], at_most: int) -> None:
        self.rib = AdjRibIn()
        self.beacons = Beacons()
        self.retention = Retention(long_lived_s)
        self._peers = peers
        self._at_most = at_most
        """Routes of one peer."""
        self._touched: Touched = {}

    def take_touched(self) -> Touched:
        taken, self._touched = self._touched, {}
        return taken

    @property
    def is_touched(self) -> bool:
        return bool(self._touched)

    def touch(self, touched: Touched) -> None:
        """Somebody else (an endpoint that fell silent, an address of ours) wants these decided anew."""
        merge(self._touched, touched)

    def adopt(
        self,
        channel: Channel,
        received: Sequence[Path],
        held: Sequence[Path],
        absences: Mapping[Announcer, Absence],
        now: float,
    ) -> None:
        """What the last run knew of a session that this one goes on with."""
        self.touch(self.rib.apply([*received, *held], ()))
        self.touch(self.rib.hold(held, now))
        self.beacons.resume(channel, absences)

    # What peers say

    def routes(self, peer: Peer, update: Update, answers: Mapping[IpAddress, Answer], now: float) -> None:
        """One UPDATE of a family."""
        agreed = peer.session.agreed
        if agreed is None or update.family is None or (one := peer.conversations.get(update.family)) is None:
            # The session has ended since, in the same batch: what it said, End-of-RIB too, is as good as unsaid.
            return
        if update.end_of_rib is not None:
            self._in_sync(one, now)
        announced: Announced = []
        if update.heard is not None:
            said_by, heard = (peer.address, agreed.peer_router_id), update.heard
            announced = [Path(*said_by, route, heard, now) for route in update.announced]
        withdrawn = [(route.destination, PathKey.of(peer.address, route)) for route in update.withdrawn]
        if withdrawn or (announced and BEACON_TARGET in announced[0].heard.route_targets):
            self.beacons.listen(self.rib, announced, withdrawn, answers, now)
        self._take(peer, one, announced, withdrawn, now)

    def _take(self, peer: Peer, one: Conversation, announced: Announced, withdrawn: Withdrawn, now: float) -> None:
        """Remember what a peer said, as far as it may have so much."""
        if one.refused:
            for destination, key in withdrawn:
                if self.rib.path(destination, key) is None:
                    one.refused.withdraw(destination, key)
        if withdrawn:
            held, gone = self.beacons.sift(self.rib, withdrawn)
            self.touch(self.rib.hold(held, now))
            self.rib.apply((), gone, self._touched)
        admitted, beyond = self.rib.admit(peer.address, announced, self._at_most)
        self.rib.apply(admitted, (), self._touched)
        if one.refused:
            for path in admitted:
                one.refused.admit(path)
        for path in beyond:
            one.refused.refuse(path)
        self._ask_again(peer)

    def _ask_again(self, peer: Peer) -> None:
        """There may be room again for what was refused."""
        for one in peer.conversations.values():
            if one.refused:
                one.ask_again(peer.session, self.rib.count(peer.address), self._at_most)

    def _ask_all_again(self) -> None:
        for peer in self._peers.values():
            self._ask_again(peer)

    def ended(self, peer: Peer, now: float) -> None:
        """The session is over that was up."""
        for one in peer.conversations.values():
            self.touch(self.rib.mark_stale(one.channel, now))
            self.retention.ended(one.channel, now)
            self.beacons.ended(one.channel)
            self._contradict(one.channel.family)
        self._age(now)

    # Who is in sync, and contradicts

    def _of(self, family: Family) -> Iterator[Conversation]:
        """What all peers' conversations in a family are."""
        return (peer.conversations[family] for peer in self._peers.values())

    def _in_sync(self, one: Conversation, said_at: float | None) -> None:
        """`said_at`: when it said End-of-RIB. Those that return together may have said it before they knew anything."""
        family = one.channel.family
        alone = not any(other.has_settled for other in self._of(family) if other is not one)
        if alone and not one.in_sync and self.retention.concerns(family) and said_at is not None:
            one.settles_at = said_at + SETTLE_S
        one.in_sync = True
        if alone:
            self._contradict(family)
        else:
            self._settled(family)

    def _settled(self, family: Family) -> None:
        """Time has passed, or one has known all the while: from here on what they do not say is not so."""
        for one in self._of(family):
            one.settles_at = None
        self._contradict(family)

    def _contradict(self, family: Family) -> None:
        """A session in sync has said all there is: what only ended sessions said is not so."""
        if any(one.has_settled for one in self._of(family)):
            self.touch(self.rib.sweep(family, self._peers))
            self.retention.contradicted(family)
            self._ask_all_again()

    # Time

    def tick(self, now: float) -> None:
        """Whoever has had its time to say that this was all, or to settle; what is too old."""
        for peer in self._peers.values():
            for one in peer.spoken:
                if peer.up_since is not None and not one.in_sync and now >= peer.up_since + END_OF_RIB_WAIT_S:
                    self._in_sync(one, None)
                if one.settles_at is not None and now >= one.settles_at:
                    self._settled(one.channel.family)
        self._age(now)
        if over := self.beacons.over(now):
            self.touch(self.rib.release(came_by(over)))
            self._ask_all_again()

    def _age(self, now: float) -> None:
        """What ended sessions said gets older."""
        up = [one.channel for peer in self._peers.values() for one in peer.spoken]
        for step in self.retention.due(now, up):
            older = self.rib.expire if step.age is Age.EXPIRED else self.rib.make_long_lived
            self.touch(older(step.channel, step.since))

    def deadlines(self) -> Iterable[float]:
        yield from self.retention.deadlines()
        yield from self.beacons.deadlines()

    @property
    def knows(self) -> bool:
        """Whether who is up has said all there is."""
        spoken = [one.in_sync for peer in self._peers.values() for one in peer.spoken]
        return bool(spoken) and all(spoken)

    def heard(self) -> set[Destination]:
        """Where something is touched."""
        return set[Destination]().union(*self._touched.values())

    def in_sync(self, started: float, now: float) -> bool:
        """Whether what an earlier run learnt may be swept: all have said all, or one has, and long ago."""
        for family in FAMILIES:
            # A peer that is up and does not speak the family has nothing to say in it.
            sync = [
                one.in_sync or (peer.up_since is not None and not one.spoken)
                for peer in self._peers.values()
                for one in [peer.conversations[family]]
            ]
            if not all(sync) and not (any(sync) and now >= started + SWEEP_WAIT_S):
                return False
        return True
