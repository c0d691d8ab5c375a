"""The session: every state answers every input, timers, and what it says when something is wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.bgp.capability import Capability, offer
from isthmus.bgp.errors import notification_text
from isthmus.bgp.family import EVPN
from isthmus.bgp.frame import MARKER, frame
from isthmus.bgp.iana import CapabilityCode, MessageType, NotificationCode
from isthmus.bgp.message import (
    Notification,
    decode_notification,
    decode_open,
    encode_end_of_rib,
    encode_keepalive,
    encode_notification,
    encode_route_refresh,
)
from isthmus.bgp.negotiation import CONNECT_RETRY_MAX_S
from isthmus.bgp.session import (
    CONNECT_TIMEOUT_S,
    OPEN_HOLD_S,
    Closed,
    Connected,
    ConnectFailed,
    Dial,
    Down,
    DownReason,
    Hangup,
    Input,
    Output,
    Received,
    RefreshRequested,
    Routes,
    Send,
    Session,
    SessionConfig,
    Start,
    State,
    Stop,
    Up,
)
from isthmus.model.net import IpAddress
from tests.bgp import given as a
from tests.bgp.test_update import PLAIN
from tests.bgp.vectors import Vector, all_vectors, decode

CEASE = encode_notification(Notification(6, 2, b"\x04late"))
IPV4_REFRESH = frame(MessageType.ROUTE_REFRESH, b"\0\1\0\1")
MESSAGES = (
    a.hello(),
    encode_keepalive(),
    encode_end_of_rib(EVPN),
    encode_route_refresh(EVPN),
    CEASE,
    bytes(19),
    MARKER + b"\0\x13\x09",
    MARKER,
)
INPUTS: tuple[Input, ...] = (
    Start(),
    Stop("enough"),
    Connected(),
    ConnectFailed("refused"),
    Closed("reset"),
    *(Received(octets) for octets in MESSAGES),
)


def sent(outputs: list[Output]) -> bytes:
    return b"".join(o.data for o in outputs if isinstance(o, Send))


def notification(outputs: list[Output]) -> Notification:
    """The NOTIFICATION at the end of what is sent."""
    octets = [o.data for o in outputs if isinstance(o, Send)][-1]
    assert octets[18] == MessageType.NOTIFICATION
    return decode_notification(octets[19:])


def down(outputs: list[Output]) -> Down:
    (only,) = [o for o in outputs if isinstance(o, Down)]
    return only


def one_attempt_at_a_time(outputs: list[Output]) -> None:
    """Each Dial ends in one Down with at most one Up in between, and what is said is said in between."""
    dialled = up = False
    for output in outputs:
        match output:
            case Dial():
                assert not dialled
                dialled = True
            case Up():
                assert dialled and not up
                up = True
            case Down(_, _, was_up):
                assert dialled and was_up == up
                dialled = up = False
            case Routes() | RefreshRequested():
                assert up
            case Send() | Hangup():
                assert dialled


@pytest.mark.parametrize(("state", "event"), list(product(State, INPUTS)), ids=lambda x: str(x)[:40])
def test_every_state_answers_every_input(state: State, event: Input) -> None:
    session = a.session_in(state)
    session.handle(event, 1.0)
    outputs = session.outputs()
    if any(isinstance(o, Hangup | Down) for o in outputs):
        assert session.state is State.IDLE and session.agreed is None
        assert isinstance(outputs[-1], Down), "nothing follows the end of an attempt"
    if isinstance(event, Stop):
        assert session.next_deadline() is None, "a stopped session waits for nothing"
    elif state is not State.IDLE:
        assert session.next_deadline() is not None, "a session that is wanted never waits for nothing"
    session.tick(1000.0)
    session.outputs()


events = st.one_of(
    st.sampled_from(INPUTS),
    st.sampled_from([Received(x) for x in MESSAGES[:4]]),
    st.builds(Received, st.binary(max_size=60)),
    st.floats(0, 120),
)


@settings(max_examples=300)
@given(st.lists(events, max_size=40), st.floats(0, 0.999))
def test_any_history_keeps_the_promises(history: list[Input | float], jitter: float) -> None:
    session = Session(a.config(), jitter)
    now = 0.0
    outputs: list[Output] = []
    for event in history:
        if isinstance(event, float):
            now += event
            session.tick(now)
        else:
            session.handle(event, now)
        outputs += session.outputs()
        deadline = session.next_deadline()
        assert session.state is State.IDLE or deadline is not None
        if isinstance(event, float):
            assert deadline is None or deadline > now, "what was due was done"
    one_attempt_at_a_time(outputs)


@given(st.lists(st.sampled_from(MESSAGES[1:5]), max_size=12), st.lists(st.integers(0, 400), max_size=20))
def test_any_cutting_of_what_arrives_gives_equal_outputs(messages: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(messages)
    whole, parts = a.session_in(State.ESTABLISHED), a.session_in(State.ESTABLISHED)
    whole.handle(Received(octets), 1.0)
    at = 0
    for cut in [*sorted(c for c in cuts if c < len(octets)), len(octets)]:
        parts.handle(Received(octets[at:cut]), 1.0)
        at = cut
    assert parts.outputs() == whole.outputs()
    assert parts.state is whole.state and parts.counters == whole.counters


@pytest.mark.parametrize("state", [State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED])
@given(st.binary(min_size=1, max_size=200))
def test_rubbish_ends_in_a_notification_or_is_waited_for(state: State, octets: bytes) -> None:
    session = a.session_in(state)
    session.handle(Received(octets), 1.0)
    outputs = session.outputs()
    if outputs:
        assert notification(outputs).code == NotificationCode.MESSAGE_HEADER
        assert down(outputs).reason is DownReason.HEADER_ERROR
    else:
        assert len(octets) < 19 or octets.startswith(MARKER)


@settings(max_examples=200)
@given(st.sampled_from(MessageType), st.binary(max_size=120))
def test_a_well_framed_message_with_anything_in_it_is_answered(kind: MessageType, body: bytes) -> None:
    for state in (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED):
        session = a.session_in(state)
        session.handle(Received(frame(kind, body)), 1.0)
        outputs = session.outputs()
        if any(isinstance(o, Down) for o in outputs) and kind is not MessageType.NOTIFICATION:
            assert notification(outputs).code in (1, 2, 3, 5)


@pytest.mark.parametrize("vector", [v for v in all_vectors() if v.fields["kind"] == "UPDATE"], ids=str)
def test_every_update_vector_is_survived_or_ends_in_its_notification(vector: Vector) -> None:
    session = a.session_in(State.ESTABLISHED, settings=replace(a.config(), families=vector.agreed.families))
    session.handle(Received(frame(MessageType.UPDATE, vector.octets)), 1.0)
    outputs = session.outputs()
    if isinstance(decode(vector), Exception):
        assert notification(outputs).code == NotificationCode.UPDATE
        assert down(outputs) == Down(DownReason.UPDATE_ERROR, down(outputs).text, was_up=True)
    elif vector.fields["session"] == "ibgp":
        assert all(isinstance(o, Routes) for o in outputs) and session.state is State.ESTABLISHED


def test_the_way_up_says_open_then_keepalive_then_up() -> None:
    session = Session(a.config())
    session.handle(Start(), 0.0)
    assert session.outputs() == [Dial()]
    session.handle(Connected(), 0.1)
    ours = decode_open(sent(session.outputs())[19:])
    assert (ours.as_number, ours.hold_time_s, ours.router_id) == (a.OUR_AS, 30, a.OUR_ID)
    assert ours.families == {EVPN} and ours.offers(CapabilityCode.ROUTE_REFRESH)
    session.handle(Received(a.hello(hold_time_s=9)), 0.2)
    assert session.outputs() == [Send(encode_keepalive())]
    session.handle(Received(encode_keepalive()), 0.3)
    (up,) = session.outputs()
    assert isinstance(up, Up) and up.agreed is session.agreed
    assert up.agreed.hold_time_s == 9 and up.agreed.families == (EVPN,) and up.agreed.peer_router_id == a.THEIR_ID
    assert up.agreed.four_octet_as and up.agreed.route_refresh and up.agreed.is_ibgp


def test_a_large_as_number_stands_in_the_capability() -> None:
    session = Session(SessionConfig(a.THEIR_AS, a.OUR_AS, a.OUR_ID, (EVPN,)))
    session.handle(Start(), 0.0)
    session.handle(Connected(), 0.0)
    octets = sent(session.outputs())
    assert octets[20:22] == (23456).to_bytes(2, "big")
    assert decode_open(octets[19:]).as_number == a.THEIR_AS


REFUSALS = {
    "another AS": (a.hello(64513), 2, b"", DownReason.PEER_AS),
    "AS 0": (a.hello(0), 2, b"", DownReason.PEER_AS),
    "no router-id": (a.hello(router_id=IpAddress(bytes(4))), 3, b"", DownReason.ROUTER_ID),
    "our router-id": (a.hello(router_id=a.OUR_ID), 3, b"", DownReason.ROUTER_ID),
    "a hold time of one": (a.hello(hold_time_s=1), 6, b"", DownReason.HOLD_TIME),
    "a hold time of two": (a.hello(hold_time_s=2), 6, b"", DownReason.HOLD_TIME),
    "no capabilities": (a.hello(capabilities=()), 7, bytes.fromhex("010400190046"), DownReason.NO_COMMON_FAMILY),
    "version 3": (frame(MessageType.OPEN, b"\3" + a.hello()[20:]), 1, b"\0\4", DownReason.OPEN_ERROR),
    "rubbish parameters": (frame(MessageType.OPEN, a.hello()[19:28] + b"\1\1"), 0, b"", DownReason.OPEN_ERROR),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_an_open_that_does_not_suit_is_refused_by_the_book(case: str) -> None:
    octets, subcode, data, reason = REFUSALS[case]
    session = a.session_in(State.OPEN_SENT)
    session.handle(Received(octets), 1.0)
    outputs = session.outputs()
    assert notification(outputs) == Notification(NotificationCode.OPEN, subcode, data)
    assert isinstance(outputs[-2], Hangup) and outputs[-1] == Down(reason, down(outputs).text, was_up=False)
    assert down(outputs).text and session.counters.last_error.endswith(down(outputs).text)


def test_between_ases_equal_router_ids_are_allowed() -> None:
    session = a.session_in(State.OPEN_SENT, settings=a.config(peer_as=a.THEIR_AS))
    session.handle(Received(a.hello(a.THEIR_AS, router_id=a.OUR_ID)), 1.0)
    assert session.state is State.OPEN_CONFIRM


def test_an_old_speaker_is_spoken_to_in_two_octets() -> None:
    session = a.session_in(State.OPEN_SENT)
    session.handle(Received(a.hello(capabilities=a.OLD_SPEAKER)), 1.0)
    assert session.agreed is not None and not session.agreed.four_octet_as
    assert not session.agreed.peer_sends_end_of_rib


@pytest.mark.parametrize(
    ("state", "octets", "subcode"),
    [
        (State.OPEN_SENT, encode_keepalive(), 1),
        (State.OPEN_SENT, encode_end_of_rib(EVPN), 1),
        (State.OPEN_CONFIRM, encode_end_of_rib(EVPN), 2),
        (State.OPEN_CONFIRM, a.hello(), 2),
        (State.ESTABLISHED, a.hello(), 3),
    ],
)
def test_a_message_in_the_wrong_state_is_an_fsm_error(state: State, octets: bytes, subcode: int) -> None:
    session = a.session_in(state)
    session.handle(Received(octets), 1.0)
    outputs = session.outputs()
    assert notification(outputs) == Notification(NotificationCode.FSM, subcode, octets[18:19])
    assert down(outputs).reason is DownReason.UNEXPECTED_MESSAGE


def test_the_peers_farewell_is_passed_on() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Received(CEASE), 1.0)
    assert session.outputs() == [
        Hangup(),
        Down(DownReason.NOTIFICATION, 'cease / administrative shutdown: "late"', was_up=True),
    ]
    assert session.counters.received[MessageType.NOTIFICATION] == 1


def test_a_hard_reset_says_what_is_inside() -> None:
    """RFC 8538 section 3.1; FRR puts its Shutdown Communication there."""
    said = b"\x06\x02\x0cback-at-noon"
    assert notification_text(6, 9, said) == 'hard reset / cease / administrative shutdown: "back-at-noon"'
    assert notification_text(6, 9, b"") == "cease / hard reset"
    assert notification_text(6, 9, b"\x06\x09\x06\x09") == "cease / hard reset", "one inside another is none"


def test_stopping_says_why_in_whole_characters() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Stop("ä" * 200), 1.0)
    outputs = session.outputs()
    said = notification(outputs)
    assert (said.code, said.subcode, len(said.data)) == (6, 2, 255)
    assert notification_text(6, 2, said.data).endswith('"' + "ä" * 127 + '"')
    assert down(outputs).reason is DownReason.STOPPED and session.next_deadline() is None
    session.handle(Start(), 2.0)
    assert session.outputs() == [Dial()], "a stopped session can be started again"


def test_stopping_while_waiting_for_the_next_try_ends_the_waiting() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Closed("reset"), 1.0)
    assert session.next_deadline() == 2.0
    session.handle(Stop(), 1.5)
    assert session.next_deadline() is None


def test_starting_twice_is_starting_once() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Start(), 1.0)
    assert session.outputs() == [] and session.state is State.ESTABLISHED


def test_a_silent_peer_is_given_up_after_the_hold_time() -> None:
    session = a.session_in(State.ESTABLISHED)
    for second in range(30):
        session.tick(float(second))
    assert session.state is State.ESTABLISHED
    session.outputs()
    session.tick(30.0)
    outputs = session.outputs()
    assert notification(outputs) == Notification(NotificationCode.HOLD_TIMER_EXPIRED, 0)
    assert down(outputs).reason is DownReason.HOLD_TIMER and down(outputs).was_up


@pytest.mark.parametrize("octets", [encode_keepalive(), encode_end_of_rib(EVPN)], ids=["keepalive", "update"])
def test_a_sign_of_life_starts_the_hold_time_anew(octets: bytes) -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Received(octets), 29.0)
    session.tick(58.9)
    assert session.agreed is not None
    session.tick(59.0)
    assert session.agreed is None


@pytest.mark.parametrize("octets", [encode_route_refresh(EVPN), MARKER], ids=["refresh", "half a message"])
def test_nothing_else_does(octets: bytes) -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Received(octets), 29.0)
    session.tick(30.0)
    assert session.state is State.IDLE


@pytest.mark.parametrize(("jitter", "interval"), [(0.0, 10.0), (0.4, 9.0)])
def test_keepalives_go_out_at_a_third_of_the_hold_time_or_a_little_sooner(jitter: float, interval: float) -> None:
    session = a.session_in(State.ESTABLISHED, jitter=jitter)
    assert session.next_deadline() == pytest.approx(interval)
    session.tick(interval)
    assert session.outputs() == [Send(encode_keepalive())]
    assert session.next_deadline() == pytest.approx(2 * interval)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 30), (30, 0)])
def test_a_hold_time_of_zero_means_no_timers(ours: int, theirs: int) -> None:
    session = a.session_in(State.OPEN_SENT, settings=a.config(hold_time_s=ours))
    session.handle(Received(a.hello(hold_time_s=theirs) + encode_keepalive()), 0.0)
    assert session.state is State.ESTABLISHED and session.next_deadline() is None
    session.tick(1e9)
    assert session.state is State.ESTABLISHED


@pytest.mark.parametrize(("ours", "theirs"), [(0, 30), (30, 0)])
def test_even_so_a_session_that_does_not_come_about_is_given_up(ours: int, theirs: int) -> None:
    session = a.session_in(State.OPEN_SENT, settings=a.config(hold_time_s=ours))
    session.handle(Received(a.hello(hold_time_s=theirs)), 0.0)
    session.outputs()
    session.tick(OPEN_HOLD_S - 0.1)
    assert session.state is State.OPEN_CONFIRM and session.outputs() == []
    session.tick(OPEN_HOLD_S)
    outputs = session.outputs()
    assert notification(outputs) == Notification(NotificationCode.HOLD_TIMER_EXPIRED, 0)
    assert down(outputs).text == "no KEEPALIVE came after its OPEN" and not down(outputs).was_up


def test_a_peer_that_takes_the_connection_but_says_nothing_is_left() -> None:
    session = a.session_in(State.OPEN_SENT)
    session.tick(OPEN_HOLD_S)
    outputs = session.outputs()
    assert notification(outputs).code == NotificationCode.HOLD_TIMER_EXPIRED
    assert down(outputs).reason is DownReason.NO_ANSWER


def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    session = a.session_in(State.CONNECT)
    session.tick(CONNECT_TIMEOUT_S)
    assert session.outputs() == [Hangup(), Down(DownReason.CONNECT_FAILED, "no connection within 10 s")]


def waits(session: Session, count: int) -> list[float]:
    """How long the session waits between attempts that all fail at once."""
    now, found = 0.0, []
    session.handle(Start(), now)
    for _ in range(count):
        session.handle(ConnectFailed("refused"), now)
        due = session.next_deadline()
        assert due is not None
        found.append(due - now)
        now = due
        session.outputs()
        session.tick(now)
        assert session.outputs() == [Dial()]
    return found


def test_retries_slow_down_to_a_stated_maximum() -> None:
    assert waits(Session(a.config()), 8) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert waits(Session(a.config(connect_retry_s=0.1), jitter=0.4), 3) == pytest.approx([0.09, 0.18, 0.36])
    assert max(waits(Session(a.config()), 2000)) == CONNECT_RETRY_MAX_S


def test_only_a_session_that_lived_starts_the_waiting_anew() -> None:
    def wait_after(lived_s: float) -> float:
        session = a.session_in(State.CONNECT)
        for _ in range(3):
            session.handle(ConnectFailed("refused"), 0.0)
            session.tick(100.0)
        for step in a.steps_to(State.ESTABLISHED)[1:]:
            session.handle(step, 100.0)
        session.handle(Closed("reset"), 100.0 + lived_s)
        due = session.next_deadline()
        assert due is not None
        return due - 100.0 - lived_s

    assert wait_after(CONNECT_RETRY_MAX_S) == 1.0
    assert wait_after(CONNECT_RETRY_MAX_S - 1) == 8.0


def test_routes_are_told_as_one_write_and_counted() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.send_routes([(PLAIN, a.ROUTE), (replace(PLAIN, med=1), a.ROUTE._replace(ethernet_tag=1))])
    session.send_end_of_rib(EVPN)
    routes, marker = session.outputs()
    assert isinstance(routes, Send) and routes.data.count(MARKER) == 2
    assert marker == Send(encode_end_of_rib(EVPN))
    assert session.counters.sent[MessageType.UPDATE] == 3


def test_telling_nothing_writes_nothing() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.send_routes([])
    assert session.outputs() == []


@pytest.mark.parametrize("state", [s for s in State if s is not State.ESTABLISHED])
def test_telling_routes_before_the_session_stands_is_our_own_mistake(state: State) -> None:
    session = a.session_in(state)
    with pytest.raises(AssertionError):
        session.send_routes([(PLAIN, a.ROUTE)])
    with pytest.raises(AssertionError):
        session.send_end_of_rib(EVPN)
    with pytest.raises(AssertionError):
        session.ask_refresh(EVPN)


def test_a_refresh_is_asked_only_of_a_peer_that_can() -> None:
    session = a.session_in(State.ESTABLISHED)
    assert session.ask_refresh(EVPN) and session.outputs() == [Send(encode_route_refresh(EVPN))]
    plain = a.session_in(State.OPEN_SENT)
    plain.handle(Received(a.hello(capabilities=a.OLD_SPEAKER[:1]) + encode_keepalive()), 0.0)
    plain.outputs()
    assert not plain.ask_refresh(EVPN) and plain.outputs() == []


def test_a_wish_for_a_refresh_is_reported_if_the_family_is_agreed_on() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Received(encode_route_refresh(EVPN) + IPV4_REFRESH), 1.0)
    assert session.outputs() == [RefreshRequested(EVPN)]


def test_a_survived_fault_is_counted_and_remembered() -> None:
    session = a.session_in(State.ESTABLISHED)
    bad = next(v for v in all_vectors() if v.fields["case"] == "undefined ORIGIN")
    session.handle(Received(frame(MessageType.UPDATE, bad.octets)), 1.0)
    assert session.counters.updates_treated_as_withdraw == 1
    assert session.counters.last_fault == "treat as withdraw: undefined origin: origin: 3"
    assert session.damage.named()
    session.handle(Closed("reset"), 2.0)
    assert not session.damage.named(), "the next session says everything anew"


def test_a_new_connection_begins_with_a_clean_stream() -> None:
    session = a.session_in(State.ESTABLISHED)
    session.handle(Received(MARKER), 1.0)
    session.handle(Closed("reset"), 2.0)
    session.tick(10.0)
    for step in a.steps_to(State.ESTABLISHED)[1:]:
        session.handle(step, 11.0)
    assert session.state is State.ESTABLISHED and session.counters.established == 2


def test_everything_a_peer_offers_is_kept_for_show() -> None:
    strange = Capability(200, b"\1\2")
    session = a.session_in(State.OPEN_SENT)
    session.handle(Received(a.hello(capabilities=(*offer(a.OUR_AS, (EVPN,)), strange))), 0.0)
    assert session.agreed is not None
    assert "capability 200 0102" in [str(c) for c in session.agreed.peer_capabilities]


@pytest.mark.parametrize(
    "wrong",
    [
        {"local_as": 0},
        {"peer_as": 2**32},
        {"router_id": IpAddress(bytes(4))},
        {"router_id": IpAddress(bytes(16))},
        {"families": ()},
        {"hold_time_s": 2},
        {"hold_time_s": 65536},
        {"connect_retry_s": 0.0},
    ],
    ids=str,
)
def test_an_impossible_configuration_is_refused_with_a_sentence(wrong: dict[str, object]) -> None:
    right = {"local_as": 1, "peer_as": 2, "router_id": a.OUR_ID, "families": (EVPN,)}
    with pytest.raises(ValueError, match=" "):
        SessionConfig(**{**right, **wrong})  # type: ignore[arg-type]
