"""RT-Constrain (RFC 4684): a peer that knows it is asked for what is used here, and believed once it has answered.

The reflector here is a session of our own core that agrees on the family; what it says stands in the test.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.nlri.membership import Membership
from isthmus.bgp.session import Session, SessionConfig
from isthmus.bgp.update import Update
from isthmus.fib.entries import CircuitName
from isthmus.flows.layout import Table
from isthmus.model.intent import AttachmentIntent
from isthmus.model.net import IpAddress
from isthmus.model.port import LocalPort
from isthmus.model.vpn import BEACON_TARGET, RouteTarget
from isthmus.node.memberships import ANSWER_MAX_S, ANSWER_S
from isthmus.node.order import LOST_TOO_S, SETTLE_S
from isthmus.vpn.trust import EVERYTHING, TargetRange, Trust
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.world import ASN, REFLECTOR, SECOND, Reflector, World

A, B, RT, RT_B = "neutron-a", "neutron-b", "64512:1", "64512:2"


class Asked(Reflector):
    """Knows RT-Constrain, and keeps what it is asked for."""

    def __init__(self, address: IpAddress) -> None:
        super().__init__(address)
        self.session = Session(SessionConfig(ASN, ASN, address, (EVPN, ROUTE_TARGET_CONSTRAIN), hold_time_s=30))
        self.memberships: dict[Membership, None] = {}
        self.story: list[str] = []

    def take(self, update: Update) -> None:
        for membership in update.memberships_withdrawn:
            del self.memberships[membership]
        self.memberships |= dict.fromkeys(update.memberships)
        if update.family == ROUTE_TARGET_CONSTRAIN:
            self.story += ["memberships"] if update.memberships else ["end"] if update.end_of_rib else []
        else:
            super().take(update)

    @property
    def targets(self) -> set[str]:
        return {str(RouteTarget(membership.octets[4:])) for membership in self.memberships} - {str(BEACON_TARGET)}


def one(*vpns: str) -> tuple[dict[CircuitName, AttachmentIntent], list[LocalPort]]:
    circuits = {CircuitName(circuit(1)): attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))}
    ports = [port("p", A, "10.1.0.5")]
    if RT_B in vpns:
        circuits[CircuitName(circuit(2))] = attachment(2, association(17, networks=(B,), both=(RT_B,)), networks=(B,))
        ports.append(port("q", B, "10.2.0.5"))
    return circuits, ports


def begun(
    peers: Iterable[IpAddress] = (REFLECTOR,),
    *,
    speak: Iterable[IpAddress] = (REFLECTOR,),
    trust: Trust = EVERYTHING,
) -> World:
    world = World(peers=peers, trust=trust)
    world.reflectors |= {address: Asked(address) for address in speak}
    world.switch_on()
    circuits, ports = one()
    world.intent({**circuits}, ports)
    return world


def reflector(world: World, address: IpAddress = REFLECTOR) -> Asked:
    found = world.reflectors[address]
    assert isinstance(found, Asked)
    return found


def sequence(world: World, prefix: str) -> int | None:
    """With which it was announced last: 1 says "nobody else has it", and 0 "somebody may"."""
    said = [u.attributes for u in world.reflectors[REFLECTOR].history for r in u.announced if str(r.prefix) == prefix]
    assert said and said[-1] is not None
    return said[-1].mobility_sequence


def lines(world: World) -> list[str]:
    return sorted(key.match for key in world.flows if key.table == Table.VIEW and "nw_dst" in key.match)


def test_what_is_used_here_is_asked_for_and_the_end_of_that_said_at_once() -> None:
    world = begun()
    assert reflector(world).targets == {RT}
    assert Membership.of(ASN, BEACON_TARGET) in reflector(world).memberships, "beacons are wanted whatever is used"
    assert reflector(world).story == ["memberships", "end"]


def test_a_target_is_asked_for_when_somebody_uses_it_and_given_back_when_nobody_does() -> None:
    world = begun()
    world.intent(*one(RT_B))
    assert reflector(world).targets == {RT, RT_B}
    world.intent(*one())
    assert reflector(world).targets == {RT}
    assert reflector(world).story == ["memberships", "end", "memberships"], "End-of-RIB is said once a session"


def test_what_a_peer_may_not_say_it_is_not_asked_for_and_it_keeps_nobody_waiting() -> None:
    """Which targets a hypervisor uses is nothing to another cloud."""
    world = begun(trust=Trust(accept_targets=(TargetRange.parse(RT),)))
    world.end_of_rib()
    world.intent(*one(RT_B))
    assert reflector(world).targets == {RT}
    world.wait(ANSWER_S)
    assert sequence(world, "10.2.0.5/32") == 1


def test_a_target_that_two_use_is_asked_for_once() -> None:
    world = begun()
    circuits, ports = one(RT_B)
    shared = attachment(2, association(17, networks=(B,), both=(RT,)), networks=(B,))
    world.intent({**circuits, CircuitName(circuit(2)): shared}, ports)
    assert reflector(world).targets == {RT} and reflector(world).story == ["memberships", "end"]
    world.intent(*one())
    assert reflector(world).targets == {RT}, "the first one uses it still"


def test_who_does_not_know_it_is_asked_for_nothing() -> None:
    world = begun(speak=())
    assert world.node.peers[REFLECTOR].memberships.left is None
    world.end_of_rib()
    assert world.node.peers[REFLECTOR].in_sync


def test_an_end_of_rib_before_the_answer_does_not_count() -> None:
    """GoBGP says "that was all" as soon as the session stands, and then what was asked for."""
    world = begun()
    peer = world.node.peers[REFLECTOR]
    world.end_of_rib()
    assert not peer.in_sync
    world.wait(ANSWER_S / 2)
    world.says(path("10.1.0.9", attributes(RT)))
    world.wait(ANSWER_S * 0.75)
    assert not peer.in_sync, "it talks still"
    world.wait(ANSWER_S)
    assert peer.in_sync


def test_one_that_never_stops_talking_has_answered_after_a_while() -> None:
    world = begun()
    world.end_of_rib()
    for number in range(int(ANSWER_MAX_S) + 1):
        world.says(path("10.1.0.9", attributes(RT, local_pref=100 + number)))
        world.wait(1.0)
    assert world.node.peers[REFLECTOR].in_sync


def test_whoever_comes_into_a_vpn_is_second_until_the_peer_has_answered_for_it() -> None:
    world = begun()
    world.end_of_rib()
    world.wait(ANSWER_S)
    world.intent(*one(RT_B))
    assert sequence(world, "10.2.0.5/32") == 0, "somebody may have it already"
    world.wait(ANSWER_S)
    assert sequence(world, "10.2.0.5/32") == 1


def test_an_answer_stands_whatever_is_said_later() -> None:
    """Somebody else's machine comes into the VPN, and then one of ours: the peer's answer is no older for the first."""
    world = begun()
    world.end_of_rib()
    world.wait(ANSWER_S)
    world.says(path("10.1.0.9", attributes(RT)))
    circuits, ports = one()
    world.intent({**circuits}, [*ports, port("r", A, "10.1.0.6")])
    assert sequence(world, "10.1.0.6/32") == 1, "nobody else has it"
    assert not list(world.node.peers[REFLECTOR].memberships.deadlines()), "nothing is waited for"


def test_silence_about_what_was_never_asked_for_proves_nothing() -> None:
    """Two reflectors, one of them away: what it said of a target that the other was not asked for yet stays."""
    world = begun((REFLECTOR, SECOND), speak=(SECOND,))
    for by in (REFLECTOR, SECOND):
        world.says(path("10.1.0.9", attributes(RT)), by=by)
        world.end_of_rib(by)
    world.wait(ANSWER_S)
    world.says(path("10.2.0.9", attributes(RT_B)))
    world.cut(REFLECTOR)
    world.wait(LOST_TOO_S + SETTLE_S)
    assert world.node.rib.paths(net("10.2.0.9")), "nobody asked the other for it"
    assert len(world.node.rib.paths(net("10.1.0.9"))) == 1, "what the other knows it says itself"


def test_after_an_exchange_only_what_has_changed_is_said() -> None:
    world = begun()
    world.end_of_rib()
    world.wait(ANSWER_S)
    fresh = world.handed_over()
    fresh.switch_on()
    fresh.intent(*one(RT_B))
    assert reflector(fresh).story == ["memberships", "end", "memberships"]
    assert reflector(fresh).targets == {RT, RT_B}
    fresh.intent(*one())
    assert reflector(fresh).targets == {RT}, "what the last run asked for is given back by this one"


def test_after_a_crash_all_is_asked_for_again() -> None:
    world = begun()
    fresh = world.crashed()
    fresh.reflectors[REFLECTOR] = Asked(REFLECTOR)
    fresh.switch_on()
    fresh.intent(*one())
    fresh.wait(2.0)
    assert reflector(fresh).targets == {RT} and reflector(fresh).story == ["memberships", "end"]


def test_a_refresh_of_the_memberships_says_all_of_them() -> None:
    world = begun()
    reflector(world).memberships.clear()
    reflector(world).session.ask_refresh(ROUTE_TARGET_CONSTRAIN)
    world.settle()
    assert reflector(world).targets == {RT}


@pytest.mark.parametrize("length", [0, 64, 96])
def test_what_the_peer_asks_for_does_not_limit_what_it_is_told(length: int) -> None:
    """GoBGP says nothing for neighbours that do not know the family: to keep to that would be a black hole."""
    world = begun()
    membership = Membership(bytes(12) if not length else ASN.to_bytes(4, "big") + RouteTarget.parse("64512:99"), length)
    reflector(world).session.send_memberships(PathAttributes(next_hop=REFLECTOR, local_pref=100), [membership])
    world.settle()
    assert [str(p) for p in reflector(world).routes] == ["10.1.0.5/32"]


def test_what_one_vpn_asks_for_again_and_again_holds_up_no_other() -> None:
    """A tenant whose only machine of a VPN comes and goes: an address of another VPN is first as soon as ever."""
    world = begun()
    world.end_of_rib()
    for _ in range(6):
        world.intent(*one(RT_B))
        world.wait(ANSWER_S * 0.45)
        world.intent(*one())
        world.wait(ANSWER_S * 0.45)
    assert world.node.peers[REFLECTOR].in_sync
    assert sequence(world, "10.1.0.5/32") == 1


def test_an_exchange_before_the_answer_does_not_forget_that_all_was_said() -> None:
    """The peer does not say it again."""
    world = begun()
    world.end_of_rib()
    assert not world.node.peers[REFLECTOR].in_sync
    fresh = world.handed_over(0.5)
    fresh.switch_on()
    fresh.intent(*one())
    fresh.wait(ANSWER_S)
    assert fresh.node.peers[REFLECTOR].in_sync
