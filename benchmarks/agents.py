"""Many whole agents in one process: the real core, its loop and its sessions, each with a switch that obeys at once.

Run by swarm.py as crowd.py is, with the same words. What an agent costs is the processor time of its node, counted for
each; what is the asyncio around it and the sockets is in the process's own.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.build import association, attachment, circuit, ip, port, uuid

from benchmarks.crowd import CHANGED, NUMBER, Answer, Counter, Plan, address, prefix, vpn
from benchmarks.octets import ASN
from isthmus.flows.types import FlowKey, Installed
from isthmus.node import effects, facts
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.shell.bgp_tcp import BgpTcp
from isthmus.shell.node_loop import NodeLoop

TUNNEL = 1
HOLD_S = 90
"""Long: a hundred hypervisors share a core here."""
END_OF_RIB = b"\x0f\x03\x00\x19\x46"
END_OF_RIB_EXTENDED = b"\x0f\x00\x03\x00\x19\x46"
NEEDLE = CHANGED.partition("/")[0]


class Metered:
    """A node, and what it has cost so far; what it does not count is handed through. `computed` is told whenever
    nothing was left for the switch to do."""

    def __init__(self, node: Node, computed: Callable[[], None]) -> None:
        self._node, self._computed = node, computed
        self.cpu = 0.0

    def handle(self, fact: facts.Fact, now: float) -> None:
        begun = time.thread_time()
        self._node.handle(fact, now)
        self.cpu += time.thread_time() - begun

    def effects(self, now: float) -> list[effects.Effect]:
        begun = time.thread_time()
        done = self._node.effects(now)
        self.cpu += time.thread_time() - begun
        if not any(isinstance(effect, effects.ApplyFlows) for effect in done):
            self._computed()
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


class Agent:
    """One hypervisor: its node, its connections, its switch."""

    def __init__(self, number: int, plan: Plan) -> None:
        self.number, self._plan = number, plan
        peers = tuple(
            PeerConfig(ip(at), ASN, HOLD_S, (number % 97) / 97, rt_constrain=plan.asked) for at in plan.reflectors
        )
        own = ip(address(number))
        node = Node(NodeConfig(own, own, ASN, peers, 1), asyncio.get_running_loop().time())
        self.node = Metered(node, self._computed)
        self.loop = NodeLoop(self.node, self._carry_out)  # type: ignore[arg-type]
        self._tcp = BgpTcp(own, {peer.address: 179 for peer in peers}, self._hear)
        self.sessions = {peer.address: Counter(number, plan.wanted_of(number), plan.routes) for peer in peers}
        self.up: set[Any] = set()
        self.ended: dict[Any, float] = {}
        """When a session had said that this was all and the switch had what follows from it; 0 until then."""
        self._outstanding = False
        self.octets = self.lost = 0
        self.changed_at: float | None = None
        self._flows: dict[FlowKey, Installed] = {}
        self._circuits: dict[Any, int] = {}

    def start(self) -> None:
        self.loop.start()
        self.loop.tell(facts.SwitchRead({}, TUNNEL))
        self.loop.tell(facts.FlowsRead({}))
        circuits, ports = wanted(self.number, self._plan)
        self.loop.tell(facts.IntentRead(circuits, tuple(ports)))

    # What comes

    def _hear(self, fact: Any) -> None:
        match fact:
            case facts.Received(peer, data):
                self.octets += len(data)
                self.up.add(peer)
                self.sessions[peer].take(data, time.monotonic(), False)
                if END_OF_RIB in data or END_OF_RIB_EXTENDED in data:
                    self.ended[peer] = 0.0
            case facts.Closed(peer):
                self.lost += peer in self.up
                self._forget(peer)
        self.loop.tell(fact)

    def _forget(self, peer: Any) -> None:
        self.sessions[peer] = Counter(self.number, self._plan.wanted_of(self.number), self._plan.routes)
        self.up.discard(peer)
        self.ended.pop(peer, None)

    # What is asked for

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Dial() | effects.Send():
                self._tcp.carry_out(effect)
            case effects.Hangup(peer):
                self._forget(peer)
                self._tcp.carry_out(effect)
            case effects.ReadFlows():
                self._soon(facts.FlowsRead(dict(self._flows)))
            case effects.ApplyFlows():
                self._apply(effect)
            case effects.SetCircuits(names):
                self._circuits = {name: 10 + n for n, name in enumerate(sorted(names))}
                self._soon(facts.SwitchRead(dict(self._circuits), TUNNEL))
            case effects.SetNeighbours(vteps):
                self._soon(facts.NeighboursRead(vteps))

    def _apply(self, bundle: effects.ApplyFlows) -> None:
        for key in bundle.delete:
            self._flows.pop(key, None)
        self._flows |= {key: Installed(bundle.cookie, actions) for key, actions in bundle.put.items()}
        if any(NEEDLE in key.match for key in bundle.put):
            self.changed_at = time.monotonic()
        self._outstanding = True
        asyncio.get_running_loop().call_soon(self._applied, bundle.serial)

    def _applied(self, serial: int) -> None:
        self._outstanding = False
        self.loop.tell(facts.FlowsApplied(serial))

    def _computed(self) -> None:
        """Everything that was heard is in the switch."""
        for peer, at in self.ended.items():
            if not at and self.sessions[peer].at is not None and not self._outstanding:
                self.ended[peer] = time.monotonic()

    def _soon(self, fact: facts.Fact) -> None:
        asyncio.get_running_loop().call_soon(self.loop.tell, fact)

    def flows(self) -> int:
        return len(self._flows)

    def in_sync(self) -> list[float]:
        return [at for at in self.ended.values() if at]


def wanted(number: int, plan: Plan) -> tuple[dict[Any, Any], list[Any]]:
    """Its own VPN with all its addresses, and others of which it has one machine each that only listens."""
    circuits, ports = {}, []
    others = plan.imported(number)[1:]
    network = f"neutron-{uuid(0)}"
    own = (f"{ASN}:{vpn(number)}",)
    one = association(NUMBER, networks=(network,), both=own, imports=(f"{ASN}:{plan.common}",), vni=vpn(number))
    circuits[circuit(1)] = attachment(1, one, networks=(network,), subnets=(prefix(number, 0).replace("/32", "/24"),))
    for k in range(1, plan.routes + 1):
        ports.append(port(uuid(1000 + k), network, prefix(number, k).partition("/")[0]))
    for n, other in enumerate(others, 1):
        network = f"neutron-{uuid(n)}"
        one = association(NUMBER + n, networks=(network,), imports=(f"{ASN}:{other}",), vni=other)
        circuits[circuit(1 + n)] = attachment(1 + n, one, networks=(network,), subnets=(f"198.18.{n}.0/24",))
        ports.append(port(uuid(2000 + n), network, f"198.18.{n}.1"))
    return circuits, ports


class Company:
    """All agents of this process."""

    def __init__(self, plan: Plan) -> None:
        self.agents = [Agent(number, plan) for number in plan.speakers]

    async def run(self) -> None:
        for agent in self.agents:
            agent.start()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while (words := (await reader.readline()).decode().split()) and words[0] != "end":
            if words[0] == "change":
                for agent in self.agents:
                    agent.changed_at = None
            for agent in self.agents:
                if agent.loop.failed.done():
                    agent.loop.failed.result()
            print(json.dumps(asdict(self.answer())), flush=True)

    def answer(self) -> Answer:
        done = [at for agent in self.agents for at in agent.in_sync()]
        changed = [agent.changed_at for agent in self.agents if agent.changed_at is not None]
        return Answer(
            sessions=sum(len(agent.sessions) for agent in self.agents),
            up=sum(len(agent.up) for agent in self.agents),
            in_sync=len(done),
            in_sync_at=max(done, default=0.0),
            changed=len(changed),
            changed_at=max(changed, default=0.0),
            octets=sum(agent.octets for agent in self.agents),
            cpu=time.process_time(),
            lost=sum(agent.lost for agent in self.agents),
            each=[round(agent.node.cpu, 4) for agent in self.agents],
            flows=[agent.flows() for agent in self.agents],
        )


async def company(plan: Plan) -> None:
    await Company(plan).run()


def main() -> None:
    gc.set_threshold(100_000, 50, 100)  # as the agent does
    plan = Plan(**json.loads(sys.argv[1]))
    if not plan.profile:
        asyncio.run(company(plan))
        return
    profile = cProfile.Profile()
    profile.runcall(asyncio.run, company(plan))
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main()
