"""Our session against FRR and GoBGP, within an AS and between ASes: what they see of us, and what we see of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from isthmus.bgp.attribute import AsSegment, PathAttributes, encapsulation_community, router_mac_community
from isthmus.bgp.family import EVPN
from isthmus.bgp.iana import AsSegmentType
from isthmus.bgp.nlri.evpn import ESI_ZERO, EvpnKey, EvpnPrefix
from isthmus.bgp.session import DownReason, RefreshRequested, SessionConfig, State
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget, SiteOfOrigin
from isthmus.vpn.beacons import beacon
from isthmus.vpn.exports import Speaker
from tests.contract.speakers import ANYBODY, Frr, GoBgp, LiveSession, frr, gobgp
from tests.eventually import eventually

pytestmark = pytest.mark.contract

OUR_AS, THEIR_AS, THIRD_AS = 64512, 4200000001, 64600
ONE, TWO = "127.0.1.1", "127.0.2.1"
RD = RouteDistinguisher.parse("10.60.0.1:100")
VTEP = IpAddress.parse("10.60.0.1")
ATTRIBUTES = PathAttributes(
    next_hop=VTEP,
    local_pref=150,
    extended_communities=(
        RouteTarget.parse("64512:5001"),
        RouteTarget.parse("4200000001:77"),
        SiteOfOrigin.parse("64512:7"),
        encapsulation_community(Encapsulation.VXLAN),
        router_mac_community(Mac.parse("02:78:0a:3c:00:01")),
    ),
)
ROUTES = tuple(
    EvpnPrefix(RD, 0, Prefix.parse(text), ESI_ZERO, None, 5001)
    for text in ("10.1.1.5/32", "10.1.2.0/23", "0.0.0.0/0", "fd01::5/128", "fd02::/64")
)


@dataclass(frozen=True)
class Meeting:
    """Two sessions of ours with one foreign speaker between them."""

    peer: Frr | GoBgp
    one: LiveSession
    two: LiveSession
    is_ibgp: bool

    def pump(self) -> None:
        self.one.pump()
        self.two.pump()

    def until(self, check: Callable[[], None], within: float = 15.0) -> None:
        def step() -> None:
            self.pump()
            check()

        eventually(step, within=within, every=0.01)

    def sees(self, ours: LiveSession) -> str:
        """What the foreign speaker took from a session of ours, as text."""
        source = ONE if ours is self.one else TWO
        if isinstance(self.peer, Frr):
            return self.peer.ask("show bgp l2vpn evpn")
        return self.peer.ask(f"neighbor {source} adj-in -a evpn")


def config(number: int, peer_as: int, local_as: int = OUR_AS) -> SessionConfig:
    return SessionConfig(local_as, peer_as, IpAddress.parse(f"10.60.0.{number}"), (EVPN,), hold_time_s=9)


def up(*sessions: LiveSession) -> None:
    for session in sessions:
        session.pump()
        assert session.session.state is State.ESTABLISHED, session.session.counters.last_error


@pytest.fixture(params=["frr-ibgp", "frr-ebgp", "gobgp-ibgp", "gobgp-ebgp"])
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meeting]:
    who, how = request.param.split("-")
    start: Any = frr if who == "frr" else gobgp
    theirs, third = (OUR_AS, OUR_AS) if how == "ibgp" else (THEIR_AS, THIRD_AS)
    with ExitStack() as stack:
        peers = {"127.0.1.0/24": OUR_AS, "127.0.2.0/24": third}
        peer = stack.enter_context(start(tmp_path, local_as=theirs, peers=peers))
        one = stack.enter_context(LiveSession(config(1, theirs), peer.address, peer.port, ONE))
        two = stack.enter_context(LiveSession(config(2, theirs, third), peer.address, peer.port, TWO))
        eventually(lambda: up(one, two))
        yield Meeting(peer, one, two, how == "ibgp")


def held(session: LiveSession) -> dict[EvpnKey, tuple[EvpnPrefix, PathAttributes]]:
    """What a session's updates add up to."""
    table: dict[EvpnKey, tuple[EvpnPrefix, PathAttributes]] = {}
    for update in session.updates:
        for route in update.withdrawn:
            table.pop(route.key(), None)
        for route in update.announced:
            assert update.attributes is not None
            table[route.key()] = (route, update.attributes)
    return table


def has(session: LiveSession, count: int) -> Callable[[], None]:
    def check() -> None:
        assert len(held(session)) == count, f"{len(held(session))} routes, not {count}"

    return check


def tell(meeting: Meeting) -> None:
    meeting.one.session.send_routes([(ATTRIBUTES, route) for route in ROUTES])
    meeting.one.session.send_end_of_rib(EVPN)


def test_they_see_our_routes_with_all_that_belongs_to_them(meeting: Meeting) -> None:
    tell(meeting)

    def check() -> None:
        seen = meeting.sees(meeting.one)
        for route in ROUTES:
            address, length = route.prefix
            assert f"[{length}]:[{address}]" in seen or f"[prefix:{route.prefix}]" in seen, seen
        four_octets = "64086.59905:77" if isinstance(meeting.peer, GoBgp) else "4200000001:77"
        for word in ("64512:5001", four_octets, "64512:7", "10.60.0.1", "02:78:0a:3c:00:01"):
            assert word in seen, f"{word} is not in {seen}"
        assert "ET:8" in seen or "VXLAN" in seen, seen
        if isinstance(meeting.peer, GoBgp):
            assert seen.count("[5001]") == len(ROUTES), f"the label is wrong in {seen}"

    meeting.until(check)


def test_what_they_pass_on_is_what_we_said(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(has(meeting.two, len(ROUTES)))
    for route, attributes in held(meeting.two).values():
        assert route in ROUTES
        assert attributes.next_hop == VTEP
        # FRR sorts them
        assert sorted(attributes.extended_communities) == sorted(ATTRIBUTES.extended_communities)
        assert attributes.router_mac == ATTRIBUTES.router_mac
        assert attributes.encapsulations == {Encapsulation.VXLAN}
        if meeting.is_ibgp:
            assert attributes.as_path == () and attributes.local_pref == 150
            assert attributes.originator_id == IpAddress.parse("10.60.0.1")
            assert attributes.cluster_list == (IpAddress.parse(meeting.peer.address),)
        else:
            # FRR puts itself into the path, GoBGP is a route server and does not
            path = (THEIR_AS, OUR_AS) if isinstance(meeting.peer, Frr) else (OUR_AS,)
            assert attributes.as_path == (AsSegment(AsSegmentType.AS_SEQUENCE, path),)
            assert attributes.local_pref is None and attributes.originator_id is None
    assert meeting.two.session.counters.last_fault == ""


def test_a_changed_route_replaces_and_a_withdrawn_one_goes(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(has(meeting.two, len(ROUTES)))
    moved = replace(ATTRIBUTES, next_hop=IpAddress.parse("10.60.0.99"))
    relabelled = ROUTES[0]._replace(label=6001)
    meeting.one.session.send_routes([(moved, relabelled)], withdraw=[ROUTES[1], ROUTES[3].key()])

    def check() -> None:
        has(meeting.two, len(ROUTES) - 2)()
        route, attributes = held(meeting.two)[ROUTES[0].key()]
        assert (route.label, attributes.next_hop) == (6001, IpAddress.parse("10.60.0.99"))

    meeting.until(check)
    assert ROUTES[1].key() not in held(meeting.two) and ROUTES[3].key() not in held(meeting.two)


def test_the_end_of_the_rib_is_marked_by_both(meeting: Meeting) -> None:
    def marked() -> None:
        assert any(u.end_of_rib == EVPN for u in meeting.two.updates), meeting.two.updates

    tell(meeting)
    meeting.until(marked)
    assert meeting.two.session.agreed is not None and meeting.two.session.agreed.peer_sends_end_of_rib
    meeting.until(has(meeting.two, len(ROUTES)))
    assert meeting.one.session.state is State.ESTABLISHED, "our marker was not understood"


def test_a_refresh_brings_everything_again(meeting: Meeting) -> None:
    tell(meeting)
    meeting.until(has(meeting.two, len(ROUTES)))
    before = len(meeting.two.updates)
    assert meeting.two.session.ask_refresh(EVPN)

    def again() -> None:
        keys = {route.key() for update in meeting.two.updates[before:] for route in update.announced}
        assert keys == {route.key() for route in ROUTES}, keys

    meeting.until(again)


def test_their_wish_for_a_refresh_is_reported(meeting: Meeting) -> None:
    if isinstance(meeting.peer, GoBgp):
        pytest.skip("GoBGP keeps what it received and never asks")
    meeting.peer.ask(f"clear bgp l2vpn evpn {ONE} soft in")

    def reported() -> None:
        assert RefreshRequested(EVPN) in meeting.one.events, meeting.one.events

    meeting.until(reported)


def test_routes_of_a_session_that_ends_are_gone_at_once(meeting: Meeting) -> None:
    """We offer graceful restart without families: that must not make a reflector keep a dead node's routes."""
    tell(meeting)
    meeting.until(has(meeting.two, len(ROUTES)))
    meeting.one.abandon()
    meeting.until(has(meeting.two, 0))


@pytest.mark.parametrize("meeting", ["frr-ibgp", "frr-ebgp"], indirect=True)
def test_frr_withdraws_a_beacon_before_what_it_stands_for(meeting: Meeting) -> None:
    """GoBGP keeps both, if it is asked to, and withdraws nothing (test_exchange.py)."""
    ours = beacon(Speaker(VTEP, VTEP, Mac.parse("02:78:0a:3c:00:01"), OUR_AS))
    routes = [
        EvpnPrefix(RouteDistinguisher.of(VTEP, 16 + i % 40), 0, Prefix.host(_host(i)), ESI_ZERO, None, 5001)
        for i in range(2000)
    ]
    meeting.one.session.send_routes([(ATTRIBUTES, route) for route in routes])
    meeting.one.session.send_routes([(ours.attributes, ours.nlri)])
    meeting.until(has(meeting.two, len(routes) + 1), within=60.0)
    said = len(meeting.two.updates)
    meeting.one.abandon()
    meeting.until(has(meeting.two, 0), within=60.0)
    withdrawn = [route.key() for update in meeting.two.updates[said:] for route in update.withdrawn]
    assert withdrawn[0] == ours.nlri.key(), f"it came after {withdrawn.index(ours.nlri.key())} others"


def _host(number: int) -> IpAddress:
    return IpAddress((0x0A010000 + number).to_bytes(4, "big"))


def test_five_thousand_routes_pass_packed(meeting: Meeting) -> None:
    routes = [EvpnPrefix(RD, 0, Prefix.host(_host(i)), ESI_ZERO, None, 5001) for i in range(5000)]
    meeting.one.session.send_routes([(ATTRIBUTES, route) for route in routes])
    meeting.until(has(meeting.two, len(routes)), within=60.0)
    assert {route for route, _ in held(meeting.two).values()} == set(routes)


@pytest.mark.parametrize("start", [frr, gobgp], ids=["frr", "gobgp"])
def test_a_peer_that_dies_is_noticed_and_found_again(start: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        peer = stack.enter_context(start(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}))
        ours = stack.enter_context(LiveSession(config(1, OUR_AS), peer.address, peer.port, ONE))
        eventually(ours.pump_until_up)
        peer.process.send_signal(signal.SIGKILL)

        def down() -> None:
            ours.pump()
            assert ours.downs and ours.downs[0].was_up

        eventually(down)
        assert ours.downs[0].reason is DownReason.CLOSED
        stack.enter_context(start(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}, port=peer.port))
        eventually(ours.pump_until_up, within=40.0)


@pytest.mark.parametrize("start", [frr, gobgp], ids=["frr", "gobgp"])
def test_a_peer_in_another_as_than_configured_is_refused_with_the_reason(start: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        peer = stack.enter_context(start(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}))
        ours = stack.enter_context(LiveSession(config(1, THEIR_AS), peer.address, peer.port, ONE))

        def refused() -> None:
            ours.pump()
            assert ours.downs

        eventually(refused)
        down = ours.downs[0]
        assert down.reason is DownReason.PEER_AS and str(THEIR_AS) in down.text and not down.was_up


@pytest.mark.parametrize("start", [frr, gobgp], ids=["frr", "gobgp"])
def test_keepalives_hold_a_quiet_session_longer_than_its_hold_time(start: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        peer = stack.enter_context(start(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}))
        quick = replace(config(1, OUR_AS), hold_time_s=3)
        ours = stack.enter_context(LiveSession(quick, peer.address, peer.port, ONE))
        eventually(ours.pump_until_up)
        alive = ours.session.counters.received

        def lived_on() -> None:
            ours.pump()
            assert sum(alive.values()) > 7, "not enough KEEPALIVEs yet"

        eventually(lived_on, within=15.0)
        assert ours.downs == []


def test_a_route_made_by_gobgp_itself_is_read(tmp_path: Path) -> None:
    with ExitStack() as stack:
        peer = stack.enter_context(gobgp(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}))
        ours = stack.enter_context(LiveSession(config(1, OUR_AS), peer.address, peer.port, ONE))
        eventually(ours.pump_until_up)
        add, common = "global rib -a evpn add", "rd 65000:9 rt 65000:700 encap vxlan"
        peer.ask(f"{add} prefix 10.9.0.0/16 gw 10.9.0.1 etag 0 label 700 {common} nexthop 10.60.0.9")
        peer.ask(f"{add} multicast 10.60.0.9 etag 5 {common}")

        def came() -> None:
            ours.pump()
            assert len(held(ours)) == 1 and ours.session.counters.routes_beside == 1, ours.updates

        eventually(came)
        ((route, attributes),) = held(ours).values()
        assert str(route) == "rd 65000:9 tag 0 10.9.0.0/16 label 700 gateway 10.9.0.1"
        assert attributes.route_targets == {RouteTarget.parse("65000:700")}
        assert attributes.encapsulations == {Encapsulation.VXLAN}
