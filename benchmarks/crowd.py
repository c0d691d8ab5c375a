"""Many light speakers in one process: each announces its routes to every reflector and counts what comes.

Run by swarm.py, inside the namespace whose addresses they are: `python -m benchmarks.crowd PLAN`, and told a word a
line, each answered by a line of JSON (`Answer`):

    look            how far they are
    change NUMBER   speaker 0 moves its last route: the same prefix, another sequence
    end

What comes is not decoded: the octets in front of a host route of 11.0.0.0/8 are counted, by the C of `bytes.count`, so
that a thousand of them cost less than the reflector that feeds them.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass, field

from benchmarks import octets

HOLD_S = 90
RETRY_S = 1.0
READ_BYTES = 1 << 18
NUMBER = 100
"""Of everybody's route distinguisher; that of the route which changes is one below."""
_BETWEEN = bytes(14) + b"\x20\x0b"
"""No Ethernet segment, Ethernet tag 0, prefix length 32, and the first octet of 11.0.0.0/8."""
HOST_ROUTE = bytes((NUMBER,)) + _BETWEEN
CHANGED = "11.255.255.1/32"
CHANGED_OCTETS = bytes((NUMBER - 1,)) + _BETWEEN + b"\xff\xff"
LONGEST = len(CHANGED_OCTETS)


def address(number: int) -> str:
    """Of hypervisor `number`."""
    return f"10.50.{1 + number // 250}.{1 + number % 250}"


def vpn(number: int) -> int:
    """Its own: ten hypervisors share one."""
    return 100 + number // 10


def prefix(number: int, route: int) -> str:
    return f"11.{number >> 8}.{number & 255}.{route}/32"


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process of a swarm has to know."""

    reflectors: list[str]
    speakers: list[int]
    """The numbers of those who live in this process."""
    hypervisors: int
    """Of all processes, numbered from 0."""
    routes: int
    """Of each."""
    common: int
    """The VPN that everybody imports; the route that changes is of it, and of speaker 0."""
    vpns: int = 4
    """How many a whole agent imports besides."""
    profile: bool = False
    """Whether whole agents say at their end where their time went."""
    asked: bool = False
    """Whether whole agents are told what they ask for only (RFC 4684)."""

    @property
    def wanted(self) -> int:
        """Routes of others that a session has to bring, the changed one apart."""
        return self.routes * (self.hypervisors - 1)

    def wanted_of(self, number: int) -> int:
        """And those that a session of a whole agent has to bring."""
        if not self.asked:
            return self.wanted
        mine = self.imported(number)
        return self.routes * sum(vpn(one) in mine for one in range(self.hypervisors) if one != number)

    def imported(self, number: int) -> list[int]:
        """The VPNs of a whole agent, its own first; the common one apart."""
        return [vpn((number + 10 * k) % self.hypervisors) for k in range(self.vpns)]


@dataclass(slots=True)
class Answer:
    """How far the sessions of one process are."""

    sessions: int
    up: int = 0
    in_sync: int = 0
    in_sync_at: float = 0.0
    """When the last of them came to be (the machine's monotonic clock)."""
    changed: int = 0
    """Who has seen the last change."""
    changed_at: float = 0.0
    octets: int = 0
    cpu: float = 0.0
    lost: int = 0
    """Sessions that have ended since the beginning."""
    each: list[float] = field(default_factory=list)
    """Processor seconds of each whole agent."""
    flows: list[int] = field(default_factory=list)
    """Of each whole agent's switch."""


@dataclass(slots=True)
class Counter:
    """What has come over one session of speaker `number`."""

    number: int
    wanted: int
    given_back: int
    """How many of its own may come back."""
    seen: int = 0
    own: int = 0
    """What a reflector gives back to who said it: FRR does."""
    at: float | None = None
    """When all there is had come."""
    _rest: bytes = b""

    def take(self, data: bytes, now: float, changing: bool) -> bool:
        """Whether the changed route was in it, if anybody asks."""
        if self.at is not None and not changing:
            return False
        rest, joined = self._rest, self._rest + data
        self._rest = joined[1 - LONGEST :]
        if self.at is None:
            self.seen += joined.count(HOST_ROUTE) - rest.count(HOST_ROUTE)
            if self.own < self.given_back:
                self.own += joined.count(HOST_ROUTE + bytes((self.number >> 8, self.number & 255)))
            if self.seen - self.own >= self.wanted:
                self.at = now
        return changing and CHANGED_OCTETS in joined


class Speaker:
    """One session of a light speaker."""

    def __init__(self, number: int, reflector: str, plan: Plan, poll: select.epoll) -> None:
        self.number, self._reflector, self._plan, self._poll = number, reflector, plan, poll
        self.socket: socket.socket | None = None
        self.counter = Counter(number, plan.wanted, plan.routes)
        self.up = False
        self.retry_at = 0.0
        self.keepalive_at = float("inf")
        self._begun = b""
        self._unsent = b""

    def dial(self) -> int:
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.bind((address(self.number), 0))
        one.connect_ex((self._reflector, 179))
        self.socket, self.retry_at = one, float("inf")
        self._poll.register(one, select.EPOLLOUT | select.EPOLLIN)
        return one.fileno()

    def act(self, events: int, now: float, changing: bool) -> tuple[int, bool]:
        """Octets read, and whether the changed route was among them."""
        assert self.socket is not None
        if events & (select.EPOLLERR | select.EPOLLHUP) and not events & select.EPOLLIN:
            self.lose(now)
            return 0, False
        if events & select.EPOLLOUT:
            self._writable()
        if not events & select.EPOLLIN:
            return 0, False
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return 0, False
        except OSError:
            data = b""
        if not data:
            self.lose(now)
            return 0, False
        if self.up:
            return len(data), self.counter.take(data, now, changing)
        self._greet(data, now)
        return len(data), False

    def _writable(self) -> None:
        assert self.socket is not None
        if not self._begun and not self._unsent and not self.up:
            self.send(_open(self.number))
        elif self._unsent:
            rest, self._unsent = self._unsent, b""
            self.send(rest)
        if not self._unsent:
            self._poll.modify(self.socket, select.EPOLLIN)

    def send(self, data: bytes) -> None:
        assert self.socket is not None
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the read that follows says so
        if sent < len(data):
            self._unsent = data[sent:]
            self._poll.modify(self.socket, select.EPOLLIN | select.EPOLLOUT)

    def _greet(self, data: bytes, now: float) -> None:
        """OPEN is answered with KEEPALIVE, KEEPALIVE with all routes; the rest is counted."""
        self._begun += data
        while len(self._begun) >= 19:
            length, kind = struct.unpack_from("!HB", self._begun, 16)
            if len(self._begun) < length:
                return
            if kind == octets.NOTIFICATION:
                print(f"{address(self.number)}: {self._begun[19:length].hex()}", file=sys.stderr)
            self._begun = self._begun[length:]
            if kind == octets.OPEN:
                self.send(octets.message(octets.KEEPALIVE))
            elif kind == octets.KEEPALIVE:
                self.up, self.keepalive_at = True, now + HOLD_S / 3
                self.send(_routes(self.number, self._plan))
                self.counter.take(self._begun, now, False)
                return

    def lose(self, now: float) -> None:
        assert self.socket is not None
        self._poll.unregister(self.socket)
        self.socket.close()
        self.socket, self.up, self.retry_at, self.keepalive_at = None, False, now + RETRY_S, float("inf")
        self.counter = Counter(self.number, self._plan.wanted, self._plan.routes)
        self._begun = self._unsent = b""


def _open(number: int) -> bytes:
    """EVPN, four-octet AS numbers, graceful restart with its routes kept (RFC 4724 section 3)."""
    capabilities = b"\1\4" + octets.EVPN + b"\x41\4" + struct.pack("!I", octets.ASN)
    capabilities += b"\x40\6" + struct.pack("!H", 120) + octets.EVPN[:2] + octets.EVPN[3:] + b"\x80"
    parameters = bytes((2, len(capabilities))) + capabilities
    body = struct.pack("!BHH4sB", 4, octets.ASN, HOLD_S, socket.inet_aton(address(number)), len(parameters))
    return octets.message(octets.OPEN, body + parameters)


def _routes(number: int, plan: Plan) -> bytes:
    said = octets.Said(vpn(number), address(number), sequence=1)
    routes = [octets.Route(prefix(number, k), NUMBER, vpn(number)) for k in range(1, plan.routes + 1)]
    first = change(0, plan) if number == 0 else b""
    return first + b"".join(octets.updates(said, routes)) + octets.end_of_rib()


def change(sequence: int, plan: Plan) -> bytes:
    """The route that everybody imports: its VNI is another each time, so that its flow is too."""
    said = octets.Said(plan.common, address(0), sequence=sequence)
    return b"".join(octets.updates(said, [octets.Route(CHANGED, NUMBER - 1, 1000 + sequence)]))


class Crowd:
    """All of them, and their clock."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.poll = select.epoll()
        self.speakers = [Speaker(n, at, plan, self.poll) for n in plan.speakers for at in plan.reflectors]
        self._by_descriptor: dict[int, Speaker] = {}
        self._octets = self._lost = 0
        self._changed: dict[int, float] = {}
        self._changing = False

    def turn(self) -> bool:
        """Whether a command waits."""
        waiting = False
        for descriptor, events in self.poll.poll(0.2):
            now = time.monotonic()
            if descriptor == sys.stdin.fileno():
                waiting = True
                continue
            speaker = self._by_descriptor[descriptor]
            was_up = speaker.up
            count, changed = speaker.act(events, now, self._changing)
            self._octets += count
            self._lost += was_up and not speaker.up
            if changed and speaker.number:  # who has changed it may have it back, or not
                self._changed.setdefault(speaker.number, now)
        self._timers(time.monotonic())
        return waiting

    def _timers(self, now: float) -> None:
        for speaker in self.speakers:
            if speaker.retry_at <= now:
                self._by_descriptor[speaker.dial()] = speaker
            elif speaker.keepalive_at <= now:
                speaker.keepalive_at = now + HOLD_S / 3
                speaker.send(octets.message(octets.KEEPALIVE))

    def change(self, sequence: int) -> None:
        self._changed, self._changing = {}, True
        for speaker in self.speakers:
            if speaker.number == 0 and speaker.up:
                speaker.send(change(sequence, self._plan))

    def answer(self) -> Answer:
        done = [s.counter.at for s in self.speakers if s.up and s.counter.at is not None]
        return Answer(
            sessions=len(self.speakers),
            up=sum(s.up for s in self.speakers),
            in_sync=len(done),
            in_sync_at=max(done, default=0.0),
            changed=len(self._changed),
            changed_at=max(self._changed.values(), default=0.0),
            octets=self._octets,
            cpu=time.process_time(),
            lost=self._lost,
        )


def main() -> None:
    crowd = Crowd(Plan(**json.loads(sys.argv[1])))
    crowd.poll.register(sys.stdin, select.EPOLLIN)
    while True:
        if not crowd.turn():
            continue
        match sys.stdin.readline().split():
            case ["look"]:
                print(json.dumps(asdict(crowd.answer())), flush=True)
            case ["change", sequence]:
                crowd.change(int(sequence))
                print(json.dumps(asdict(crowd.answer())), flush=True)
            case _:
                return


if __name__ == "__main__":
    main()
