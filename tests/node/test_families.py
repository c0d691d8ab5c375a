"""A family is a row in two tables: what is in sync, told, retained and refreshed is of one family of one peer.

The second family here is a toy, a route distinguisher, a prefix and a label, as VPNv4 has them (RFC 4364), written as a
newcomer would: a codec, a row, and nothing else of the core changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pytest

from isthmus.bgp.errors import AttributeFault
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.heard import Heard
from isthmus.bgp.iana import Afi, Safi
from isthmus.bgp.nlri import CODECS, NlriCodec
from isthmus.bgp.nlri.decoded import Decoded
from isthmus.bgp.nlri.evpn import EvpnDistinguisher, read_next_hop, write_next_hop
from isthmus.bgp.session import Session, SessionConfig
from isthmus.fib.entries import InboundKey, NextHop, Target
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.vpn import RouteDistinguisher
from isthmus.node import facts
from isthmus.node.handed_on import decode, encode
from isthmus.node.order import LOST_TOO_S
from isthmus.node.report import status
from isthmus.rib.adj_out import Announcement
from isthmus.rib.path import Channel, Path
from isthmus.vpn import offers
from isthmus.vpn.exports import Export, Speaker, announcement
from isthmus.vpn.families import FAMILIES, FamilyUse
from isthmus.vpn.meaning import Meaning
from isthmus.vpn.offers import Offer
from tests.build import association, attachment, attributes, circuit, net, path, port
from tests.world import ASN, REFLECTOR, SECOND, Reflector, World

TOY = Family(Afi.IPV4, Safi.MPLS_VPN)
A, RT = "neutron-a", "64512:1"


class ToyKey(NamedTuple):
    rd: RouteDistinguisher
    prefix: Prefix

    @property
    def family(self) -> Family:
        return TOY

    def key(self) -> ToyKey:
        return self


class ToyRoute(NamedTuple):
    rd: RouteDistinguisher
    prefix: Prefix
    label: int

    @property
    def family(self) -> Family:
        return TOY

    @property
    def destination(self) -> Prefix:
        return self.prefix

    @property
    def distinguisher(self) -> EvpnDistinguisher:
        return EvpnDistinguisher(self.rd, 0)

    @property
    def vni(self) -> int:
        return self.label

    def key(self) -> ToyKey:
        return ToyKey(self.rd, self.prefix)


def toy_decode(raw: bytes) -> Decoded[ToyRoute]:
    pieces = (raw[at : at + 16] for at in range(0, len(raw), 16))
    found = [
        ToyRoute(RouteDistinguisher(p[:8]), Prefix(IpAddress(p[8:12]), p[12]), int.from_bytes(p[13:], "big"))
        for p in pieces
    ]
    return Decoded(found, [])


def toy_encode(route: ToyRoute) -> bytes:
    return toy_encode_key(route.key())[:13] + route.label.to_bytes(3, "big")


def toy_encode_key(key: ToyKey) -> bytes:
    return bytes(key.rd) + bytes(key.prefix.address) + bytes((key.prefix.length,)) + bytes(3)


def toy_target(path: Path, means: Meaning) -> Target:
    assert means.next_hop is not None and means.router_mac is not None
    return NextHop(means.next_hop, means.router_mac, path.nlri.label)


def toy_proof(told: Announcement) -> InboundKey:
    return InboundKey(told.nlri.label, told.nlri.prefix)


def no_faults(routes: Sequence[ToyRoute], heard: Heard) -> list[tuple[ToyRoute, AttributeFault]]:
    return []


def in_both(export: Export, speaker: Speaker) -> Iterator[Offer]:
    """A producer of offers that knows the second family."""
    first = announcement(export, speaker)
    yield Offer(first, export.inbound, export.why_not)
    toy = ToyRoute(first.nlri.rd, first.nlri.prefix, first.nlri.label)
    yield Offer(Announcement(toy, first.attributes), export.inbound, export.why_not)  # type: ignore[arg-type]


class Both(Reflector):
    """Speaks both families, or only one of them."""

    def __init__(self, address: IpAddress, families: tuple[Family, ...] = (EVPN, TOY)) -> None:
        super().__init__(address)
        self.session = Session(SessionConfig(ASN, ASN, address, families, hold_time_s=30))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    codec: NlriCodec[ToyRoute, ToyKey] = NlriCodec(toy_decode, no_faults, toy_encode, toy_encode_key, read_next_hop, write_next_hop)
    monkeypatch.setitem(CODECS, TOY, codec)  # type: ignore[arg-type]
    use = FamilyUse(lambda path, means, speaker: None, toy_target, toy_proof, None)
    monkeypatch.setitem(FAMILIES, TOY, use)  # type: ignore[arg-type]
    monkeypatch.setattr(offers, "of_export", in_both)
    monkeypatch.setattr("isthmus.node.local_routes.of_export", in_both)


def begun(families: tuple[Family, ...] = (EVPN, TOY), peers: tuple[IpAddress, ...] = (REFLECTOR,)) -> World:
    world = World(peers=peers)
    world.reflectors = {address: Both(address, families) for address in peers}
    world.switch_on()
    world.intent({circuit(1): attachment(1, association(16, networks=(A,), both=(RT,)), networks=(A,))}, [
        port("p", A, "10.1.0.5")
    ])  # fmt: skip
    return world


def toy(prefix: str, label: int = 7001) -> ToyRoute:
    return ToyRoute(RouteDistinguisher.parse("172.30.2.1:16"), net(prefix), label)


def says_toy(world: World, *routes: ToyRoute, withdraw: Iterable[ToyRoute] = ()) -> None:
    world.reflectors[REFLECTOR].session.send_routes([(attributes(RT), r) for r in routes], withdraw)  # type: ignore[misc]
    world.settle()


def ends(world: World, family: Family) -> None:
    world.reflectors[REFLECTOR].session.send_end_of_rib(family)
    world.settle()


def shown(world: World) -> dict[str, str]:
    """What is routed, and the note on it."""
    return {r.prefix: r.note for r in status(world.node, world.now).routes if r.best and r.peer}


def candidates(world: World, prefix: str) -> list[tuple[int, bool]]:
    return [(r.vni, r.best) for r in status(world.node, world.now).routes if r.prefix == prefix]


pytestmark = pytest.mark.usefixtures("two")


def test_every_route_goes_in_the_family_that_carries_it_and_each_has_its_end_of_rib() -> None:
    world = begun()
    said = world.reflectors[REFLECTOR].history
    assert {type(r).__name__ for u in said for r in u.announced} == {"EvpnPrefix", "ToyRoute"}
    assert {u.end_of_rib for u in said} - {None} == {EVPN, TOY}
    says_toy(world, toy("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    assert shown(world) == {"10.9.0.1/32": "", "10.9.0.2/32": ""}


def test_a_peer_that_speaks_one_of_them_is_told_that_one() -> None:
    world = begun((EVPN,))
    said = world.reflectors[REFLECTOR].history
    assert {type(r).__name__ for u in said for r in u.announced} == {"EvpnPrefix"}
    world.end_of_rib()
    assert world.node.peers[REFLECTOR].in_sync and world.node.routes_in_sync(world.now)


def test_two_families_that_lead_to_one_address_are_two_candidates() -> None:
    world = begun()
    world.says(path("10.9.0.1/32", attributes(RT, local_pref=50)))
    says_toy(world, toy("10.9.0.1/32", 9009))
    assert [(r.vni, r.best) for r in status(world.node, world.now).routes if r.prefix == "10.9.0.1/32"] == [
        (9009, True),
        (7001, False),
    ]
    says_toy(world, withdraw=[toy("10.9.0.1/32")])
    assert [(r.vni, r.best) for r in status(world.node, world.now).routes if r.prefix == "10.9.0.1/32"] == [
        (7001, True)
    ]


def test_who_is_in_sync_in_one_family_contradicts_nothing_in_the_other() -> None:
    world = begun(peers=(REFLECTOR, SECOND))
    says_toy(world, toy("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    for family in (EVPN, TOY):
        ends(world, family)
    world.says(path("10.9.0.3/32", attributes(RT)), by=SECOND)
    world.end_of_rib(by=SECOND)
    world.cut()
    world.wait(LOST_TOO_S)
    assert list(shown(world)) == ["10.9.0.1/32", "10.9.0.3/32"], "the other reflector has had its say in EVPN only"
    second = world.node.peers[SECOND].conversations
    assert (second[EVPN].in_sync, second[TOY].in_sync) == (True, False)
    assert not world.node.peers[SECOND].in_sync


def test_a_refresh_asks_for_one_family_and_is_answered_in_it() -> None:
    world = begun()
    far = world.reflectors[REFLECTOR]
    far.history.clear()
    far.session.ask_refresh(TOY)
    world.settle()
    assert [type(r).__name__ for u in far.history for r in u.announced] == ["ToyRoute"]


def test_an_exchange_hands_on_both() -> None:
    world = begun()
    says_toy(world, toy("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    ends(world, TOY)
    memory = world.node.suspend(world.now, [REFLECTOR])
    assert decode(encode(memory)) == memory
    session = memory.peers[REFLECTOR].session
    assert session is not None
    assert {family: (len(c.received), c.in_sync) for family, c in session.channels.items()} == {
        EVPN: (1, False),
        TOY: (1, True),
    }


def test_a_session_that_ends_makes_both_stale_and_each_ages_by_itself() -> None:
    world = begun()
    says_toy(world, toy("10.9.0.1/32"))
    world.says(path("10.9.0.2/32", attributes(RT)))
    world.node.handle(facts.Closed(REFLECTOR, "reset"), world.now)
    world.node.effects(world.now)
    rib = world.node.rib
    assert all(p.stale for p in rib)
    assert {p.channel for p in rib} == {Channel(REFLECTOR, EVPN), Channel(REFLECTOR, TOY)}
    assert rib.sweep(lambda path: path.nlri.family == EVPN)
    assert {p.channel.family for p in rib} == {TOY}
