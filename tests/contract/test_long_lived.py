"""Long-lived graceful restart (RFC 9494) with GoBGP as a reflector that helps: it keeps what one of our sessions said
beyond the time of RFC 4724, marked, for those who speak of it; and believes it when it is back.

FRR 8.4 drops EVPN routes with the session, whatever was offered, so it has no part in this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from isthmus.bgp.family import EVPN
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.session import SessionConfig
from isthmus.model.net import IpAddress, Prefix
from isthmus.rib.adj_in import NO_LLGR
from isthmus.rib.decision import LLGR_STALE
from tests.contract.speakers import ANYBODY, LiveSession, gobgp
from tests.contract.test_bgp_peers import ATTRIBUTES, OUR_AS, ROUTES, held, up
from tests.eventually import eventually

pytestmark = pytest.mark.contract

DIES, OLD, NEW = "127.0.1.1", "127.0.2.1", "127.0.3.1"
RESTART_S, LIFE_S = 1, 6
HOLD_S = 9


def config(number: int, **said: int) -> SessionConfig:
    return SessionConfig(OUR_AS, OUR_AS, IpAddress.parse(f"10.60.0.{number}"), (EVPN,), HOLD_S, **said)


MORTAL = config(1, restart_time_s=RESTART_S, long_lived_s=LIFE_S)
BY_CHOICE = EvpnPrefix(ROUTES[0].rd, 0, Prefix.parse("10.1.1.66/32"), bytes(10), None, 5001)
"""A route that had rather be gone than long-lived stale."""


@dataclass(frozen=True)
class Company:
    """Who announces and dies, who does not know RFC 9494, who does; a reflector between them."""

    port: int
    address: str
    dies: LiveSession
    old: LiveSession
    new: LiveSession

    def until(self, check: Callable[[], None], within: float = 15.0) -> None:
        def step() -> None:
            for session in (self.dies, self.old, self.new):
                session.pump(0.01)
            check()

        eventually(step, within=within, every=0.01)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with ExitStack() as stack:
        peer = stack.enter_context(
            gobgp(tmp_path, local_as=OUR_AS, peers={ANYBODY: OUR_AS}, hold_s=HOLD_S, graceful=True, long_lived=True)
        )
        wanted = ((MORTAL, DIES), (config(2, restart_time_s=RESTART_S), OLD), (config(3, long_lived_s=0), NEW))
        ours = [stack.enter_context(LiveSession(c, peer.address, peer.port, source)) for c, source in wanted]
        eventually(lambda: up(*ours))
        yield Company(peer.port, peer.address, *ours)


def communities(session: LiveSession) -> dict[str, frozenset[int]]:
    """Prefix -> communities, of what a session holds now."""
    return {str(route.prefix): frozenset(a.communities) for route, a in held(session).values()}


def all_of(marks: frozenset[int]) -> dict[str, frozenset[int]]:
    return {str(route.prefix): marks for route in ROUTES}


NEITHER, MARKED = frozenset[int](), frozenset({LLGR_STALE})


def test_a_reflector_keeps_what_was_said_marks_it_and_believes_who_comes_back(company: Company) -> None:
    by_choice = replace(ATTRIBUTES, communities=(NO_LLGR,))
    company.dies.session.send_routes([*((ATTRIBUTES, route) for route in ROUTES), (by_choice, BY_CHOICE)])
    company.dies.session.send_end_of_rib(EVPN)

    def seen(by: LiveSession, expected: dict[str, frozenset[int]]) -> Callable[[], None]:
        def check() -> None:
            assert communities(by) == expected

        return check

    everything = all_of(NEITHER) | {str(BY_CHOICE.prefix): frozenset({NO_LLGR})}
    company.until(seen(company.new, everything))
    company.until(seen(company.old, everything))
    company.dies.abandon()
    company.until(seen(company.new, all_of(MARKED)))
    company.until(seen(company.old, {}))
    with LiveSession(MORTAL, company.address, company.port, DIES) as back:
        eventually(back.pump_until_up)
        back.session.send_routes([(ATTRIBUTES, ROUTES[0])])
        back.session.send_end_of_rib(EVPN)
        again = replace(company, dies=back)
        again.until(seen(company.new, {str(ROUTES[0].prefix): NEITHER}))
        again.until(seen(company.old, {str(ROUTES[0].prefix): NEITHER}))


def test_when_the_time_is_over_they_are_gone(company: Company) -> None:
    company.dies.session.send_routes([(ATTRIBUTES, ROUTES[0])])
    company.dies.session.send_end_of_rib(EVPN)
    company.until(lambda: _has(company.new, 1))
    company.dies.abandon()
    company.until(lambda: _marked(company.new))
    company.until(lambda: _has(company.new, 0), within=RESTART_S + LIFE_S + 5)


def _has(session: LiveSession, count: int) -> None:
    assert len(held(session)) == count


def _marked(session: LiveSession) -> None:
    assert set(communities(session).values()) == {MARKED}


def test_what_it_says_of_its_own_routes_is_agreed_on(company: Company) -> None:
    agreed = company.new.session.agreed
    assert agreed is not None and [(family, one.time_s) for family, one in agreed.long_lived] == [(EVPN, 60)]
    old = company.old.session.agreed
    assert old is not None and old.long_lived == ()
