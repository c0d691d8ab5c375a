"""The reflector that answers at once says what it is asked for, to whoever asks, and all to whoever does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.answering import ADDRESS, HOLD_S, ROUTES_EACH, Prompt, said, target
from benchmarks.octets import ASN

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN, Family
from isthmus.bgp.nlri.membership import Membership
from isthmus.bgp.session import SessionConfig
from tests.build import ip
from tests.contract.speakers import LiveSession
from tests.eventually import eventually

OWN = "127.0.1.9"
FOUR, TWO = 4, 2
"""How many targets the cloud has, which one is asked for."""


@pytest.fixture
def prompt() -> Iterator[Prompt]:
    with Prompt(FOUR) as found:
        yield found


def heard(prompt: Prompt, families: tuple[Family, ...]) -> set[str]:
    """Destinations of the routes that come before the end of all."""
    config = SessionConfig(ASN, ASN, ip(OWN), families, HOLD_S)
    with LiveSession(config, ADDRESS, prompt.port, OWN) as agent:
        eventually(agent.pump_until_up)
        if ROUTE_TARGET_CONSTRAIN in families:
            agent.session.send_memberships(PathAttributes(next_hop=ip(OWN)), [Membership.of(ASN, target(TWO))])
            agent.session.send_end_of_rib(ROUTE_TARGET_CONSTRAIN)

        def ended() -> None:
            agent.pump()
            assert any(update.end_of_rib == EVPN for update in agent.updates), len(agent.updates)

        eventually(ended)
        return {str(route.destination) for update in agent.updates for route in update.announced}


def destinations(number: int) -> set[str]:
    return {str(route.destination) for _, route in said(number)}


def test_who_asks_hears_what_was_asked_for_and_who_does_not_hears_all(prompt: Prompt) -> None:
    assert heard(prompt, (EVPN, ROUTE_TARGET_CONSTRAIN)) == destinations(TWO)
    everything = heard(prompt, (EVPN,))
    assert everything == set().union(*map(destinations, range(FOUR))), "one agent after the other"
    assert len(everything) == FOUR * ROUTES_EACH
