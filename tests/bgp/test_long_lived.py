"""Long-lived graceful restart (RFC 9494) in an OPEN: said, heard, and agreed on only when both said it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bgp.capability import (
    LONG_LIVED_MAX_S,
    Capability,
    GracefulRestart,
    LongLived,
    long_lived,
    multiprotocol,
)
from isthmus.bgp.family import EVPN
from isthmus.bgp.frame import HEADER_BYTES
from isthmus.bgp.iana import CapabilityCode
from isthmus.bgp.message import decode_open, encode_keepalive
from isthmus.bgp.session import Connected, Received, Send, Session, SessionConfig, Start
from tests.bgp import given as a

WEEK = 604800
OURS = replace(a.config(), restart_time_s=120, long_lived_s=WEEK)
GRACEFUL = GracefulRestart(120).capability((EVPN,))


def hello_of(session: Session) -> dict[int, Capability]:
    session.handle(Start(), 0.0)
    session.handle(Connected(), 0.0)
    (sent,) = [o.data for o in session.outputs() if isinstance(o, Send)]
    return {c.code: c for c in decode_open(sent[HEADER_BYTES:]).capabilities}


def met(ours: SessionConfig, *theirs: Capability) -> Session:
    """A session with a peer that says these besides EVPN."""
    session = Session(ours)
    for event in (
        Start(),
        Connected(),
        Received(a.hello(capabilities=(multiprotocol(EVPN), *theirs))),
        Received(encode_keepalive()),
    ):
        session.handle(event, 0.0)
    assert session.agreed is not None
    return session


def test_it_is_said_for_every_family_with_its_time_and_whether_we_still_forward() -> None:
    session = Session(OURS)
    session.preserved = True
    said = hello_of(session)
    assert said[CapabilityCode.LONG_LIVED_GRACEFUL_RESTART].long_lived == {EVPN: LongLived(WEEK, True)}
    assert CapabilityCode.GRACEFUL_RESTART in said, "alone it means nothing"


def test_a_time_of_zero_is_said_too_because_stale_routes_go_only_to_who_says_it() -> None:
    said = hello_of(Session(replace(OURS, long_lived_s=0)))
    assert said[CapabilityCode.LONG_LIVED_GRACEFUL_RESTART].value == bytes.fromhex("00194600000000")


def test_who_wants_nothing_of_it_does_not_say_it() -> None:
    assert CapabilityCode.LONG_LIVED_GRACEFUL_RESTART not in hello_of(Session(a.config()))


def test_what_the_peer_says_of_a_family_in_common_is_agreed_on() -> None:
    agreed = met(OURS, GRACEFUL, LongLived(3600).capability((EVPN,))).agreed
    assert agreed is not None and agreed.long_lived == ((EVPN, LongLived(3600)),)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (a.config(), (GRACEFUL, LongLived(3600).capability((EVPN,)))),
        (OURS, (GRACEFUL,)),
        (OURS, (LongLived(3600).capability((EVPN,)),)),
        (OURS, (GRACEFUL, Capability(71, b"\0\1\1\0\0\x0e\x10"))),
        (OURS, (GRACEFUL, Capability(71, b"\0\x19\x46\0\0\x0e"))),
    ],
    ids=["we did not", "they did not", "they said it without RFC 4724", "another family", "not whole tuples"],
)
def test_otherwise_nothing_is(ours: SessionConfig, theirs: tuple[Capability, ...]) -> None:
    agreed = met(ours, *theirs).agreed
    assert agreed is not None and agreed.long_lived == ()


def test_of_two_capabilities_the_last_counts() -> None:
    two = (LongLived(3600, True).capability((EVPN,)), GRACEFUL, LongLived(60).capability((EVPN,)))
    assert long_lived(two) == {EVPN: LongLived(60)}


@given(st.integers(0, LONG_LIVED_MAX_S), st.booleans())
def test_it_is_read_as_it_was_written(time_s: int, preserved: bool) -> None:
    assert LongLived(time_s, preserved).capability((EVPN,)).long_lived == {EVPN: LongLived(time_s, preserved)}


@given(st.binary(max_size=40))
def test_any_octets_mean_something_or_nothing(octets: bytes) -> None:
    found = Capability(CapabilityCode.LONG_LIVED_GRACEFUL_RESTART, octets)
    assert str(found) and len(found.long_lived) <= len(octets) // 7


def test_a_time_beyond_three_octets_is_refused() -> None:
    with pytest.raises(ValueError, match="a long-lived stale time is 0 to 16777215 seconds, not 16777216"):
        replace(OURS, long_lived_s=LONG_LIVED_MAX_S + 1)


def test_a_session_that_an_older_version_began_goes_on_without_it() -> None:
    old = met(replace(OURS, long_lived_s=None), GRACEFUL, LongLived(3600).capability((EVPN,)))
    old.outputs()
    suspended = old.suspend()
    assert suspended is not None
    agreed = Session.resume(OURS, suspended, 1.0).agreed
    assert agreed is not None and agreed.long_lived == ()
