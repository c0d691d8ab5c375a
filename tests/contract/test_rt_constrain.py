"""RT-Constrain against GoBGP, the one reflector of those we know that speaks it, and FRR, which does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.nlri.membership import Membership
from isthmus.bgp.session import SessionConfig, State
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteTarget
from tests.contract.speakers import LiveSession, frr, gobgp
from tests.contract.test_bgp_peers import ATTRIBUTES, OUR_AS, ROUTES
from tests.eventually import eventually

pytestmark = pytest.mark.contract

ONE, TWO = "127.0.1.1", "127.0.2.1"
HOP = PathAttributes(next_hop=IpAddress.parse("10.60.0.2"), local_pref=100)
USED, UNUSED = RouteTarget.parse("64512:5001"), RouteTarget.parse("64512:9")


@dataclass(frozen=True)
class Meeting:
    """One that announces, and does not know the family; one that asks."""

    teller: LiveSession
    asker: LiveSession

    def until(self, wanted: list[str]) -> None:
        """What the asker has heard, in order: routes, "end" of them."""

        def check() -> None:
            self.teller.pump()
            self.asker.pump()
            assert story(self.asker) == wanted

        eventually(check, within=20, every=0.01)


def story(session: LiveSession) -> list[str]:
    found: list[str] = []
    for update in session.updates:
        found += [f"-{route.destination}" for route in update.withdrawn]
        found += sorted(f"+{route.destination}" for route in update.announced)
        found += ["end"] if update.end_of_rib == EVPN else []
    return found


def config(number: int, families: tuple[Family, ...]) -> SessionConfig:
    return SessionConfig(OUR_AS, OUR_AS, IpAddress.parse(f"10.60.0.{number}"), families, 9, restart_time_s=120)


def up(*sessions: LiveSession) -> None:
    for session in sessions:
        session.pump()
        assert session.session.state is State.ESTABLISHED, session.session.counters.last_error


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def with_gobgp(stack: ExitStack, directory: Path, deferral_s: int) -> Meeting:
    peer = stack.enter_context(
        gobgp(directory, local_as=OUR_AS, peers={"127.0.0.0/8": OUR_AS}, graceful=True, rtc_deferral_s=deferral_s)
    )
    teller = stack.enter_context(LiveSession(config(1, (EVPN,)), peer.address, peer.port, ONE))
    eventually(lambda: up(teller))
    teller.session.send_routes([(ATTRIBUTES, route) for route in ROUTES[:1]])
    teller.session.send_end_of_rib(EVPN)
    asker = LiveSession(config(2, (EVPN, ROUTE_TARGET_CONSTRAIN)), peer.address, peer.port, TWO)
    stack.enter_context(asker)
    eventually(lambda: up(teller, asker))
    return Meeting(teller, asker)


def test_gobgp_says_that_was_all_and_then_what_was_asked_for(meet: ExitStack, tmp_path: Path) -> None:
    """Why a node does not believe its End-of-RIB at once (node/memberships.py)."""
    meeting = with_gobgp(meet, tmp_path, 0)
    meeting.until(["end"])
    session, route = meeting.asker.session, f"+{ROUTES[0].destination}"
    session.send_memberships(HOP, [Membership.of(OUR_AS, UNUSED)])
    session.send_end_of_rib(ROUTE_TARGET_CONSTRAIN)
    session.send_memberships(HOP, [Membership.of(OUR_AS, USED)])
    meeting.until(["end", route])
    session.send_memberships(HOP, [], [Membership.of(OUR_AS, USED)])
    meeting.until(["end", route, f"-{ROUTES[0].destination}"])


def test_with_a_deferral_it_waits_for_the_end_of_our_memberships(meet: ExitStack, tmp_path: Path) -> None:
    meeting = with_gobgp(meet, tmp_path, 60)
    session, route = meeting.asker.session, f"+{ROUTES[0].destination}"
    session.send_memberships(HOP, [Membership.of(OUR_AS, USED)])
    meeting.until([route])
    session.send_end_of_rib(ROUTE_TARGET_CONSTRAIN)
    meeting.until([route, route, "end"])


def test_gobgp_asks_for_nothing_in_the_name_of_who_does_not_know_the_family(meet: ExitStack, tmp_path: Path) -> None:
    """Why what a peer memberships for does not limit what it is told: the teller here would hear nothing of us."""
    meeting = with_gobgp(meet, tmp_path, 0)
    session = meeting.asker.session
    session.send_memberships(HOP, [Membership.of(OUR_AS, UNUSED)])
    session.send_routes([(ATTRIBUTES, ROUTES[1])])

    def passed_on() -> None:
        meeting.teller.pump()
        meeting.asker.pump()
        assert f"+{ROUTES[1].destination}" in story(meeting.teller)
        asked = {membership for update in meeting.asker.updates for membership in update.memberships}
        assert asked == {Membership.of(OUR_AS, UNUSED)}, "its own membership, reflected"

    eventually(passed_on, within=20, every=0.01)


def test_frr_says_all_it_knows(meet: ExitStack, tmp_path: Path) -> None:
    peer = meet.enter_context(frr(tmp_path, local_as=OUR_AS, peers={"127.0.0.0/8": OUR_AS}))
    teller = meet.enter_context(LiveSession(config(1, (EVPN,)), peer.address, peer.port, ONE))
    eventually(lambda: up(teller))
    teller.session.send_routes([(ATTRIBUTES, route) for route in ROUTES[:1]])
    asker = LiveSession(config(2, (EVPN, ROUTE_TARGET_CONSTRAIN)), peer.address, peer.port, TWO)
    meet.enter_context(asker)
    eventually(lambda: up(teller, asker))
    assert asker.session.agreed is not None and asker.session.agreed.families == (EVPN,)

    def heard() -> None:
        teller.pump()
        asker.pump()
        assert f"+{ROUTES[0].destination}" in story(asker)

    eventually(heard, within=20, every=0.01)
