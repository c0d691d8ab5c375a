"""What all peers have said, and how far it is to be believed: the owner of the RIB, of sync, retention and beacons.

    Routes ─► refused for lack of room? ─► held? (beacons) ─► Adj-RIB-In ─► touched
    End-of-RIB, or its time is over ─► in sync ─► (settles) ─► contradicts what ended sessions said (contradiction.py)
    session ends ─► stale ─► long-lived ─► gone (retention)

Everything is of one family of one peer (`Channel`): a peer that is in sync in one family contradicts nothing in
another. Rules: `touched` collects what a decision may come out otherwise for, until somebody takes it. While anything
is stale, a peer that shows somebody new is looked at again when it has had SETTLE_S to say all of him.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from isthmus.bgp.family import Family
from isthmus.bgp.nlri import Destination
from isthmus.bgp.update import Update
from isthmus.model.net import IpAddress
from isthmus.model.reason import NotAccepted
from isthmus.model.vpn import BEACON_TARGET, RouteTarget
from isthmus.node.beacons import Absence, Announced, Beacons, Withdrawn, came_by
from isthmus.node.contradiction import contradicted
from isthmus.node.conversation import Conversation
from isthmus.node.facts import Answer
from isthmus.node.order import LOST_TOO_S, SETTLE_S, SWEEP_WAIT_S
from isthmus.node.peers import Peer
from isthmus.node.retention import Age, Retention
from isthmus.node.shown import Shown
from isthmus.rib.adj_in import AdjRibIn, Touched, merge
from isthmus.rib.budget import Budget
from isthmus.rib.path import Channel, Path, PathKey
from isthmus.rib.refused import Refusal
from isthmus.vpn.beacons import Announcer
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.trust import Judge


class Convergence:
    """See the head of the file. `peers` is the node's, filled after this is made."""

    def __init__(
        self,
        peers: Mapping[IpAddress, Peer],
        long_lived_s: Mapping[IpAddress, int],
        budget: Budget,
        judge: Judge,
        foreign: Collection[IpAddress] = (),
    ) -> None:
        self.rib = AdjRibIn(budget, BEACON_TARGET)
        self.beacons = Beacons()
        self.shown = Shown()
        self.retention = Retention(long_lived_s)
        self._peers = peers
        self._judge = judge
        self._foreign = foreign
        self._touched: Touched = {}
        self._look_again: dict[Family, float] = {}
        """When somebody who is stale may have come to be spoken for."""
        self._heard_at: dict[Family, float] = {}
        """When something was announced last."""

    def take_touched(self) -> Touched:
        taken, self._touched = self._touched, {}
        return taken

    @property
    def is_touched(self) -> bool:
        return bool(self._touched)

    def touch(self, touched: Touched) -> None:
        """Somebody else (an endpoint that fell silent, an address of ours) wants these decided anew."""
        merge(self._touched, touched)

    def count_beacons(self) -> None:
        """Some may have come or gone since this was last done."""
        self.shown.look(self.rib)

    def adopt(
        self,
        channel: Channel,
        received: Sequence[Path],
        held: Sequence[Path],
        absences: Mapping[Announcer, Absence],
        now: float,
    ) -> None:
        """What the last run knew of a session that this one goes on with, as far as its peer may say so today."""
        received, held = self._allowed(received), self._allowed(held)
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
            one.said_all = True
            if peer.memberships.has_answered(now):
                self._in_sync(one, now)
        announced, withdrawn = self._said(one, update, agreed.peer_router_id, now)
        if announced:
            self._heard_at[update.family] = now
            if self.retention.concerns(update.family):  # whom it is of may be stale
                self._look_at(update.family, now + SETTLE_S)
            peer.memberships.said(announced[0].heard.route_targets, now)
        if withdrawn or (announced and BEACON_TARGET in announced[0].heard.route_targets):
            self.beacons.listen(self.rib, announced, withdrawn, answers, now)
        self._take(peer, one, announced, withdrawn, now)

    def _look_at(self, family: Family, at: float) -> None:
        """Then, or before: nothing that happens puts off a look that is due."""
        self._look_again[family] = min(at, self._look_again.get(family, at))

    def _said(self, one: Conversation, update: Update, router_id: IpAddress, now: float) -> tuple[Announced, Withdrawn]:
        """What counts of an UPDATE: as far as the peer may say so. What it may not say is as good as withdrawn."""
        address = one.channel.peer
        withdrawn = [(route.destination, PathKey.of(address, route)) for route in update.withdrawn]
        forbade = bool(one.forbidden)
        if forbade or one.refused:
            for destination, key in withdrawn:
                if self.rib.path(destination, key) is None:
                    one.take_back(destination, key)
        if update.heard is None:
            return (), withdrawn
        heard = update.heard
        whys: Sequence[NotAccepted | None] = ()
        if not self._judge.trusts_all:
            heard, whys = self._judge.look(address, heard, [route.destination for route in update.announced])
        announced = [Path(address, router_id, route, heard, now) for route in update.announced]
        if whys and any(whys):
            announced = self._forbid(one, zip(announced, whys, strict=True), withdrawn)
        if forbade:
            for path in announced:
                one.forbidden.admit(path)
        return announced, withdrawn

    @staticmethod
    def _forbid(
        one: Conversation,
        judged: Iterable[tuple[Path, NotAccepted | None]],
        withdrawn: list[tuple[Destination, PathKey]],
    ) -> list[Path]:
        """What its peer may say; the rest is refused, and withdrawn."""
        allowed = []
        for path, why in judged:
            if why is None:
                allowed.append(path)
            else:
                one.refused.admit(path)  # for want of room it was refused, as it was said before
                one.forbidden.refuse(path, Refusal(why))
                withdrawn.append((path.nlri.destination, path.key))
        return allowed

    def _allowed(self, paths: Sequence[Path]) -> Sequence[Path]:
        """Of what an earlier run took in."""
        if self._judge.trusts_all:
            return paths
        looks = [(path, *self._judge.look(path.peer, path.heard, [path.nlri.destination])) for path in paths]
        return [path._replace(heard=heard) for path, heard, whys in looks if not any(whys)]

    def _take(self, peer: Peer, one: Conversation, announced: Announced, withdrawn: Withdrawn, now: float) -> None:
        """Remember what a peer said, as far as it may have so much."""
        refused = bool(one.refused)
        if withdrawn:
            held, gone = self.beacons.sift(self.rib, withdrawn)
            self.touch(self.rib.hold(held, now))
            self.rib.apply((), gone, self._touched)
        admitted, beyond = self.rib.admit(announced, self._touched)
        if refused:
            for path in admitted:
                one.refused.admit(path)
        for path, refusal in beyond:
            self.rib.budget.watch()
            one.refused.refuse(path, refusal)
        self._ask_again((peer,))

    def _ask_again(self, peers: Iterable[Peer]) -> None:
        """There may be room again for what these were refused."""
        moved = self.rib.budget.moved
        if moved is None:  # as nearly always
            return
        waiting = [one for peer in self._peers.values() for one in peer.conversations.values() if one.refused]
        for one in waiting:
            one.refused.look_again(moved)
        self.rib.budget.moved = set() if waiting else None
        for peer in peers:
            for one in peer.conversations.values():
                one.ask_again(peer.session, self.rib.budget)

    def ended(self, peer: Peer, now: float) -> None:
        """The session is over that was up."""
        for one in peer.conversations.values():
            self.touch(self.rib.mark_stale(one.channel, now))
            self.retention.ended(one.channel, now)
            self.beacons.ended(one.channel)
            # Others may have lost the same peer, and be about to withdraw all that they had by it, one by one.
            self._look_at(one.channel.family, now + LOST_TOO_S)
        self._age(now)

    def began(self, peer: Peer) -> None:
        """A session is up: what an earlier one had said in a family that this one has not agreed on is as good as
        withdrawn (RFC 4724 section 4.2)."""
        for one in peer.conversations.values():
            if not one.spoken and self.retention.concerns(one.channel.family):
                for since in self.retention.sessions_of(one.channel):
                    self.touch(self.rib.expire(one.channel, since))
                self.retention.contradicted(one.channel.family, self.rib.stale_sessions)

    # Who is in sync, and contradicts

    def _of(self, family: Family) -> Iterator[Conversation]:
        """What all peers' conversations in a family are."""
        return (peer.conversations[family] for peer in self._peers.values() if family in peer.conversations)

    def _in_sync(self, one: Conversation, now: float) -> None:
        """It has said all, or has had its time. One that returns may have said so before it knew anything; one that
        says so again says nothing, and looking at the whole table costs too much for that."""
        if one.in_sync:
            return
        family = one.channel.family
        one.says_all(now, now + SETTLE_S if self.retention.concerns(family) else None)
        self._contradict(family, now)

    def _contradict(self, family: Family, now: float) -> None:
        """Those that have settled have said all there is of whom they show: what ended sessions said is not so."""
        settled = {one.channel: one.settled_at for one in self._of(family) if one.settled_at is not None}
        if not settled or not self.retention.concerns(family):
            return
        self.touch(self.rib.sweep(contradicted(self.rib, settled, now, partial(self._would_be_here, now=now))))
        self.retention.contradicted(family, self.rib.stale_sessions)
        self._ask_again(self._peers.values())

    def _would_be_here(self, channel: Channel, path: Path, *, now: float) -> bool:
        """Whether this path would be in the table if that peer said it too."""
        destination, key = path.nlri.destination, path.key._replace(peer=channel.peer)
        if not self._peers[channel.peer].memberships.would_say(path.heard.route_targets, now):
            return False
        if self._peers[channel.peer].conversations[channel.family].refused.may_have(destination, key):
            return False
        return not any(self._judge.look(channel.peer, path.heard, [destination])[1])

    # Time

    def tick(self, now: float) -> None:
        """Whoever has had its time to say that this was all, or to settle; what is too old."""
        for peer in self._peers.values():
            until = peer.end_of_rib_until
            peer.memberships.tick(now)
            answered = peer.memberships.has_answered(now)
            for one in peer.spoken:
                if not one.in_sync and ((one.said_all and answered) or (until is not None and now >= until)):
                    self._in_sync(one, now)
                if one.settles_at is not None and now >= one.settles_at:
                    one.says_all(now)
                    self._contradict(one.channel.family, now)
        self._look(now)
        self._age(now)
        if over := self.beacons.over(now):
            self.touch(self.rib.release(came_by(over)))
            self._ask_again(self._peers.values())

    def _look(self, now: float) -> None:
        """Whoever was new has been said whole; those who came meanwhile have their time still."""
        for family in [family for family, at in self._look_again.items() if now >= at]:
            del self._look_again[family]
            self._contradict(family, now)
            ended = self.retention.sessions(family)
            again = [self._heard_at.get(family, now) + SETTLE_S, *(at + LOST_TOO_S for at in ended)] if ended else []
            for at in again:
                if at > now:
                    self._look_at(family, at)

    def _age(self, now: float) -> None:
        """What ended sessions said gets older."""
        up = [one.channel for peer in self._peers.values() for one in peer.spoken]
        for step in self.retention.due(now, up):
            older = self.rib.expire if step.age is Age.EXPIRED else self.rib.make_long_lived
            self.touch(older(step.channel, step.since))

    def deadlines(self) -> Iterable[float]:
        yield from self._look_again.values()
        yield from self.retention.deadlines()
        yield from self.beacons.deadlines()

    @property
    def looks_again(self) -> bool:
        """Whether it is still open whom of those that are stale somebody speaks for."""
        return bool(self._look_again)

    @property
    def _tellers(self) -> list[Peer]:
        """Who can say that this was all there is: a peer of another cloud knows of that one alone, and may never come
        to an end. Where there is nobody else, they."""
        peers = self._peers
        return [peer for address, peer in peers.items() if address not in self._foreign] or list(peers.values())

    @property
    def knows(self) -> bool:
        """Whether who is up has said all there is of what it was asked for first."""
        up = [peer for peer in self._tellers if peer.spoken]
        return bool(up) and all(peer.in_sync for peer in up)

    def knows_of(self, targets: frozenset[RouteTarget], now: float) -> bool:
        """Whether everybody who is up has said what it knows with these targets, of what it may say."""
        tellers = ((peer.memberships, peer.config.trust.accepted(targets)) for peer in self._tellers)
        return all(memberships.has_answered_for(accepted, now) for memberships, accepted in tellers)

    def heard(self) -> set[Destination]:
        """Where something is touched."""
        return set[Destination]().union(*self._touched.values())

    def in_sync(self, started: float, now: float) -> bool:
        """Whether what an earlier run learnt may be swept: all have said all; or those that are up have, and long ago.
        One that is up and has not may be the only one to know."""
        late = now >= started + SWEEP_WAIT_S
        for family in FAMILIES:
            # A peer that is up and does not speak the family has nothing to say in it.
            here = [(peer, one) for peer in self._tellers if (one := peer.conversations.get(family))]
            up = [one.has_settled or not one.spoken for peer, one in here if peer.up_since is not None]
            if not all(up) or not (len(up) == len(here) or (up and late)):
                return False
        return True
