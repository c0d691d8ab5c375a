"""From run to run: what this run leaves to the next, and how the next goes on with it.

A crash leaves what every peer may have of ours and what was decided here once (numbers, sequences); the end of a run
that is planned leaves the sessions too: all that their peers have said, so that the next run needs not ask.

Rules: what does not fit (another configuration, too much time between) is left out with its reason, and the peer is
begun anew. A planned end says nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from isthmus.bgp.family import ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.heard import Heard
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.session import Session
from isthmus.model.net import IpAddress
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.convergence import Convergence
from isthmus.node.memory import ChannelMemory, Memory, OpenSession, PeerMemory
from isthmus.node.order import FOREVER_S
from isthmus.node.peers import Peer, conversations_of, session_config
from isthmus.rib.adj_out import AdjRibOut, Announcement, RouteKey
from isthmus.rib.path import Channel, Path, Standing
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.offers import Offer


def begin(config: NodeConfig, convergence: Convergence, memory: Memory | None, now: float) -> dict[IpAddress, Peer]:
    """All peers: each goes on with its last session, or is dialled."""
    return {one.address: _begin(one, config, convergence, memory, now) for one in config.peers}


def _begin(config: PeerConfig, node: NodeConfig, convergence: Convergence, memory: Memory | None, now: float) -> Peer:
    left = memory.peers.get(config.address) if memory else None
    if memory is None or left is None:
        return Peer.start(config, node, (), now)
    same = (memory.vtep, memory.router_id, memory.asn) == (node.vtep, node.router_id, node.asn)
    if left.session is None:
        return Peer.start(config, node, left.told if same else (), now)
    if not same:
        return _anew(Peer.start(config, node, (), now), "the configuration has changed")
    if now - memory.at >= (config.hold_time_s or FOREVER_S):
        return _anew(Peer.start(config, node, left.told, now), f"{now - memory.at:.0f} s lay between")
    try:
        return _resume(config, node, convergence, left, now)
    except ValueError as error:
        return _anew(Peer.start(config, node, left.told, now), str(error))


def _anew(peer: Peer, why: str) -> Peer:
    peer.reason = f"the session of the last run was not gone on with: {why}"
    return peer


def _resume(config: PeerConfig, node: NodeConfig, convergence: Convergence, left: PeerMemory, now: float) -> Peer:
    """Go on where the last run stopped, and ask for everything once more, because this version may read what the last
    one did not. Raises ValueError when the session is not what this configuration would have made."""
    one = left.session
    assert one is not None
    session = Session.resume(session_config(config, node), one.suspended, now, config.jitter)
    assert session.agreed is not None
    peer = Peer(config, session, conversations_of(config, node), one.up_since, one.up_since, "", resumed=True)
    peer.is_told_a_part = len(node.speaker.families) > 1
    said_by = config.address, session.agreed.peer_router_id
    if ROUTE_TARGET_CONSTRAIN in session.agreed.families:
        peer.memberships.resume(one.memberships, now)
    for family in peer.conversations.keys() & session.agreed.families:
        session.ask_refresh(family)
        conversation, known = peer.conversations[family], one.channels.get(family, ChannelMemory())
        told = [a for a in left.told if a.nlri.family == family]
        conversation.spoken = True
        if known.in_sync or known.settles_at is not None:
            conversation.says_all(now, known.settles_at)
        conversation.said_all = known.said_all
        conversation.told = AdjRibOut(told, known.told_again)
        conversation.end_of_rib_owed = known.end_of_rib_owed
        received, held = (
            [Path(*said_by, nlri, heard, now) for heard, nlri in routes] for routes in (known.received, known.held)
        )
        convergence.adopt(conversation.channel, received, held, known.absences, now)
    return peer


def remember(memory: Memory, peers: Mapping[IpAddress, Peer], routes: Mapping[RouteKey, Announcement]) -> Memory:
    """For a run that begins anew: with what every peer may still have of ours, each as it is by now (`routes`). A peer
    that is away, or is told some targets only, has it otherwise, and nobody shall be told that again."""
    return replace(memory, peers={address: PeerMemory(_may_have(peer, routes)) for address, peer in peers.items()})


def told_before(peers: Mapping[IpAddress, Peer]) -> dict[RouteKey, Offer]:
    """What earlier sessions, of whatever peer, have told: all of it is on offer until the cloud's intent is known, with
    all targets that some peer was told."""
    found: dict[RouteKey, Announcement] = {}
    for told in (a for peer in peers.values() for one in peer.conversations.values() for a in one.may_have.values()):
        key = told.nlri.key()
        found[key] = _with_targets_of(found.get(key, told), told)
    return {key: Offer(a, FAMILIES[key.family].proof(a)) for key, a in found.items()}


def _with_targets_of(one: Announcement, other: Announcement) -> Announcement:
    more = other.attributes.route_targets - one.attributes.route_targets
    if not more:
        return one
    if one.attributes.route_targets < other.attributes.route_targets:
        return other
    communities = (*sorted(more), *one.attributes.extended_communities)
    return replace(one, attributes=replace(one.attributes, extended_communities=communities))


def suspend(
    memory: Memory, convergence: Convergence, peers: Mapping[IpAddress, Peer], going_on: Collection[IpAddress]
) -> Memory:
    """The end of this run, for one that goes on with the sessions of these peers. Nothing may be left to say, and
    nothing is said afterwards. `memory` is what `remember` gave."""
    received: dict[Channel, list[Path]] = {}
    for path in convergence.rib:
        # What a session has not confirmed would look as if it had.
        if path.standing in (Standing.FRESH, Standing.HELD):
            received.setdefault(path.channel, []).append(path)
    left = dict(memory.peers)
    for address in going_on:
        peer = peers[address]
        told = tuple(a for one in peer.conversations.values() for a in one.told.told.values())
        if (session := _suspend(peer, received, convergence)) is not None:
            left[address] = PeerMemory(told, session)
    return replace(memory, peers=left)


def _suspend(peer: Peer, received: Mapping[Channel, list[Path]], convergence: Convergence) -> OpenSession | None:
    channels = {one.channel.family: one for one in peer.spoken}
    memories = {
        family: ChannelMemory(
            received=tuple(_routes(received.get(one.channel, ()), Standing.FRESH)),
            held=tuple(_routes(received.get(one.channel, ()), Standing.HELD)),
            in_sync=one.has_settled,
            settles_at=one.settles_at,
            end_of_rib_owed=one.end_of_rib_owed,
            said_all=one.said_all,
            told_again=one.told.again,
            absences=convergence.beacons.of(one.channel),
        )
        for family, one in channels.items()
    }
    up_since, memberships = peer.up_since, peer.memberships.left
    suspended = peer.session.suspend()
    if suspended is None or up_since is None or not memories:
        return None
    return OpenSession(suspended, up_since, memories, memberships)


def _routes(paths: Collection[Path], standing: Standing) -> Iterator[tuple[Heard, Nlri]]:
    return ((p.heard, p.nlri) for p in paths if p.standing is standing)


def _may_have(peer: Peer, routes: Mapping[RouteKey, Announcement]) -> tuple[Announcement, ...]:
    return tuple(routes.get(key, a) for one in peer.conversations.values() for key, a in one.may_have.items())
