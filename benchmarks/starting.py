"""A start of an agent in the cloud of `benchmarks.asked`: the real core with its session, and a switch that obeys at
once. Measured from the session's coming up to the last flow of what is imported.

    python -m benchmarks.starting NUMBER REFLECTOR IMPORTED ASKED [--profile]

All in JSON, as what it found is, in a line.
"""

from __future__ import annotations

import cProfile
import gc
import json
import pstats
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from tests.build import association, attachment, circuit, ip, port, uuid

from benchmarks.answering import HOLD_S, ROUTES_EACH, TARGETS, target
from benchmarks.octets import ASN
from isthmus.bgp.session import State
from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.node import effects, facts
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node

LIMIT_S = 120.0
READ_BYTES = 65536
"""At a time from the connection, as the agent does."""


class Reflector(NamedTuple):
    """Whom an agent talks to, and the process whose time is looked at; 0: nobody's."""

    name: str
    address: str
    port: int
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an agent."""

    seconds: float
    """From Established to the last flow."""
    cpu: float
    """Of the agent: from Established until it had all that its reflector has to say."""
    memory: int
    """Octets, beyond those of a process that has imported everything and is not connected."""
    routes: int
    """Remembered at the end."""
    reflector_cpu: float
    reflector_waited: float
    """Both from Established to the last flow: how long its threads ran, and were ready and had no processor."""


class Ran(NamedTuple):
    """All threads of a process so far, in seconds."""

    cpu: float
    waited: float

    @classmethod
    def of(cls, pid: int) -> Ran:
        """As the kernel counts it (Documentation/scheduler/sched-stats.rst); of process 0, nothing."""
        tasks = Path(f"/proc/{pid}/task").iterdir() if pid else ()
        found = [(task / "schedstat").read_text().split() for task in tasks]
        return cls(*(sum(int(one[field]) for one in found) / 1e9 for field in (0, 1)))


def agent_address(number: int) -> str:
    """Each start has its own: GoBGP turns away for some seconds who comes again after an end."""
    return f"127.0.{2 + number // 250}.{1 + number % 250}"


def start(number: int, reflector: Reflector, imported: int, asked: bool) -> Start:
    """In this process: an agent, until it has what it imports, and all that its reflector has to say."""
    own = agent_address(number)
    peer = PeerConfig(ip(reflector.address), ASN, HOLD_S, 0.0, rt_constrain=asked)
    node = Node(NodeConfig(ip(own), ip(own), ASN, (peer,), 1), time.monotonic())
    network = f"neutron-{uuid(0)}"
    imports = tuple(str(target(number * (TARGETS // imported))) for number in range(imported))
    one = association(16, networks=(network,), imports=imports, exports=(f"{ASN}:1",), vni=7)
    node.handle(facts.SwitchRead({circuit(1): 10}, 1), time.monotonic())
    node.handle(facts.FlowsRead({}), time.monotonic())
    ours = {circuit(1): attachment(1, one, networks=(network,), subnets=("198.18.0.0/24",))}
    node.handle(facts.IntentRead(ours, (port(uuid(1), network, "198.18.0.5"),)), time.monotonic())
    agent = _Agent(node, own, reflector, imported * ROUTES_EACH)
    before = _resident()
    agent.run((imported if asked else TARGETS) * ROUTES_EACH)
    assert agent.up_at is not None and agent.done_at is not None
    memory = _resident() - before
    routes = node.rib.count(ip(reflector.address))
    return Start(agent.done_at - agent.up_at, agent.cpu, memory, routes, *agent.theirs)


class _Agent:
    """The node, its one connection, its switch."""

    def __init__(self, node: Node, own: str, reflector: Reflector, wanted: int) -> None:
        self._node, self._own, self._reflector, self._peer = node, own, reflector, ip(reflector.address)
        self._wanted = wanted
        """How many routes are imported."""
        self._socket = socket.socket()
        # As the agent: else its memberships wait for the other end's delayed acknowledgement, 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._flows: dict[FlowKey, Installed] = {}
        self._leading = 0
        """Flows of the view."""
        self.up_at: float | None = None
        self.done_at: float | None = None
        self.cpu = 0.0
        self.theirs = Ran(0.0, 0.0)
        """Of the reflector; until it is done, as it was in the beginning."""

    def run(self, routes: int) -> None:
        """Until every imported route has its flow and so many routes have come."""
        limit = time.monotonic() + LIMIT_S
        while self.done_at is None or self._node.rib.count(self._peer) < routes:
            assert time.monotonic() < limit, f"{len(self._flows)} flows after {LIMIT_S:.0f} s"
            begun = time.process_time()
            self._settle()
            if self._socket.fileno() >= 0 and select.select([self._socket], [], [], 0.05)[0]:
                self._node.handle(facts.Received(self._peer, self._socket.recv(READ_BYTES)), time.monotonic())
            self._node.tick(time.monotonic())
            self.cpu += time.process_time() - begun

    def _settle(self) -> None:
        now = time.monotonic()
        while todo := self._node.effects(now):
            for effect in todo:
                self._carry_out(effect, now)
        if self.up_at is None and self._node.peers[self._peer].session.state is State.ESTABLISHED:
            self.up_at, self.cpu, self.theirs = time.monotonic(), 0.0, Ran.of(self._reflector.pid)
        if self.done_at is None and self._leading > self._wanted:
            self.done_at = time.monotonic()
            now_theirs = Ran.of(self._reflector.pid)
            self.theirs = Ran(now_theirs.cpu - self.theirs.cpu, now_theirs.waited - self.theirs.waited)

    def _carry_out(self, effect: effects.Effect, now: float) -> None:
        match effect:
            case effects.Dial(peer):
                self._socket.bind((self._own, 0))
                self._socket.connect((self._reflector.address, self._reflector.port))
                self._node.handle(facts.Connected(peer), now)
            case effects.Send(_, data):
                self._socket.sendall(data)
            case effects.ApplyFlows():
                self._leading += sum(k.table == Table.VIEW for k in effect.put.keys() - self._flows.keys())
                self._flows |= {key: Installed(effect.cookie, actions) for key, actions in effect.put.items()}
                self._node.handle(facts.FlowsApplied(effect.serial), now)
            case effects.SetNeighbours(vteps):
                self._node.handle(facts.NeighboursRead(vteps), now)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    gc.set_threshold(100_000, 50, 100)  # as the agent does
    number, reflector, *how = (json.loads(one) for one in sys.argv[1:5])
    if sys.argv[5:] == ["--profile"]:
        profile = cProfile.Profile()
        profile.runcall(start, number, Reflector(*reflector), *how)
        pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)
        return
    print(json.dumps(asdict(start(number, Reflector(*reflector), *how))))


if __name__ == "__main__":
    main()
