"""What passing costs: through the VPN, and beside it plain Geneve.

    VPN across   a-red1 on a-h1 → b-red1 on b-h1     VXLAN, routed: br-int, br-vpn, the WAN's router, br-vpn, br-int
    VPN near     a-red1 on a-h1 → a-blue1 on a-h2    the same between the hypervisors of the next one
    Geneve       a-red1 on a-h1 → a-red2 on a-h2     one network, switched: br-int, br-int

One sender, one tool, packets of one size, a round of the one and a round of the other by turns. All switches of the lab
forward in userspace, each in one thread, on the same cores as sender and receiver: a ratio says something, the plain
number little.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import pump, scene
from benchmarks.samples import Sample, ratio
from isthmus.lab.fault import PartFailed
from isthmus.lab.lab import Lab
from isthmus.lab.ladder.ground import Ground
from isthmus.lab.ladder.probe import inside
from isthmus.lab.plan import ovs_env
from isthmus.lab.process import within
from isthmus.lab.progress import Step
from isthmus.lab.vm import Vm

PORT = 7400
TCP_S, UDP_S = 2.0, 1.5
PATIENCE_S = 60
SMALL = 32
"""Octets of UDP payload where packets are counted."""

LOOK_RATE, LOOK_S = 500, 2.0
"""Packets of the look at the datapath's flows."""

ROOT = Path(__file__).parent.parent
VPN, NEAR, GENEVE = "VPN across clouds", "VPN in one cloud", "plain Geneve"
TCP, SMALL_PACKETS = "TCP throughput, MBit/s", "packets a second, small UDP"
SENDER, RECEIVER = (f"µs of the {whose} switch for each of them" for whose in ("sender's", "receiver's"))
SHOWN = {TCP: (1e-6, 0), SMALL_PACKETS: (1, 0), SENDER: (1e6, 1), RECEIVER: (1e6, 1)}
"""Factor and digits."""
Figures = dict[str, dict[str, list[float]]]
"""Figure, way, rounds."""

PACKETS = re.compile(r"^(?P<match>.*), packets:(?P<packets>\d+), .*actions:(?P<actions>.*)$")


@dataclass(frozen=True, slots=True)
class Way:
    """From one VM to another."""

    source: Vm
    target: Vm
    version: int = 4

    @property
    def address(self) -> str:
        found = self.target.address(self.version)
        assert found is not None
        return found

    @property
    def back(self) -> Way:
        return Way(self.target, self.source, self.version)


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of a flood of small packets: how many a second arrived, and what each cost the two switches."""

    rate: float
    sender_cpu: float
    receiver_cpu: float


def ways(ground: Ground) -> dict[str, Way]:
    here = ground.vms[scene.HERE]
    targets = {VPN: scene.THERE, NEAR: scene.BLUE, GENEVE: scene.BESIDE}
    return {name: Way(here, ground.vms[target]) for name, target in targets.items()}


def measure(lab: Lab, ways: Mapping[str, Way], count: int, step: Step) -> Figures:
    """By turns, and each other round backwards."""
    found: Figures = {what: defaultdict(list) for what in (TCP, SMALL_PACKETS, SENDER, RECEIVER)}
    for number in range(1, count + 1):
        step.note(f"round {number} of {count}")
        order = list(ways.items())
        for name, way in order if number % 2 else reversed(order):
            found[TCP][name].append(throughput(lab, way))
            one = flood(lab, way)
            for what, value in ((SMALL_PACKETS, one.rate), (SENDER, one.sender_cpu), (RECEIVER, one.receiver_cpu)):
                found[what][name].append(value)
    return found


def compared(found: Figures, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    """A row a figure: each way's median, then the ratio of each pair, then how many rounds."""
    for what, (factor, digits) in SHOWN.items():
        by_way = found[what]
        medians = [f"{Sample.of(values).median * factor:,.{digits}f}" for values in by_way.values()]
        quotients = [ratio(by_way[one], by_way[other]) for one, other in pairs]
        ratios = [f"{one.median:.2f} ({one.low:.2f} to {one.high:.2f})" for one in quotients]
        yield what, *medians, *ratios, str(len(quotients[0].values))


def met_by_each(lab: Lab, ways: Mapping[str, Way]) -> Iterator[tuple[str, ...]]:
    """A row an IP version and direction: how many flows of the datapath a packet meets, of each way."""
    for number in (4, 6):
        for name, back in (("there", False), ("back", True)):
            cells = []
            for way in ways.values():
                here, there = passes(lab, replace(way.back if back else way, version=number))
                cells.append(f"{len(here)} + {len(there)}")
            yield f"{name}, IPv{number}", *cells


def throughput(lab: Lab, way: Way) -> float:
    """Bits of TCP payload that arrived a second."""
    with _pump(lab, way.target.node, "sink", way.address, PORT) as sink:
        assert sink.stdout is not None
        if sink.stdout.readline() != "ready\n":
            raise PartFailed("throughput", "somebody to take what is sent", "it ended")
        _ask(lab, way, "tcp", TCP_S)
        found = json.loads(_rest(sink))
    return float(found["octets"]) * 8 / float(found["seconds"])


def flood(lab: Lab, way: Way) -> Flood:
    with _ear(way):
        switches = [way.source.site_node, way.target.site_node]
        before, cpu = _received(way.target), [_cpu(lab, node) for node in switches]
        sent = _ask(lab, way, "udp", UDP_S, SMALL, 0)
        arrived = _received(way.target) - before
        spent = [(_cpu(lab, node) - was) / arrived for node, was in zip(switches, cpu, strict=True)]
    return Flood(arrived / sent["seconds"], *spent)


def passes(lab: Lab, way: Way) -> tuple[list[str], list[str]]:
    """The datapath's flows that every packet of that way meets: in the sender's switch, in the receiver's."""
    nodes = [way.source.site_node, way.target.site_node]
    with _ear(way):
        _ask(lab, way, "udp", 0.2, SMALL, LOOK_RATE)
        before = [counters(_dump(lab, node)) for node in nodes]
        sent = _ask(lab, way, "udp", LOOK_S, SMALL, LOOK_RATE)["packets"]
        after = [counters(_dump(lab, node)) for node in nodes]
    here, there = (met(one, other, sent) for one, other in zip(before, after, strict=True))
    return here, there


def counters(dump: str) -> dict[str, int]:
    """Packets of each flow of `dpctl/dump-flows`."""
    found = (PACKETS.match(line) for line in dump.splitlines())
    return {f"{m['match']} actions:{m['actions']}": int(m["packets"]) for m in found if m}


def met(before: dict[str, int], after: dict[str, int], sent: float) -> list[str]:
    """The flows that nearly all of these packets met."""
    return [flow for flow, packets in after.items() if packets - before.get(flow, 0) >= 0.8 * sent]


def _dump(lab: Lab, node: str) -> str:
    command = ["ovs-appctl", "-t", "ovs-vswitchd", "dpctl/dump-flows"]
    return lab.processes.run("datapath", within(node, command), env=ovs_env(lab.places.of(node)))


def _received(vm: Vm) -> int:
    """Packets that came to the VM's NIC."""
    lines = inside(vm.node, Path("/proc/thread-self/net/dev").read_text).splitlines()
    [counts] = [line.split(":")[1].split() for line in lines if line.strip().startswith("eth0:")]
    return int(counts[1])


def _cpu(lab: Lab, node: str) -> float:
    """Seconds that the threads of a hypervisor's ovs-vswitchd have run."""
    [pid] = lab.processes.running()[f"{node}-vswitchd"]
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _ear(way: Way) -> socket.socket:
    """Somebody the packets are for: else the receiver answers each that nobody is there."""
    family = socket.AF_INET6 if way.version == 6 else socket.AF_INET

    def bound() -> socket.socket:
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.bind((way.address, PORT))
        return made

    return inside(way.target.node, bound)


def _ask(lab: Lab, way: Way, act: str, *numbers: float) -> Any:
    with _pump(lab, way.source.node, act, way.address, PORT, *numbers) as process:
        return json.loads(_rest(process))


def _rest(process: subprocess.Popen[str]) -> str:
    """What it has to say still."""
    return process.communicate(timeout=PATIENCE_S)[0]


@contextmanager
def _pump(lab: Lab, node: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """It does not outlive the block, whatever becomes of the other end."""
    # The flood comes after the switches: it must not take the processor from those it floods.
    nice = ["nice", "-n", "5"] if "udp" in words else []
    command = [*nice, str(lab.programs.python_bin / "python"), "-m", pump.__name__, *map(str, words)]
    environment = lab.processes.environment({"PYTHONPATH": str(ROOT)})
    started = subprocess.Popen(within(node, command), stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    with started as process:
        try:
            yield process
        finally:
            process.kill()
