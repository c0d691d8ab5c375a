"""A session between two processes: it goes on as if there had been one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import decode_notification, encode_keepalive, encode_updates
from isthmus.bgp.session import Down, DownReason, Received, Routes, Send, Session, State, Stop
from tests.bgp.given import OUR_ID, ROUTE, THEIR_AS, config, session_in

ATTRIBUTES = PathAttributes(next_hop=OUR_ID, local_pref=100)


def established(now: float = 0.0) -> Session:
    session = session_in(State.ESTABLISHED, now)
    session.outputs()
    return session


def speech(session: Session) -> bytes:
    assert session.agreed is not None
    routes = [(ATTRIBUTES, ROUTE._replace(label=n)) for n in (1, 2, 3)]
    spoken = b"".join(message for one in routes for message in encode_updates([one], (), session.agreed))
    return spoken + encode_keepalive() + b"".join(encode_updates((), [ROUTE], session.agreed))


@given(st.integers(0, 1000))
def test_wherever_the_stream_is_cut_everything_is_read_once(cut: int) -> None:
    session = established()
    spoken = speech(session)
    cut %= len(spoken) + 1
    session.handle(Received(spoken[:cut]), 1.0)
    heard = session.outputs()
    suspended = session.suspend()
    assert suspended is not None
    fresh = Session.resume(config(), suspended, 2.0)
    assert [type(output) for output in fresh.outputs()] == [Send], "a sign of life"
    fresh.handle(Received(spoken[cut:]), 2.0)
    updates = [output.update for output in (*heard, *fresh.outputs()) if isinstance(output, Routes)]
    assert [len(u.announced) - len(u.withdrawn) for u in updates] == [1, 1, 1, -1]
    assert fresh.state is State.ESTABLISHED


def test_it_agrees_on_the_same() -> None:
    session = established()
    agreed, suspended = session.agreed, session.suspend()
    assert suspended is not None
    assert Session.resume(config(), suspended, 2.0).agreed == agreed


def test_timers_run_on() -> None:
    suspended = established().suspend()
    assert suspended is not None
    fresh = Session.resume(config(), suspended, 100.0)
    fresh.outputs()
    fresh.tick(111.0)
    assert fresh.outputs() == [Send(encode_keepalive())]
    fresh.tick(131.0)
    assert [o.reason for o in fresh.outputs() if isinstance(o, Down)] == [DownReason.HOLD_TIMER]
    assert fresh.next_deadline() is not None, "it is wanted, and dials again"


def test_what_is_suspended_says_nothing_more() -> None:
    session = established()
    session.suspend()
    session.handle(Received(b"anything"), 1.0)
    session.handle(Stop("bye"), 1.0)
    session.tick(1000.0)
    assert (session.outputs(), session.next_deadline(), session.state) == ([], None, State.IDLE)


@pytest.mark.parametrize("state", [s for s in State if s is not State.ESTABLISHED])
def test_only_an_established_session_can_be_gone_on_with(state: State) -> None:
    session = session_in(state)
    session.outputs()
    assert session.suspend() is None


@pytest.mark.parametrize(
    "settings",
    [
        replace(config(), local_as=64999),
        replace(config(), peer_as=THEIR_AS),
        replace(config(), hold_time_s=90),
        replace(config(), router_id=ROUTE.prefix.address),
    ],
)
def test_who_would_say_something_else_today_begins_anew(settings: object) -> None:
    suspended = established().suspend()
    assert suspended is not None
    with pytest.raises(ValueError):
        Session.resume(settings, suspended, 2.0)  # type: ignore[arg-type]


def test_a_peer_out_of_step_is_told_so_as_ever() -> None:
    suspended = established().suspend()
    assert suspended is not None
    fresh = Session.resume(config(), replace(suspended, unread=b"\x00" * 10), 2.0)
    fresh.outputs()
    fresh.handle(Received(b"\x00" * 40), 3.0)
    (message,) = [o.data for o in fresh.outputs() if isinstance(o, Send)]
    assert message[18] == MessageType.NOTIFICATION and decode_notification(message[19:]).code == 1
