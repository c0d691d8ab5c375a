"""`isthmus-agent`: configuration, objects, tasks, and who tells whom. Nothing else is decided here.

    southbound ─┐                       ┌─► bgp_tcp      Dial Send Hangup
    ovsdb ──────┼─► NodeLoop (Node) ────┼─► ovsdb        SetCircuits
    ofctl ──────┤     facts in,         ├─► ofctl        ReadFlows ApplyFlows
    bgp_tcp ────┤     effects out       ├─► neighbours   SetNeighbours
    neighbours ─┤                       └─► liveness     SetProbes
    liveness ───┘

Ends with 0 on SIGTERM and SIGINT, with 2 on a configuration that cannot be used, with 1 when the node itself fails.
However it ends, flows and ports stay: forwarding is the switch's, and the next run adopts it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.metadata
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

from isthmus.model.net import IpAddress
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.effects import (
    ApplyFlows,
    Dial,
    Effect,
    Hangup,
    ReadFlows,
    Send,
    SetCircuits,
    SetNeighbours,
    SetProbes,
)
from isthmus.node.facts import (
    DrainWanted,
    FlowsApplied,
    FlowsRead,
    FlowsRefused,
    IntentLost,
    IntentRead,
    SwitchLost,
    SwitchRead,
)
from isthmus.node.status import Detail, NodeStatus
from isthmus.shell import config as configuration
from isthmus.shell import drain
from isthmus.shell.bgp_tcp import BgpTcp
from isthmus.shell.config import Config, ConfigError, Listen
from isthmus.shell.face import AgentStatus, PartStatus
from isthmus.shell.generation import next_generation
from isthmus.shell.http import Http
from isthmus.shell.idl import use_certificates
from isthmus.shell.liveness import Prober
from isthmus.shell.neighbours import Neighbours
from isthmus.shell.node_loop import NodeLoop
from isthmus.shell.ofctl import Ofctl
from isthmus.shell.ovsdb import BridgeReady, SwitchDatabase, SystemId
from isthmus.shell.southbound import Southbound
from isthmus.shell.supervisor import Part, keep
from isthmus.shell.transitions import lines

log = logging.getLogger(__name__)

GLANCE_S = 1.0
"""Between two looks for something to log."""

GLANCE_SHARE = 50
"""A look at very many routes takes long: the pause is at least so many times that."""


class Agent:
    """Everything, wired. To be made in the loop's thread."""

    def __init__(self, config: Config, generation: int) -> None:
        self._config = config
        self._started = time.monotonic()
        self._host = config.host or ""
        self._switch_was_away = False
        self._host_known, self._bridge_ready = asyncio.Event(), asyncio.Event()
        at = config.switch
        self._switch = SwitchDatabase(at, config.vtep, self._hear_switch)
        self._southbound = Southbound(config.southbound, self._hear_southbound)
        node = Node(node_config(config, generation), asyncio.get_running_loop().time())
        self.loop = NodeLoop(node, self._carry_out)
        self._ofctl = Ofctl(at.run_dir, at.bridge, self._hear_flows)
        self._neighbours = Neighbours(config.vtep, at.run_dir, self.loop.tell)
        self._prober = Prober(at.run_dir / f"{at.bridge}.mgmt", self.loop.tell)
        self._bgp = BgpTcp(config.vtep, {r.address: r.port for r in config.reflectors}, self.loop.tell)
        self.show = Http(self.look, config.socket, self._drain)
        self.parts = [
            Part("ovsdb", self._switch.run),
            Part("southbound", self._watch_southbound),
            Part("ofctl", self._drive_switch),
            Part("neighbours", self._neighbours.run),
            Part("liveness", self._prober.run),
            Part("log", self._log_transitions),
            Part("show", self.show.run),
        ]
        if config.metrics.host:
            self.parts.append(Part("metrics", Http(self.look, Listen(*config.metrics)).run))
        if self._host:
            self._host_is(self._host)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; raises what the node raised."""
        self.loop.tell(DrainWanted(drain.stored(self._config.state)))
        self.loop.start()
        tasks = [asyncio.create_task(keep(part), name=part.name) for part in self.parts]
        tasks.append(asyncio.create_task(self._tell_systemd(), name="systemd"))
        stopping = asyncio.create_task(stop.wait(), name="stop")
        ends: set[asyncio.Future[Any]] = {stopping, self.loop.failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self.loop.failed.done():
                self.loop.failed.result()
        finally:
            self.loop.stop()
            # Sessions just close. The door for a parting word (Cease, RFC 4486; or graceful restart, RFC 4724, so that
            # reflectors keep our routes for the seconds until the next run) is a `stop` of the node before this.
            await self._bgp.close()
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    def _drain(self, wanted: bool) -> None:
        drain.store(self._config.state, wanted)
        self.loop.tell(DrainWanted(wanted))

    async def look(self, detail: Detail) -> tuple[NodeStatus, AgentStatus]:
        """What is shown: the flows' counters are read first."""
        await self._ofctl.look()
        agent = AgentStatus(
            version=importlib.metadata.version("isthmus"),
            host=self._host,
            uptime_s=round(time.monotonic() - self._started, 3),
            parts=[PartStatus(part.name, part.restarts, part.last_error) for part in self.parts],
        )
        return self.loop.status(detail), agent

    # What comes in.

    def _hear_switch(self, heard: SwitchRead | SystemId | BridgeReady) -> None:
        match heard:
            case SwitchRead():
                self.loop.tell(heard)
            case SystemId(name):
                if self._config.host is None and name:
                    self._host_is(name)
            case BridgeReady(kind):
                self._neighbours.set_datapath(kind)
                self._bridge_ready.set()
                self._ofctl.start_again()
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

    async def _tell_systemd(self) -> None:
        """Ready: the configuration is good, the loops run, and `isthmus show` is answered."""
        await self.show.open.wait()
        notify("READY=1")


def notify(state: str) -> None:
    """sd_notify(3); nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def node_config(config: Config, generation: int) -> NodeConfig:
    """What the core needs of the file; chance is made here."""
    peers = tuple(PeerConfig(r.address, r.asn, r.hold_time_s, random.random()) for r in config.reflectors)
    return NodeConfig(IpAddress(config.vtep), config.router_id, config.asn, peers, generation, config.limits)


GC_THRESHOLDS = (100_000, 50, 100)
"""A table of routes is many small objects that live long: with Python's own thresholds more than half of the time of
reading 100,000 routes goes into looking for cycles among them (measured)."""


async def _serve(config: Config) -> None:
    gc.set_threshold(*GC_THRESHOLDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    generation = next_generation(config.state, time.time())
    log.info("isthmus-agent %s, run %d, vtep %s", importlib.metadata.version("isthmus"), generation, config.vtep)
    await Agent(config, generation).run(stop)
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
