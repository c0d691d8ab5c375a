"""`isthmus-agent`: configuration, objects, tasks, and who tells whom. Nothing else is decided here.

    southbound ─┐                       ┌─► bgp_tcp      Dial Send Hangup
    ovsdb ──────┼─► NodeLoop (Node) ────┼─► ovsdb        SetCircuits
    ofctl ──────┤     facts in,         ├─► ofctl        ReadFlows ApplyFlows
    bgp_tcp ────┤     effects out       ├─► neighbours   SetNeighbours
    neighbours ─┤                       └─► liveness     SetProbes
    liveness ───┘

Ends with 0 on SIGTERM and SIGINT, with 2 on a configuration that cannot be used, with 1 when the node itself fails.
On SIGUSR2 it ends to be exchanged: connections go into safe keeping, the next run goes on with the sessions (ADR 6).
However it ends, flows and ports stay: forwarding is the switch's, and the next run adopts it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.metadata
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, assert_never

from isthmus.bgp.family import EVPN
from isthmus.bgp.message import encode_keepalive
from isthmus.model.net import IpAddress
from isthmus.model.report import NodeReport
from isthmus.node.bulletin import About
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.effects import (
    ApplyFlows,
    Dial,
    Effect,
    Hangup,
    Introduce,
    ReadFlows,
    Send,
    SetCircuits,
    SetNeighbours,
    SetProbes,
)
from isthmus.node.facts import (
    AnswersForgotten,
    DrainWanted,
    FlowsApplied,
    FlowsRead,
    FlowsRefused,
    IntentLost,
    IntentRead,
    SwitchLost,
    SwitchRead,
)
from isthmus.node.memory import Memory, PeerMemory
from isthmus.node.status import Detail, NodeStatus
from isthmus.shell import config as configuration
from isthmus.shell import drain, keeping, memory_file
from isthmus.shell.bgp_tcp import BgpTcp
from isthmus.shell.config import Config, ConfigError, Reflector
from isthmus.shell.config_kinds import Listen
from isthmus.shell.face import AgentStatus, PartStatus
from isthmus.shell.generation import next_generation
from isthmus.shell.greeter import Greeter
from isthmus.shell.http import Http
from isthmus.shell.idl import use_certificates
from isthmus.shell.liveness import Prober
from isthmus.shell.neighbours import Neighbours
from isthmus.shell.node_loop import NodeLoop
from isthmus.shell.ofctl import Ofctl
from isthmus.shell.ovsdb import BridgeReady, MachinePorts, Plugged, SwitchDatabase, SystemId
from isthmus.shell.southbound import Southbound
from isthmus.shell.supervisor import Part, keep
from isthmus.shell.telling import FRESH_S, Wish
from isthmus.shell.transitions import lines
from isthmus.shell.view_key import knows_all, view_key

log = logging.getLogger(__name__)

GLANCE_S = 1.0
"""Between two looks for something to log."""

GLANCE_SHARE = 50
"""A look at very many routes takes long: the pause is at least so many times that."""


class Agent:
    """Everything, wired. To be made in the loop's thread."""

    def __init__(
        self,
        config: Config,
        generation: int,
        memory: Memory | None = None,
        connections: Mapping[IpAddress, socket.socket] | None = None,
        key: bytes = b"",
    ) -> None:
        """`memory` and `connections`: what the last run left; `key`: of the numbers of views."""
        self._config = config
        self._started = time.monotonic()
        self._host = config.host or ""
        self._switch_was_away = False
        self._host_known, self._bridge_ready = asyncio.Event(), asyncio.Event()
        at = config.switch
        labels = any(family != EVPN for r in config.reflectors for family in r.families)
        self._switch = SwitchDatabase(at, config.vtep, self._hear_switch, labels=labels)
        self._southbound = Southbound(config.southbound, self._hear_southbound)
        node = Node(node_config(config, generation, key), asyncio.get_running_loop().time(), memory)
        self._adopted = {peer: one for peer, one in (connections or {}).items() if node.peers[peer].resumed}
        for peer, one in (connections or {}).items():
            if peer in self._adopted:
                log.info("peer %s: going on with the session of the last run", peer)
            else:
                log.warning("peer %s: %s", peer, node.peers[peer].reason)
                one.close()
        self.loop = NodeLoop(node, self._carry_out)
        self._ofctl = Ofctl(at.run_dir, at.bridge, self._hear_flows)
        self._neighbours = Neighbours(config.vtep, at.run_dir, self.loop.tell)
        self._greeter = Greeter(at.run_dir, at.integration_bridge)
        self._prober = Prober(at.run_dir / f"{at.bridge}.mgmt", self.loop.tell)
        self._bgp = BgpTcp(
            config.vtep,
            {r.address: r.port for r in config.reflectors},
            self.loop.tell,
            {r.address: r.guard for r in config.reflectors},
        )
        self.show = Http(self.look, config.socket, self._drain, self._forget)
        self.parts = [
            Part("ovsdb", self._switch.run),
            Part("southbound", self._watch_southbound),
            Part("ofctl", self._drive_switch),
            Part("neighbours", self._neighbours.run),
            Part("liveness", self._prober.run),
            Part("greeter", self._greeter.run),
            Part("log", self._log_transitions),
            Part("memory", self._write_memory),
            Part("report", self._report),
            Part("show", self.show.run),
        ]
        if config.metrics.host:
            self.parts.append(Part("metrics", Http(self.look, Listen(*config.metrics)).run))
        if self._host:
            self._host_is(self._host)

    async def run(self, stop: asyncio.Future[End]) -> None:
        """Until `stop` is set; raises what the node raised."""
        self.loop.tell(DrainWanted(drain.stored(self._config.state)))
        for peer, connection in self._adopted.items():
            await self._bgp.adopt(peer, connection)
        self.loop.start()
        tasks = [asyncio.create_task(keep(part), name=part.name) for part in self.parts]
        tasks.append(asyncio.create_task(self._tell_systemd(), name="systemd"))
        ends: set[asyncio.Future[Any]] = {stop, self.loop.failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:  # before the last words: nothing may be written over them
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        try:
            if self.loop.failed.done():
                self.loop.failed.result()
            if stop.result() is End.EXCHANGE:
                await self._hand_over()
            else:
                self.loop.stop()
                self.loop.farewell("the agent is stopped; what it installed goes on forwarding")
        finally:
            self.loop.stop()
            await self._bgp.close()

    async def _hand_over(self) -> None:
        """Stop between two messages and give the connections away, each with what its octets alone do not say. What
        cannot be given ends here without a word, as if we had crashed: peers that can keep our routes do."""
        self._bgp.pause()
        self.loop.sign_of_life()
        self.loop.flush()
        self.loop.stop()
        connections = await self._bgp.hand_over()
        memory = self.loop.suspend(connections)
        try:
            memory_file.write(self._config.state, memory)
        except OSError as error:
            log.warning("no memory is left, sessions end: %s", error)
            return
        held = [peer for peer, left in memory.peers.items() if left.session is not None]
        kept = [peer for peer in held if keeping.keep(_name(peer), connections[peer].fileno())]
        if kept and not keeping.taken():
            log.warning("whoever started us does not say that it keeps the connections")
        log.info("%d of %d sessions handed over", len(kept), len(self._config.reflectors))

    def _drain(self, wanted: bool) -> None:
        drain.store(self._config.state, wanted)
        self.loop.tell(DrainWanted(wanted))

    def _forget(self, endpoints: frozenset[IpAddress]) -> None:
        log.info("what %s answered to probes is forgotten", ", ".join(map(str, sorted(endpoints))) or "everybody")
        self.loop.tell(AnswersForgotten(endpoints))

    async def look(self, detail: Detail) -> tuple[NodeStatus, AgentStatus]:
        """What is shown: the flows' counters are read first, but for somebody who only wants to know states."""
        if detail is not Detail.STATES:
            await self._ofctl.look()
        agent = AgentStatus(
            version=importlib.metadata.version("isthmus"),
            host=self._host,
            uptime_s=round(time.monotonic() - self._started, 3),
            report=self._southbound.told,
            parts=[PartStatus(part.name, part.restarts, part.last_error) for part in self.parts],
        )
        return self.loop.status(detail), agent

    # What comes in.

    def _hear_switch(self, heard: SwitchRead | SystemId | BridgeReady | MachinePorts | Plugged) -> None:
        match heard:
            case SwitchRead():
                self.loop.tell(heard)
            case MachinePorts(ofports):
                self._greeter.ofports = ofports
            case SystemId(name):
                if self._config.host is None and name:
                    self._host_is(name)
            case BridgeReady(kind):
                self._neighbours.set_datapath(kind)
                self._bridge_ready.set()
                self._ofctl.start_again()
            case Plugged(ports):
                self._southbound.set_plugged(ports)
            case _:
                assert_never(heard)

    def _hear_flows(self, heard: FlowsRead | FlowsApplied | FlowsRefused | SwitchLost) -> None:
        if isinstance(heard, FlowsRead) and self._switch_was_away:
            self._neighbours.look_again()
        if isinstance(heard, FlowsRead | SwitchLost):
            self._switch_was_away = isinstance(heard, SwitchLost)
        self.loop.tell(heard)

    def _hear_southbound(self, heard: IntentRead | IntentLost) -> None:
        self.loop.tell(heard)

    def _host_is(self, name: str) -> None:
        self._host = name
        self._southbound.set_chassis(name)
        self._host_known.set()

    # What goes out.

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Dial() | Send() | Hangup():
                self._bgp.carry_out(effect)
            case SetCircuits(names):
                self._switch.set_circuits(names)
            case SetNeighbours(vteps):
                self._neighbours.set_neighbours(vteps)
            case SetProbes():
                self._prober.ask(effect)
            case Introduce():
                self._greeter.ask(effect)
            case ReadFlows() | ApplyFlows():
                self._ofctl.ask(effect)
            case _:
                assert_never(effect)

    # Parts of their own.

    async def _watch_southbound(self) -> None:
        if not self._host_known.is_set():
            self.loop.tell(IntentLost("Open vSwitch has not said this chassis' name (external_ids:system-id)"))
            await self._host_known.wait()
        await self._southbound.run()

    async def _drive_switch(self) -> None:
        """Not before the bridge is as it must be: what is read earlier would be wiped by the correction."""
        await self._bridge_ready.wait()
        await self._ofctl.run()

    async def _log_transitions(self) -> None:
        before: NodeStatus | None = None
        batches = -1
        while True:
            pause = GLANCE_S
            if batches != self.loop.batches:
                batches, began = self.loop.batches, time.monotonic()
                after = self.loop.status(Detail.STATES)
                for line in lines(before, after):
                    log.info("%s", line)
                before = after
                pause = max(pause, GLANCE_SHARE * (time.monotonic() - began))
            await asyncio.sleep(pause)

    async def _write_memory(self) -> None:
        """For a run that begins after a crash."""
        written: Memory | None = None
        batches = -1
        while True:
            pause = GLANCE_S
            if batches != self.loop.batches:
                batches, began = self.loop.batches, time.monotonic()
                memory = self.loop.remember()
                if written is None or replace(memory, at=written.at) != written:
                    memory_file.write(self._config.state, memory)
                    written = memory
                pause = max(pause, GLANCE_SHARE * (time.monotonic() - began))
            await asyncio.sleep(pause)

    async def _report(self) -> None:
        """To the cloud, by our own row in the southbound database. Also when nothing has changed: that we live."""
        about = About(importlib.metadata.version("isthmus"), int(time.time()), time.time() - time.monotonic())
        told: NodeReport | None = None
        batches = -1
        while True:
            pause, began = GLANCE_S, time.monotonic()
            if batches != self.loop.batches or told is None:
                batches = self.loop.batches
                told = self.loop.bulletin(about, told) or told
                pause = min(max(pause, GLANCE_SHARE * (time.monotonic() - began)), FRESH_S / 3)
            if told is not None:
                self._southbound.tell(Wish(told, began))
            await asyncio.sleep(pause)

    async def _tell_systemd(self) -> None:
        """Ready: the configuration is good, the loops run, and `isthmus show` is answered."""
        await self.show.open.wait()
        keeping.notify("READY=1")


class End(Enum):
    """Why the agent is to end."""

    STOP = "for good"
    EXCHANGE = "another process goes on"


def _name(peer: IpAddress) -> str:
    """Of a connection in safe keeping. Hexadecimal: an address may have colons."""
    return f"bgp-{peer.hex()}"


def left_behind(config: Config) -> tuple[Memory | None, dict[IpAddress, socket.socket]]:
    """What the last run left: its memory, with only those sessions whose connections were kept for us. It counts once:
    from here on the octets of those connections are read."""
    sockets = keeping.kept()
    found: dict[IpAddress, socket.socket] = {}
    for reflector in config.reflectors:
        one = sockets.pop(_name(reflector.address), None)
        if one is None:
            continue
        keeping.forget(_name(reflector.address))
        if _leads(one, config.vtep, reflector):
            found[reflector.address] = one
        else:
            one.close()
    for name, stranger in sockets.items():
        keeping.forget(name)
        stranger.close()
    # What follows may take seconds, with very many routes: nobody is to think that we are gone.
    found = {address: one for address, one in found.items() if _says_that_we_live(one)}
    memory = memory_file.read(config.state)
    if memory is None:
        return None, found
    with contextlib.suppress(OSError):
        memory_file.write(config.state, memory_file.without_sessions(memory))
    peers = {a: left if a in found else PeerMemory(left.told) for a, left in memory.peers.items()}
    return replace(memory, peers=peers), found


def _says_that_we_live(one: socket.socket) -> bool:
    """False, and the connection closed, if only a part of it could be said: nothing can follow that."""
    alive = encode_keepalive()
    try:
        if one.send(alive, socket.MSG_DONTWAIT) == len(alive):
            return True
    except BlockingIOError:
        return True  # not a word, so nothing is broken off
    except OSError:
        pass
    one.close()
    return False


def _leads(one: socket.socket, vtep: IpAddress, reflector: Reflector) -> bool:
    """Whether this is a connection that we would have opened."""
    try:
        here, there = one.getsockname(), one.getpeername()
    except OSError:
        return False
    return (here[0], there[0], there[1]) == (str(vtep), str(reflector.address), reflector.port)


def node_config(config: Config, generation: int, key: bytes = b"") -> NodeConfig:
    """What the core needs of the file; chance is made here."""
    peers = tuple(
        PeerConfig(
            r.address, r.asn, r.hold_time_s, random.random(), r.long_lived_s, r.trust, r.rt_constrain, r.families
        )
        for r in config.reflectors
    )
    speaker = IpAddress(config.vtep), config.router_id, config.asn
    ways = config.prefer, config.multipath
    return NodeConfig(*speaker, peers, generation, config.limits, config.liveness, config.clouds, key, *ways)


GC_THRESHOLDS = (100_000, 50, 100)
"""A table of routes is many small objects that live long: with Python's own thresholds more than half of the time of
reading 100,000 routes goes into looking for cycles among them (measured)."""


async def _serve(config: Config) -> None:
    gc.set_threshold(*GC_THRESHOLDS)
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[End] = loop.create_future()

    def end(how: End) -> None:
        if not stop.done():
            stop.set_result(how)

    for number, how in ((signal.SIGTERM, End.STOP), (signal.SIGINT, End.STOP), (signal.SIGUSR2, End.EXCHANGE)):
        loop.add_signal_handler(number, end, how)
    generation = next_generation(config.state, time.time())
    log.info("isthmus-agent %s, run %d, vtep %s", importlib.metadata.version("isthmus"), generation, config.vtep)
    memory, connections = left_behind(config)
    reflectors = [reflector.address for reflector in config.reflectors]
    key = view_key(config.state, goes_on=knows_all(reflectors, memory, connections))
    await Agent(config, generation, memory, connections, key).run(stop)
    log.info("isthmus-agent ends; flows and ports stay")


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="isthmus-agent", description="Makes this hypervisor a provider edge.")
    parser.add_argument("--config", type=Path, default=configuration.DEFAULT_PATH, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="only say whether the file is good")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        config = configuration.read(arguments.config)
    except ConfigError as error:
        print(f"isthmus-agent: {error}", file=sys.stderr)
        return 2
    if arguments.check:
        print(f"{arguments.config}: good")
        return 0
    if config.tls is not None:
        use_certificates(config.tls)
    try:
        asyncio.run(_serve(config))
    except Exception:  # the last supervisor: systemd starts a fresh process, which adopts what the switch has
        log.exception("the node failed; forwarding stays as it is")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
