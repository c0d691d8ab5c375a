"""What it is worth to an agent that its reflector is asked for targets (RFC 4684): a start in a cloud of 100,000 routes
of which it imports one in a hundred, behind a real GoBGP on the loopback, with and without, by turns.

Each round is a process of its own: the real core and session, and a switch that obeys at once. Measured from the
session's coming up to the last flow, processor time and memory of the process. Writes its section of docs/figures.md.
Run: python -m benchmarks.asked [--rounds N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.build import association, attachment, circuit, ip, port, uuid
from tests.contract.speakers import GoBgp, LiveSession, gobgp
from tests.eventually import eventually

from benchmarks import page
from benchmarks.machine import Run, version
from benchmarks.octets import ASN
from benchmarks.samples import ms, table
from isthmus.bgp.attribute import PathAttributes, encapsulation_community, mobility_community, router_mac_community
from isthmus.bgp.family import EVPN
from isthmus.bgp.nlri.evpn import ESI_ZERO, EvpnPrefix
from isthmus.bgp.session import SessionConfig, State
from isthmus.flows.layout import Table
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget
from isthmus.node import effects, facts
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node

ROOT = Path(__file__).parent.parent
TARGETS, ROUTES_EACH, IMPORTED = 1_000, 100, 10
FEEDER, AGENT = "127.0.1.1", "127.0.1.2"
ROUNDS = 3
LIMIT_S = 120.0
AIM_TIME, AIM_MEMORY = 1 / 20, 1 / 10


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an agent."""

    seconds: float
    """From Established to the last flow."""
    cpu: float
    memory: int
    """Octets, beyond those of a process that has imported everything and is not connected."""
    routes: int
    """Remembered at the end."""
    reflector_cpu: float = 0.0
    """Of GoBGP, from the start of the process to its end."""


def fill(peer: GoBgp, feeder: LiveSession) -> None:
    """The cloud's routes, ten hypervisors' worth of next hops and an attribute set for each of ten routes."""
    mac = Mac.parse("02:78:0a:00:00:01")
    for target in range(TARGETS):
        said = []
        for route in range(ROUTES_EACH):
            hop = IpAddress(bytes((10, 9, 0, 1 + target % 250)))
            communities = (
                RouteTarget.parse(f"{ASN}:{1000 + target}"),
                encapsulation_community(Encapsulation.VXLAN),
                router_mac_community(mac),
                mobility_community(1 + route // 10),
            )
            nlri = EvpnPrefix(
                RouteDistinguisher.of(hop, 16 + target),
                0,
                Prefix.host(IpAddress(bytes((11, target >> 8, target & 255, route)))),
                ESI_ZERO,
                None,
                1000 + target,
            )
            said.append((PathAttributes(next_hop=hop, local_pref=100, extended_communities=communities), nlri))
        feeder.session.send_routes(said)
        feeder.pump(0)

    def full() -> None:
        feeder.pump(0.05)
        held = peer.ask("global rib summary -a evpn")
        assert f"{TARGETS * ROUTES_EACH}" in held, held

    eventually(full, within=120, every=0.5)


def measure(peer: GoBgp, *, asked: bool) -> Start:
    words = [sys.executable, "-m", "benchmarks.asked", "--start", json.dumps([peer.address, peer.port, asked])]
    before = _cpu(peer.process.pid)
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=LIMIT_S * 2)
    return replace(Start(**json.loads(done.stdout)), reflector_cpu=_cpu(peer.process.pid) - before)


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(reflector: str, number: int, asked: bool) -> Start:
    """In this process: an agent, until it has what it imports, and all that its reflector has to say."""
    peer = PeerConfig(ip(reflector), ASN, 90, 0.0, rt_constrain=asked)
    node = Node(NodeConfig(ip(AGENT), ip(AGENT), ASN, (peer,), 1), time.monotonic())
    network = f"neutron-{uuid(0)}"
    imports = tuple(f"{ASN}:{1000 + target * (TARGETS // IMPORTED)}" for target in range(IMPORTED))
    one = association(16, networks=(network,), imports=imports, exports=(f"{ASN}:1",), vni=7)
    node.handle(facts.SwitchRead({circuit(1): 10}, 1), time.monotonic())
    node.handle(facts.FlowsRead({}), time.monotonic())
    ours = {circuit(1): attachment(1, one, networks=(network,), subnets=("198.18.0.0/24",))}
    node.handle(facts.IntentRead(ours, (port(uuid(1), network, "198.18.0.5"),)), time.monotonic())
    agent = _Agent(node, (reflector, number))
    before = _resident()
    agent.run(1 if asked else TARGETS * ROUTES_EACH)
    assert agent.up_at is not None and agent.done_at is not None
    memory = _resident() - before
    return Start(agent.done_at - agent.up_at, agent.cpu, memory, len(list(node.rib)))


class _Agent:
    """The node, its one connection, its switch."""

    def __init__(self, node: Node, target: tuple[str, int]) -> None:
        self._node, self._target = node, target
        self._socket = socket.socket()
        self._flows: dict[FlowKey, Installed] = {}
        self.up_at: float | None = None
        self.done_at: float | None = None
        self.cpu = 0.0

    def run(self, routes: int) -> None:
        """Until every imported route has its flow and so many routes have come."""
        limit = time.monotonic() + LIMIT_S
        while self.done_at is None or len(list(self._node.rib)) < routes:
            assert time.monotonic() < limit, f"{len(self._flows)} flows after {LIMIT_S:.0f} s"
            begun = time.process_time()
            self._settle()
            if self._socket.fileno() >= 0 and select.select([self._socket], [], [], 0.05)[0]:
                self._node.handle(facts.Received(ip(self._target[0]), self._socket.recv(1 << 18)), time.monotonic())
            self._node.tick(time.monotonic())
            self.cpu += time.process_time() - begun

    def _settle(self) -> None:
        now = time.monotonic()
        while todo := self._node.effects(now):
            for effect in todo:
                self._carry_out(effect, now)
        peer = self._node.peers[ip(self._target[0])]
        if self.up_at is None and peer.session.state is State.ESTABLISHED:
            self.up_at, self.cpu = time.monotonic(), 0.0
        if self.done_at is None and sum(k.table == Table.VIEW for k in self._flows) > IMPORTED * ROUTES_EACH:
            self.done_at = time.monotonic()

    def _carry_out(self, effect: effects.Effect, now: float) -> None:
        match effect:
            case effects.Dial(peer):
                self._socket.bind((AGENT, 0))
                self._socket.connect(self._target)
                self._node.handle(facts.Connected(peer), now)
            case effects.Send(_, data):
                self._socket.sendall(data)
            case effects.ApplyFlows():
                self._flows |= {key: Installed(effect.cookie, actions) for key, actions in effect.put.items()}
                self._node.handle(facts.FlowsApplied(effect.serial), now)
            case effects.SetNeighbours(vteps):
                self._node.handle(facts.NeighboursRead(vteps), now)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def text(run: Run, asked: list[Start], unasked: list[Start]) -> str:
    def both(name: str) -> tuple[float, float]:
        mine, all_ = (statistics.median(getattr(one, name) for one in of) for of in (asked, unasked))
        return mine, all_

    rows = [_row("Established to the last flow", *both("seconds"), as_ms)]
    rows += [_row("of that GoBGP's processor time", *both("reflector_cpu"), as_ms)]
    rows += [_row("processor time of the agent", *both("cpu"), as_ms), _row("its memory", *both("memory"), as_mb)]
    rows += [("routes remembered", *(f"{one:,.0f}" for one in both("routes")), "")]
    about = (
        f"A start in a cloud of {TARGETS * ROUTES_EACH:,} routes with {TARGETS:,} targets, of which {IMPORTED} are "
        f"imported; medians of {len(asked)} rounds by turns, a process each."
    )
    head = ("", "asked for targets (RFC 4684)", "not asked", "ratio")
    aims = [_verdict("processor time", *both("cpu"), AIM_TIME), _verdict("memory", *both("memory"), AIM_MEMORY)]
    said = run.sentence(f"GoBGP {version('gobgpd', '--version')}")
    return "\n\n".join([said, about, table(head, rows), " ".join(aims)])


def as_ms(seconds: float) -> str:
    return f"{ms(seconds)} ms"


def as_mb(octets: float) -> str:
    return f"{octets / 2**20:.1f} MB"


def _row(what: str, mine: float, all_: float, say: Callable[[float], str]) -> tuple[str, ...]:
    return what, say(mine), say(all_), f"{mine / all_:.3f}"


def _verdict(what: str, mine: float, all_: float, aim: float) -> str:
    return f"{what}: {mine / all_:.3f}, aim {aim:.2f}, {'met' if mine / all_ <= aim else '**not met**'}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asked")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--start", help="a round, in this process")
    words = parser.parse_args()
    if words.start:
        print(json.dumps(asdict(start(*json.loads(words.start)))))
        return
    run = Run()
    asked: list[Start] = []
    unasked: list[Start] = []
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asked")))
        clients = {"127.0.1.0/24": ASN}
        peer = stack.enter_context(gobgp(home, local_as=ASN, peers=clients, hold_s=90, rtc_deferral_s=0))
        config = SessionConfig(ASN, ASN, ip("10.9.0.1"), (EVPN,), hold_time_s=90)
        feeder = stack.enter_context(LiveSession(config, peer.address, peer.port, FEEDER))
        eventually(feeder.pump_until_up)
        fill(peer, feeder)
        for _ in range(words.rounds):
            for into, wanted in ((asked, True), (unasked, False)):
                into.append(measure(peer, asked=wanted))
                feeder.pump(0)
                print(into[-1], file=sys.stderr, flush=True)
    found = text(run, asked, unasked)
    page.write(page.ASKED, found)
    print(found)


if __name__ == "__main__":
    main()
