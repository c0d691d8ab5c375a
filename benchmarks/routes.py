"""From BGP bytes on a session to flows committed in a real Open vSwitch, stage by stage, in one process.

    10,000 routes in one view · 1,000 views of 10 routes · one changed route in a full view · memory per 100,000 routes

Each case runs several times. The switch is ovs-vswitchd with dummy devices: what is measured is the control plane.
Writes its section of docs/figures.md. Run: python -m benchmarks.routes [--runs N]
"""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.build import association, attachment, attributes, circuit, nlri, port
from tests.contract.switches import Switch
from tests.world import REFLECTOR, World

from benchmarks import page
from benchmarks.machine import Run, switch
from benchmarks.samples import ms, times
from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AttachmentIntent
from isthmus.model.port import LocalPort
from isthmus.node import effects, facts
from isthmus.shell.ofctl import bundle

RUNS, REMEMBERED = 10, 100_000
ABOUT = """\
One process: our codec, session, RIB, views and bundles, and a real ovs-vswitchd (dummy devices) that commits them. Each
stage by itself."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """A name, what the cloud asks, and the routes that come."""

    name: str
    circuits: dict[CircuitName, AttachmentIntent]
    ports: list[LocalPort]
    routes: list[tuple[PathAttributes, EvpnPrefix]]


def target(number: int) -> str:
    return f"64512:{number}"


def address(number: int, first: int = 10) -> str:
    return f"{first}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def case(views: int, routes: int) -> Case:
    """`views` views with `routes` routes each; routes of a view come from 20 PEs, so attributes are shared."""
    circuits, ports, wire = {}, [], []
    for v in range(1, views + 1):
        network = f"neutron-{v}"
        joined = association(15 + v, networks=(network,), both=(target(v),))
        circuits[circuit(v)] = attachment(v, joined, networks=(network,))
        ports.append(port(f"p{v}", network, address(v, 100)))
        made = [attributes(target(v), next_hop=f"172.31.0.{pe}") for pe in range(1, 21)]
        for r in range(routes):
            wire.append((made[r % 20], nlri(f"{address(v * routes + r)}/32", rd=f"172.31.0.{r % 20 + 1}:16")))
    name = f"{views * routes:,} routes in one view" if views == 1 else f"{views:,} views of {routes} routes"
    return Case(name, circuits, ports, sorted(wire, key=lambda item: item[0].next_hop or b""))


class Bench:
    """One run: a fresh node, a fresh bridge, a stopwatch for each stage."""

    def __init__(self, switch: Switch, what: Case) -> None:
        self.switch, self.what = switch, what
        self.times: dict[str, float] = {}
        switch.vsctl("--if-exists", "del-br", "br-vpn", "--", "add-br", "br-vpn", "--", "set", "bridge", "br-vpn",
                     "datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow15")  # fmt: skip
        self.world = World()
        self.world.switch_on()
        self.world.intent(dict(what.circuits), what.ports)

    def run(self) -> dict[str, float]:
        far = self.world.reflectors[REFLECTOR].session
        far.send_routes(self.what.routes)
        data = b"".join(o.data for o in far.outputs() if hasattr(o, "data"))
        gc.collect()
        node, now = self.world.node, self.world.now
        self.clock("bytes to updates", lambda: node.handle(facts.Received(REFLECTOR, data), now))
        done = self.clock("updates to RIB, views and flows wanted", lambda: node.effects(now))
        [wish] = [e for e in done if isinstance(e, effects.ApplyFlows)]
        text = self.clock("bundle written as text", lambda: bundle(wish))
        self.clock("bundle committed by Open vSwitch", lambda: self._ofctl(text))
        node.handle(facts.FlowsApplied(wish.serial), now)
        return self.times

    def one_more(self) -> tuple[float, int]:
        """Seconds and flows that one changed route costs in the full view."""
        node, now = self.world.node, self.world.now
        far = self.world.reflectors[REFLECTOR].session
        attrs, route = self.what.routes[0]
        far.send_routes([(attrs, route._replace(label=9009))])
        data = b"".join(o.data for o in far.outputs() if hasattr(o, "data"))
        begun = time.perf_counter()
        node.handle(facts.Received(REFLECTOR, data), now)
        [wish] = [e for e in node.effects(now) if isinstance(e, effects.ApplyFlows)]
        return time.perf_counter() - begun, len(wish.put) + len(wish.delete)

    def clock(self, stage: str, act: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = act()
        self.times[stage] = time.perf_counter() - begun
        return result

    def _ofctl(self, text: str) -> None:
        at = f"unix:{self.switch.run_dir}/br-vpn.mgmt"
        command = ["ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", at, "-"]
        subprocess.run(command, input=text, text=True, check=True)


def measure(switch: Switch, what: Case, runs: int) -> str:
    results = []
    for _ in range(runs):
        bench = Bench(switch, what)
        results.append(bench.run())
    stages = {stage: [r[stage] for r in results] for stage in results[0]}
    stages["bytes to flows committed"] = [sum(r.values()) for r in results]
    seconds, flows = bench.one_more()
    after = f"One changed route then: {ms(seconds)} ms, {flows} flow{'' if flows == 1 else 's'}."
    return "\n\n".join([f"**{what.name}**", times(stages), after])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--memory", action="store_true", help="only what 100,000 routes take; writes nothing")
    words = parser.parse_args()
    gc.set_threshold(100_000, 50, 100)  # as the agent does
    if words.memory:
        print(memory(REMEMBERED))
        return
    run, runs = Run(), words.runs
    with Switch() as switch_under_test:
        parts = [measure(switch_under_test, what, runs) for what in (case(1, 10_000), case(1_000, 10))]
    # In a process of its own: here memory that earlier runs let go would be taken again, unseen.
    fresh = subprocess.run([sys.executable, "-m", "benchmarks.routes", "--memory"], capture_output=True, check=True)
    grown = f"{REMEMBERED:,} routes of one peer (20 PEs): {int(fresh.stdout) / 1e6:.0f} MB of resident memory."
    text = "\n\n".join([run.sentence(switch()), ABOUT, *parts, grown])
    page.write(page.ROUTES, text)
    print(text)


def memory(count: int) -> int:
    """Bytes by which the process grows when a node remembers so many routes that no view imports."""
    world = World()
    world.switch_on()
    world.intent({}, [])
    far = world.reflectors[REFLECTOR].session
    far.send_routes(case(1, count).routes)
    data = b"".join(o.data for o in far.outputs() if hasattr(o, "data"))
    gc.collect()
    before = resident()
    for start in range(0, len(data), 1 << 16):
        world.node.handle(facts.Received(REFLECTOR, data[start : start + (1 << 16)]), world.now)
        world.node.effects(world.now)
    gc.collect()
    assert world.node.rib.count(REFLECTOR) == count
    return resident() - before


def resident() -> int:
    """Bytes, of /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
