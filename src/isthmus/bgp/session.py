"""One BGP session: RFC 4271's machine for a speaker that dials (section 8), without I/O and without a clock.

Rules: everything that changes the state is in this file. Every state answers every input; what cannot happen any more
(octets of a connection that is gone) is ignored, never an error. Time is handed in with each call and must not run
backwards. The peer's mistakes end in a NOTIFICATION; ours are assertions.

Idle means that nothing is under way: not wanted, or waiting for the next try. RFC 4271's Active (listening)
is not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.capability import Agreed, GracefulRestart, LongLived, offer
from isthmus.bgp.damage import Damage
from isthmus.bgp.errors import FaultAction, MessageError
from isthmus.bgp.events import (
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
    Start,
    Stop,
    Up,
)
from isthmus.bgp.family import Family
from isthmus.bgp.frame import HEADER_BYTES, Stream
from isthmus.bgp.iana import CeaseError, FsmError, MessageType, NotificationCode, OpenError, words
from isthmus.bgp.message import (
    Notification,
    Open,
    Update,
    UpdateReader,
    decode_notification,
    decode_open,
    decode_route_refresh,
    encode_end_of_rib,
    encode_keepalive,
    encode_memberships,
    encode_notification,
    encode_open,
    encode_route_refresh,
    encode_updates,
)
from isthmus.bgp.negotiation import CONNECT_RETRY_MAX_S, SessionConfig, Suspended, agree, agree_again
from isthmus.bgp.nlri import Nlri, NlriKey
from isthmus.bgp.nlri.membership import Membership

__all__ = [
    "Closed",
    "ConnectFailed",
    "Connected",
    "Counters",
    "Dial",
    "Down",
    "DownReason",
    "Hangup",
    "Input",
    "Output",
    "Received",
    "RefreshRequested",
    "Routes",
    "Send",
    "Session",
    "SessionConfig",
    "Start",
    "State",
    "Stop",
    "Suspended",
    "Up",
]

CONNECT_TIMEOUT_S = 10.0
"""A reflector answers a SYN in milliseconds; the kernel would go on for two minutes."""
OPEN_HOLD_S = 60.0
"""How long a peer may take over its OPEN, and over the KEEPALIVE after it if there is to be no hold time. RFC 4271
section 8.2.2 suggests four minutes; a hypervisor waits less."""
JITTER_SPAN = 0.25
"""RFC 4271 section 10: timers run at 0.75 to 1.0 of their value."""


class State(StrEnum):
    """RFC 4271 section 8.2.2, but Active."""

    IDLE = "Idle"
    CONNECT = "Connect"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


_UNEXPECTED = {
    State.OPEN_SENT: FsmError.UNEXPECTED_IN_OPEN_SENT,
    State.OPEN_CONFIRM: FsmError.UNEXPECTED_IN_OPEN_CONFIRM,
    State.ESTABLISHED: FsmError.UNEXPECTED_IN_ESTABLISHED,
}
"""The states with a connection, and RFC 6608's word for a message that does not belong there."""

_SILENCE = {State.OPEN_SENT: "no OPEN came", State.OPEN_CONFIRM: "no KEEPALIVE came after its OPEN"}

_OPEN_REASONS = {
    OpenError.BAD_PEER_AS: DownReason.PEER_AS,
    OpenError.BAD_BGP_IDENTIFIER: DownReason.ROUTER_ID,
    OpenError.UNACCEPTABLE_HOLD_TIME: DownReason.HOLD_TIME,
    OpenError.UNSUPPORTED_CAPABILITY: DownReason.NO_COMMON_FAMILY,
}
_REASONS = {
    NotificationCode.MESSAGE_HEADER: DownReason.HEADER_ERROR,
    NotificationCode.UPDATE: DownReason.UPDATE_ERROR,
    NotificationCode.FSM: DownReason.UNEXPECTED_MESSAGE,
}


@dataclass(slots=True)
class Counters:
    """Since the process began, over all connections; for show and metrics."""

    received: dict[MessageType, int] = field(default_factory=lambda: dict.fromkeys(MessageType, 0))
    sent: dict[MessageType, int] = field(default_factory=lambda: dict.fromkeys(MessageType, 0))
    established: int = 0
    updates_treated_as_withdraw: int = 0
    faults_discarded: int = 0
    routes_skipped: int = 0
    """Of types this speaker does not read."""
    routes_beside: int = 0
    """Read, and no way to any address."""
    last_error: str = ""
    """Why the last attempt ended that was not ended here."""
    last_fault: str = ""
    """The last malformed attribute or route that the session survived."""


class Session:
    """Feed it inputs and the time, take its outputs, arm one timer at `next_deadline()`."""

    def __init__(self, config: SessionConfig, jitter: float = 0.0) -> None:
        assert 0 <= jitter < 1, "jitter is a fraction, drawn by whoever makes the session"
        self.config = config
        self.state = State.IDLE
        self.agreed: Agreed | None = None
        self.counters = Counters()
        self.restarting = False
        """The first session after a restart of this speaker: said in the OPEN, once."""
        self.preserved = False
        """What was told in the session before is still forwarded: said in the OPEN, if it is true at that moment."""
        self._pace = 1 - JITTER_SPAN * jitter
        self._wanted = False
        self._failures = 0
        self._outputs: list[Output] = []
        self._stream = Stream()
        self._reader: UpdateReader | None = None
        self.damage = Damage()
        self._deadline: float | None = None
        """When waiting ends: for the next try, for an answer, for a sign of life."""
        self._keepalive_at: float | None = None
        self._up_since = 0.0
        self._sent_open = self._received_open = b""

    @classmethod
    def resume(cls, config: SessionConfig, suspended: Suspended, now: float, jitter: float = 0.0) -> Session:
        """Go on, Established, where another process stopped (`suspend`); the peer notices nothing. No `Up` is said.
        Raises ValueError when that session is not one this configuration would have made."""
        session = cls(config, jitter)
        session.agreed = agree_again(config, suspended)
        session._sent_open, session._received_open = suspended.sent_open, suspended.received_open
        session._wanted = True
        session._stream.push(suspended.unread)
        session._go_on(now)
        session._send(MessageType.KEEPALIVE, encode_keepalive())
        return session

    def suspend(self) -> Suspended | None:
        """End without a word to the peer, for another process to go on; None if there is no session to go on with.
        Outputs are to be taken first, and what was sent is to reach the connection; nothing is said afterwards."""
        assert not self._outputs, "what is to be said must be said before"
        if self.state is not State.ESTABLISHED:
            return None
        suspended = Suspended(self._sent_open, self._received_open, self._stream.rest)
        self.state, self.agreed, self._reader, self._stream = State.IDLE, None, None, Stream()
        self._wanted, self._deadline, self._keepalive_at = False, None, None
        return suspended

    # --- what happens -------------------------------------------------------------------------------------------------

    def handle(self, event: Input, now: float) -> None:
        """One input. Outputs wait in `outputs()`."""
        match event:
            case Start():
                if not self._wanted:
                    self._wanted, self._failures = True, 0
                    self._dial(now)
            case Stop(text):
                self._stop(text, now)
            case Connected():
                if self.state is State.CONNECT:
                    self._greet(now)
            case ConnectFailed(why):
                if self.state is not State.IDLE:
                    self._end(DownReason.CONNECT_FAILED, why, now)
            case Closed(why):
                if self.state is not State.IDLE:
                    self._end(DownReason.CLOSED, why, now)
            case Received(data):
                if self.state in _UNEXPECTED:
                    self._receive(data, now)
            case _:
                assert_never(event)

    def tick(self, now: float) -> None:
        """Whatever is due at `now`."""
        if self._deadline is not None and now >= self._deadline:
            self._expired(now)
        if self._keepalive_at is not None and now >= self._keepalive_at:
            self._send(MessageType.KEEPALIVE, encode_keepalive())
            self._keepalive_at = now + self._keepalive_interval()

    def next_deadline(self) -> float | None:
        """When `tick` should be called next; None while only an input can change anything."""
        return min((t for t in (self._deadline, self._keepalive_at) if t is not None), default=None)

    def outputs(self) -> list[Output]:
        """What is to be done, in order; taking it empties it."""
        taken, self._outputs = self._outputs, []
        return taken

    # --- what our side wants to say -----------------------------------------------------------------------------------

    def send_routes(
        self, announce: Iterable[tuple[PathAttributes, Nlri]], withdraw: Iterable[Nlri | NlriKey] = ()
    ) -> None:
        """Tell the peer; only while Established. Raises AttributesTooLong, and then has sent nothing."""
        assert self.agreed is not None, "only an agreed session carries routes"
        self.send(list(encode_updates(announce, withdraw, self.agreed)))

    def send_memberships(
        self, attributes: PathAttributes, announce: Iterable[Membership], withdraw: Iterable[Membership] = ()
    ) -> None:
        """Of what targets we want to hear (RFC 4684); only while Established. `attributes` need a next hop."""
        assert self.agreed is not None, "only an agreed session carries memberships"
        self.send(list(encode_memberships(attributes, announce, withdraw, self.agreed)))

    def send_end_of_rib(self, family: Family) -> None:
        """All routes of the family have been told (RFC 4724); only while Established."""
        assert self.agreed is not None and family in self.agreed.families, f"{family} was not agreed on"
        self.send([encode_end_of_rib(family)])

    def ask_refresh(self, family: Family) -> bool:
        """Ask for all routes of the family again; False if the peer cannot. Only while Established."""
        assert self.agreed is not None and family in self.agreed.families, f"{family} was not agreed on"
        assert self.state is State.ESTABLISHED, f"nothing is asked in {self.state}"
        if self.agreed.route_refresh:
            self._send(MessageType.ROUTE_REFRESH, encode_route_refresh(family))
        return self.agreed.route_refresh

    def keep_alive(self, now: float) -> None:
        """A KEEPALIVE before its time; nothing unless Established."""
        if self.state is State.ESTABLISHED:
            self._send(MessageType.KEEPALIVE, encode_keepalive())
            self._time_keepalives(now)

    def send(self, messages: Iterable[bytes]) -> None:
        """Encoded UPDATEs, in order, as one write; only while Established."""
        assert self.state is State.ESTABLISHED, f"no routes are sent in {self.state}"
        listed = list(messages)
        if listed:
            self.counters.sent[MessageType.UPDATE] += len(listed)
            self._outputs.append(Send(b"".join(listed)))

    # --- the machine --------------------------------------------------------------------------------------------------

    def _dial(self, now: float) -> None:
        self.state = State.CONNECT
        self._deadline = now + CONNECT_TIMEOUT_S
        self._outputs.append(Dial())

    def _greet(self, now: float) -> None:
        config = self.config
        restart = GracefulRestart(config.restart_time_s, self.restarting, self.preserved)
        kept = None if config.long_lived_s is None else LongLived(config.long_lived_s, self.preserved)
        capabilities = offer(config.local_as, config.families, restart, kept)
        hello = Open(config.local_as, config.hold_time_s, config.router_id, capabilities)
        self.state = State.OPEN_SENT
        self._deadline = now + OPEN_HOLD_S
        message = encode_open(hello)
        self._sent_open = message[HEADER_BYTES:]
        self._send(MessageType.OPEN, message)

    def _receive(self, data: bytes, now: float) -> None:
        self._stream.push(data)
        try:
            while (message := self._stream.take()) is not None:  # an end puts an empty stream in its place
                self.counters.received[message[0]] += 1
                self._message(*message, now)
        except MessageError as error:
            self._refuse(error, now)

    def _message(self, kind: MessageType, body: bytes, now: float) -> None:
        if kind is MessageType.UPDATE and self.state is State.ESTABLISHED:  # nearly all there are
            self._heard(now)
            self._update(body)
            return
        match self.state, kind:
            case _, MessageType.NOTIFICATION:
                self._end(DownReason.NOTIFICATION, str(decode_notification(body)), now, hangup=True)
            case State.OPEN_SENT, MessageType.OPEN:
                self._received_open = body
                self._agree(decode_open(body), now)
            case State.OPEN_CONFIRM, MessageType.KEEPALIVE:
                self._establish(now)
            case State.ESTABLISHED, MessageType.KEEPALIVE:
                self._heard(now)
            case State.ESTABLISHED, MessageType.ROUTE_REFRESH:
                self._refresh_requested(body)
            case _:
                text = f"{words(kind)} in {self.state}"
                raise MessageError(NotificationCode.FSM, _UNEXPECTED[self.state], text, bytes((kind,)))

    def _agree(self, hello: Open, now: float) -> None:
        self.agreed = agree(self.config, hello)
        self.state = State.OPEN_CONFIRM
        self._send(MessageType.KEEPALIVE, encode_keepalive())
        # Without a hold time a session may be silent for ever, but only once it is one.
        self._deadline = now + (self.agreed.hold_time_s or OPEN_HOLD_S)
        self._time_keepalives(now)

    def _time_keepalives(self, now: float) -> None:
        assert self.agreed is not None
        if self.agreed.hold_time_s:
            self._keepalive_at = now + self._keepalive_interval()

    def _establish(self, now: float) -> None:
        assert self.agreed is not None
        self._go_on(now)
        self.restarting = False
        self._outputs.append(Up(self.agreed))

    def _go_on(self, now: float) -> None:
        assert self.agreed is not None
        self.state = State.ESTABLISHED
        self._up_since = now
        self._reader = UpdateReader(self.agreed)
        self.counters.established += 1
        self._heard(now)
        self._time_keepalives(now)

    def _update(self, body: bytes) -> None:
        assert self._reader is not None
        for update in self._reader.read(body):
            self.counters.routes_skipped += update.skipped
            self.counters.routes_beside += len(update.beside)
            if update.faults or self.damage:
                self._damaged(update)
            self._outputs.append(Routes(update))

    def _damaged(self, update: Update) -> None:
        """Something is wrong with it, or was with one before and may be mended."""
        withdraw = [f for f in update.faults if f.action is FaultAction.TREAT_AS_WITHDRAW]
        self.counters.updates_treated_as_withdraw += bool(withdraw)
        self.counters.faults_discarded += len(update.faults) - len(withdraw)
        if update.faults:
            self.counters.last_fault = str(update.faults[-1])
        self.damage.read(update, withdrawn_by_fault=bool(withdraw))

    def _refresh_requested(self, body: bytes) -> None:
        """RFC 2918 section 4: a family that was not agreed on is ignored."""
        assert self.agreed is not None
        family = decode_route_refresh(body).family
        if family in self.agreed.families:
            self._outputs.append(RefreshRequested(family))

    def _stop(self, text: str, now: float) -> None:
        self._wanted = False
        self._deadline = None
        if self.state is State.IDLE:
            return
        if self.state in _UNEXPECTED:
            spoken = text.encode()[:255].decode(errors="ignore").encode()  # RFC 9003: 255 octets, whole characters
            data = bytes((len(spoken),)) + spoken if spoken else b""
            self._notify(Notification(NotificationCode.CEASE, CeaseError.ADMINISTRATIVE_SHUTDOWN, data))
        self._end(DownReason.STOPPED, text, now, hangup=True)

    def _expired(self, now: float) -> None:
        match self.state:
            case State.IDLE:
                self._dial(now)
            case State.CONNECT:
                text = f"no connection within {CONNECT_TIMEOUT_S:g} s"
                self._end(DownReason.CONNECT_FAILED, text, now, hangup=True)
            case State.OPEN_SENT | State.OPEN_CONFIRM | State.ESTABLISHED:
                early = self.state is State.OPEN_SENT
                self._notify(Notification(NotificationCode.HOLD_TIMER_EXPIRED, 0))
                reason = DownReason.NO_ANSWER if early else DownReason.HOLD_TIMER
                text = _SILENCE.get(self.state, "neither KEEPALIVE nor UPDATE came within the hold time")
                self._end(reason, text, now, hangup=True)
            case _:
                assert_never(self.state)

    def _refuse(self, error: MessageError, now: float) -> None:
        """The peer broke the protocol: tell it how, and leave."""
        self._notify(Notification(error.code, error.subcode, error.data))
        if error.code is NotificationCode.OPEN:
            reason = _OPEN_REASONS.get(OpenError(error.subcode), DownReason.OPEN_ERROR)
        else:
            reason = _REASONS[error.code]
        self._end(reason, error.text, now, hangup=True)

    def _end(self, reason: DownReason, text: str, now: float, hangup: bool = False) -> None:
        """The attempt is over; if the session is wanted, the next one is due after a wait."""
        was_up = self.state is State.ESTABLISHED
        if hangup:
            self._outputs.append(Hangup())
        self._outputs.append(Down(reason, text, was_up))
        if reason is not DownReason.STOPPED:
            self.counters.last_error = f"{reason.value}: {text}"
        if was_up and now - self._up_since >= CONNECT_RETRY_MAX_S:
            self._failures = 0
        self.state, self.agreed, self._reader, self._stream = State.IDLE, None, None, Stream()
        self._deadline = self._keepalive_at = None
        self.damage = Damage()
        if self._wanted:
            wait = min(self.config.connect_retry_s * 2 ** min(self._failures, 16), CONNECT_RETRY_MAX_S)
            self._deadline = now + wait * self._pace
            self._failures += 1

    def _heard(self, now: float) -> None:
        """A sign of life: the hold timer starts anew (RFC 4271 section 8, HoldTimer)."""
        assert self.agreed is not None
        self._deadline = now + self.agreed.hold_time_s if self.agreed.hold_time_s else None

    def _keepalive_interval(self) -> float:
        """RFC 4271 section 4.4: a third of the hold time."""
        assert self.agreed is not None
        return self.agreed.hold_time_s / 3 * self._pace

    def _notify(self, notification: Notification) -> None:
        self._send(MessageType.NOTIFICATION, encode_notification(notification))

    def _send(self, kind: MessageType, message: bytes) -> None:
        self.counters.sent[kind] += 1
        self._outputs.append(Send(message))
