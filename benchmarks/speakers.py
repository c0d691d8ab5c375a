"""The same 10,000 routes over a TCP session to Isthmus, FRR and GoBGP, each a process of its own, by turns.

    Isthmus   the agent as it is installed, with OVN and Open vSwitch: done when the flows are in the switch
    FRR       bgpd without zebra: done when it counts the routes in its table; it forwards nothing
    GoBGP     gobgpd: the same

So Isthmus is asked for more than the others. All octets are made before the clock starts; it starts with the first one
sent. Beside them networking-bagpipe 23, if it is installed somewhere: see bagpipe.py. Writes its section of
docs/figures.md. Run: [BAGPIPE=<its environment>] python -m benchmarks.speakers [--runs N]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.build import association, attachment
from tests.contract.speakers import ANYBODY, BGPD, LiveSession, frr, gobgp
from tests.contract.switches import Central, Switch
from tests.eventually import eventually
from tests.shell.world import AgentProcess, attach

from benchmarks import bagpipe, page
from benchmarks.machine import Run, switch, version
from benchmarks.routes import Case, case, target
from benchmarks.samples import Sample, ms, table
from isthmus.bgp.family import EVPN
from isthmus.bgp.session import Connected, SessionConfig
from isthmus.model.net import IpAddress

RUNS = 10
ROUTES = 10_000
ASN = 64512
SOURCE = "127.0.9.1"
NETWORK = "neutron-00000000-0000-0000-0000-000000000007"
CIRCUIT = "isthmus-ac-00000000-0000-0000-0000-000000000001"
POLL_S = 0.01
TICK = os.sysconf("SC_CLK_TCK")


class Import(NamedTuple):
    """One run: seconds from the first octet sent until all was there, seconds of processor it took."""

    seconds: float
    cpu: float


class Taken(LiveSession):
    """A session with somebody who dials us."""

    def __init__(self, config: SessionConfig, server: socket.socket) -> None:
        address, port = server.getsockname()
        super().__init__(config, address, port, SOURCE)
        self._server = server

    def _dial(self) -> None:
        self._socket, _ = self._server.accept()
        self.session.handle(Connected(), time.monotonic())


def session() -> SessionConfig:
    return SessionConfig(ASN, ASN, IpAddress.parse("10.60.0.1"), (EVPN,), hold_time_s=90)


def timed(loader: LiveSession, what: Case, pids: list[int], count: Callable[[], int]) -> Import:
    """Send it all; wait until `count` has risen by that many."""
    eventually(loader.pump_until_up)
    loader.pump()
    before, cpu = count(), _cpu(pids)
    loader.session.send_routes(what.routes)
    begun = time.monotonic()
    loader.flush()
    while count() - before < len(what.routes):
        assert time.monotonic() - begun < 120, f"{count() - before} of {len(what.routes)} routes after two minutes"
        time.sleep(POLL_S)
    return Import(time.monotonic() - begun, _cpu(pids) - cpu)


def _cpu(pids: list[int]) -> float:
    """User and system time of these processes (proc(5), fields 14 and 15)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICK


def isthmus(what: Case, directory: Path) -> Import:
    """The agent between a real OVN and a real switch with dummy devices."""
    asked = association(16, networks=(NETWORK,), both=(target(1),))
    intent = attachment(1, asked, networks=(NETWORK,), subnets=("10.1.0.0/24",))
    with Switch() as under_test, Central() as central, socket.create_server(("127.0.0.1", 0)) as server:
        attach(central, CIRCUIT, NETWORK, intent)
        server.settimeout(10)
        with AgentProcess(under_test, central, server.getsockname()[1]) as agent:

            def flows() -> int:
                said = under_test.ofctl("dump-aggregate", "br-vpn", "table=20")
                return int(re.findall(r"flow_count=(\d+)", said)[0])

            def bound() -> None:
                assert agent.status()["ports"], "the VM is not there yet"

            eventually(bound)
            switchd = int((under_test.dir.path / "ovs-vswitchd.pid").read_text())
            with Taken(session(), server) as loader:
                return timed(loader, what, [agent.process.pid, switchd], flows)


def of_frr(what: Case, directory: Path) -> Import:
    with (
        frr(directory, local_as=ASN, peers={ANYBODY: ASN}, hold_s=90) as peer,
        LiveSession(session(), peer.address, peer.port, SOURCE) as loader,
    ):

        def routes() -> int:
            return int(peer.ask_json("show bgp l2vpn evpn summary json")["peers"][SOURCE]["pfxRcd"])

        return timed(loader, what, [peer.process.pid], routes)


def of_gobgp(what: Case, directory: Path) -> Import:
    with (
        gobgp(directory, local_as=ASN, peers={ANYBODY: ASN}, hold_s=90) as peer,
        LiveSession(session(), peer.address, peer.port, SOURCE) as loader,
    ):

        def routes() -> int:
            return int(re.findall(r"Path: (\d+)", peer.ask("global rib summary -a evpn"))[0])

        return timed(loader, what, [peer.process.pid], routes)


SPEAKERS: dict[str, Callable[[Case, Path], Import]] = {
    "Isthmus, to flows committed in Open vSwitch": isthmus,
    "FRR, to its table": of_frr,
    "GoBGP, to its table": of_gobgp,
}

ABOUT = f"""\
{ROUTES:,} EVPN type 5 routes of 20 PEs (20 sets of attributes), over one TCP session on loopback, to each by turns.
Isthmus is the agent as installed, its clock stops when Open vSwitch has the flows; FRR (bgpd without zebra) and GoBGP
only take the routes into their table and forward nothing."""

BAGPIPE_ROUTES = 300
BAGPIPE = """\
networking-bagpipe 23.0.0 (ExaBGP 4.2) in the same run, its OVS driver, {routes} VPNv4 routes of one PE, paced so that
its session stands: {rate:.0f} routes a second into Open vSwitch ({spread}). Isthmus above is {ratio:,.0f} times as
fast."""
NO_BAGPIPE = """\
networking-bagpipe 23.0.0 was not installed where this ran; measured elsewhere, on two cores of the same kind, it
programs about 22 routes a second into Open vSwitch, so 10,000 take seven and a half minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speakers")
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    run, what = Run(), case(1, ROUTES)
    done: dict[str, list[Import]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="speakers") as directory:
        for number in range(runs):
            for name, act in SPEAKERS.items():
                done[name].append(act(what, Path(directory) / f"{number}-{act.__name__}"))
                print(name, json.dumps(done[name][-1]), flush=True)
        beside = _bagpipe(Path(directory), done["Isthmus, to flows committed in Open vSwitch"])
    programs = [switch(), f"FRR {version(str(BGPD), '--version')}", f"GoBGP {version('gobgpd', '--version')}"]
    text = "\n\n".join([run.sentence(*programs), ABOUT, _table(done), beside])
    page.write(page.SPEAKERS, text)
    print(text)


def _bagpipe(directory: Path, ours: list[Import]) -> str:
    home = bagpipe.environment()
    if home is None:
        return NO_BAGPIPE
    rates = Sample.of(bagpipe.measure(home, directory / f"bagpipe-{n}", BAGPIPE_ROUTES) for n in range(3))
    own = ROUTES / Sample.of(run.seconds for run in ours).median
    spread = f"{rates.low:.0f} to {rates.high:.0f}, {len(rates.values)} runs"
    return BAGPIPE.format(routes=BAGPIPE_ROUTES, rate=rates.median, spread=spread, ratio=own / rates.median)


def _table(done: dict[str, list[Import]]) -> str:
    rows = []
    for name, runs in done.items():
        times, cpu = Sample.of(r.seconds for r in runs), Sample.of(r.cpu for r in runs)
        spread = f"{ms(times.low)} to {ms(times.high)} ms"
        rate = f"{ROUTES / times.median:,.0f}"
        rows.append((name, f"{ms(times.median)} ms", spread, rate, f"{cpu.median:.2f} s", str(len(runs))))
    return table(("who", "median", "spread", "routes a second", "processor", "runs"), rows)


if __name__ == "__main__":
    main()
