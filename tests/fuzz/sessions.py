"""A session as a stream of octets, in every state, cut anywhere.

Beside the session stands a second reading of the same stream, made of the table in docs/design/bgp.md and the decoders
alone: in which state it must end. So a session that stays established after a fault which a NOTIFICATION is for is
found, and one that ends for nothing too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from random import Random

from isthmus.bgp.capability import Agreed, offer
from isthmus.bgp.errors import MessageError
from isthmus.bgp.events import Down, Hangup, Output, Routes, Send, Up
from isthmus.bgp.frame import MARKER, Stream
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import (
    Notification,
    Open,
    UpdateReader,
    decode_open,
    encode_keepalive,
    encode_notification,
    encode_open,
    encode_route_refresh,
)
from isthmus.bgp.negotiation import SessionConfig, agree, agree_again
from isthmus.bgp.session import Connected, Received, Session, Start, State
from isthmus.bgp.text import text_of
from isthmus.model.net import IpAddress
from tests.fuzz import mutation
from tests.fuzz.messages import FAMILIES, bodies
from tests.fuzz.target import Target

_AS, _OTHER_AS = 64512, 4200000001
_OURS, _THEIRS = IpAddress.parse("10.60.0.2"), IpAddress.parse("10.60.0.9")
SETTINGS = tuple(SessionConfig(_AS, peer, _OURS, FAMILIES, hold) for peer, hold in product((_AS, _OTHER_AS), (30, 0)))
_STATES = tuple(State)
_BYTES_MIN = {1: 29, 2: 23, 3: 21, 4: 19, 5: 23}


@cache
def _hello(settings: SessionConfig) -> bytes:
    return encode_open(Open(settings.peer_as, 30, _THEIRS, offer(settings.peer_as, FAMILIES)))


def _begun(state: State, settings: SessionConfig) -> Session:
    session = Session(settings, 0.0)
    way = (Start(), Connected(), Received(_hello(settings)), Received(encode_keepalive()))
    for step in way[: _STATES.index(state)]:
        session.handle(step, 0.0)
    session.outputs()
    return session


class _Reading:
    """The second reading: `state` is where the session must be, None that it must have ended."""

    def __init__(self, state: State, settings: SessionConfig) -> None:
        self.state: State | None = state
        self.settings = settings
        self._reader = UpdateReader(agree(settings, decode_open(_hello(settings)[19:])))

    def read(self, octets: bytes) -> None:
        if self.state in (State.IDLE, State.CONNECT):
            return  # no connection, so nothing can come of one
        at = 0
        while self.state is not None and len(octets) - at >= 19:
            length, kind = int.from_bytes(octets[at + 16 : at + 18], "big"), octets[at + 18]
            shortest = _BYTES_MIN.get(kind, 4097)
            exact = kind in (4, 5) and length != shortest
            if not octets.startswith(MARKER, at) or not shortest <= length <= 4096 or exact:
                self.state = None
            elif at + length > len(octets):
                return
            else:
                self._message(kind, octets[at + 19 : at + length])
                at += length

    def _message(self, kind: int, body: bytes) -> None:
        try:
            match self.state, kind:
                case State.OPEN_SENT, MessageType.OPEN:
                    self._reader = UpdateReader(agree(self.settings, decode_open(body)))
                    self.state = State.OPEN_CONFIRM
                case State.OPEN_CONFIRM, MessageType.KEEPALIVE:
                    self.state = State.ESTABLISHED
                case State.ESTABLISHED, MessageType.UPDATE:
                    self._reader.read(body)
                case State.ESTABLISHED, MessageType.KEEPALIVE | MessageType.ROUTE_REFRESH:
                    pass
                case _:
                    self.state = None
        except MessageError:
            self.state = None


def run(raw: bytes) -> None:
    if len(raw) < 2:
        return
    state, settings = _STATES[raw[0] % 5], SETTINGS[raw[0] // 5 % len(SETTINGS)]
    octets = raw[2:]
    whole, cut, reading = _begun(state, settings), _begun(state, settings), _Reading(state, settings)
    whole.handle(Received(octets), 1.0)
    for piece in _pieces(Random(raw[1]), octets):
        cut.handle(Received(piece), 1.0)
    reading.read(octets)
    said = whole.outputs()
    assert said == cut.outputs(), "cut elsewhere it says something else"
    assert whole.state is (reading.state or State.IDLE), f"{whole.state}, and {reading.state} was to be expected"
    _judge(said, state, ended=reading.state is None)
    if whole.state is State.ESTABLISHED:
        _goes_on(whole, settings)
    elif reading.state is None:
        again = whole.next_deadline()
        assert again is not None and again <= 31.0 + 1.0, "a session that ended is not tried again"
        whole.tick(again)
        whole.handle(Connected(), again)
        assert whole.state is State.OPEN_SENT


def _pieces(chance: Random, octets: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(octets):
        after = at + chance.choice((1, 2, 7, 19, 20, 64, 500, 4096))
        yield octets[at:after]
        at = after


def _judge(said: list[Output], state: State, *, ended: bool) -> None:
    """The contract of a session's outputs (docs/design/bgp.md)."""
    up = state is State.ESTABLISHED
    for at, output in enumerate(said):
        match output:
            case Up():
                assert not up
                up = True
            case Down(_, text, was_up):
                assert was_up == up and text and at == len(said) - 1, "a session ends once, and says why"
            case Hangup():
                assert isinstance(said[at + 1], Down)
            case Routes(update):
                assert up
                text_of(update)
            case Send(data):
                _sent(data, said, at)
            case _:
                assert up
    assert ended == bool(said and isinstance(said[-1], Down))


def _sent(data: bytes, said: list[Output], at: int) -> None:
    """Whole messages; a NOTIFICATION is the last."""
    stream = Stream()
    stream.push(data)
    kinds = [kind for kind, _ in iter(stream.take, None)]
    assert kinds and not stream.rest
    if MessageType.NOTIFICATION in kinds:
        assert kinds == [MessageType.NOTIFICATION] and isinstance(said[at + 1], Hangup)


def _goes_on(session: Session, settings: SessionConfig) -> None:
    """What is handed on of it is taken by the next process."""
    agreed: Agreed | None = session.agreed
    assert agreed is not None and agree_again(settings, session.suspend()) == agreed


def _change(chance: Random, raw: bytes) -> bytes:
    head = raw[:2] if chance.randrange(6) else chance.randbytes(2)
    return head + mutation.stream(chance, raw[2:])


def seeds() -> list[bytes]:
    """In each state what belongs there, and all that the vectors have of UPDATEs in one stream."""
    updates = [MARKER + (19 + len(b)).to_bytes(2, "big") + b"\x02" + b for b in bodies(MessageType.UPDATE)]
    refresh, alive = encode_route_refresh(FAMILIES[0]), encode_keepalive()
    farewell = encode_notification(Notification(6, 2, b"\x03bye"))
    found = [bytes((4, 0)) + one + alive for one in updates]
    found += [bytes((4, 1)) + b"".join(updates[at : at + 8])[:4800] for at in range(0, len(updates), 8)]
    for number, settings in enumerate(SETTINGS):
        hello, head = _hello(settings), bytes((5 * number,))
        old = encode_open(replace(decode_open(hello[19:]), capabilities=decode_open(hello[19:]).capabilities[:4]))
        for state, octets in ((2, hello + alive + updates[0]), (2, old + alive), (3, alive + refresh), (4, farewell)):
            found.append(bytes((head[0] + state, number)) + octets)
    return found


def targets() -> Iterator[Target]:
    yield Target("session", seeds, _change, run)
